#pragma once
// The calendar played forward: the real loop among a clock that is moved, a store in memory and tries that only take
// their time. What would run when, and what would wait for what.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/dag.h"
#include "model/pool.h"
#include "model/reason.h"
#include "model/run.h"

namespace udon {

struct Rehearsal {
  std::vector<DagPtr> dags;
  std::vector<Pool> pools;
  int parallelism = 32;
  Duration priority_ageing = std::chrono::minutes(5);
  // Runs are due from `from` on; what was due earlier has been run. At `to` it ends, whatever still runs.
  TimePoint from{}, to{};
  // How long a try takes; `wait_until` and `wait_for_task` wait for what they name. All but those that would wait in
  // vain succeed: who is asked approves, a short circuit lets go on, a branch follows all that it may choose.
  std::function<Duration(const std::string& dag_id, const std::string& task_id)> duration;
  // Into how many a task is mapped whose list is an XCom.
  std::function<int64_t(const std::string& dag_id, const std::string& task_id)> mapped_length;
  // More task instances than this are a mistake in the times or the schedules.
  int64_t instances_max = 2'000'000;
  // Of a DAG that runs continuously, that is as often as its tasks' times let it: after about so many it makes no more.
  int64_t continuous_runs_max = 10'000;
};

struct RehearsedTask {
  TaskInstance row;                     // as it stood at the end
  std::optional<Reason> waited;         // why it did not start when it could have, or still waits at the end
  std::optional<Duration> waited_time;  // nothing: it waits still
};
struct RehearsedRun {
  DagRun row;
  std::vector<RehearsedTask> tasks;  // in the order in which they were made
};

struct Rehearsed {
  std::vector<RehearsedRun> runs;        // in the order in which they were due
  std::map<std::string, TimePoint> cut;  // DAGs that reached continuous_runs_max, and when they did
  // DAGs whose runs were not made from then on: max_active_runs had not ended yet.
  std::map<std::string, TimePoint> behind;
  // Tasks ("dag.task") that would have made runs of other DAGs, and why none are shown. Else these are among `runs`,
  // from when the task began; a task that waits for its run ends when that does.
  std::map<std::string, std::string> not_triggered;
  // Tasks that wait for something, and why it could not be told what: they have taken their usual time.
  std::map<std::string, std::string> usual_waits;
};

// invalid: too many task instances; or there is nothing to wait for, and time stands still.
Result<Rehearsed> rehearse(const Rehearsal& rehearsal);

}  // namespace udon
