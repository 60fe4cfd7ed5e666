#include "tests/simulation/auditor.h"

#include <algorithm>

#include "model/reason.h"
#include "scheduler/plan.h"
#include "scheduler/why.h"

namespace udon::simulation {

namespace {

bool has_process(const ActiveRun& run, size_t task) { return run.dag().tasks[task].kind == OperatorKind::process; }

template <class F>
void for_each_instance(const State& state, F&& f) {
  for (const auto& [number, run] : state.runs()) {
    for (size_t i = 0; i < run.slots.size(); ++i) {
      for (const TaskInstance& row : run.slots[i].instances) f(run, i, row);
    }
  }
}

// Live task instances that fit, over everything.
template <class F>
int64_t count_live(const State& state, F&& fits) {
  int64_t count = 0;
  for_each_instance(state, [&](const ActiveRun& run, size_t task, const TaskInstance& row) {
    if (is_live(row.state) && fits(run, task)) ++count;
  });
  return count;
}

int64_t slots_used(const State& state, const Pool& pool) {
  int64_t used = 0;
  for_each_instance(state, [&](const ActiveRun& run, size_t task, const TaskInstance& row) {
    const Task& of = run.dag().tasks[task];
    if (is_live(row.state) && of.pool == pool.name && (has_process(run, task) || pool.include_deferred)) {
      used += of.pool_slots;
    }
  });
  return used;
}

std::string name(const ActiveRun& run, const TaskInstance& row) { return to_string(key_of(run, row)); }

}  // namespace

UpstreamCounts count_upstream(const ActiveRun& run, int task) {
  UpstreamCounts counts;
  for (const int index : run.dag().tasks[static_cast<size_t>(task)].upstream) {
    const TaskSlot& slot = run.slots[static_cast<size_t>(index)];
    const bool is_setup = run.dag().tasks[static_cast<size_t>(index)].is_setup;
    const auto missing = slot.missing();
    counts.total += missing + static_cast<int64_t>(slot.instances.size());
    if (is_setup) counts.setup_total += missing + static_cast<int64_t>(slot.instances.size());
    for (const TaskInstance& row : slot.instances) {
      if (row.state == TaskState::success) counts.success += 1, counts.setup_success += is_setup;
      if (row.state == TaskState::skipped) counts.skipped += 1, counts.setup_skipped += is_setup;
      if (row.state == TaskState::failed) counts.failed += 1;
      if (row.state == TaskState::upstream_failed) counts.upstream_failed += 1;
      if (row.state == TaskState::removed) counts.removed += 1;
    }
  }
  return counts;
}

void Auditor::allow(const CommandOutcome& outcome) {
  touched_.insert(outcome.instances.begin(), outcome.instances.end());
  if (outcome.run) touched_runs_.insert({outcome.run->dag_id, outcome.run->run_id});
}

void Auditor::after_turn(const State& state, std::optional<TimePoint> wake_at) {
  compare_with_store(state);
  check_indexes(state);
  check_starts(state);
  check_limits(state);
  check_finality(state);
  check_processes(state);
  check_reasons(state, wake_at);
  remember(state);
  touched_.clear();
  touched_runs_.clear();
  pools_changed_ = catalog_changed_ = false;
}

void Auditor::compare_with_store(const State& state) {
  const auto active = must(store_.reader().active_runs(), "active_runs");
  if (!active) return;
  std::set<RunNumber> stored;
  for (const DagRun& row : *active) {
    stored.insert(row.number);
    const ActiveRun* run = state.find_run(row.number);
    if (run == nullptr) return complain("run " + row.run_id + " is active in the store and lost in memory");
    if (run->row != row) return complain("run " + row.run_id + " differs between memory and store");
  }
  for (const auto& [number, run] : state.runs()) {
    if (!is_finished(run.row.state) && !stored.contains(number)) {
      return complain("run " + run.row.run_id + " is active in memory only");
    }
    const auto rows = must(store_.reader().instances_of(number), "instances_of");
    if (!rows) return;
    std::map<InstanceNumber, const TaskInstance*> by_number;
    for (const TaskInstance& row : *rows) by_number[row.number] = &row;
    size_t in_memory = 0;
    for (const TaskSlot& slot : run.slots) {
      for (const TaskInstance& row : slot.instances) {
        ++in_memory;
        const auto there = by_number.find(row.number);
        if (there == by_number.end()) return complain(name(run, row) + " is in memory only");
        if (*there->second != row) {
          return complain(name(run, row) + " is " + std::string(to_string(row.state)) + " in memory and " +
                          std::string(to_string(there->second->state)) + " in the store, or differs otherwise");
        }
      }
    }
    if (in_memory != rows->size()) return complain("run " + run.row.run_id + " has instances in the store only");
  }
  for (const auto& [id, dag] : state.dags()) {
    const auto record = must(store_.reader().dag(id), "dag");
    if (record && *record && **record != dag.record) return complain("DAG " + id + " differs between memory and store");
  }
}

void Auditor::check_indexes(const State& state) {
  if (const auto wrong = state.rebuilt().first_difference(state)) {
    return complain("an index differs from what its facts give: " + *wrong);
  }
  for (const auto& [number, run] : state.runs()) {
    int64_t unfinished = 0;
    for (size_t i = 0; i < run.slots.size(); ++i) {
      const auto task = static_cast<int>(i);
      if (run.slots[i].upstream != count_upstream(run, task)) {
        return complain("upstream counts of `" + run.dag().tasks[i].task_id + "` in " + run.row.run_id + " are wrong");
      }
      unfinished += run.slots[i].missing();
      for (const TaskInstance& row : run.slots[i].instances) unfinished += is_finished(row.state) ? 0 : 1;
      const TaskRef ref{number, task};
      if (!state.dirty().contains(ref) && !settle_task(outside_.clock().now(), state, ref, 1000).empty()) {
        const Task& of = run.dag().tasks[i];
        return complain("`" + of.task_id + "` in " + run.row.run_id +
                        " has something to settle, and nobody knows: rule " + std::string(to_string(of.trigger_rule)) +
                        (of.expand ? ", mapped" : "") + (of.depends_on_past ? ", depends on past" : "") +
                        (run.past ? " " + run.past->run_id : "") + ", " +
                        std::to_string(run.slots[i].undecided.size()) + " undecided, " +
                        std::to_string(run.slots[i].ready.size()) + " ready");
      }
    }
    if (run.unfinished != unfinished) return complain("the unfinished of " + run.row.run_id + " are miscounted");
  }
}

// Task instances that got a new try in this turn.
void Auditor::check_starts(const State& state) {
  for_each_instance(state, [&](const ActiveRun& run, size_t task, const TaskInstance& row) {
    const auto before = known_.find(row.number);
    const Fence fence_before = before == known_.end() ? 0 : before->second.fence;
    if (row.fence == fence_before || known_runs_.empty()) return;
    if (row.fence < fence_before) return complain(name(run, row) + " has a smaller fence than before");
    if (!is_live(row.state)) return;
    const TriggerRule rule = run.dag().tasks[task].trigger_rule;
    if (evaluate(rule, count_upstream(run, static_cast<int>(task))) != TriggerVerdict::run) {
      return complain(name(run, row) + " has started before its upstream allows it");
    }
    if (held_by_past(state, run, static_cast<int>(task))) {
      return complain(name(run, row) + " has started before its run before allows it");
    }
    if (run.row.state != RunState::running)
      return complain(name(run, row) + " has started in a run that is not running");
    if (state.find_dag(run.row.dag_id)->record.is_paused)
      return complain(name(run, row) + " has started while its DAG is paused");
  });
}

void Auditor::check_limits(const State& state) {
  bool has_new_try = false;
  std::map<RunNumber, bool> new_in_run;
  for_each_instance(state, [&](const ActiveRun& run, size_t, const TaskInstance& row) {
    const auto before = known_.find(row.number);
    const bool is_new = is_live(row.state) && (before == known_.end() || before->second.fence != row.fence);
    has_new_try = has_new_try || is_new;
    if (is_new) new_in_run[run.row.number] = true;
  });
  const int64_t processes = count_live(state, has_process);
  if (has_new_try && processes > state.parallelism()) complain("more processes than parallelism allows");
  const auto pools = must(store_.settings().pools(), "pools");
  if (!pools) return;
  for (const Pool& pool : *pools) {
    if (!has_new_try || pools_changed_ || pool.slots < 0) continue;
    if (const int64_t used = slots_used(state, pool); used > pool.slots && used > slots_before_[pool.name]) {
      complain("pool " + pool.name + " has " + std::to_string(pool.slots) + " slots, " + std::to_string(used) +
               " are used");
    }
  }
  for (const Pool& pool : *pools) slots_before_[pool.name] = slots_used(state, pool);
  for (const auto& [number, is_new] : new_in_run) {
    const ActiveRun& run = state.runs().at(number);
    const int64_t live = count_live(state, [&](const ActiveRun& other, size_t task) {
      return other.row.number == number && has_process(other, task);
    });
    if (live > run.dag().max_active_tasks) complain("run " + run.row.run_id + " has more than max_active_tasks");
    for (size_t i = 0; i < run.slots.size(); ++i) {
      const Task& of = run.dag().tasks[i];
      int most = of.max_active_tis_per_dag.value_or(0);  // runs of other versions may have wider limits
      const auto same = [&](const ActiveRun& other, size_t task) {
        const Task& its = other.dag().tasks[task];
        if (other.row.dag_id != run.row.dag_id || its.task_id != of.task_id) return false;
        most = std::max(most, its.max_active_tis_per_dag.value_or(1000));
        return true;
      };
      const int64_t in_run =
          std::ranges::count_if(run.slots[i].instances, [](const auto& row) { return is_live(row.state); });
      const bool started = std::ranges::any_of(run.slots[i].instances, [&](const TaskInstance& row) {
        const auto before = known_.find(row.number);
        return is_live(row.state) && (before == known_.end() || before->second.fence != row.fence);
      });
      if (!started) continue;
      if (of.max_active_tis_per_dagrun && in_run > *of.max_active_tis_per_dagrun) {
        complain("`" + of.task_id + "` in " + run.row.run_id + " has more than max_active_tis_per_dagrun");
      }
      const int64_t over_dag = count_live(state, same);
      if (of.max_active_tis_per_dag && over_dag > most) {
        complain("`" + of.task_id + "` of " + run.row.dag_id + " has more than max_active_tis_per_dag");
      }
    }
  }
  for (const auto& [id, dag] : state.dags()) {
    int running = 0;
    bool has_started = false;
    for (const auto& [number, run] : state.runs()) {
      if (run.row.dag_id != id || run.row.state != RunState::running) continue;
      ++running;
      const auto before = known_runs_.find(number);
      has_started = has_started || before == known_runs_.end() || before->second != RunState::running;
    }
    if (known_runs_.empty() || catalog_changed_ || !has_started || !dag.shape) continue;
    if (running > dag.shape->dag->max_active_runs) complain("DAG " + id + " has more than max_active_runs");
  }
}

void Auditor::check_finality(const State& state) {
  for_each_instance(state, [&](const ActiveRun& run, size_t, const TaskInstance& row) {
    const auto before = known_.find(row.number);
    if (before != known_.end() && is_finished(before->second.state) && before->second.state != row.state) {
      const bool grows_again = before->second.state == TaskState::removed;
      if (!touched_.contains(key_of(run, row)) && !grows_again) {
        complain(name(run, row) + " was " + std::string(to_string(before->second.state)) + " for good and is " +
                 std::string(to_string(row.state)));
      }
    }
    const auto wish = expected_.find(key_of(run, row));
    if (wish != expected_.end() && !is_live(row.state)) {
      if (row.state != wish->second) {
        complain(name(run, row) + " was to be " + std::string(to_string(wish->second)) + " and is " +
                 std::string(to_string(row.state)));
      }
      expected_.erase(wish);
    }
  });
  for (const auto& [number, run] : state.runs()) {
    const auto before = known_runs_.find(number);
    if (before == known_runs_.end() || !is_finished(before->second) || before->second == run.row.state) continue;
    if (!touched_runs_.contains({run.row.dag_id, run.row.run_id})) {
      complain("run " + run.row.run_id + " was finished for good and is " + std::string(to_string(run.row.state)));
    }
  }
}

// Every process that lives belongs to the current try of a live task instance.
void Auditor::check_processes(const State&) {
  std::map<InstanceNumber, Fence> live;
  for (const auto& [fence, process] : outside_.processes()) {
    if (process.phase == Process::Phase::ended) continue;
    const auto [at, is_first] = live.emplace(process.request.instance, fence);
    if (!is_first)
      complain("two tries of " + to_string(process.request.key) + " live: " + std::to_string(at->second) + " and " +
               std::to_string(fence));
    const auto row = must(store_.reader().instance_by_number(process.request.instance), "instance_by_number");
    if (!row) return;
    if (!*row)
      return complain("a process runs for " + to_string(process.request.key) + ", which the store does not know");
    const TaskInstance& instance = (*row)->instance;
    if (instance.fence != fence || !is_live(instance.state)) {
      complain("try " + std::to_string(fence) + " of " + to_string(process.request.key) +
               " runs, but the store has it as " + std::string(to_string(instance.state)) + " with fence " +
               std::to_string(instance.fence));
    }
  }
}

void Auditor::remember(const State& state) {
  known_.clear();
  known_runs_.clear();
  for_each_instance(state, [&](const ActiveRun&, size_t, const TaskInstance& row) { known_[row.number] = row; });
  for (const auto& [number, run] : state.runs()) known_runs_[number] = run.row.state;
}

// The end of a try is committed: what the store says of it must be what it really was.
void Auditor::acknowledged(const TryId& id, const Process* process) {
  if (process == nullptr) return;
  const auto tries = must(store_.reader().tries_of(process->request.instance), "tries_of");
  if (!tries) return;
  const auto record = std::ranges::find(*tries, id.fence, &TryRecord::fence);
  // Its number was taken by a later try, if it never began; or its run was deleted.
  if (record == tries->end()) return;
  const std::string what = "try " + std::to_string(id.fence) + " of " + to_string(process->request.key);
  if (!record->end_date) return complain(what + " is acknowledged before its end is in the store");
  const bool is_wish =
      record->note.find("marked") != std::string::npos || record->note.find("killed") != std::string::npos ||
      record->note.find("cleared") != std::string::npos || record->note.find("dagrun_timeout") != std::string::npos ||
      record->note.find("cannot go on") != std::string::npos;
  if (is_wish) return;
  const TaskState was = record->state;
  switch (process->end.result) {
    case TryEnded::Result::success:
      if (was != TaskState::success)
        complain(what + " had succeeded, but the store says " + std::string(to_string(was)) + ": " + record->note);
      break;
    case TryEnded::Result::skipped:
      if (was != TaskState::skipped)
        complain(what + " had skipped itself, but the store says " + std::string(to_string(was)));
      break;
    case TryEnded::Result::failed:
      if (was != TaskState::failed && was != TaskState::skipped)
        complain(what + " had failed, but the store says " + std::string(to_string(was)));
      break;
  }
  if (was != TaskState::success) return;
  const auto row = must(store_.reader().instance_by_number(process->request.instance), "instance_by_number");
  if (!row || !*row || (*row)->instance.fence != id.fence || (*row)->instance.state != TaskState::success) return;
  for (const auto& [key, value] : process->end.xcom.as_map()) {
    const auto stored = must(store_.reader().xcom(process->request.instance, key), "xcom");
    if (stored && (!*stored || (*stored)->value != value))
      complain(what + " returned an XCom that is not in the store");
  }
}

void Auditor::at_rest(const State& state) {
  if (!state.runs().empty()) return complain("run " + state.runs().begin()->second.row.run_id + " never ends");
  for (const auto& [fence, process] : outside_.processes()) {
    const auto row = must(store_.reader().instance_by_number(process.request.instance), "instance_by_number");
    complain("the process of try " + std::to_string(fence) + " of " + to_string(process.request.key) +
             " is left over: " + (process.phase == Process::Phase::ended ? "ended, not acknowledged" : "alive") +
             "; its task instance is " +
             (row && *row ? std::string(to_string((*row)->instance.state)) + " with fence " +
                                std::to_string((*row)->instance.fence)
                          : "gone"));
  }
  const auto runs = must(store_.reader().runs({}, {.limit = 100'000, .offset = 0}), "runs");
  for (const DagRun& run : runs ? runs->rows : std::vector<DagRun>{}) {
    if (!is_finished(run.state)) complain("run " + run.run_id + " is not finished");
    const auto rows = must(store_.reader().instances_of(run.number), "instances_of");
    for (const TaskInstance& row : rows ? *rows : std::vector<TaskInstance>{}) {
      if (is_live(row.state)) complain("a task instance of " + run.run_id + " is live in a finished run");
      const auto tries = must(store_.reader().tries_of(row.number), "tries_of");
      for (const TryRecord& record : tries ? *tries : std::vector<TryRecord>{}) {
        if (!record.end_date)
          complain("a try of " + row.task_id + " in " + run.run_id +
                   " never ended: " + std::string(to_string(record.state)));
      }
    }
  }
}

// ---- reasons

void Auditor::check_reasons(const State& state, std::optional<TimePoint> wake_at) {
  for (const auto& [number, run] : state.runs()) {
    for (size_t i = 0; i < run.slots.size(); ++i) {
      const auto task = static_cast<int>(i);
      const std::string& id = run.dag().tasks[i].task_id;
      if (run.slots[i].instances.empty()) {
        const auto reason = why(outside_.clock().now(), state, {run.row.dag_id, run.row.run_id, id, -1});
        if (!reason) return complain("nobody knows why `" + id + "` of " + run.row.run_id + " is not there");
        check_reason(state, run, task, nullptr, *reason, wake_at);
      }
      for (size_t k = 0; k < run.slots[i].instances.size(); ++k) {
        const InstanceRef at{number, task, static_cast<int>(k)};
        check_reason(state, run, task, &run.slots[i].instances[k], why(outside_.clock().now(), state, at), wake_at);
      }
    }
  }
}

void Auditor::check_reason(const State& state, const ActiveRun& run, int task, const TaskInstance* row,
                           const Reason& reason, std::optional<TimePoint> wake_at) {
  const TimePoint now = outside_.clock().now();
  const Task& of = run.dag().tasks[static_cast<size_t>(task)];
  const std::string who = run.row.dag_id + "/" + run.row.run_id + "/" + of.task_id;
  reasons_[reason.kind] += 1;
  const auto wrong = [&](const std::string& why_wrong) {
    complain(who + " says " + std::string(to_string(reason.kind)) + " (" + reason.text + "), but " + why_wrong);
  };
  if (reason.text.empty()) return wrong("without words");
  // Where something else holds it back as well, that moment changes nothing.
  const DagState& dag = *state.find_dag(run.row.dag_id);
  const bool is_held = reason.kind == ReasonKind::not_yet_due && dag.running >= dag.max_active_runs;
  if (reason.until && *reason.until > now && !is_held && (!wake_at || *wake_at > *reason.until)) {
    return wrong("the next turn is later than that");
  }
  const TaskState there = row == nullptr ? TaskState::none : row->state;
  const bool is_waiting = there == TaskState::none || there == TaskState::scheduled;
  const auto holds = [&](bool condition, const char* otherwise) {
    if (!condition) wrong(otherwise);
  };
  const auto pool_of = [&]() -> std::optional<Pool> {
    const auto pools = must(store_.settings().pools(), "pools");
    for (const Pool& pool : pools ? *pools : std::vector<Pool>{}) {
      if (pool.name == of.pool) return pool;
    }
    return std::nullopt;
  };
  switch (reason.kind) {
    case ReasonKind::finished:
      return holds(is_finished(there) || (there == TaskState::none && is_finished(run.row.state)), "it is not");
    case ReasonKind::running: return holds(there == TaskState::running, "it does not run");
    case ReasonKind::handed_out: return holds(there == TaskState::queued, "it is not queued");
    case ReasonKind::sensor: return holds(there == TaskState::deferred, "it is not deferred");
    case ReasonKind::ending_old_try: return holds(is_live(there), "it has no try");
    case ReasonKind::retry_delay:
      return holds(there == TaskState::up_for_retry && row->next_try_at > now, "its time has come");
    case ReasonKind::upstream: {
      const bool waits = evaluate(of.trigger_rule, count_upstream(run, task)) == TriggerVerdict::wait;
      return holds(there == TaskState::none && (waits || held_by_past(state, run, task) || of.expand),
                   "its upstream is done");
    }
    case ReasonKind::dag_paused:
      return holds(is_waiting && state.find_dag(run.row.dag_id)->record.is_paused, "its DAG is not paused");
    case ReasonKind::not_yet_due:
      return holds(run.row.state == RunState::queued && run.row.run_after > now, "its run is due");
    case ReasonKind::run_queued: {
      int running = 0;
      for (const auto& [number, other] : state.runs()) {
        if (other.row.dag_id == run.row.dag_id && other.row.state == RunState::running) ++running;
      }
      return holds(run.row.state == RunState::queued && running >= dag.max_active_runs, "there is room for its run");
    }
    case ReasonKind::pool_unknown: return holds(there == TaskState::scheduled && !pool_of(), "its pool is there");
    case ReasonKind::pool_full: {
      const auto pool = pool_of();
      return holds(there == TaskState::scheduled && pool && slots_used(state, *pool) + of.pool_slots > pool->slots,
                   "its pool has room");
    }
    case ReasonKind::max_active_tasks:
      return holds(there == TaskState::scheduled && count_live(state,
                                                               [&](const ActiveRun& other, size_t index) {
                                                                 return other.row.number == run.row.number &&
                                                                        has_process(other, index);
                                                               }) >= run.dag().max_active_tasks,
                   "its run has room");
    case ReasonKind::max_active_tis:
      return holds(there == TaskState::scheduled && (of.max_active_tis_per_dag || of.max_active_tis_per_dagrun),
                   "it has no such limit");
    case ReasonKind::parallelism: {
      const bool is_full = count_live(state, has_process) >= state.parallelism();
      const auto& takers = state.takers(try_kind_of(of), of.queue);
      const bool are_busy =
          std::ranges::all_of(takers, [&](int e) { return state.executors()[static_cast<size_t>(e)].free <= 0; });
      return holds(there == TaskState::scheduled && (is_full || are_busy), "there are free slots");
    }
    case ReasonKind::no_worker:
      return holds(there == TaskState::scheduled && of.queue == "far", "somebody takes its queue");
    case ReasonKind::dispatch_stopped: return wrong("the store works");
    case ReasonKind::ready: return holds(wake_at && *wake_at <= now, "the turn is over and nothing holds it back");
  }
}

}  // namespace udon::simulation
