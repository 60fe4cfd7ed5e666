#pragma once
// What tells a file that nobody touched from others, by one stat. Not only the times: a file can be put in place of
// another within one tick of the file system's clock.
#include <cstdint>

#include "base/file.h"

namespace udon {

struct FileStamp {
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;
  int64_t size = -1;  // bytes; -1: there is none, or it cannot be looked at
  uint64_t inode = 0;
  uint64_t device = 0;
  bool operator==(const FileStamp&) const = default;
};

FileStamp stamp_of(const Path& path);  // of what a link leads to

}  // namespace udon
