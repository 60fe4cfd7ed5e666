#pragma once
// Which of many names are meant: globs as people write them, over names with `/` between folders.
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace udon {

// `*` any characters but `/`, `?` one of them, `[a-z]` and `[!a-z]` one of a class, `**` any number of folders, `\`
// takes a wildcard's meaning away. "*.csv": in any folder; "2026/*.csv", "/*.csv": from the top; "tmp/": all below.
bool matches_glob(std::string_view pattern, std::string_view name);
bool is_glob(std::string_view text);
// What every name that matches begins with.
std::string fixed_beginning(std::string_view pattern);
// invalid: a class that is not closed, an empty pattern.
Result<void> check_glob(std::string_view pattern);

class NameFilter {
 public:
  NameFilter() = default;  // takes all
  // invalid: as check_glob says.
  static Result<NameFilter> make(std::vector<std::string> include, std::vector<std::string> exclude);
  // One that an include matches, where there are includes, and no exclude.
  bool takes(std::string_view name) const;
  bool takes_all() const { return include_.empty() && exclude_.empty(); }

 private:
  std::vector<std::string> include_, exclude_;
};

}  // namespace udon
