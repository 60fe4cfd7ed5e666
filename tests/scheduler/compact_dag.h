#pragma once
// DAGs of a scenario, in a line a task:
//   dag shop every=1d catchup max_active_runs=1
//     task load retries=2 delay=1m
//     task report after=load rule=all_done pool=narrow slots=2
#include <span>
#include <string>

#include "base/result.h"
#include "model/dag.h"
#include "tests/scheduler/words.h"

namespace udon::testing {

// The dag line and its indented lines. version: tells this definition from an earlier one of the same id.
Result<DagPtr> make_dag(std::span<const Line> lines, const std::string& version);

}  // namespace udon::testing
