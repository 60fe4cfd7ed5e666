#include "store/memory_store.h"
#include "tests/store/scene.h"

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
  FAIL("no store of kind " + kind);
  return nullptr;
}

}  // namespace udon::test
