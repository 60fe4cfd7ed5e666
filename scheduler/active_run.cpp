#include "scheduler/active_run.h"

#include <algorithm>

#include "base/ensure.h"
#include "base/limits.h"

namespace udon {

namespace {

bool is_over_xcom(const Task& task) { return task.expand && !known_length(*task.expand); }

}  // namespace

ShapePtr make_shape(DagPtr dag) {
  auto shape = std::make_shared<DagShape>();
  const size_t count = dag->tasks.size();
  shape->priorities = effective_priorities(*dag);
  shape->decides.assign(count, false);
  shape->feeds_map.assign(count, false);
  shape->maps_over_xcom.assign(count, false);
  // From the last to the first: what follows a task is settled before it.
  std::vector<bool> only_teardowns_follow(count, true);
  for (size_t i = count; i-- > 0;) {
    const Task& task = dag->tasks[i];
    for (const int next : task.downstream) {
      const auto n = static_cast<size_t>(next);
      if (!dag->tasks[n].is_teardown || !only_teardowns_follow[n]) only_teardowns_follow[i] = false;
    }
    shape->decides[i] = !task.is_teardown && only_teardowns_follow[i];
    shape->maps_over_xcom[i] = is_over_xcom(task);
    if (task.depends_on_past || task.wait_for_downstream) shape->looks_back = true;
    if (!shape->maps_over_xcom[i]) continue;
    for (const MapInput& input : task.expand->inputs) {
      const auto* source = std::get_if<std::string>(&input.source);
      const int index = source == nullptr ? -1 : dag->index_of(*source);
      if (index >= 0) shape->feeds_map[static_cast<size_t>(index)] = true;
    }
  }
  // A DAG of teardowns only: then they decide.
  if (std::ranges::none_of(shape->decides, [](bool decides) { return decides; })) {
    for (size_t i = 0; i < count; ++i) shape->decides[i] = dag->tasks[i].downstream.empty();
  }
  shape->dag = std::move(dag);
  return shape;
}

int64_t TaskSlot::missing() const {
  const auto there = static_cast<int64_t>(instances.size());
  if (!length) return there == 0 ? 1 : 0;
  if (*length == 0) return placeholder ? 0 : 1;
  return std::max<int64_t>(0, *length - (there - (placeholder ? 1 : 0)));
}

std::optional<int> TaskSlot::position_of(int map_index, bool is_mapped) const {
  if (is_mapped && map_index < 0) return placeholder;
  int position = is_mapped ? map_index : 0;
  if (is_mapped && placeholder && *placeholder <= position) ++position;
  if (position < 0 || static_cast<size_t>(position) >= instances.size()) return std::nullopt;
  return instances[static_cast<size_t>(position)].map_index == map_index ? std::optional(position) : std::nullopt;
}

int64_t TaskSlot::live() const {
  return count(TaskState::queued) + count(TaskState::running) + count(TaskState::deferred) +
         count(TaskState::restarting);
}

void set_known_length(TaskSlot& slot, const ShapePtr& shape, int task) {
  const Task& of = shape->dag->tasks[static_cast<size_t>(task)];
  if (!of.expand) {
    slot.length = 1;
    return;
  }
  const auto length = known_length(*of.expand);
  if (!length || *length > limits::map_length_max) return;
  slot.length = length;
  slot.bound = {shape->dag, &*of.expand};  // lives as long as the Dag; the lists may be long
}

TryKind try_kind_of(const Task& task) {
  switch (task.kind) {
    case OperatorKind::process: return TryKind::process;
    case OperatorKind::sensor:
    case OperatorKind::external_job: return TryKind::probe;
  }
  ENSURE(false, "an operator kind outside its enum");
}

TaskInstanceKey key_of(const ActiveRun& run, const TaskInstance& instance) {
  return {run.row.dag_id, run.row.run_id, instance.task_id, instance.map_index};
}

}  // namespace udon
