#include "spool/stamped_file.h"

#define XXH_INLINE_ALL  // udon-task links no libxxhash
#include <fcntl.h>
#include <xxhash.h>

#include <cstdio>

namespace udon {
namespace {

constexpr int file_mode = 0600;

std::string stamp(const TryId& id, std::string_view json) {
  char sum[17];
  std::snprintf(sum, sizeof sum, "%016llx", static_cast<unsigned long long>(XXH3_64bits(json.data(), json.size())));
  return to_string(id) + " " + sum + "\n";
}

}  // namespace

std::string stamped(const TryId& id, const Value& value) {
  const std::string json = to_json(value);
  return json + "\n" + stamp(id, json);
}

Result<void> write_in_place(const Path& path, const std::string& stamped) {
  auto written = overwrite_file(path, stamped);
  if (written || written.error().kind != ErrorKind::not_found) return written;
  TRY_ASSIGN(const FileDescriptor file, open_file(path, O_WRONLY | O_CREAT | O_NOFOLLOW, file_mode));
  return write_all(file.get(), stamped, path);
}

Result<std::optional<Value>> read_stamped(const Path& path, const TryId& id, int64_t bytes_max) {
  const auto content = read_file(path, bytes_max);
  if (!content) {
    if (content.error().kind == ErrorKind::not_found) return std::nullopt;
    return content.error();
  }
  const std::string_view json = std::string_view(*content).substr(0, content->find('\n'));
  if (content->size() <= json.size() || content->substr(json.size() + 1) != stamp(id, json)) return std::nullopt;
  auto value = parse_json(json);
  if (!value) return std::nullopt;
  return std::move(*value);
}

}  // namespace udon
