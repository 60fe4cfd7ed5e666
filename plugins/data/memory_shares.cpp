#include "plugins/data/memory_shares.h"

#include <fmt/format.h>

#include <algorithm>

namespace udon::data {
namespace {

// A row is in memory five times at most (memory_shares.h); the sixth part is for all else.
constexpr int64_t large_row_parts = 6;
constexpr int64_t value_parts = 8;
constexpr int64_t batch_bytes_min = 256 << 10;
constexpr int64_t batch_bytes_max = 8 << 20;
// What each column of a file that is being written takes, whatever is in it: its writer with some rows. Measured with
// 1,000 columns and 30 files.
constexpr int64_t open_column_bytes = 10 << 10;
constexpr int64_t open_files_max = 64;
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
          .value_bytes_max = share / (large == LargeValues::stream ? large_row_parts : value_parts),
          .row_bytes_max = share / large_row_parts,
          .row_group_bytes = share / 8 * 3,
          .page_bytes = std::clamp(share / 32 / static_cast<int64_t>(std::max<size_t>(columns, 1)), page_bytes_min,
                                   page_bytes_max),
          .dictionary_bytes = share / 8,
          .open_files = static_cast<size_t>(std::clamp<int64_t>(
              share / 4 / open_column_bytes / static_cast<int64_t>(std::max<size_t>(columns, 1)), 2, open_files_max))};
}

std::string memory_advice(const MemoryCut& cut, int64_t bytes) {
  constexpr int64_t megabyte = 1'000'000;
  if (cut.memory_bytes == 0) return "choose a part of it";
  const bool is_offered = cut.may_stream && cut.large == LargeValues::error;
  const int64_t parts = cut.may_stream ? large_row_parts : value_parts;
  const int64_t streamed_max = cut.memory_bytes / cut.readers / large_row_parts;
  if (bytes == 0) {
    std::string advice = fmt::format("choose a larger `memory`: {} times the bytes of the largest value", parts);
    if (cut.readers > 1) advice += fmt::format(" for each of {} readers", cut.readers);
    if (is_offered)
      advice += fmt::format("; with `large_values: stream`, which in this `memory` takes up to {} bytes", streamed_max);
    return advice;
  }
  if (is_offered && bytes <= streamed_max) return "choose `large_values: stream`, for which this `memory` is enough";
  std::string advice = fmt::format("{}it needs `memory: {}MB`", is_offered ? "with `large_values: stream` " : "",
                                   bytes * parts * cut.readers / megabyte + 1);
  if (cut.readers > 1)
    advice += fmt::format(" for {} readers, {}MB for one", cut.readers, bytes * parts / megabyte + 1);
  return advice;
}

int64_t kept_memory(int64_t memory_bytes) { return memory_bytes / 8 * 3; }

int64_t memory_needed(size_t columns) { return reader_bytes_min + static_cast<int64_t>(columns) * column_bytes_min; }

int readers_within(int64_t memory_bytes, int readers, size_t columns) {
  return static_cast<int>(std::clamp<int64_t>(memory_bytes / memory_needed(columns), 1, std::max(1, readers)));
}

}  // namespace udon::data
