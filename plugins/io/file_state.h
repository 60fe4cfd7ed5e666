#pragma once
// By what a file is known to be the one that was looked at, unchanged.
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>

#include "base/file.h"

namespace udon {

// The time of the last change is the kernel's: no program can set it back, as it can the time of the last write.
struct FileState {
  dev_t device = 0;
  ino_t inode = 0;
  int64_t bytes = 0, written_ns = 0, changed_ns = 0;
  bool operator==(const FileState&) const = default;

  static FileState of(const struct stat& status) {
    const auto ns = [](const timespec& time) { return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; };
    return {status.st_dev, status.st_ino, status.st_size, ns(status.st_mtim), ns(status.st_ctim)};
  }
  // False also where there is no such file any more.
  bool is_still_at(const Path& path) const {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && of(status) == *this;
  }
};

inline Error changed_while_read(const Path& path) {
  return {ErrorKind::conflict,
          path.string() + " was changed while it was being read; it is sent again by the next try"};
}

}  // namespace udon
