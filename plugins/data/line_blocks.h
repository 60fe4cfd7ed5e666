#pragma once
// A text file in blocks of whole records, so that several threads can read it at once.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "plugins/data/byte_source.h"

namespace udon::data {

struct LineBlock {
  std::string_view bytes() const { return {room.data(), size}; }

  std::string room;        // it keeps its length, as the next block needs as much
  size_t size = 0;         // of that, which are whole records; only the file's last may lack its line end
  int64_t first_line = 1;  // of the file, from 1
};

// Where the records of one format end.
class RecordEnds {
 public:
  virtual ~RecordEnds() = default;
  // Behind the last record that is whole in `text`; 0: none is. The text begins with a record; asked again because
  // there was none, it has grown, and its first `known` bytes are the same. `at_end`: nothing follows.
  virtual size_t last(std::string_view text, size_t known, bool at_end) = 0;
  virtual int64_t lines(std::string_view text) const = 0;
  // What else to say of a record that is too long.
  virtual std::string_view hint() const = 0;
};

// A record a line, as NDJSON has it.
class LineEnds final : public RecordEnds {
 public:
  size_t last(std::string_view text, size_t known, bool at_end) override;
  int64_t lines(std::string_view text) const override;
  std::string_view hint() const override { return " (an eighth of `memory`)"; }
};

class LineBlocks {
 public:
  // Blocks end about `block_bytes` after they begin, or with the record that is being read there.
  LineBlocks(std::unique_ptr<ByteSource> bytes, std::unique_ptr<RecordEnds> ends, std::string display,
             size_t block_bytes, int64_t record_bytes_max);
  // False: the end. data: a record longer than record_bytes_max.
  Result<bool> next(LineBlock& block);

 private:
  std::unique_ptr<ByteSource> bytes_;
  std::unique_ptr<RecordEnds> ends_;
  std::string display_;
  size_t block_bytes_;
  int64_t record_bytes_max_;
  std::string begun_;  // of the next block: its first record, as far as it was read
  int64_t line_ = 1;
  bool at_end_ = false;
};

int64_t count_line_feeds(std::string_view text);
// LF, CR and CRLF.
int64_t count_line_ends(std::string_view text);

}  // namespace udon::data
