#include "store/memory_store.h"
#include "tests/store/sqlite_world.h"

namespace udon::test {

namespace {

class MemoryWorld final : public World {
 public:
  Store& store() override { return store_; }

 private:
  MemoryStore store_;
};

}  // namespace

std::unique_ptr<World> make_world(const std::string& kind) {
  if (kind == "memory") return std::make_unique<MemoryWorld>();
  if (kind == "sqlite") return std::make_unique<SqliteWorld>();
  FAIL("no store of kind " + kind);
  return nullptr;
}

}  // namespace udon::test
