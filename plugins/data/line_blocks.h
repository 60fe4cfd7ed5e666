#pragma once
// A file of lines in blocks of whole lines, so that several threads can read it at once.
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "plugins/data/byte_source.h"

namespace udon::data {

struct LineBlock {
  std::string bytes;       // whole lines; only the file's last may lack its newline
  int64_t first_line = 1;  // of the file, from 1
};

class LineBlocks {
 public:
  // Blocks end about `block_bytes` after they begin, or with the line that is being read there.
  LineBlocks(std::unique_ptr<ByteSource> bytes, std::string display, size_t block_bytes, int64_t line_bytes_max);
  // False: the end. data: a line longer than line_bytes_max.
  Result<bool> next(LineBlock& block);

 private:
  std::unique_ptr<ByteSource> bytes_;
  std::string display_;
  size_t block_bytes_;
  int64_t line_bytes_max_;
  std::string begun_;  // of the next block: its first line, as far as it was read
  int64_t line_ = 1;
  bool at_end_ = false;
};

// The bytes of a block as those of a file; the block outlives it.
std::unique_ptr<ByteSource> bytes_of(const LineBlock& block);

}  // namespace udon::data
