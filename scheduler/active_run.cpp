#include "scheduler/active_run.h"

#include <algorithm>

#include "base/ensure.h"
#include "base/limits.h"

namespace udon {

namespace {

// A branch decides over what is directly after it, a short circuit over all that follows.
std::vector<std::vector<int>> choosers_of(const Dag& dag) {
  std::vector<std::vector<int>> choosers(dag.tasks.size());
  for (size_t i = 0; i < dag.tasks.size(); ++i) {
    std::vector<int>& own = choosers[i];
    for (const int before : dag.tasks[i].upstream) {
      if (dag.tasks[static_cast<size_t>(before)].choosing != Choosing::nothing) own.push_back(before);
      for (const int further : choosers[static_cast<size_t>(before)]) {
        if (dag.tasks[static_cast<size_t>(further)].choosing == Choosing::short_circuit) own.push_back(further);
      }
    }
    std::ranges::sort(own);
    own.erase(std::unique(own.begin(), own.end()), own.end());
  }
  return choosers;
}

bool is_over_xcom(const Task& task) { return task.expand && !known_length(*task.expand); }

}  // namespace

ShapePtr make_shape(DagPtr dag) {
  auto shape = std::make_shared<DagShape>();
  const size_t count = dag->tasks.size();
  shape->priorities = effective_priorities(*dag);
  shape->decides.assign(count, false);
  shape->feeds_map.assign(count, false);
  shape->maps_over_xcom.assign(count, false);
  shape->choosers = choosers_of(*dag);
  shape->chosen_over.resize(count);
  for (size_t i = 0; i < count; ++i) {
    for (const int chooser : shape->choosers[i]) {
      shape->chosen_over[static_cast<size_t>(chooser)].push_back(static_cast<int>(i));
    }
  }
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

int64_t TaskSlot::finished() const {
  return count(TaskState::success) + count(TaskState::failed) + count(TaskState::skipped) +
         count(TaskState::upstream_failed) + count(TaskState::removed);
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

std::optional<int> skipped_by_choice(const ActiveRun& run, int task) {
  for (const int chooser : run.shape->choosers[static_cast<size_t>(task)]) {
    const TaskSlot& slot = run.slots[static_cast<size_t>(chooser)];
    if (slot.choices.empty()) continue;
    // A mapped one: all of its task instances have to say so, and those that were marked success say nothing.
    if (slot.finished() < slot.expected() || slot.count(TaskState::success) > std::ssize(slot.choices)) continue;
    const bool skips = std::ranges::all_of(
        slot.choices, [&](const auto& choice) { return std::ranges::binary_search(choice.second, task); });
    if (skips) return chooser;
  }
  return std::nullopt;
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
