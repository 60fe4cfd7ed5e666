#include "executor/local/environment.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace udon {

std::vector<std::string> environment_of_tries(const std::vector<std::string>& of_server) {
  constexpr std::array<std::string_view, 6> withheld = {"UDON__",      "UDON_CONN_",   "UDON_VAR_",
                                                        "UDON_TOKEN=", "UDON_TRY_ID=", "UDON_HOME="};
  std::vector<std::string> variables;
  std::ranges::copy_if(of_server, std::back_inserter(variables), [&](const std::string& variable) {
    return std::ranges::none_of(withheld, [&](std::string_view start) { return variable.starts_with(start); });
  });
  return variables;
}

}  // namespace udon
