#include "scheduler/teardowns.h"

#include <algorithm>

#include "scheduler/upstream.h"

namespace udon {

bool has_to_clear_away(const ActiveRun& run, int task) {
  const Task& of = run.dag().tasks[static_cast<size_t>(task)];
  const TaskSlot& slot = run.slots[static_cast<size_t>(task)];
  if (!of.is_teardown || slot.finished() >= slot.expected()) return false;
  if (slot.live() + slot.count(TaskState::up_for_retry) > 0) return true;
  bool has_setup = false;
  for (const int before : of.upstream) {
    if (!run.dag().tasks[static_cast<size_t>(before)].is_setup) continue;
    if (run.slots[static_cast<size_t>(before)].count(TaskState::success) > 0) return true;
    has_setup = true;
  }
  return !has_setup;
}

bool has_to_clear_away(const ActiveRun& run, InstanceRef at) {
  const Task& of = run.dag().tasks[static_cast<size_t>(at.task)];
  const TaskInstance& row = run.instance(at);
  if (!of.is_teardown || is_finished(row.state)) return false;
  if (is_live(row.state) || row.state == TaskState::up_for_retry) return true;
  bool has_setup = false;
  for (const int before : of.upstream) {
    if (!run.dag().tasks[static_cast<size_t>(before)].is_setup) continue;
    has_setup = true;
    const TaskSlot& setup = run.slots[static_cast<size_t>(before)];
    if (!is_inner_edge(*run.shape, before, at.task)) {
      if (setup.count(TaskState::success) > 0) return true;
      continue;
    }
    const auto position = setup.position_of(row.map_index, true);
    if (position && setup.instances[static_cast<size_t>(*position)].state == TaskState::success) return true;
  }
  return !has_setup;
}

bool has_to_clear_away(const ActiveRun& run) {
  return std::ranges::any_of(run.shape->teardowns, [&](int task) { return has_to_clear_away(run, task); });
}

int64_t left_to_teardowns(const ActiveRun& run) {
  int64_t left = 0;
  for (const int task : run.shape->teardowns) {
    const TaskSlot& slot = run.slots[static_cast<size_t>(task)];
    if (has_to_clear_away(run, task)) left += slot.expected() - slot.finished();
  }
  return left;
}

}  // namespace udon
