#pragma once
// What a try waits for, as far as its parameters tell without asking anybody: in a rehearsal no prober looks.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/dag.h"
#include "model/run.h"
#include "model/wire.h"

namespace udon {

// Of `wait_for_task`: a run of another DAG, by its id or its logical date, and what is to become of it.
struct AwaitedRun {
  std::string dag_id, run_id;
  std::optional<TimePoint> logical_date;
  std::vector<std::string> task_ids;  // none: the run as a whole
  std::vector<std::string> allowed, failing;
};
// unavailable: nobody can tell before it runs; invalid: it would fail.
Result<AwaitedRun> awaited_run_of(const TryRequest& request);
// Of `wait_until`; errors as above.
Result<TimePoint> awaited_moment_of(const TryRequest& request);

// What is seen of it.
struct Look {
  enum class Is { waiting, over, failed };
  Is is = Is::waiting;
  std::string message;
};
Look no_run_yet(const AwaitedRun& awaited);
Look look_at(const AwaitedRun& awaited, const DagRun& run, const std::map<std::string, std::vector<TaskState>>& tasks);
// What it says of a task that the DAG does not have; nothing: it has them all.
std::optional<std::string> problem_of(const AwaitedRun& awaited, const Dag& dag);
// Whether the schedule had asked for a run of that logical date by `last`, the latest one that has been due.
bool was_due(const Schedule& schedule, TimePoint logical_date, std::optional<TimePoint> last);

}  // namespace udon
