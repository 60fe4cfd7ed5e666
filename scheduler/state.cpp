#include "scheduler/state.h"

#include <algorithm>

#include "base/ensure.h"
#include "base/text.h"

namespace udon {

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

void State::load_covered_until(const std::string& dag_id, std::optional<TimePoint> covered_until) {
  dags_.at(dag_id).covered_until = covered_until;
}

void State::load_backfill(Backfill row) { apply_move(SetBackfill{std::move(row)}); }

namespace {

void clear_derived(TaskSlot& slot) {
  slot.upstream = {};
  slot.in_state = {};
  slot.undecided.clear();
  slot.ready.clear();
  slot.listed.reset();
}

}  // namespace

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
  if (!dag.shape && dag.max_active_runs < run.dag().max_active_runs) {
    dag.max_active_runs = run.dag().max_active_runs;
    update_dag_timer(dag);  // others may start now
  }
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
  // Those that look back at it find other tasks in another version.
  if (const auto successors = successors_.find(number); successors != successors_.end())
    for (const RunNumber later : successors->second) mark_all_dirty(runs_.at(later));
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
  forget_timers(number);
  forget_past(run);
  runs_by_id_.erase({run.row.dag_id, run.row.run_id});
  runs_.erase(number);
}

void State::forget_past(ActiveRun& run) {
  if (!run.past) return;
  const auto of_past = successors_.find(run.past->number);
  of_past->second.erase(run.row.number);
  if (of_past->second.empty()) successors_.erase(of_past);
  run.past.reset();
}

void State::look_back_at(ActiveRun& run, std::optional<PastRun> past) {
  forget_past(run);
  run.past = std::move(past);
  if (run.past) successors_[run.past->number].insert(run.row.number);
  mark_all_dirty(run);
}

std::set<RunNumber> State::successors_of(RunNumber run) const {
  const auto found = successors_.find(run);
  return found == successors_.end() ? std::set<RunNumber>{} : found->second;
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

// ---- for the auditor

State State::rebuilt() const {
  State fresh(parallelism_);
  fresh.ageing_ = ageing_;
  fresh.counters_ = counters_;
  for (const auto& [id, dag] : dags_) {
    fresh.load_dag(dag.record);
    DagState& copy = fresh.dags_[id];
    copy.shape = dag.shape;
    copy.is_due_known = dag.is_due_known;
    copy.covered_until = dag.covered_until;
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