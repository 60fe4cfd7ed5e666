#pragma once
// What plugins/spec/CMakeLists.txt generates from its list of operators.
#include <span>

namespace udon {

struct EmbeddedOperator {
  const char* name;
  const char* description;  // operator.json
  const char* help;         // README.md
};
std::span<const EmbeddedOperator> embedded_operators();

}  // namespace udon
