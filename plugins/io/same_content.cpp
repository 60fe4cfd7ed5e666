#include "plugins/io/same_content.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "plugins/io/file_digest.h"
#include "plugins/io/s3_upload_in_parts.h"

namespace udon {
namespace {

int64_t part_bytes_of(const ObjectInfo& object) {
  int64_t bytes = 0;
  for (const auto& [key, value] : object.metadata) {
    if (key == part_bytes_key) std::from_chars(value.data(), value.data() + value.size(), bytes);
  }
  return bytes;
}

}  // namespace

Result<bool> has_same_content(const ObjectInfo& object, const Path& path, const std::stop_token& stop) {
  TRY_ASSIGN(const FileDescriptor file, open_file(path, O_RDONLY));
  TRY_ASSIGN(const int64_t bytes, size_of_file(file, path));
  if (bytes != object.bytes || object.sha256.empty()) return false;
  if (object.sha256.find('-') == object.sha256.npos) {
    TRY_ASSIGN(const Sha256Digest digest, sha256_of({file.get(), 0, bytes, path}, stop));
    return to_base64(digest) == object.sha256;
  }
  const int64_t part_bytes = part_bytes_of(object);
  if (part_bytes <= 0) return false;
  std::vector<S3Part> parts;
  for (int64_t offset = 0; offset < bytes; offset += part_bytes) {
    TRY_ASSIGN(const Sha256Digest digest,
               sha256_of({file.get(), offset, std::min(part_bytes, bytes - offset), path}, stop));
    parts.push_back({.number = static_cast<int>(parts.size()) + 1, .sha256 = to_base64(digest)});
  }
  return composite_sha256(parts) == object.sha256;
}

}  // namespace udon
