#pragma once
// Why a task instance is where it is: the same facts and limits that plan goes by, in words.
#include <optional>

#include "base/clock.h"
#include "model/reason.h"
#include "scheduler/state.h"

namespace udon {

// Of a task instance in memory.
Reason why(TimePoint now, const State& state, InstanceRef at);
// By its names; also of a mapped task that has no instances yet (map_index -1). Nothing: it is not in memory.
std::optional<Reason> why(TimePoint now, const State& state, const TaskInstanceKey& key);
// Of one that is finished and not in memory any more.
Reason why_finished(const TaskInstance& instance);

}  // namespace udon
