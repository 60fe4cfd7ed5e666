#include "plugins/data/line_blocks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace udon::data {
namespace {

class BlockBytes final : public ByteSource {
 public:
  explicit BlockBytes(const std::string& bytes) : bytes_(bytes) {}
  Result<size_t> read(char* out, size_t bytes_max) override {
    const size_t size = std::min(bytes_max, bytes_.size() - at_);
    std::memcpy(out, bytes_.data() + at_, size);
    at_ += size;
    return size;
  }

 private:
  const std::string& bytes_;
  size_t at_ = 0;
};

}  // namespace

int64_t count_of(char byte, std::string_view text) {
  int64_t count = 0;
  for (size_t at = text.find(byte); at != text.npos; at = text.find(byte, at + 1)) ++count;
  return count;
}

std::unique_ptr<ByteSource> bytes_of(const LineBlock& block) { return std::make_unique<BlockBytes>(block.bytes); }

size_t LineEnds::last(std::string_view text, size_t known, bool at_end) {
  if (at_end) return text.size();
  const size_t newline = text.substr(known).rfind('\n');
  return newline == text.npos ? 0 : known + newline + 1;
}

int64_t LineEnds::lines(std::string_view text) const { return count_of('\n', text); }

LineBlocks::LineBlocks(std::unique_ptr<ByteSource> bytes, std::unique_ptr<RecordEnds> ends, std::string display,
                       size_t block_bytes, int64_t record_bytes_max)
    : bytes_(std::move(bytes)),
      ends_(std::move(ends)),
      display_(std::move(display)),
      block_bytes_(block_bytes),
      record_bytes_max_(record_bytes_max) {}

Result<bool> LineBlocks::next(LineBlock& block) {
  std::string& text = block.bytes;
  std::swap(text, begun_);
  begun_.clear();
  block.first_line = line_;
  size_t known = 0;
  size_t end = 0;  // of the whole records
  while (!at_end_ && end == 0) {
    if (static_cast<int64_t>(text.size()) > record_bytes_max_)
      return Error{ErrorKind::data, fmt::format("{}:{}: a record longer than {} bytes begins here{}", display_, line_,
                                                record_bytes_max_, ends_->hint())};
    size_t size = text.size();
    text.resize(size + block_bytes_);
    while (size < text.size()) {
      TRY_ASSIGN(const size_t got, bytes_->read(text.data() + size, text.size() - size));
      size += got;
      if (got == 0) {
        at_end_ = true;
        break;
      }
    }
    text.resize(size);
    end = ends_->last(text, known, at_end_);
    known = size;
  }
  if (!at_end_) {
    begun_.assign(text, end);
    text.resize(end);
  }
  line_ += ends_->lines(text);
  return !text.empty();
}

}  // namespace udon::data
