#include "scheduler/teardowns.h"

#include <algorithm>

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
