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

std::vector<std::vector<int>> setups_of(const Dag& dag) {
  const size_t count = dag.tasks.size();
  std::vector<std::vector<int>> setups(count);
  const bool has_any = std::ranges::any_of(dag.tasks, [](const Task& task) { return task.is_setup; });
  if (!has_any) return setups;
  for (size_t s = 0; s < count; ++s) {
    if (!dag.tasks[s].is_setup) continue;
    std::vector<bool> follows(count, false);
    follows[s] = true;
    for (size_t i = s + 1; i < count; ++i) {
      follows[i] = std::ranges::any_of(dag.tasks[i].upstream, [&](int u) { return follows[static_cast<size_t>(u)]; });
    }
    // What stands before one of its teardowns; without any, all that follows it.
    std::vector<bool> is_within = follows;
    bool has_teardown = false;
    for (const int next : dag.tasks[s].downstream) has_teardown |= dag.tasks[static_cast<size_t>(next)].is_teardown;
    if (has_teardown) {
      is_within.assign(count, false);
      for (size_t i = count; i-- > s;) {
        for (const int next : dag.tasks[i].downstream) {
          const auto n = static_cast<size_t>(next);
          const std::vector<int>& before = dag.tasks[n].upstream;
          const bool is_own = dag.tasks[n].is_teardown && std::ranges::binary_search(before, static_cast<int>(s));
          if (is_own || is_within[n]) is_within[i] = true;
        }
      }
    }
    for (size_t i = s + 1; i < count; ++i) {
      if (!follows[i] || !is_within[i] || dag.tasks[i].is_teardown) continue;
      if (!std::ranges::binary_search(dag.tasks[i].upstream, static_cast<int>(s)))
        setups[i].push_back(static_cast<int>(s));
    }
  }
  return setups;
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
  shape->setups = setups_of(*dag);
  shape->set_up_by.resize(count);
  for (size_t i = 0; i < count; ++i) {
    for (const int setup : shape->setups[i])
      shape->set_up_by[static_cast<size_t>(setup)].push_back(static_cast<int>(i));
  }
  shape->chosen_over.resize(count);
  for (size_t i = 0; i < count; ++i) {
    for (const int chooser : shape->choosers[i]) {
      shape->chosen_over[static_cast<size_t>(chooser)].push_back(static_cast<int>(i));
    }
  }
  // Airflow's leaves: what is followed by nothing but teardowns whose failure is not the run's.
  const auto is_aside = [](const Task& task) { return task.is_teardown && !task.on_failure_fail_dagrun; };
  for (size_t i = 0; i < count; ++i) {
    const Task& task = dag->tasks[i];
    shape->decides[i] = !is_aside(task) && std::ranges::all_of(task.downstream, [&](int next) {
      return is_aside(dag->tasks[static_cast<size_t>(next)]);
    });
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

std::optional<int> setup_in_the_way(const ActiveRun& run, int task) {
  std::optional<int> open;
  for (const int setup : run.shape->setups[static_cast<size_t>(task)]) {
    const TaskSlot& slot = run.slots[static_cast<size_t>(setup)];
    if (slot.count(TaskState::failed) + slot.count(TaskState::upstream_failed) > 0) return setup;
    if (slot.count(TaskState::success) + slot.count(TaskState::removed) == slot.expected()) continue;
    if (!open || slot.count(TaskState::skipped) > 0) open = setup;
  }
  return open;
}

TriggerVerdict upstream_verdict(const ActiveRun& run, int task) {
  const auto index = static_cast<size_t>(task);
  const auto setup = setup_in_the_way(run, task);
  if (setup) {
    const TaskSlot& slot = run.slots[static_cast<size_t>(*setup)];
    if (slot.count(TaskState::failed) + slot.count(TaskState::upstream_failed) > 0) {
      return TriggerVerdict::upstream_failed;
    }
    if (slot.count(TaskState::skipped) > 0) return TriggerVerdict::skip;
  }
  const TriggerVerdict verdict = evaluate(run.dag().tasks[index].trigger_rule, run.slots[index].upstream);
  return setup && verdict == TriggerVerdict::run ? TriggerVerdict::wait : verdict;
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
