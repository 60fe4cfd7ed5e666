#pragma once
#include <string>

namespace udon {

struct Pool {
  std::string name;
  int slots = 128;  // -1: without limit
  std::string description;
  bool include_deferred = false;
  bool operator==(const Pool&) const = default;
};
inline constexpr const char* default_pool = "default_pool";

}  // namespace udon
