#pragma once
// All files of a folder to the objects below a prefix.
#include <functional>
#include <string>
#include <vector>

#include "plugins/io/file_tree.h"
#include "plugins/io/object_sender.h"

namespace udon {

struct TreeUpload {
  Path folder;
  std::string to;  // s3://bucket/prefix/
  std::vector<TreeFile> files;
  SendOptions send;
  size_t parallel = 64;
};

struct TreeUploaded {
  int64_t files = 0, bytes = 0;
  int64_t uploaded = 0, uploaded_bytes = 0;
  int64_t skipped = 0;    // were there already with the same content
  int64_t unchecked = 0;  // the store gave no checksum of them: only their length was compared
  // What stood below the prefix when we came, and is none of the files: keys.
  std::vector<std::string> extra;
};

// Small files by several threads, larger ones one after the other, their parts by several threads. A file that fails is
// named, and the others are sent all the same, unless what failed would fail them too. The error says how many of the
// files are there. `wants_extra`: to be told of what else stood there.
enum class Extra { ignore, collect };
Result<TreeUploaded> upload_tree(S3FileSystem& store, PendingUploads& pending, const WriteOrder& order,
                                 const TreeUpload& upload, Extra extra, const Clock& clock, const std::stop_token& stop,
                                 const std::function<void(std::string_view)>& log);

}  // namespace udon
