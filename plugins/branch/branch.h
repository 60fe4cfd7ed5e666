#pragma once
// Says which of the tasks directly after it are followed. Built into udon-task; the scheduler makes of what it returns
// which tasks are skipped (model/choice.h).
#include <memory>

#include "plugins/api/operator.h"

namespace udon {

extern const char branch_description[];  // operator.json
std::unique_ptr<Operator> make_branch_operator();

}  // namespace udon
