#pragma once
// All files below a folder of this machine.
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "base/file.h"
#include "plugins/io/name_filter.h"

namespace udon {

enum class Symlinks { follow, skip, refuse };

struct TreeFile {
  std::string name;  // below the folder, '/' between
  int64_t bytes = 0;
};

// Sorted by name, as S3 sorts keys. Folders are not listed, so neither are empty ones. Only what the filter takes is
// looked at more closely. data: a name that is no UTF-8. invalid: what is no file (a FIFO, a socket, a device), a link
// that is refused or that leads to nowhere or to a folder above itself; more than files_max. Each names the path.
Result<std::vector<TreeFile>> list_tree(const Path& folder, const NameFilter& filter, Symlinks symlinks,
                                        size_t files_max, const std::stop_token& stop);

}  // namespace udon
