#pragma once
// Which task instances of a run a command is about: those it names, with what is before or after them where that is
// asked for.
#include <set>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/command.h"
#include "scheduler/active_run.h"

namespace udon {

struct Selected {
  std::vector<InstanceRef> instances;
  std::vector<TaskRef> unexpanded;  // mapped tasks that have no instance yet
};

// Selects every task instance that is named.
Result<Selected> select_instances(const ActiveRun& run, const Selection& selection);
// As marking has it: of what comes after a task, its teardowns keep their work.
Result<Selected> select_to_mark(const ActiveRun& run, const Selection& selection);
// As clearing has it: what a task needs is set up anew for it, and cleared away after it.
Result<Selected> select_to_clear(const ActiveRun& run, const Selection& selection);

// (task, map index or `whole`). Along an edge inside of a mapped group an index leads to the same index, along any
// other to the whole task.
using Place = std::pair<int, int>;

// All places that are reached from these along `next`, themselves left out.
std::set<Place> places_along(const DagShape& shape, const std::vector<Place>& from, std::vector<int> Task::*next);

}  // namespace udon
