#include "scheduler/run_changes.h"

#include <algorithm>
#include <iterator>

#include "scheduler/plan.h"
#include "scheduler/reports.h"
#include "scheduler/teardowns.h"
#include "scheduler/upstream.h"

namespace udon {

namespace {

std::string by(const std::string& user) { return user.empty() ? "" : " by " + user; }

template <class F>
void for_each_instance(const ActiveRun& run, F&& f) {
  for (size_t i = 0; i < run.slots.size(); ++i) {
    for (size_t k = 0; k < run.slots[i].instances.size(); ++k) {
      f(InstanceRef{run.row.number, static_cast<int>(i), static_cast<int>(k)});
    }
  }
}

}  // namespace

void RunChanges::add_all(Moves moves) { std::ranges::move(moves, std::back_inserter(result_.moves)); }

void RunChanges::end(const ActiveRun& run, InstanceRef at, TaskState becomes, const std::string& note,
                     const std::string& user) {
  const TaskInstance& row = run.instance(at);
  add(end_try(state_, row.fence, becomes, EndCause::killed, note, user));
  if (becomes != TaskState::none || row.state == TaskState::restarting) return;
  MoveInstance move{.at = at, .row = row, .cause = MoveCause::command, .user = user, .text = note};
  move.row.state = TaskState::restarting;
  add(std::move(move));
}

void RunChanges::clear(const ActiveRun& run, InstanceRef at, const std::string& user) {
  const TaskInstance& row = run.instance(at);
  const std::string note = "cleared" + by(user);
  if (row.state == TaskState::none || row.state == TaskState::removed) return;
  result_.outcome.instances.push_back(key_of(run, row));
  if (is_live(row.state)) return end(run, at, TaskState::none, note, user);
  MoveInstance move{.at = at, .row = row, .cause = MoveCause::command, .user = user, .text = note};
  move.row.state = TaskState::none;
  // Airflow's rule: as many tries again as the task says, counted on from those that were.
  move.row.max_tries = row.try_number + 1 + run.dag().tasks[static_cast<size_t>(at.task)].retry.retries;
  move.row.scheduled_at = move.row.queued_at = move.row.start_date = move.row.end_date = move.row.next_try_at =
      std::nullopt;
  move.row.note.clear();
  add(ForgetXComs{at});
  add(std::move(move));
}

void RunChanges::reopen(const ActiveRun& run, const std::string& user, DagRun as) {
  if (!is_finished(run.row.state)) return;
  MoveRun move{.row = std::move(as), .cause = MoveCause::command, .user = user, .text = "cleared" + by(user)};
  move.row.state = RunState::queued;
  move.row.queued_at = now_;
  move.row.start_date = move.row.end_date = std::nullopt;
  result_.outcome.run = move.row;
  add(std::move(move));
}

void RunChanges::mark(const ActiveRun& run, InstanceRef at, TaskState to, const std::string& note,
                      const std::string& user, MoveCause cause) {
  const TaskInstance& row = run.instance(at);
  if (row.state == to || row.state == TaskState::removed) return;
  result_.outcome.instances.push_back(key_of(run, row));
  if (is_live(row.state)) return end(run, at, to, note, user);
  MoveInstance move{.at = at, .row = row, .cause = cause, .user = user, .text = note};
  move.row.state = to;
  move.row.end_date = now_;
  move.row.next_try_at.reset();
  move.row.note = note;
  add(std::move(move));
}

void RunChanges::mark_unexpanded(const ActiveRun& run, TaskRef task, TaskState to, const std::string& note,
                                 const std::string& user) {
  const TaskInstance row = new_instance(run, task.task, -1, state_.counters().last_instance + 1 + added_);
  ++added_;
  add(AddInstances{.task = task, .rows = {row}});
  MoveInstance move{
      .at = {task.run, task.task, 0}, .row = row, .cause = MoveCause::command, .user = user, .text = note};
  move.row.state = to;
  move.row.end_date = now_;
  move.row.note = note;
  result_.outcome.instances.push_back(key_of(run, row));
  add(std::move(move));
}

void RunChanges::resume_after(const ActiveRun& run, const std::set<Place>& places, const Selected& selected,
                              const std::string& user) {
  const std::set<Place> behind = places_along(*run.shape, {places.begin(), places.end()}, &Task::downstream);
  std::set<int> tasks;
  for (const auto& [task, map_index] : behind) tasks.insert(task);
  bool has_resumed = false;
  for (const int task : tasks) {
    const TaskSlot& slot = run.slots[static_cast<size_t>(task)];
    for (int i = 0; i < static_cast<int>(slot.instances.size()); ++i) {
      const InstanceRef at{run.row.number, task, i};
      const TaskState there = run.instance(at).state;
      if (there != TaskState::failed && there != TaskState::upstream_failed) continue;
      if (!behind.contains({task, whole}) && !behind.contains({task, run.instance(at).map_index})) continue;
      if (std::ranges::binary_search(selected.instances, at)) continue;
      clear(run, at, user);
      has_resumed = true;
    }
  }
  if (has_resumed) reopen(run, user);
}

void RunChanges::clear_all(const ActiveRun& run, DagRun as, const std::string& user) {
  for_each_instance(run, [&](InstanceRef at) { clear(run, at, user); });
  reopen(run, user, std::move(as));
}

namespace {

// What decides the run, teardowns that are still to run left out, has failed, or is failed when the run is.
bool has_failure_that_decides(const ActiveRun& run) {
  for (int task = 0; task < static_cast<int>(run.slots.size()); ++task) {
    if (!run.shape->decides[static_cast<size_t>(task)] || has_to_clear_away(run, task)) continue;
    const TaskSlot& slot = run.slots[static_cast<size_t>(task)];
    if (slot.count(TaskState::failed) + slot.count(TaskState::upstream_failed) > 0) return true;
    if (slot.finished() < slot.expected()) return true;
  }
  return false;
}

// The last task instance in success that, failed, would fail the run.
std::optional<InstanceRef> success_that_decides(const ActiveRun& run) {
  for (int task = static_cast<int>(run.slots.size()) - 1; task >= 0; --task) {
    const auto index = static_cast<size_t>(task);
    // Not a setup: failed, it would leave its teardown nothing to clear away.
    if (!run.shape->decides[index] || run.dag().tasks[index].is_setup || has_to_clear_away(run, task)) continue;
    const std::vector<TaskInstance>& instances = run.slots[static_cast<size_t>(task)].instances;
    const auto found = std::ranges::find(instances, TaskState::success, &TaskInstance::state);
    if (found != instances.end()) return InstanceRef{run.row.number, task, static_cast<int>(found - instances.begin())};
  }
  return std::nullopt;
}

// What is set up is followed by nothing but what clears it away.
bool has_setup_that_decides(const ActiveRun& run) {
  for (size_t task = 0; task < run.slots.size(); ++task) {
    if (run.shape->decides[task] && run.dag().tasks[task].is_setup && run.slots[task].count(TaskState::success) > 0)
      return true;
  }
  return false;
}

}  // namespace

void RunChanges::mark_before_teardowns(const ActiveRun& run, RunState to, const std::string& note,
                                       const std::string& user) {
  if (to == RunState::failed && !has_failure_that_decides(run)) {
    // All has succeeded that decides. One of these fails it in the end. Where only setups decide the run succeeds when
    // it has cleared away, as in Airflow: to end the teardowns would leave what was made. Else they are all that there
    // is.
    const auto decider = success_that_decides(run);
    if (decider)
      mark(run, *decider, TaskState::failed, note, user);
    else if (!has_setup_that_decides(run))
      return mark_run(run, to, note, MoveCause::command, user);
  }
  for (int task = 0; task < static_cast<int>(run.slots.size()); ++task) {
    const TaskSlot& slot = run.slots[static_cast<size_t>(task)];
    const bool clears_away = has_to_clear_away(run, task);
    if (clears_away && slot.instances.empty()) continue;
    // One that decides is failed, not skipped: else the run would succeed.
    const TaskState unstarted = to == RunState::success                         ? TaskState::success
                                : run.shape->decides[static_cast<size_t>(task)] ? TaskState::failed
                                                                                : TaskState::skipped;
    if (slot.instances.empty() && slot.missing() > 0)
      mark_unexpanded(run, {run.row.number, task}, unstarted, note, user);
    for (int k = 0; k < static_cast<int>(slot.instances.size()); ++k) {
      const InstanceRef at{run.row.number, task, k};
      const TaskState there = run.instance(at).state;
      if (clears_away && (is_finished(there) || has_to_clear_away(run, at))) continue;
      if (to == RunState::success) {
        if (there != TaskState::skipped) mark(run, at, TaskState::success, note, user);
      } else if (!is_finished(there)) {
        mark(run, at, is_live(there) ? TaskState::failed : unstarted, note, user);
      }
    }
  }
  add(MoveRun{.row = run.row, .cause = MoveCause::command, .user = user, .text = note + "; its teardowns run first"});
}

void RunChanges::mark_run(const ActiveRun& run, RunState to, const std::string& note, MoveCause cause,
                          const std::string& user) {
  for_each_instance(run, [&](InstanceRef at) {
    const TaskInstance& row = run.instance(at);
    if (to == RunState::success) {
      if (row.state != TaskState::skipped && row.state != TaskState::removed) {
        mark(run, at, TaskState::success, note, user);
      }
    } else if (is_live(row.state)) {
      mark(run, at, TaskState::failed, note, user);
    } else if (!is_finished(row.state)) {
      mark(run, at, TaskState::skipped, note, user, cause);
    }
  });
  if (run.row.state == to) return;
  MoveRun move{.row = run.row, .cause = cause, .user = user, .text = note};
  move.row.state = to;
  move.row.end_date = now_;
  result_.outcome.run = move.row;
  add(std::move(move));
}

}  // namespace udon
