#pragma once
// Tasks that are mapped over an XCom which is not there yet: the store has no task instance of them, since nobody knows
// how many there will be. People see one, with map index -1 and no state, as in Airflow.
#include <optional>
#include <string>
#include <vector>

#include "store/types.h"
#include "web/world.h"

namespace udon::web {

// All of a run, or that of one task, in the order of the DAG.
Result<std::vector<InstanceRow>> unmapped_of(World& world, const DagRun& run,
                                             const std::optional<std::string>& task_id = {});

}  // namespace udon::web
