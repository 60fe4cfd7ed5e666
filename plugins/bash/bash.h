#pragma once
// Runs a command with bash as a child of the try. Built into udon-task.
#include <memory>

#include "plugins/api/operator.h"

namespace udon {

extern const char bash_description[];  // operator.json
std::unique_ptr<Operator> make_bash_operator();

}  // namespace udon
