#pragma once
// Succeeds at once: a place in the graph where dependencies meet. Built into udon-task.
#include <memory>

#include "plugins/api/operator.h"

namespace udon {

extern const char empty_description[];  // operator.json
std::unique_ptr<Operator> make_empty_operator();

}  // namespace udon
