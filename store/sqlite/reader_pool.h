#pragma once
// Connections for reading. Each call borrows one for itself; the one last given back goes out first, because its cache
// is warm. Readers and the writer never wait for each other (WAL).
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "store/sqlite/database.h"

namespace udon::sqlite {

class ReaderPool {
 public:
  ReaderPool(Path file, Duration wait) : file_(std::move(file)), wait_(wait) {}

  class Lease {
   public:
    Lease(ReaderPool& pool, std::unique_ptr<Database> database) : pool_(&pool), database_(std::move(database)) {}
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (database_) pool_->give_back(std::move(database_));
    }
    Database& operator*() const { return *database_; }
    Database* operator->() const { return database_.get(); }

   private:
    ReaderPool* pool_;
    std::unique_ptr<Database> database_;
  };

  // unavailable: all are in use for too long.
  Result<Lease> borrow();
  StatementCost take_cost();  // of the connections that nobody uses

 private:
  void give_back(std::unique_ptr<Database> database);

  const Path file_;
  const Duration wait_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Database>> idle_;
  int open_ = 0;
};

}  // namespace udon::sqlite
