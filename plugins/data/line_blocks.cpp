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

std::unique_ptr<ByteSource> bytes_of(const LineBlock& block) { return std::make_unique<BlockBytes>(block.bytes); }

LineBlocks::LineBlocks(std::unique_ptr<ByteSource> bytes, std::string display, size_t block_bytes,
                       int64_t line_bytes_max)
    : bytes_(std::move(bytes)),
      display_(std::move(display)),
      block_bytes_(block_bytes),
      line_bytes_max_(line_bytes_max) {}

Result<bool> LineBlocks::next(LineBlock& block) {
  std::string& text = block.bytes;
  std::swap(text, begun_);
  begun_.clear();
  block.first_line = line_;
  size_t end = 0;  // of the whole lines
  while (!at_end_ && end == 0) {
    if (static_cast<int64_t>(text.size()) > line_bytes_max_)
      return Error{ErrorKind::data, fmt::format("{}:{}: a record longer than {} bytes begins here (an eighth of "
                                                "`memory`)",
                                                display_, line_, line_bytes_max_)};
    const size_t before = text.size();
    text.resize(before + block_bytes_);
    size_t size = before;
    while (size < text.size()) {
      TRY_ASSIGN(const size_t got, bytes_->read(text.data() + size, text.size() - size));
      size += got;
      if (got == 0) {
        at_end_ = true;
        break;
      }
    }
    text.resize(size);
    const size_t newline = std::string_view(text).substr(before).rfind('\n');
    if (newline != std::string_view::npos) end = before + newline + 1;
  }
  if (!at_end_) {
    begun_.assign(text, end);
    text.resize(end);
  }
  line_ += std::count(text.begin(), text.end(), '\n');
  return !text.empty();
}

}  // namespace udon::data
