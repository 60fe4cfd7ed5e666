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

void find_mapped_groups(const Dag& dag, DagShape& shape) {
  const size_t count = dag.tasks.size();
  std::map<std::string, int> numbers;
  shape.mapped_group.assign(count, -1);
  shape.inner_upstream.resize(count);
  shape.mapped_over.resize(count);
  for (size_t i = 0; i < count; ++i) {
    const std::string& group = dag.tasks[i].mapped_group;
    if (!group.empty()) shape.mapped_group[i] = numbers.emplace(group, static_cast<int>(numbers.size())).first->second;
  }
  for (size_t i = 0; i < count; ++i) {
    for (const int before : dag.tasks[i].upstream) {
      const int group = shape.mapped_group[static_cast<size_t>(before)];
      if (group >= 0 && group == shape.mapped_group[i]) shape.inner_upstream[i].push_back(before);
    }
  }
}

bool is_over_xcom(const Task& task) { return task.expand && !known_length(*task.expand); }

}  // namespace

bool may_look_back(const DagShape& shape, const DagRun& later, const DagRun& earlier) {
  if (!later.logical_date || !earlier.logical_date || *earlier.logical_date >= *later.logical_date) return false;
  return !shape.dag->schedule.catchup || earlier.type != RunType::manual;
}

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
  find_mapped_groups(*dag, *shape);
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
    if (task.is_teardown) shape->teardowns.push_back(static_cast<int>(i));
    if (!shape->maps_over_xcom[i]) continue;
    for (const MapInput& input : task.expand->inputs) {
      const auto* source = std::get_if<std::string>(&input.source);
      const int index = source == nullptr ? -1 : dag->index_of(*source);
      if (index < 0) continue;
      shape->feeds_map[static_cast<size_t>(index)] = true;
      if (!task.mapped_group.empty()) shape->mapped_over[static_cast<size_t>(index)].push_back(static_cast<int>(i));
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

QuestionPtr ActiveRun::question_of(InstanceRef at) const {
  const auto found = questions.find({at.task, at.position});
  return found == questions.end() ? nullptr : found->second;
}

DeferralPtr ActiveRun::deferral_of(InstanceRef at) const {
  const auto found = deferrals.find({at.task, at.position});
  return found == deferrals.end() ? nullptr : found->second;
}

bool keeps_deferral(TaskState state) { return is_live(state) || state == TaskState::scheduled; }

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
