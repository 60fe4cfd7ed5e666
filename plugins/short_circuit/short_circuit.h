#pragma once
// Lets what follows go on only if a condition holds. Built into udon-task; the scheduler makes of what it returns which
// tasks are skipped (model/choice.h).
#include <memory>

#include "plugins/api/operator.h"

namespace udon {

extern const char short_circuit_description[];  // operator.json
std::unique_ptr<Operator> make_short_circuit_operator();

}  // namespace udon
