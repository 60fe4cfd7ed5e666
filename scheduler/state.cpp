#include "scheduler/state.h"

#include <algorithm>
#include <limits>

#include "base/ensure.h"
#include "base/text.h"
#include "scheduler/deadlines.h"
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

void clear_derived(TaskSlot& slot) {
  slot.upstream = {};
  slot.in_state = {};
  slot.undecided.clear();
  slot.ready.clear();
}

}  // namespace

ReadyGroup group_of(const Task& task) {
  ReadyGroup group{try_kind_of(task), task.queue, task.pool, task.pool_slots, {}};
  for (const std::string& id : task.connections) {
    // Without those of the defaults an operator may well do: AWS's tools find credentials in many places.
    if (std::ranges::find(task.default_connections, id) == task.default_connections.end())
      group.connections.push_back(id);
  }
  return group;
}

bool ConnectionIds::has(const std::string& id) const {
  return stored.contains(id) || of_environment.contains(lower_ascii(id));
}

std::optional<std::string> State::missing_connection(const ReadyGroup& group) const {
  if (!connections_) return std::nullopt;
  for (const std::string& id : group.connections) {
    if (!connections_->has(id)) return id;
  }
  return std::nullopt;
}

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

void State::update_ready(const ActiveRun& run, int task) {
  const auto index = static_cast<size_t>(task);
  if (run.dag().tasks[index].needs_no_try) return;  // it competes for nothing
  const bool is_ready = !run.slots[index].ready.empty() && !dags_.find(run.row.dag_id)->second.record.is_paused;
  const std::pair key(-run.shape->priorities[index], task);
  const ReadyGroup group = group_of(run.dag().tasks[index]);
  if (is_ready) {
    ready_[group][run.row.number].insert(key);
    return;
  }
  const auto of_group = ready_.find(group);
  if (of_group == ready_.end()) return;
  const auto of_run = of_group->second.find(run.row.number);
  if (of_run == of_group->second.end()) return;
  of_run->second.erase(key);
  if (of_run->second.empty()) of_group->second.erase(of_run);
  if (of_group->second.empty()) ready_.erase(of_group);
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

// ---- facts

const std::vector<int>& State::takers(TryKind kind, const std::string& queue) const {
  static const std::vector<int> nobody;
  const auto found = takers_.find({kind, queue});
  return found == takers_.end() ? nobody : found->second;
}

const DagState* State::find_dag(std::string_view dag_id) const {
  const auto found = dags_.find(dag_id);
  return found == dags_.end() ? nullptr : &found->second;
}

const BackfillState* State::backfill_of(const DagRun& run) const {
  if (!run.backfill) return nullptr;
  const auto found = backfills_.find(*run.backfill);
  return found == backfills_.end() ? nullptr : &found->second;
}

const ActiveRun* State::find_run(RunNumber number) const {
  const auto found = runs_.find(number);
  return found == runs_.end() ? nullptr : &found->second;
}

const ActiveRun* State::find_run(const std::string& dag_id, const std::string& run_id) const {
  const auto found = runs_by_id_.find({dag_id, run_id});
  return found == runs_by_id_.end() ? nullptr : &runs_.at(found->second);
}

ActiveRun& State::run_at(RunNumber number) {
  const auto found = runs_.find(number);
  ENSURE(found != runs_.end(), "a move of a run that is not in memory");
  return found->second;
}

void State::set_executors(std::vector<ExecutorState> executors) {
  executors_ = std::move(executors);
  takers_.clear();
}

void State::set_takers(TryKind kind, const std::string& queue, std::vector<int> executors) {
  takers_[{kind, queue}] = std::move(executors);
}

void State::set_pools(const std::vector<Pool>& pools) {
  pools_.clear();
  for (const Pool& pool : pools) pools_[pool.name] = {.pool = pool, .used = 0};
  processes_ = 0;
  for (const auto& [fence, live] : tries_) count_try(runs_.at(live.at.run), live, 1);
}

void State::load_dag(DagRecord record) {
  DagState& dag = dags_[record.dag_id];
  index_assets(dag.record, -1);
  dag.record = std::move(record);
  index_assets(dag.record, 1);
  dag.is_due_known = false;
  update_dag_timer(dag);
}

void State::load_backfill(Backfill row) { apply_move(SetBackfill{std::move(row)}); }

// `run.slots` hold instances, lengths and outputs; all that is derived is made here.
void State::insert_run(ActiveRun run) {
  const RunNumber number = run.row.number;
  if (!dags_.contains(run.row.dag_id)) {
    DagRecord record;
    record.dag_id = run.row.dag_id;
    record.is_stale = true;
    load_dag(std::move(record));
  }
  DagState& dag = dags_.find(run.row.dag_id)->second;
  if (!dag.shape) dag.max_active_runs = std::max(dag.max_active_runs, run.dag().max_active_runs);
  run.unfinished = run.live = run.occupying = run.ending = 0;
  for (TaskSlot& slot : run.slots) clear_derived(slot);
  ENSURE(!runs_.contains(number), "a run comes into memory twice");
  runs_by_id_[{run.row.dag_id, run.row.run_id}] = number;
  ActiveRun& there = runs_.emplace(number, std::move(run)).first->second;
  for (size_t i = 0; i < there.slots.size(); ++i) {
    const int task = static_cast<int>(i);
    for (size_t k = 0; k < there.slots[i].instances.size(); ++k) {
      count_instance(there, {number, task, static_cast<int>(k)}, 1);
    }
    count_missing(there, task, 1);
  }
  if (there.past) successors_[there.past->number].insert(number);
  count_run(there, 1);
  update_run_index(there);
  mark_all_dirty(there);
}

void State::load_run(ActiveRun run, const std::map<Fence, LiveTry>& tries) {
  for (const auto& [fence, live] : tries) tries_[fence] = live;
  insert_run(std::move(run));
}

void State::erase_run(RunNumber number) {
  ENSURE(run_at(number).live == 0, "a run with a live try leaves memory");
  take_out_run(number);
}

void State::take_out_run(RunNumber number) {
  ActiveRun& run = run_at(number);
  count_run(run, -1);
  for (size_t i = 0; i < run.slots.size(); ++i) {
    const int task = static_cast<int>(i);
    count_missing(run, task, -1);
    for (size_t k = 0; k < run.slots[i].instances.size(); ++k) {
      count_instance(run, {number, task, static_cast<int>(k)}, -1);
    }
    settle({number, task});
  }
  finishable_.erase(number);
  evictable_.erase(number);
  set_timer(run_timers_, run_timer_of_, number, {});
  set_timer(deadline_timers_, deadline_timer_of_, number, {});
  if (run.past) {
    const auto of_past = successors_.find(run.past->number);
    of_past->second.erase(number);
    if (of_past->second.empty()) successors_.erase(of_past);
  }
  runs_by_id_.erase({run.row.dag_id, run.row.run_id});
  runs_.erase(number);
}

void State::evict_finished() {
  dropped_.clear();
  while (!evictable_.empty()) {
    const RunNumber number = *evictable_.begin();
    const ActiveRun& run = runs_.at(number);
    if (const auto successors = successors_.find(number); successors != successors_.end()) {
      for (const RunNumber other : successors->second) {
        ActiveRun& later = runs_.at(other);
        later.past->states.clear();
        for (size_t i = 0; i < run.slots.size(); ++i) {
          auto& states = later.past->states[run.dag().tasks[i].task_id];
          for (const TaskInstance& row : run.slots[i].instances) states.push_back(row.state);
        }
      }
    }
    erase_run(number);
  }
}

// ---- moves

void State::apply(const Move& move) {
  std::visit([this](const auto& what) { apply_move(what); }, move);
}

void State::apply_move(const MoveInstance& move) {
  ActiveRun& run = run_at(move.at.run);
  TaskSlot& slot = run.slots[static_cast<size_t>(move.at.task)];
  TaskInstance& row = slot.instances[static_cast<size_t>(move.at.position)];
  const TaskState from = row.state;
  const TaskState to = move.row.state;
  ENSURE(from == to || is_allowed(from, to, move.cause), "a move of a task instance that the table does not have");
  ENSURE(row.number == move.row.number && row.map_index == move.row.map_index, "a move changes which instance it is");
  // What indices of a mapped group hear from outside is worth a look at all of them only if it says something new.
  std::vector<std::pair<int, unsigned>> meant;
  for (const int next : run.dag().tasks[static_cast<size_t>(move.at.task)].downstream) {
    if (run.shape->mapped_group[static_cast<size_t>(next)] < 0 || is_inner_edge(*run.shape, move.at.task, next))
      continue;
    meant.emplace_back(next, meaning_of(run.slots[static_cast<size_t>(next)].upstream));
  }
  count_instance(run, move.at, -1);
  // A process that is deferred goes on as a try of another kind, under a fence of its own.
  const bool is_deferred = is_live(from) && to == TaskState::deferred && move.row.fence != row.fence;
  if (is_live(from) && (!is_live(to) || is_deferred)) tries_.erase(row.fence);
  if ((!is_live(from) && is_live(to)) || is_deferred) {
    ENSURE(move.row.fence > row.fence && !tries_.contains(move.row.fence), "a try's fence is not new");
    const Task& task = run.dag().tasks[static_cast<size_t>(move.at.task)];
    LiveTry live;
    live.at = move.at;
    live.kind = is_deferred ? TryKind::probe : try_kind_of(task);
    live.executor = move.executor;
    tries_[move.row.fence] = live;
    counters_.last_fence = std::max(counters_.last_fence, move.row.fence);
    if (move.executor >= 0) executors_[static_cast<size_t>(move.executor)].free -= 1;
  } else {
    ENSURE(move.row.fence == row.fence, "a fence changes without a new try");
  }
  row = move.row;
  if (!is_live(to)) run.questions.erase({move.at.task, move.at.position});
  if (!keeps_deferral(to)) run.deferrals.erase({move.at.task, move.at.position});
  count_instance(run, move.at, 1);
  const bool counts_otherwise = from != to && (is_finished(from) || is_finished(to));
  if (counts_otherwise) {
    const auto task = static_cast<size_t>(move.at.task);
    for (const int next : run.dag().tasks[task].downstream) {
      const auto was = std::ranges::find(meant, next, &std::pair<int, unsigned>::first);
      if (was != meant.end() && was->second == meaning_of(run.slots[static_cast<size_t>(next)].upstream)) continue;
      mark_after(run, move.at.task, row.map_index, next);
    }
    mark_chosen_over(run, move.at.task, row.map_index);
    for (const int next : run.shape->set_up_by[task]) mark_after(run, move.at.task, row.map_index, next);
    for (const int next : run.shape->mapped_over[task]) mark_dirty({move.at.run, next});
    mark_successors(run, move.at.task);
  }
  if (to == TaskState::none || to == TaskState::scheduled) mark_dirty(run, move.at.task, row.map_index);
  update_run_index(run);
}

void State::apply_move(const AddInstances& move) {
  ActiveRun& run = run_at(move.task.run);
  TaskSlot& slot = run.slots[static_cast<size_t>(move.task.task)];
  count_missing(run, move.task.task, -1);
  for (const TaskInstance& row : move.rows) {
    ENSURE(row.state == TaskState::none && row.fence == 0, "a new task instance has had no past");
    const auto position = static_cast<int>(slot.instances.size());
    if (row.map_index < 0 && run.dag().tasks[static_cast<size_t>(move.task.task)].expand) slot.placeholder = position;
    slot.instances.push_back(row);
    counters_.last_instance = std::max(counters_.last_instance, row.number);
    count_instance(run, {move.task.run, move.task.task, position}, 1);
  }
  count_missing(run, move.task.task, 1);
  mark_dirty(move.task);
  update_run_index(run);
}

void State::apply_move(const SetLength& move) {
  ActiveRun& run = run_at(move.task.run);
  TaskSlot& slot = run.slots[static_cast<size_t>(move.task.task)];
  count_missing(run, move.task.task, -1);
  slot.length = move.length;
  slot.bound = move.bound;
  count_missing(run, move.task.task, 1);
  for (const int next : run.dag().tasks[static_cast<size_t>(move.task.task)].downstream) {
    mark_dirty({move.task.run, next});
  }
  for (const int next : run.shape->set_up_by[static_cast<size_t>(move.task.task)]) mark_dirty({move.task.run, next});
  for (const int next : run.shape->mapped_over[static_cast<size_t>(move.task.task)]) mark_dirty({move.task.run, next});
  mark_dirty(move.task);
  update_run_index(run);
}

void State::apply_move(const ChangeTry& move) {
  LiveTry& live = tries_.at(move.fence);
  ActiveRun& run = run_at(live.at.run);
  count_instance(run, live.at, -1);
  live = move.row;
  count_instance(run, live.at, 1);
  update_run_index(run);
}

void State::apply_move(const NotePoke& move) {
  LiveTry& live = tries_.at(move.fence);
  live.poke = move.text;
  live.poked_at = move.at;
}

void State::apply_move(const StoreXCom& move) {
  ActiveRun& run = run_at(move.at.run);
  const auto index = static_cast<size_t>(move.at.task);
  if (move.key == choice_key && run.dag().tasks[index].choosing != Choosing::nothing) {
    run.slots[index].choices[run.instance(move.at).map_index] = skipped_by(run.dag(), move.at.task, move.value);
    mark_chosen_over(run, move.at.task, run.instance(move.at).map_index);
  }
  if (move.key != "return_value" || !run.shape->feeds_map[index]) return;
  run.slots[index].outputs[run.instance(move.at).map_index] = move.value;
}

void State::apply_move(const ForgetXComs& move) {
  ActiveRun& run = run_at(move.at.run);
  TaskSlot& slot = run.slots[static_cast<size_t>(move.at.task)];
  const int map_index = run.instance(move.at).map_index;
  slot.outputs.erase(map_index);
  if (slot.choices.erase(map_index) > 0) mark_chosen_over(run, move.at.task, map_index);
}

void State::apply_move(const AddRun& move) {
  ActiveRun run;
  run.row = move.row;
  run.shape = move.shape;
  run.past = move.past;
  const std::vector<Task>& tasks = move.shape->dag->tasks;
  run.slots.resize(tasks.size());
  for (size_t i = 0; i < tasks.size(); ++i) set_known_length(run.slots[i], move.shape, static_cast<int>(i));
  counters_.last_run = std::max(counters_.last_run, move.row.number);
  if (!move.events.empty()) {
    DagState& dag = dags_.at(move.row.dag_id);
    for (const AssetEventNumber event : move.events) run.events.push_back(take_event(dag, event));
  }
  insert_run(std::move(run));
}

void State::apply_move(const MoveRun& move) {
  ActiveRun& run = run_at(move.row.number);
  const RunState from = run.row.state;
  ENSURE(from == move.row.state || is_allowed(from, move.row.state, move.cause),
         "a move of a dag run that the table does not have");
  count_run(run, -1);
  run.row = move.row;
  count_run(run, 1);
  if (from != run.row.state) {
    for (size_t i = 0; i < run.slots.size(); ++i) {
      count_missing(run, static_cast<int>(i), -1);
      count_missing(run, static_cast<int>(i), 1);
    }
    if (run.row.state == RunState::running) mark_all_dirty(run);
    for (size_t i = 0; i < run.slots.size(); ++i) mark_successors(run, static_cast<int>(i));
  }
  update_run_index(run);
}

void State::apply_move(const TellDeadline& move) {
  ActiveRun& run = run_at(move.run);
  run.told_deadlines[move.deadline] = move.at;
  update_run_index(run);
}

void State::apply_move(const DropRun& move) {
  dropped_.insert(move.run);
  if (!runs_.contains(move.run)) return;
  if (const auto successors = successors_.find(move.run); successors != successors_.end()) {
    for (const RunNumber number : successors->second) {
      ActiveRun& later = runs_.at(number);
      later.past.reset();
      mark_all_dirty(later);
    }
    successors_.erase(move.run);
  }
  erase_run(move.run);
}

void State::apply_move(const SetDag& move) {
  DagState& dag = dags_[move.row.dag_id];
  const bool was_paused = dag.record.is_paused;
  index_assets(dag.record, -1);
  dag.record = move.row;
  index_assets(dag.record, 1);
  dag.is_due_known = move.is_due_known;
  update_dag_timer(dag);
  if (dag.backfill != 0) update_backfill(dag.backfill);
  if (was_paused == dag.record.is_paused) return;
  for (const RunNumber number : dag.runs) {
    const ActiveRun& run = runs_.at(number);
    for (size_t i = 0; i < run.slots.size(); ++i) {
      if (run.slots[i].ready.empty()) continue;
      update_ready(run, static_cast<int>(i));
      mark_dirty({number, static_cast<int>(i)});  // what needs no try goes on by itself
    }
  }
}

void State::apply_move(const SetBackfill& move) {
  const BackfillNumber number = move.row.number;
  if (!dags_.contains(move.row.dag_id)) load_dag({.dag_id = move.row.dag_id, .is_stale = true});
  DagState& dag = dags_.find(move.row.dag_id)->second;
  counters_.last_backfill = std::max(counters_.last_backfill, number);
  if (!move.row.completed_at) {
    backfills_[number].row = move.row;
    dag.backfill = number;
    return update_backfill(number);
  }
  // What still runs of one that was cancelled counts as the DAG's from now on.
  std::vector<RunNumber> left;
  for (const RunNumber run : dag.runs) {
    if (runs_.at(run).row.backfill == number) left.push_back(run);
  }
  for (const RunNumber run : left) count_run(runs_.at(run), -1);
  backfills_.erase(number);
  if (dag.backfill == number) dag.backfill = 0;
  for (const RunNumber run : left) count_run(runs_.at(run), 1);
  update_backfill(number);
}

void State::apply_move(const SetQuestion& move) {
  run_at(move.at.run).questions[{move.at.task, move.at.position}] = move.question;
}

void State::apply_move(const SetDeferral& move) {
  run_at(move.at.run).deferrals[{move.at.task, move.at.position}] = move.deferral;
}

void State::apply_move(const LoadDag& move) {
  DagState& dag = dags_[move.dag_id];
  dag.record.dag_id = move.dag_id;
  dag.shape = move.shape;
  if (move.shape) {
    // A run after the other, as soon as one ends: never two.
    const bool is_continuous = std::holds_alternative<ContinuousSchedule>(move.shape->dag->schedule.kind);
    dag.max_active_runs = is_continuous ? 1 : move.shape->dag->max_active_runs;
  }
  dag.is_due_known = false;
  update_dag_timer(dag);
  if (dag.backfill != 0) update_backfill(dag.backfill);
}

// ---- for the auditor

State State::rebuilt() const {
  State fresh(parallelism_);
  fresh.counters_ = counters_;
  for (const auto& [id, dag] : dags_) {
    fresh.load_dag(dag.record);
    DagState& copy = fresh.dags_[id];
    copy.shape = dag.shape;
    copy.is_due_known = dag.is_due_known;
    for (const auto& [number, event] : dag.events) fresh.queue_event(copy, event);
  }
  std::vector<Pool> pools;
  for (const auto& [name, pool] : pools_) pools.push_back(pool.pool);
  fresh.set_pools(pools);
  fresh.executors_ = executors_;
  fresh.takers_ = takers_;
  fresh.connections_ = connections_;
  fresh.stopped_ = stopped_;
  fresh.tries_ = tries_;
  for (const auto& [number, backfill] : backfills_) fresh.load_backfill(backfill.row);
  for (const auto& [number, run] : runs_) fresh.insert_run(run);
  // What a file that is gone now had said last is a fact of its own.
  for (const auto& [id, dag] : dags_) {
    DagState& copy = fresh.dags_[id];
    copy.max_active_runs = dag.max_active_runs;
    fresh.update_dag_timer(copy);
  }
  return fresh;
}

std::optional<std::string> State::first_difference(const State& other) const {
  std::optional<std::string> first;
  const auto compare = [&](const char* name, const auto& mine, const auto& its) {
    if (!first && mine != its) first = name;
  };
  compare("dags", dags_, other.dags_);
  compare("backfills", backfills_, other.backfills_);
  compare("workable backfills", workable_backfills_, other.workable_backfills_);
  compare("runs", runs_, other.runs_);
  compare("tries", tries_, other.tries_);
  compare("pools", pools_, other.pools_);
  compare("executors", executors_, other.executors_);
  compare("takers", takers_, other.takers_);
  compare("connections", connections_, other.connections_);
  compare("stopped", stopped_, other.stopped_);
  compare("runs by id", runs_by_id_, other.runs_by_id_);
  compare("consumers of assets", consumers_, other.consumers_);
  compare("successors", successors_, other.successors_);
  compare("fillable", fillable_, other.fillable_);
  compare("finishable", finishable_, other.finishable_);
  compare("evictable", evictable_, other.evictable_);
  compare("timers of DAGs", dag_timers_, other.dag_timers_);
  compare("timers of retries", retry_timers_, other.retry_timers_);
  compare("timers of runs", run_timers_, other.run_timers_);
  compare("timers by run", run_timer_of_, other.run_timer_of_);
  compare("timers of deadlines", deadline_timers_, other.deadline_timers_);
  compare("deadlines by run", deadline_timer_of_, other.deadline_timer_of_);
  compare("ready", ready_, other.ready_);
  compare("ending", ending_, other.ending_);
  compare("processes", processes_, other.processes_);
  return first;
}

}  // namespace udon
