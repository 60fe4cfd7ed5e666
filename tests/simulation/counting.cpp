#include "tests/simulation/counting.h"

#include <algorithm>

namespace udon::simulation {

bool is_deferred(const ActiveRun& run, const TaskInstance& row) {
  return std::ranges::any_of(run.deferrals, [&](const auto& entry) {
    return entry.second->instance == row.number && entry.second->fence == row.fence;
  });
}

bool has_process(const ActiveRun& run, size_t task, const TaskInstance& row) {
  return run.dag().tasks[task].kind == OperatorKind::process && !is_deferred(run, row);
}

int64_t slots_used(const State& state, const Pool& pool) {
  int64_t used = 0;
  for_each_instance(state, [&](const ActiveRun& run, size_t task, const TaskInstance& row) {
    const Task& of = run.dag().tasks[task];
    if (is_live(row.state) && of.pool == pool.name && (has_process(run, task, row) || pool.include_deferred)) {
      used += of.pool_slots;
    }
  });
  return used;
}

std::string name(const ActiveRun& run, const TaskInstance& row) { return to_string(key_of(run, row)); }

namespace {

void count_row(UpstreamCounts& counts, TaskState state, bool is_setup) {
  if (state == TaskState::success) counts.success += 1, counts.setup_success += is_setup;
  if (state == TaskState::skipped) counts.skipped += 1, counts.setup_skipped += is_setup;
  if (state == TaskState::failed) counts.failed += 1;
  if (state == TaskState::upstream_failed) counts.upstream_failed += 1;
  if (state == TaskState::removed) counts.removed += 1;
}

}  // namespace

bool share_indices(const Dag& dag, int before, int after) {
  const std::string& group = dag.tasks[static_cast<size_t>(before)].mapped_group;
  return !group.empty() && group == dag.tasks[static_cast<size_t>(after)].mapped_group;
}

std::optional<TaskState> state_at_index(const TaskSlot& slot, int map_index) {
  std::optional<TaskState> of_all;
  for (const TaskInstance& row : slot.instances) {
    if (row.map_index == map_index) return row.state;
    if (row.map_index < 0) of_all = row.state;
  }
  const bool is_to_come = slot.length ? map_index < *slot.length : slot.instances.empty();
  return is_to_come && slot.missing() > 0 ? TaskState::none : of_all;
}

UpstreamCounts count_outer_upstream(const ActiveRun& run, const Dag& dag, int task) {
  UpstreamCounts counts;
  for (const int index : dag.tasks[static_cast<size_t>(task)].upstream) {
    if (share_indices(dag, index, task)) continue;
    const TaskSlot& slot = run.slots[static_cast<size_t>(index)];
    const bool is_setup = run.dag().tasks[static_cast<size_t>(index)].is_setup;
    const auto missing = slot.missing();
    counts.total += missing + static_cast<int64_t>(slot.instances.size());
    if (is_setup) counts.setup_total += missing + static_cast<int64_t>(slot.instances.size());
    for (const TaskInstance& row : slot.instances) count_row(counts, row.state, is_setup);
  }
  return counts;
}

UpstreamCounts count_upstream(const ActiveRun& run, const Dag& dag, int task, int map_index) {
  UpstreamCounts counts = count_outer_upstream(run, dag, task);
  for (const int index : dag.tasks[static_cast<size_t>(task)].upstream) {
    if (!share_indices(dag, index, task)) continue;
    const bool is_setup = run.dag().tasks[static_cast<size_t>(index)].is_setup;
    counts.total += 1;
    counts.setup_total += is_setup;
    // Before it is mapped one that stands for all may be the only one that can say something.
    const auto there = state_at_index(run.slots[static_cast<size_t>(index)], map_index);
    const bool is_open = map_index < 0 && !there;
    if (!is_open) count_row(counts, there.value_or(TaskState::removed), is_setup);
  }
  return counts;
}

bool has_succeeded_by(const TaskInstance& row, Fence fence) {
  return row.fence == fence && row.state == TaskState::success && row.note.find("marked") == std::string::npos;
}

const std::string& first_version(const DagRun& run) {
  return run.earlier_versions.empty() ? run.dag_version : run.earlier_versions.front().version;
}

VersionHistory::VersionHistory(const std::vector<EventRecord>& events) {
  for (const EventRecord& event : events) {
    if (event.event == "run" && event.from == event.to && event.text.starts_with("goes on with another version"))
      changes_[{event.dag_id, event.run_id}].insert(event.number);
  }
}

const std::string& VersionHistory::at(const DagRun& run, const EventRecord& event) const {
  const auto changes = changes_.find({run.dag_id, run.run_id});
  if (changes == changes_.end()) return run.dag_version;
  const auto before =
      static_cast<size_t>(std::distance(changes->second.begin(), changes->second.lower_bound(event.number)));
  return before < run.earlier_versions.size() ? run.earlier_versions[before].version : run.dag_version;
}

}  // namespace udon::simulation
