#pragma once
// How the budget of a try (`memory`) is cut: what is held at once between a source and its file, in shares that
// together are less than all of it. What a share is too small for is refused, or waits, or goes to the file earlier.
#include <cstddef>
#include <cstdint>
#include <string>

namespace udon::data {

// Of each reader, with its encoder. At the worst moment there are a batch being built, queued_bytes (which counts the
// one that is being encoded, too), the row group, three forms of its open pages (plain, with levels, compressed), and
// dictionaries with their tables: 5/32 + 12/32 + 3/32 + 4/32, and the client library's row. A larger row than
// large_bytes has all to itself: the row group before it goes to the file, no batch is read meanwhile. It then is in
// memory five times: with the client library, as an array, as a plain page, with levels, compressed.
struct MemoryShares {
  int64_t batch_bytes;       // a batch ends at about this size
  int64_t queued_bytes;      // of batches that were read and are not encoded
  int64_t large_bytes;       // a larger batch is one row, in a row group of its own
  int64_t value_bytes_max;   // a larger value is an error,
  int64_t row_bytes_max;     // and so is a row with more of them together
  int64_t row_group_bytes;   // of the batches, before encoding
  int64_t page_bytes;        // of each column
  int64_t dictionary_bytes;  // of all columns' dictionaries, with their hash tables
  size_t open_files;  // that a reader writes at once: of so many columns each takes its part, though it were empty
};
// What becomes of values over an eighth of a reader's share: with `stream` they may be as large as can be had at all.
enum class LargeValues { error, stream };
MemoryShares memory_shares(int64_t memory_bytes, int readers, size_t columns, LargeValues large);

// What a budget was cut by, for messages. memory_bytes 0: there is none.
struct MemoryCut {
  int64_t memory_bytes = 0;
  int readers = 1;
  LargeValues large = LargeValues::error;
  bool may_stream = false;  // the operator has `large_values`
};
// What to choose where so many bytes, of a value or of a row's values together, are too many; it does suffice. 0:
// nobody knows how many they are.
std::string memory_advice(const MemoryCut& cut, int64_t bytes);

// Of large blocks those in use and those that were freed and are kept for the next who asks may take so much together.
int64_t kept_memory(int64_t memory_bytes);

// What one reader of so many columns takes, whatever the rows are like: less is no budget for it.
int64_t memory_needed(size_t columns);

// As many readers as were asked for, or fewer where each one's share would be too small for so many columns.
int readers_within(int64_t memory_bytes, int readers, size_t columns);

}  // namespace udon::data
