#include "plugins/io/pending_uploads.h"

#include <unistd.h>

#include "base/net/digest.h"
#include "base/text.h"

namespace udon {

// A key may be longer than a file's name.
Path PendingUploads::file_of(const std::string& uri) const { return folder_ / (to_hex(sha256(uri)) + ".json"); }

std::function<Result<void>(const Value& state)> PendingUploads::keeper(const std::string& uri) const {
  return [path = file_of(uri)](const Value& state) -> Result<void> {
    TRY(make_directories(path.parent_path(), 0700));
    return write_file_atomically(path, to_json(state), Durability::survives_kill, 0600);
  };
}

Result<void> PendingUploads::abort_left_over(FileSystem& files, const std::string& uri) const {
  const Path path = file_of(uri);
  const auto text = read_file(path);
  if (!text) return text.error().kind == ErrorKind::not_found ? Result<void>() : Result<void>(text.error());
  // A file that is no state any more names no upload that could be aborted.
  if (const auto state = parse_json(*text)) {
    const auto aborted = files.abort(*state);
    if (!aborted && aborted.error().kind != ErrorKind::invalid && aborted.error().kind != ErrorKind::not_found) {
      return aborted.error().within("aborting an upload that was left over");
    }
  }
  forget(uri);
  return {};
}

void PendingUploads::forget(const std::string& uri) const { ::unlink(file_of(uri).c_str()); }

}  // namespace udon
