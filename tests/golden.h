#pragma once
// Text against a file of the repository. ACCEPT=1 in the environment writes the file instead: look at git's
// diff then.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>

#include "base/file.h"

namespace udon::test {

inline bool accepting() {
  const char* accept = std::getenv("ACCEPT");
  return accept != nullptr && std::string_view(accept) == "1";
}

// The repository: ctest says where; by hand, the current folder.
inline Path source_folder() {
  const char* source = std::getenv("UDON_SOURCE");
  return source != nullptr ? Path(source) : Path(".");
}

inline void check_golden(const Path& relative, const std::string& text) {
  const Path path = source_folder() / relative;
  const Result<std::string> expected = read_file(path);
  if (accepting()) {
    if (!expected || *expected != text) {
      REQUIRE(make_directories(path.parent_path()));
      REQUIRE(write_file_atomically(path, text, Durability::survives_kill));
    }
    return;
  }
  INFO("golden file " << relative.string() << "; ACCEPT=1 rewrites it");
  REQUIRE(expected);
  CHECK(*expected == text);
}

}  // namespace udon::test
