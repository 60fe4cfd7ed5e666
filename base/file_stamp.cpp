#include "base/file_stamp.h"

#include <sys/stat.h>

namespace udon {

FileStamp stamp_of(const Path& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return {};
  const auto nanoseconds = [](const timespec& time) { return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; };
  return {nanoseconds(found.st_mtim), nanoseconds(found.st_ctim), int64_t{found.st_size}, uint64_t{found.st_ino},
          uint64_t{found.st_dev}};
}

}  // namespace udon
