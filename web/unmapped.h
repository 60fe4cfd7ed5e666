#pragma once
// Tasks that are mapped over an XCom which is not there yet: the store has no task instance of them, since nobody knows
// how many there will be. People see one, with map index -1 and no state, as in Airflow.
#include <string>
#include <vector>

#include "store/types.h"
#include "web/world.h"

namespace udon::web {

// Those of these tasks (of all, if none is named), in the order of the DAG.
Result<std::vector<InstanceRow>> unmapped_of(World& world, const DagRun& run,
                                             const std::vector<std::string>& task_ids = {});

}  // namespace udon::web
