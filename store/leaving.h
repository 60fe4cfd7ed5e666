#pragma once
// A run that is too large to be deleted in one commit. The first takes its name, its dates and its first task instances
// from it: to whoever looks for it, it is gone. What is left of it bears a name of its own, and goes in further
// commits, each asked for with DeleteRunRows.
#include <cstdint>
#include <string>

#include "model/run.h"

namespace udon {

// Of one commit, some tens of milliseconds. Ten events to a task instance are many, but a run that is cleared every
// hour has few task instances and ever more events: each has a bound of its own.
inline constexpr int64_t deleted_instances_max = 2'000;
inline constexpr int64_t deleted_events_max = 10 * deleted_instances_max;

// No run that somebody names can be called so (problem_of_run_id).
inline std::string name_of_rest(RunNumber run) { return "deleted " + std::to_string(run); }
inline bool is_rest(const DagRun& run) { return run.run_id == name_of_rest(run.number); }

}  // namespace udon
