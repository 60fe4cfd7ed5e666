#include "tests/simulation/counting.h"

namespace udon::simulation {

bool has_process(const ActiveRun& run, size_t task) { return run.dag().tasks[task].kind == OperatorKind::process; }

int64_t slots_used(const State& state, const Pool& pool) {
  int64_t used = 0;
  for_each_instance(state, [&](const ActiveRun& run, size_t task, const TaskInstance& row) {
    const Task& of = run.dag().tasks[task];
    if (is_live(row.state) && of.pool == pool.name && (has_process(run, task) || pool.include_deferred)) {
      used += of.pool_slots;
    }
  });
  return used;
}

std::string name(const ActiveRun& run, const TaskInstance& row) { return to_string(key_of(run, row)); }

UpstreamCounts count_upstream(const ActiveRun& run, const Dag& dag, int task) {
  UpstreamCounts counts;
  for (const int index : dag.tasks[static_cast<size_t>(task)].upstream) {
    const TaskSlot& slot = run.slots[static_cast<size_t>(index)];
    const bool is_setup = run.dag().tasks[static_cast<size_t>(index)].is_setup;
    const auto missing = slot.missing();
    counts.total += missing + static_cast<int64_t>(slot.instances.size());
    if (is_setup) counts.setup_total += missing + static_cast<int64_t>(slot.instances.size());
    for (const TaskInstance& row : slot.instances) {
      if (row.state == TaskState::success) counts.success += 1, counts.setup_success += is_setup;
      if (row.state == TaskState::skipped) counts.skipped += 1, counts.setup_skipped += is_setup;
      if (row.state == TaskState::failed) counts.failed += 1;
      if (row.state == TaskState::upstream_failed) counts.upstream_failed += 1;
      if (row.state == TaskState::removed) counts.removed += 1;
    }
  }
  return counts;
}

}  // namespace udon::simulation
