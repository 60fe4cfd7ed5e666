#pragma once
// A folder of a test's own, gone with it.
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "base/ensure.h"
#include "base/file.h"

namespace udon {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "udon-test-XXXXXX").string();
    ENSURE(mkdtemp(name.data()) != nullptr, "a test has a place for its files");
    path_ = name;
  }
  ~TemporaryFolder() { static_cast<void>(remove_tree(path_)); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const Path& path() const { return path_; }

 private:
  Path path_;
};

}  // namespace udon
