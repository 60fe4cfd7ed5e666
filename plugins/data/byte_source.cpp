#include "plugins/data/byte_source.h"

#include <arrow/util/compression.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/text.h"
#include "plugins/data/arrow_result.h"

namespace udon::data {
namespace {

class PlainBytes final : public ByteSource {
 public:
  PlainBytes(FileDescriptor fd, Path file) : fd_(std::move(fd)), file_(std::move(file)) {}

  Result<size_t> read(char* out, size_t bytes_max) override {
    while (true) {
      const ssize_t n = ::read(fd_.get(), out, bytes_max);
      if (n >= 0) return static_cast<size_t>(n);
      if (errno != EINTR) return io_error("read", file_, errno);
    }
  }

 private:
  FileDescriptor fd_;
  Path file_;
};

class UnpackedBytes final : public ByteSource {
 public:
  UnpackedBytes(std::unique_ptr<ByteSource> packed, std::shared_ptr<arrow::util::Decompressor> decompressor,
                std::string display, Compression compression)
      : packed_(std::move(packed)),
        decompressor_(std::move(decompressor)),
        display_(std::move(display)),
        format_(compression == Compression::gzip ? "gzip" : "zstd"),
        skips_zeros_(compression == Compression::gzip) {}

  Result<size_t> read(char* out, size_t bytes_max) override {
    while (true) {
      if (begin_ == end_ && !at_end_) TRY(fill());
      if (decompressor_->IsFinished() && skips_zeros_) TRY(skip_zeros());
      const size_t available = end_ - begin_;
      if (decompressor_->IsFinished()) {
        if (available == 0) return size_t{0};
        TRY(from_arrow(decompressor_->Reset(), display_));  // the next member
      }
      const auto result = decompressor_->Decompress(static_cast<int64_t>(available),
                                                    reinterpret_cast<const uint8_t*>(input_.data() + begin_),
                                                    static_cast<int64_t>(bytes_max), reinterpret_cast<uint8_t*>(out));
      if (!result.ok())
        return Error{ErrorKind::data, fmt::format("{}: what stands from byte {} on is no {}: {}", display_, consumed_,
                                                  format_, result.status().message())};
      begin_ += static_cast<size_t>(result->bytes_read);
      consumed_ += result->bytes_read;
      if (result->bytes_written > 0) return static_cast<size_t>(result->bytes_written);
      if (result->bytes_read > 0 || (available == 0 && !at_end_)) continue;
      if (decompressor_->IsFinished()) continue;
      return Error{ErrorKind::data, fmt::format("{} is cut short: its {} ends in the middle, after {} bytes", display_,
                                                format_, consumed_)};
    }
  }

 private:
  Result<void> fill() {
    TRY_ASSIGN(end_, packed_->read(input_.data(), input_.size()));
    begin_ = 0;
    at_end_ = end_ == 0;
    return {};
  }

  // What a tape or a block device has filled up with; gzip passes over it, too.
  Result<void> skip_zeros() {
    while (!at_end_) {
      while (begin_ < end_ && input_[begin_] == '\0') {
        ++begin_;
        ++consumed_;
      }
      if (begin_ < end_) return {};
      TRY(fill());
    }
    return {};
  }

  std::unique_ptr<ByteSource> packed_;
  std::shared_ptr<arrow::util::Decompressor> decompressor_;
  std::string display_;
  std::string_view format_;
  bool skips_zeros_;
  std::vector<char> input_ = std::vector<char>(256 << 10);
  size_t begin_ = 0, end_ = 0;  // of what is left of the input
  bool at_end_ = false;
  int64_t consumed_ = 0;
};

}  // namespace

std::optional<Compression> parse_compression(std::string_view text) {
  if (text == "none") return Compression::none;
  if (text == "gzip") return Compression::gzip;
  if (text == "zstd") return Compression::zstd;
  return std::nullopt;
}

Compression compression_by_name(std::string_view file) {
  const std::string name = lower_ascii(file);
  if (name.ends_with(".gz")) return Compression::gzip;
  return name.ends_with(".zst") || name.ends_with(".zstd") ? Compression::zstd : Compression::none;
}

Result<std::unique_ptr<ByteSource>> open_bytes(const Path& file, Compression compression, const std::string& display) {
  TRY_ASSIGN(FileDescriptor fd, open_file(file, O_RDONLY));
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  std::unique_ptr<ByteSource> bytes = std::make_unique<PlainBytes>(std::move(fd), file);
  if (compression == Compression::none) return bytes;
  const bool is_gzip = compression == Compression::gzip;
  TRY_ASSIGN(
      const auto codec,
      from_arrow(arrow::util::Codec::Create(is_gzip ? arrow::Compression::GZIP : arrow::Compression::ZSTD), display));
  TRY_ASSIGN(auto decompressor, from_arrow(codec->MakeDecompressor(), display));
  return std::unique_ptr<ByteSource>(
      std::make_unique<UnpackedBytes>(std::move(bytes), std::move(decompressor), display, compression));
}

}  // namespace udon::data
