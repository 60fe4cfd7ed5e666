#include "base/kept_folders.h"

#include <sys/stat.h>

#include <vector>

namespace udon {

int remove_untouched(const Path& parent, TimePoint now, Duration for_so_long, const Path& own) {
  // What cannot be listed or looked at is not there for us.
  std::vector<Path> old;
  std::error_code error;
  std::filesystem::directory_iterator entry(parent, error);
  for (const std::filesystem::directory_iterator end; !error && entry != end; entry.increment(error)) {
    struct stat status {};
    if (entry->path() == own || ::stat(entry->path().c_str(), &status) != 0) continue;
    const TimePoint touched{std::chrono::seconds(status.st_mtim.tv_sec)};
    if (now - touched > for_so_long) old.push_back(entry->path());
  }
  int removed = 0;
  for (const Path& path : old)
    if (remove_tree(path)) removed += 1;
  return removed;
}

}  // namespace udon
