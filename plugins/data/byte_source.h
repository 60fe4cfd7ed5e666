#pragma once
// The bytes of a file in their order, unpacked if it is compressed.
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace udon::data {

enum class Compression { none, gzip, zstd };
std::optional<Compression> parse_compression(std::string_view text);
Compression compression_by_name(std::string_view file);  // .gz, .zst, .zstd; any other: none

// Used by one thread.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // At most `bytes_max` bytes into `out`; 0: the end. Of compressed files all members, one after the other; data: what
  // is none, or ends in its middle.
  virtual Result<size_t> read(char* out, size_t bytes_max) = 0;
};

// `display`: the file's name in messages.
Result<std::unique_ptr<ByteSource>> open_bytes(const Path& file, Compression compression, const std::string& display);

}  // namespace udon::data
