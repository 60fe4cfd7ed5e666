// What follows from the facts and is kept beside them: counts, what is ready, which timers are set, what plan has to
// look at. Each is added and taken away again with the row that it follows from.
#include <algorithm>

#include "base/ensure.h"
#include "scheduler/deadlines.h"
#include "scheduler/state.h"
#include "scheduler/teardowns.h"
#include "scheduler/upstream.h"

namespace udon {

namespace {

std::pair<int64_t, RunNumber> start_order(const Backfill& backfill, const DagRun& run) {
  const int64_t at = run.logical_date.value_or(run.run_after).time_since_epoch().count();
  return {backfill.runs_backwards ? -at : at, run.number};
}

template <class Set, class Key>
void put(Set& set, const Key& key, bool is_member) {
  if (is_member) {
    set.insert(key);
  } else {
    set.erase(key);
  }
}

}  // namespace

// ---- what a row contributes

void State::count_try(const ActiveRun& run, const LiveTry& live, int sign) {
  const Task& task = run.dag().tasks[static_cast<size_t>(live.at.task)];
  if (const auto pool = pools_.find(task.pool); pool != pools_.end()) {
    const bool uses = live.kind == TryKind::process || pool->second.pool.include_deferred;
    if (uses) pool->second.used += sign * task.pool_slots;
  }
  if (live.kind == TryKind::process) processes_ += sign;
}

void State::count_instance(ActiveRun& run, InstanceRef at, int sign) {
  const auto index = static_cast<size_t>(at.task);
  TaskSlot& slot = run.slots[index];
  const Task& task = run.dag().tasks[index];
  const TaskInstance& row = slot.instances[static_cast<size_t>(at.position)];
  slot.in_state[index_of(row.state)] += sign;
  for (const int next : task.downstream) {
    if (is_inner_edge(*run.shape, at.task, next)) continue;
    run.slots[static_cast<size_t>(next)].upstream.add(row.state, task.is_setup, sign);
  }
  if (!is_finished(row.state)) run.unfinished += sign;
  switch (row.state) {
    case TaskState::none: put(slot.undecided, at.position, sign > 0); break;
    case TaskState::scheduled:
      put(slot.ready, at.position, sign > 0);
      update_ready(run, at.task);
      break;
    case TaskState::up_for_retry:
      ENSURE(row.next_try_at, "up_for_retry without a time");
      put(retry_timers_, std::pair(*row.next_try_at, at), sign > 0);
      break;
    case TaskState::queued:
    case TaskState::running:
    case TaskState::deferred:
    case TaskState::restarting: {
      const LiveTry& live = tries_.at(row.fence);
      run.live += sign;
      if (live.kind == TryKind::process) run.occupying += sign;
      if (live.becomes) run.ending += sign;
      put(ending_, row.fence, sign > 0 && live.becomes);
      count_try(run, live, sign);
      auto& of_dag = dags_.find(run.row.dag_id)->second.live_tasks;
      if ((of_dag[task.task_id] += sign) == 0) of_dag.erase(task.task_id);
      break;
    }
    case TaskState::success:
    case TaskState::failed:
    case TaskState::skipped:
    case TaskState::upstream_failed:
    case TaskState::removed:
    case TaskState::up_for_reschedule: break;
  }
}

void State::count_missing(ActiveRun& run, int task, int sign) {
  const auto index = static_cast<size_t>(task);
  const TaskSlot& slot = run.slots[index];
  const int64_t missing = slot.missing();
  run.unfinished += sign * missing;
  const Task& of = run.dag().tasks[index];
  for (const int next : of.downstream) {
    if (is_inner_edge(*run.shape, task, next)) continue;
    run.slots[static_cast<size_t>(next)].upstream.add(TaskState::none, of.is_setup, sign * missing);
  }
  const bool is_fillable = sign > 0 && slot.length && missing > 0 && !is_finished(run.row.state);
  put(fillable_, TaskRef{run.row.number, task}, is_fillable);
}

void State::count_run(const ActiveRun& run, int sign) {
  DagState& dag = dags_.find(run.row.dag_id)->second;
  put(dag.runs, run.row.number, sign > 0);
  if (const BackfillState* of = backfill_of(run.row)) {
    BackfillState& backfill = backfills_.at(of->row.number);
    if (run.row.state == RunState::queued) put(backfill.queued, start_order(backfill.row, run.row), sign > 0);
    if (run.row.state == RunState::running) backfill.running += sign;
    return update_backfill(backfill.row.number);
  }
  if (run.row.state == RunState::queued) put(dag.queued, std::pair(run.row.run_after, run.row.number), sign > 0);
  if (run.row.state == RunState::running) dag.running += sign;
  update_dag_timer(dag);
}

// ---- indexes that follow from several facts

void State::update_ready(ActiveRun& run, int task) {
  const auto index = static_cast<size_t>(task);
  if (run.dag().tasks[index].needs_no_try) return;  // it competes for nothing
  TaskSlot& slot = run.slots[index];
  std::optional<ReadyTask> entry;
  if (!slot.ready.empty() && !dags_.find(run.row.dag_id)->second.record.is_paused) {
    entry = {
        .turn = turn_of(run, task, *slot.ready.begin()), .minus_priority = -run.shape->priorities[index], .task = task};
  }
  if (entry == slot.listed) return;
  const ReadyGroup group = group_of(run.dag().tasks[index]);
  if (slot.listed) {
    const auto of_group = ready_.find(group);
    const auto of_run = of_group->second.find(run.row.number);
    of_run->second.erase(*slot.listed);
    if (of_run->second.empty()) of_group->second.erase(of_run);
    if (of_group->second.empty()) ready_.erase(of_group);
  }
  if (entry) ready_[group][run.row.number].insert(*entry);
  slot.listed = entry;
}

int64_t State::turn_of(const ActiveRun& run, int task, int position) const {
  const auto index = static_cast<size_t>(task);
  const int64_t priority = run.shape->priorities[index];
  if (ageing_ <= Duration::zero()) return -priority;
  const auto since = run.slots[index].instances[static_cast<size_t>(position)].scheduled_at;
  return (since ? since->time_since_epoch() / ageing_ : 0) - priority;
}

void State::set_ageing(Duration ageing) {
  ageing_ = ageing;
  for (auto& [number, run] : runs_)
    for (size_t i = 0; i < run.slots.size(); ++i) update_ready(run, static_cast<int>(i));
}

namespace {

void set_timer(std::set<std::pair<TimePoint, RunNumber>>& timers, std::map<RunNumber, TimePoint>& timer_of,
               RunNumber number, std::optional<TimePoint> at) {
  const auto known = timer_of.find(number);
  const std::optional<TimePoint> was = known == timer_of.end() ? std::nullopt : std::optional(known->second);
  if (was == at) return;
  if (was) timers.erase({*was, number});
  if (at) {
    timers.insert({*at, number});
    timer_of[number] = *at;
  } else {
    timer_of.erase(number);
  }
}

}  // namespace

void State::forget_timers(RunNumber number) {
  set_timer(run_timers_, run_timer_of_, number, {});
  set_timer(deadline_timers_, deadline_timer_of_, number, {});
}

int64_t State::ending_teardowns(const ActiveRun& run) const {
  int64_t ending = 0;
  if (run.ending == 0) return ending;
  for (const int task : run.shape->teardowns) {
    if (!has_to_clear_away(run, task)) continue;
    for (const TaskInstance& row : run.slots[static_cast<size_t>(task)].instances) {
      if (is_live(row.state) && tries_.at(row.fence).becomes) ++ending;
    }
  }
  return ending;
}

void State::update_run_index(const ActiveRun& run) {
  const RunNumber number = run.row.number;
  put(finishable_, number, run.row.state == RunState::running && run.unfinished == 0);
  put(evictable_, number, is_finished(run.row.state) && run.live == 0);
  std::optional<TimePoint> timeout_at;
  // Nothing is left to be skipped: what is unfinished is being ended, or is a teardown that still has its work to do.
  if (run.row.state == RunState::running && run.dag().dagrun_timeout && run.row.start_date &&
      run.unfinished - left_to_teardowns(run) > run.ending - ending_teardowns(run)) {
    timeout_at = *run.row.start_date + *run.dag().dagrun_timeout;
  }
  set_timer(run_timers_, run_timer_of_, number, timeout_at);
  set_timer(deadline_timers_, deadline_timer_of_, number, next_deadline(run));
}

void State::update_dag_timer(DagState& dag) {
  std::optional<TimePoint> timer;
  if (!dag.record.is_paused) {
    const int runs_max = dag.max_active_runs;
    if (dag.running < runs_max && !dag.queued.empty()) timer = dag.queued.begin()->first;
    if (dag.shape && dag.running + static_cast<int>(dag.queued.size()) < runs_max) {
      auto due = dag.is_due_known ? dag.record.next_run_after : std::optional(TimePoint::min());
      if (dag.is_due_by_assets()) due = TimePoint::min();
      if (due && (!timer || *due < *timer)) timer = due;
    }
  }
  if (timer == dag.timer) return;
  if (dag.timer) dag_timers_.erase({*dag.timer, dag.record.dag_id});
  if (timer) dag_timers_.insert({*timer, dag.record.dag_id});
  dag.timer = timer;
}

void State::update_backfill(BackfillNumber number) {
  const auto found = backfills_.find(number);
  if (found == backfills_.end()) {
    workable_backfills_.erase(number);
    return;
  }
  const BackfillState& backfill = found->second;
  const DagState& dag = dags_.find(backfill.row.dag_id)->second;
  const bool may_start = !backfill.row.is_paused && !dag.record.is_paused;
  const bool has_room = backfill.active() < backfill.row.max_active_runs;
  const bool can_start = !backfill.queued.empty() && backfill.running < backfill.row.max_active_runs;
  const bool can_step = !backfill.row.has_all_dates && has_room && dag.shape;
  const bool is_over = backfill.row.has_all_dates && backfill.active() == 0;
  put(workable_backfills_, number, is_over || (may_start && (can_start || can_step)));
}

void State::mark_all_dirty(const ActiveRun& run) {
  for (size_t i = 0; i < run.slots.size(); ++i) mark_dirty({run.row.number, static_cast<int>(i)});
}

void State::mark_dirty(const ActiveRun& run, int task, int map_index) {
  const TaskRef ref{run.row.number, task};
  if (map_index < 0 || run.shape->mapped_group[static_cast<size_t>(task)] < 0)
    mark_dirty(ref);
  else
    dirty_indices_[ref].insert(map_index);
}

// One that another task's instance speaks to: in a mapped group at its index alone.
void State::mark_after(const ActiveRun& run, int task, int map_index, int after) {
  mark_dirty(run, after, is_inner_edge(*run.shape, task, after) ? map_index : whole);
}

// Tasks that this one may have skipped, or not any more.
void State::mark_chosen_over(const ActiveRun& run, int task, int map_index) {
  for (const int after : run.shape->chosen_over[static_cast<size_t>(task)]) mark_after(run, task, map_index, after);
}

// Tasks of later runs that look back at this one.
void State::mark_successors(const ActiveRun& run, int task) {
  const auto successors = successors_.find(run.row.number);
  if (successors == successors_.end()) return;
  const std::string& task_id = run.dag().tasks[static_cast<size_t>(task)].task_id;
  for (const RunNumber number : successors->second) {
    const ActiveRun& later = runs_.at(number);
    const int same = later.dag().index_of(task_id);
    if (same < 0) continue;
    mark_dirty({number, same});
    for (const int before : later.dag().tasks[static_cast<size_t>(same)].upstream) mark_dirty({number, before});
  }
}

}  // namespace udon
