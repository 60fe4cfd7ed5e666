#include "plugins/data/byte_sink.h"

#include <arrow/util/compression.h>
#include <utility>

#include "plugins/data/arrow_result.h"

namespace udon::data {
namespace {

constexpr size_t packed_bytes = 256 << 10;

}  // namespace

ByteSink::ByteSink(HashedFile out, std::shared_ptr<arrow::util::Compressor> compressor)
    : out_(std::move(out)), compressor_(std::move(compressor)), packed_(compressor_ ? packed_bytes : 0, '\0') {}
ByteSink::~ByteSink() = default;

Result<std::unique_ptr<ByteSink>> ByteSink::create(const Path& file, Compression compression) {
  std::shared_ptr<arrow::util::Compressor> compressor;
  if (compression != Compression::none) {
    const auto kind = compression == Compression::gzip ? arrow::Compression::GZIP : arrow::Compression::ZSTD;
    TRY_ASSIGN(const auto codec, from_arrow(arrow::util::Codec::Create(kind), "compress"));
    TRY_ASSIGN(compressor, from_arrow(codec->MakeCompressor(), "compress"));
  }
  TRY_ASSIGN(HashedFile out, HashedFile::create(file));
  return std::unique_ptr<ByteSink>(new ByteSink(std::move(out), std::move(compressor)));
}

Result<void> ByteSink::write(std::string_view bytes) {
  if (!compressor_) return out_.write(bytes);
  auto* const out = reinterpret_cast<uint8_t*>(packed_.data());
  const auto room = static_cast<int64_t>(packed_.size());
  while (!bytes.empty()) {
    TRY_ASSIGN(const auto result,
               from_arrow(compressor_->Compress(static_cast<int64_t>(bytes.size()),
                                                reinterpret_cast<const uint8_t*>(bytes.data()), room, out),
                          "compress"));
    bytes.remove_prefix(static_cast<size_t>(result.bytes_read));
    TRY(out_.write({packed_.data(), static_cast<size_t>(result.bytes_written)}));
  }
  return {};
}

Result<FinishedFile> ByteSink::finish() {
  while (compressor_) {
    TRY_ASSIGN(const auto result, from_arrow(compressor_->End(static_cast<int64_t>(packed_.size()),
                                                              reinterpret_cast<uint8_t*>(packed_.data())),
                                             "compress"));
    TRY(out_.write({packed_.data(), static_cast<size_t>(result.bytes_written)}));
    if (!result.should_retry) break;
  }
  return out_.finish();
}

}  // namespace udon::data
