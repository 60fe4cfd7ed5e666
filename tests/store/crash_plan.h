#pragma once
// The batches of the crash tests: each can be told from its number, so that whoever finds a store after a crash knows
// what must be in it.
#include <vector>

#include "store/writer.h"
#include "tests/store/scene.h"

namespace udon::test {

// How many task instances run n has: batches of very different sizes, so that a crash meets every phase of a commit.
inline int planned_instances(RunNumber n) { return static_cast<int>(n * 7919 % 97) + (n % 20 == 0 ? 1500 : 0); }

inline std::vector<Change> planned_batch(RunNumber n, InstanceNumber& last_instance, Fence& last_fence) {
  DagRun run = make_run(n, "crash");
  run.note = std::string(static_cast<size_t>(n % 50) * 100, 'x');
  std::vector<Change> changes = {InsertRun{run, {}}};
  InsertInstances rows;
  for (int i = 0; i < planned_instances(n); ++i) rows.rows.push_back(make_instance(++last_instance, n, "task", i));
  changes.emplace_back(rows);
  for (const TaskInstance& row : rows.rows) {
    if (row.map_index % 3 == 0) changes.emplace_back(start_try(row, ++last_fence));
  }
  changes.emplace_back(move_to(run, RunState::running));
  return changes;
}

// What is wrong with a store in which the batches 1 … `durable` were acknowledged and perhaps one more was under way;
// nothing: all is as promised. Returns how many are in it in `found`.
inline std::string problem_after_crash(Store& store, RunNumber durable, RunNumber& found) {
  const auto counters = store.writer().counters();
  if (!counters) return counters.error().message;
  found = counters->last_run;
  if (found < durable)
    return "batch " + std::to_string(durable) + " was acknowledged, but " + std::to_string(found) + " is the last";
  if (found > durable + 1) return "batches that nobody sent";
  InstanceNumber instances = 0;
  Fence fences = 0;
  const auto runs = store.reader().active_runs();
  if (!runs) return runs.error().message;
  if (static_cast<RunNumber>(runs->size()) != found) return "runs are missing";
  for (const DagRun& run : *runs) {
    if (run.state != RunState::running) return "run " + std::to_string(run.number) + " is not running";
    const auto rows = store.reader().instances_of(run.number);
    if (!rows) return rows.error().message;
    if (static_cast<int>(rows->size()) != planned_instances(run.number)) {
      return "run " + std::to_string(run.number) + " has " + std::to_string(rows->size()) + " task instances";
    }
    instances += static_cast<InstanceNumber>(rows->size());
    for (const TaskInstance& row : *rows) {
      const bool is_started = row.map_index % 3 == 0;
      const TaskState state = is_started ? TaskState::queued : TaskState::none;
      if (row.state != state || row.fence != (is_started ? ++fences : 0))
        return "task instance " + std::to_string(row.number) + " is half written";
    }
  }
  if (counters->last_instance != instances || counters->last_fence != fences) return "the counters are wrong";
  return {};
}

}  // namespace udon::test
