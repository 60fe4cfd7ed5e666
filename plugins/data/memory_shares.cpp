#include "plugins/data/memory_shares.h"

#include <fmt/format.h>

#include <algorithm>

namespace udon::data {
namespace {

// A row is in memory five times at most (memory_shares.h); the sixth part is for all else.
constexpr int64_t large_row_parts = 6;
constexpr int64_t batch_bytes_min = 256 << 10;
constexpr int64_t batch_bytes_max = 8 << 20;
constexpr int64_t page_bytes_min = 4 << 10;
constexpr int64_t page_bytes_max = 1 << 20;
// Of a reader: its threads, its session, its files' buffers; and for each column a Parquet column writer without rows,
// a builder, a decoder. Measured with 1,000 columns.
constexpr int64_t reader_bytes_min = 8 << 20;
constexpr int64_t column_bytes_min = 48 << 10;

}  // namespace

MemoryShares memory_shares(int64_t memory_bytes, int readers, size_t columns, LargeValues large) {
  const int64_t share = memory_bytes / std::max(1, readers);
  const int64_t batch = std::clamp(share / 32, batch_bytes_min, batch_bytes_max);
  return {.batch_bytes = batch,
          .queued_bytes = batch * 3,
          .large_bytes = std::max(share / 16, batch),
          .value_bytes_max = share / (large == LargeValues::stream ? large_row_parts : 8),
          .row_group_bytes = share / 8 * 3,
          .page_bytes = std::clamp(share / 32 / static_cast<int64_t>(std::max<size_t>(columns, 1)), page_bytes_min,
                                   page_bytes_max),
          .dictionary_bytes = share / 8};
}

int64_t large_row_bytes_max(int64_t value_bytes_max) { return value_bytes_max / large_row_parts * 8; }

std::string memory_advice(int64_t bytes) {
  constexpr int64_t megabyte = 1 << 20;
  return fmt::format("with `large_values: stream` it needs `memory: {}MB` for each reader",
                     bytes * large_row_parts / megabyte + 1);
}

int64_t kept_memory(int64_t memory_bytes) { return memory_bytes / 8 * 3; }

int readers_within(int64_t memory_bytes, int readers, size_t columns) {
  const int64_t each = reader_bytes_min + static_cast<int64_t>(columns) * column_bytes_min;
  return static_cast<int>(std::clamp<int64_t>(memory_bytes / each, 1, std::max(1, readers)));
}

}  // namespace udon::data
