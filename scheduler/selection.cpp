#include "scheduler/selection.h"

#include <algorithm>

#include "base/text.h"
#include "scheduler/upstream.h"

namespace udon {

std::set<Place> places_along(const DagShape& shape, const std::vector<Place>& from, std::vector<int> Task::*next) {
  std::set<Place> seen;
  std::vector<Place> open = from;
  while (!open.empty()) {
    const auto [task, map_index] = open.back();
    open.pop_back();
    for (const int other : shape.dag->tasks[static_cast<size_t>(task)].*next) {
      const std::pair place(other, is_inner_edge(shape, task, other) ? map_index : whole);
      if (seen.contains({other, whole}) || !seen.insert(place).second) continue;
      open.push_back(place);
    }
  }
  return seen;
}

namespace {

Error not_found(std::string message) { return {ErrorKind::not_found, std::move(message)}; }

class Selecting {
 public:
  Selecting(const ActiveRun& run, const Selection& selection) : run_(run), selection_(selection) {}
  Selecting& with_setups_and_teardowns() {
    adds_setups_ = true;
    return *this;
  }
  Selecting& without_teardowns_after() {
    leaves_teardowns_ = true;
    return *this;
  }

  Result<Selected> select() {
    const std::vector<Task>& tasks = run_.dag().tasks;
    if (selection_.tasks.empty()) {
      for (size_t i = 0; i < tasks.size(); ++i) whole_.insert(static_cast<int>(i));
    }
    for (const auto& [task_id, map_index] : selection_.tasks) TRY(name(task_id, map_index));
    if (adds_setups_) add_setups_and_teardowns();
    Selected selected;
    for (int task = 0; task < static_cast<int>(tasks.size()); ++task) take(task, selected);
    return selected;
  }

 private:
  Result<void> name(const std::string& task_id, int map_index) {
    const Dag& dag = run_.dag();
    if (const int task = dag.index_of(task_id); task >= 0) return name(task, map_index);
    // A task group stands for all tasks in it.
    const std::vector<int> inside = dag.tasks_in(task_id);
    for (const int task : inside) TRY(name(task, map_index));
    if (!inside.empty()) return {};
    std::vector<std::string> ids;
    for (const Task& one : dag.tasks) ids.push_back(one.task_id);
    for (const TaskGroup& group : dag.groups) ids.push_back(group.group_id);
    return not_found("DAG `" + dag.dag_id + "` has no task `" + task_id + "` in run " + run_.row.run_id +
                     did_you_mean(task_id, ids));
  }

  Result<void> name(int task, int map_index) {
    if (map_index >= 0 && !position_of(task, map_index)) {
      return not_found("task `" + run_.dag().tasks[static_cast<size_t>(task)].task_id + "` has no map index " +
                       std::to_string(map_index));
    }
    take_in({task, map_index});
    if (selection_.upstream) close({task, map_index}, &Task::upstream);
    if (selection_.downstream) close({task, map_index}, &Task::downstream);
    return {};
  }

  std::optional<int> position_of(int task, int map_index) const {
    if (!run_.dag().tasks[static_cast<size_t>(task)].expand) return std::nullopt;
    return run_.slots[static_cast<size_t>(task)].position_of(map_index, true);
  }

  void take_in(Place place) {
    if (place.second == whole) {
      whole_.insert(place.first);
    } else if (const auto position = position_of(place.first, place.second)) {
      parts_.insert({place.first, *position});
    }
  }

  void close(Place from, std::vector<int> Task::*next) {
    const bool is_downstream = next == &Task::downstream;
    for (const Place& place : places_along(*run_.shape, {from}, next)) {
      if (is_downstream && leaves_teardowns_ && run_.dag().tasks[static_cast<size_t>(place.first)].is_teardown)
        continue;
      take_in(place);
    }
  }

  std::set<int> all(int from, std::vector<int> Task::*next) const {
    std::set<int> tasks;
    for (const Place& place : places_along(*run_.shape, {{from, whole}}, next)) tasks.insert(place.first);
    return tasks;
  }

  // Airflow's get_upstreams_only_setups_and_teardowns: the setups before a task that nothing before it has cleared
  // away already, with their teardowns; of a setup that was named itself, its teardowns.
  void add_setups_and_teardowns() {
    const std::vector<Task>& tasks = run_.dag().tasks;
    const auto is_teardown = [&](int task) { return tasks[static_cast<size_t>(task)].is_teardown; };
    std::set<Place> named;
    for (const int task : whole_) named.insert({task, whole});
    for (const auto& [task, position] : parts_) {
      named.insert({task, run_.slots[static_cast<size_t>(task)].instances[static_cast<size_t>(position)].map_index});
    }
    for (const auto& [task, map_index] : named) {
      const Task& of = tasks[static_cast<size_t>(task)];
      if (of.is_teardown) continue;
      // What serves an index of a mapped group alone is done anew for that index alone.
      const auto take_in_for = [&, task = task, map_index = map_index](int other) {
        const bool is_same_group =
            run_.shape->mapped_group[static_cast<size_t>(task)] >= 0 && is_inner_edge(*run_.shape, task, other);
        take_in({other, is_same_group ? map_index : whole});
      };
      const auto take_in_teardowns = [&](const Task& setup) {
        for (const int next : setup.downstream) {
          if (is_teardown(next)) take_in_for(next);
        }
      };
      if (of.is_setup) {
        take_in_teardowns(of);
        continue;
      }
      const std::set<int> after = all(task, &Task::downstream);
      for (const int before : all(task, &Task::upstream)) {
        const Task& setup = tasks[static_cast<size_t>(before)];
        if (!setup.is_setup) continue;
        const bool has_teardown = std::ranges::any_of(setup.downstream, is_teardown);
        const bool is_open =
            std::ranges::any_of(setup.downstream, [&](int next) { return is_teardown(next) && after.contains(next); });
        if (has_teardown && !is_open) continue;
        take_in_for(before);
        take_in_teardowns(setup);
      }
    }
  }

  bool fits(const TaskInstance& row) const {
    if (selection_.only_failed && row.state != TaskState::failed && row.state != TaskState::upstream_failed)
      return false;
    return !selection_.only_running || is_live(row.state);
  }

  void take(int task, Selected& selected) {
    const TaskSlot& slot = run_.slots[static_cast<size_t>(task)];
    const bool is_whole = whole_.contains(task);
    if (is_whole && slot.instances.empty() && !slot.length && !selection_.only_failed && !selection_.only_running) {
      selected.unexpanded.push_back({run_.row.number, task});
    }
    if (is_whole) {
      for (int i = 0; i < static_cast<int>(slot.instances.size()); ++i) take(task, i, selected);
    } else {
      for (auto at = parts_.lower_bound({task, 0}); at != parts_.end() && at->first == task; ++at) {
        take(task, at->second, selected);
      }
    }
  }
  void take(int task, int position, Selected& selected) {
    const InstanceRef at{run_.row.number, task, position};
    if (fits(run_.instance(at))) selected.instances.push_back(at);
  }

  const ActiveRun& run_;
  const Selection& selection_;
  bool adds_setups_ = false;
  bool leaves_teardowns_ = false;
  std::set<int> whole_;
  std::set<std::pair<int, int>> parts_;  // (task, position)
};

}  // namespace

Result<Selected> select_instances(const ActiveRun& run, const Selection& selection) {
  return Selecting(run, selection).select();
}

Result<Selected> select_to_mark(const ActiveRun& run, const Selection& selection) {
  return Selecting(run, selection).without_teardowns_after().select();
}

Result<Selected> select_to_clear(const ActiveRun& run, const Selection& selection) {
  return Selecting(run, selection).with_setups_and_teardowns().select();
}

}  // namespace udon
