#pragma once
// What is to be done now, as a pure function of the state. The loop applies the moves and asks again until there are
// none, then commits all of them at once; so a plan is one step: it stops at the first kind of work that it finds.
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "scheduler/moves.h"
#include "scheduler/state.h"

namespace udon {

struct Plan {
  Moves moves;
  // When all else has come to rest: these can take their next dates. The loop does it: it has to ask the store whether
  // a date has a run.
  std::vector<BackfillNumber> backfills;
  std::vector<TaskRef> settled;  // looked at: apply `State::settle` to them before the moves
  // Nothing to do now: when time alone changes that. Absent: never, something has to come in.
  std::optional<TimePoint> wake_at;
};

// At most about moves_max moves (a task's instances are not cut apart for less).
Plan plan(TimePoint now, const State& state, int moves_max = limits::moves_per_turn_max);

// What one task's upstream says to its undecided and ready instances; part of plan, open for the auditor, who asks it
// of every task.
Moves settle_task(TimePoint now, const State& state, TaskRef task, int moves_max);
// The same of a task of a mapped group, at these indices only.
Moves settle_indices(TimePoint now, const State& state, TaskRef task, const std::set<int>& indices, int moves_max);
// A pool whose free slots are kept for a ready task instance that has waited long for more of them, and for what goes
// before it. For a while only: somebody who holds a slot may wait for one who is held back.
struct KeptPool {
  InstanceRef holder;
  TimePoint until{};
};
struct Starts {
  Moves moves;  // of the ready task instances that fit into every limit, first come the most important
  std::map<std::string, KeptPool> kept;
};
Starts start_ready(TimePoint now, const State& state, int moves_max);

// Whether the run before lets this task start, for depends_on_past and wait_for_downstream; else what it waits for.
std::optional<std::string> held_by_past(const State& state, const ActiveRun& run, int task);

// A task instance before anything has happened to it.
TaskInstance new_instance(const ActiveRun& run, int task, int map_index, InstanceNumber number);
// The try is to be ended; its task instance then becomes `becomes`, with `note`.
ChangeTry end_try(const State& state, Fence fence, TaskState becomes, EndCause cause, std::string note,
                  std::string user);

}  // namespace udon
