#include "plugins/data/line_blocks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "plugins/data/byte_scan.h"

namespace udon::data {
int64_t count_line_feeds(std::string_view text) { return count_bytes(text.data(), text.data() + text.size(), '\n'); }

int64_t count_line_ends(std::string_view text) {
  int64_t lines = count_line_feeds(text);
  for (size_t at = text.find('\r'); at != text.npos; at = text.find('\r', at + 1))
    lines += at + 1 == text.size() || text[at + 1] != '\n';
  return lines;
}

size_t LineEnds::last(std::string_view text, size_t known, bool at_end) {
  if (at_end) return text.size();
  const size_t newline = text.substr(known).rfind('\n');
  return newline == text.npos ? 0 : known + newline + 1;
}

int64_t LineEnds::lines(std::string_view text) const { return count_line_feeds(text); }

LineBlocks::LineBlocks(std::unique_ptr<ByteSource> bytes, std::unique_ptr<RecordEnds> ends, std::string display,
                       size_t block_bytes, int64_t record_bytes_max)
    : bytes_(std::move(bytes)),
      ends_(std::move(ends)),
      display_(std::move(display)),
      block_bytes_(block_bytes),
      record_bytes_max_(record_bytes_max) {}

Result<bool> LineBlocks::next(LineBlock& block) {
  size_t size = begun_.size();
  if (block.room.size() < size) block.room.resize(size);
  begun_.copy(block.room.data(), size);
  begun_.clear();
  block.first_line = line_;
  size_t known = 0;
  size_t end = 0;  // of the whole records
  while (!at_end_ && end == 0) {
    if (static_cast<int64_t>(size) > record_bytes_max_)
      return Error{ErrorKind::data, fmt::format("{}:{}: a record longer than {} bytes begins here{}", display_, line_,
                                                record_bytes_max_, ends_->hint())};
    const size_t size_max = size + block_bytes_;
    if (block.room.size() < size_max) block.room.resize(size_max);
    while (size < size_max) {
      TRY_ASSIGN(const size_t got, bytes_->read(block.room.data() + size, size_max - size));
      size += got;
      if (got == 0) {
        at_end_ = true;
        break;
      }
    }
    end = ends_->last({block.room.data(), size}, known, at_end_);
    known = size;
  }
  if (at_end_) end = size;
  begun_.assign(block.room, end, size - end);
  block.size = end;
  line_ += ends_->lines(block.bytes());
  return end > 0;
}

}  // namespace udon::data
