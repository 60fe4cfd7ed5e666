// Blocks that are taken, resized and given back at random keep what was written to them, and share no byte.
#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "plugins/data/memory_pool.h"

namespace udon::data {
namespace {

struct Block {
  uint8_t* bytes = nullptr;
  int64_t size = 0;
  uint8_t mark = 0;
};

void fill(Block& block, uint8_t mark) {
  block.mark = mark;
  std::memset(block.bytes, mark, static_cast<size_t>(block.size));
}

bool is_whole(const Block& block, int64_t size) {
  for (int64_t i = 0; i < size; ++i)
    if (block.bytes[i] != block.mark) return false;
  return true;
}

TEST_CASE("blocks of the pool keep their bytes, also where freed ones are used again") {
  arrow::MemoryPool* const pool = memory_pool();
  const int64_t held_before = pool->bytes_allocated();
  Random random(5);
  std::vector<Block> blocks;
  const auto some_size = [&] {
    return static_cast<int64_t>(1 + random.below(random.below(2) == 0 ? 1 << 12 : 3 << 20));
  };
  int64_t held = 0;
  for (int round = 0; round < 3'000; ++round) {
    // How much is kept may change at any time.
    if (round % 500 == 0) return_freed_memory(static_cast<int64_t>(random.below(3)) * (4 << 20));
    const auto mark = static_cast<uint8_t>(round);
    const uint64_t what = blocks.empty() ? 0 : random.below(3);
    if (what == 0 && blocks.size() < 20) {
      Block block{.size = some_size()};
      REQUIRE(pool->Allocate(block.size, &block.bytes).ok());
      held += block.size;
      fill(block, mark);
      blocks.push_back(block);
      continue;
    }
    const size_t at = random.below(blocks.size());
    Block& block = blocks[at];
    REQUIRE(is_whole(block, block.size));
    held -= block.size;
    if (what == 1) {
      const int64_t size = some_size();
      REQUIRE(pool->Reallocate(block.size, size, &block.bytes).ok());
      REQUIRE(is_whole(block, std::min(size, block.size)));
      block.size = size;
      held += size;
      fill(block, mark);
    } else {
      pool->Free(block.bytes, block.size);
      blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(at));
    }
    REQUIRE(pool->bytes_allocated() - held_before == held);
  }
  for (Block& block : blocks) {
    CHECK(is_whole(block, block.size));
    pool->Free(block.bytes, block.size);
  }
  CHECK(pool->bytes_allocated() == held_before);
  return_freed_memory(0);
}

}  // namespace
}  // namespace udon::data
