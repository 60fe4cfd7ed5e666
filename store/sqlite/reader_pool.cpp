#include "store/sqlite/reader_pool.h"

namespace udon::sqlite {

namespace {

// More than cores that could read at once, few enough that their caches (2 MB each) stay small.
constexpr int connections_max = 16;

}  // namespace

Result<ReaderPool::Lease> ReaderPool::borrow() {
  {
    std::unique_lock lock(mutex_);
    const auto is_free = [&] { return !idle_.empty() || open_ < connections_max; };
    if (!returned_.wait_for(lock, wait_, is_free)) {
      return Error{ErrorKind::unavailable, "all " + std::to_string(connections_max) + " connections for reading " +
                                               file_.string() + " are in use"};
    }
    if (!idle_.empty()) {
      std::unique_ptr<Database> database = std::move(idle_.back());
      idle_.pop_back();
      return Lease(*this, std::move(database));
    }
    ++open_;
  }
  auto database = Database::open(file_, Database::Access::read_only, wait_);
  if (database) return Lease(*this, std::move(*database));
  {
    const std::lock_guard lock(mutex_);
    --open_;
  }
  returned_.notify_one();
  return database.error();
}

void ReaderPool::give_back(std::unique_ptr<Database> database) {
  {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(database));
  }
  returned_.notify_one();
}

StatementCost ReaderPool::take_cost() {
  const std::lock_guard lock(mutex_);
  StatementCost cost;
  for (const auto& database : idle_) cost += database->take_cost();
  return cost;
}

}  // namespace udon::sqlite
