#include "tests/simulation/auditor.h"

#include <algorithm>

#include "scheduler/plan.h"
#include "tests/simulation/counting.h"

namespace udon::simulation {

void Auditor::allow(const CommandOutcome& outcome) {
  touched_.insert(outcome.instances.begin(), outcome.instances.end());
  if (outcome.run) touched_runs_.insert({outcome.run->dag_id, outcome.run->run_id});
  for (const DagRun& run : outcome.runs) touched_runs_.insert({run.dag_id, run.run_id});
}

void Auditor::after_turn(const State& state, std::optional<TimePoint> wake_at) {
  compare_with_store(state);
  check_backfills(state);
  check_kept(state);
  check_starts(state);
  check_limits(state);
  check_choices(state);
  check_indexes(state);
  check_obedience();
  check_finality(state);
  check_processes(state);
  check_new_runs(state);
  check_ends();
  check_reasons(state, wake_at);
  check_assets(state);
  check_waits(state);
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
    for (const TaskInstance& row : run.outside) {
      ++in_memory;
      const auto there = by_number.find(row.number);
      if (there == by_number.end() || *there->second != row || row.state != TaskState::removed) {
        return complain(name(run, row) + " has no place in its version, and is not removed in memory and store alike");
      }
      const int task = run.dag().index_of(row.task_id);
      if (task >= 0 && fits_task(run.dag().tasks[static_cast<size_t>(task)], row)) {
        return complain(name(run, row) + " has a place in its version, and has not got it");
      }
    }
    if (in_memory != rows->size()) return complain("run " + run.row.run_id + " has instances in the store only");
    if (run.shape->looks_back) check_past(run);
  }
  for (const auto& [id, dag] : state.dags()) {
    const auto record = must(store_.reader().dag(id), "dag");
    if (record && *record && **record != dag.record) return complain("DAG " + id + " differs between memory and store");
  }
}

// The run before is the nearest one that the store has.
void Auditor::check_past(const ActiveRun& run) {
  RunFilter filter;
  filter.dag_ids = {run.row.dag_id};
  const auto others = must(store_.reader().runs(filter, {.limit = 100'000, .offset = 0}), "runs");
  if (!others) return;
  const DagRun* nearest = nullptr;
  for (const DagRun& other : others->rows) {
    if (!run.row.logical_date || !other.logical_date || *other.logical_date >= *run.row.logical_date) continue;
    if (run.dag().schedule.catchup && other.type == RunType::manual) continue;
    if (nearest == nullptr || *nearest->logical_date < *other.logical_date) nearest = &other;
  }
  const std::string meant = nearest == nullptr ? "nothing" : nearest->run_id;
  const std::string looked_at = run.past ? run.past->run_id : "nothing";
  if (meant != looked_at) complain("run " + run.row.run_id + " looks back at " + looked_at + ", not at " + meant);
}

void Auditor::check_indexes(const State& state) {
  if (const auto wrong = state.rebuilt().first_difference(state)) {
    return complain("an index differs from what its facts give: " + *wrong);
  }
  for (const auto& [number, run] : state.runs()) {
    int64_t unfinished = 0;
    for (size_t i = 0; i < run.slots.size(); ++i) {
      const auto task = static_cast<int>(i);
      if (run.slots[i].upstream != count_outer_upstream(run, run.dag(), task)) {
        return complain("upstream counts of `" + run.dag().tasks[i].task_id + "` in " + run.row.run_id + " are wrong");
      }
      unfinished += run.slots[i].missing();
      for (const TaskInstance& row : run.slots[i].instances) unfinished += is_finished(row.state) ? 0 : 1;
      const TaskRef ref{number, task};
      if (!state.is_dirty(ref) && !settle_task(outside_.clock().now(), state, ref, 1000).empty()) {
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

// Task instances that got a new try in this turn, or succeeded without one.
void Auditor::check_starts(const State& state) {
  for_each_instance(state, [&](const ActiveRun& run, size_t task, const TaskInstance& row) {
    const auto before = known_.find(row.number);
    if (row.state == TaskState::success && truth(run).tasks[task].needs_no_try && !known_runs_.empty()) {
      // A finished run that has come back into memory brings old ones.
      const bool is_new =
          before == known_.end() ? row.end_date == outside_.clock().now() : before->second.state != TaskState::success;
      if (is_new && !touched_.contains(key_of(run, row))) check_upstream(state, run, task, row);
      return;
    }
    const Fence fence_before = before == known_.end() ? 0 : before->second.fence;
    if (row.fence == fence_before || known_runs_.empty()) return;
    if (row.fence < fence_before) return complain(name(run, row) + " has a smaller fence than before");
    if (!is_live(row.state)) return;
    if (truth(run).tasks[task].needs_no_try) return complain(name(run, row) + " has a try and needs none");
    if (is_deferred(run, row)) return;  // it has started long ago
    const auto is_its = [&](const auto& entry) { return entry.second->instance == row.number; };
    const bool goes_on = std::ranges::any_of(run.deferrals, is_its);  // its first process had begun long ago
    if (!goes_on) check_upstream(state, run, task, row);
    if (run.row.state != RunState::running) complain(name(run, row) + " has started in a run that is not running");
    if (state.find_dag(run.row.dag_id)->record.is_paused)
      complain(name(run, row) + " has started while its DAG is paused");
  });
}

void Auditor::check_upstream(const State& state, const ActiveRun& run, size_t task, const TaskInstance& row) {
  check_same_index(run, task, row);
  const TriggerRule rule = truth(run).tasks[task].trigger_rule;
  if (evaluate(rule, count_upstream(run, truth(run), static_cast<int>(task), row.map_index)) != TriggerVerdict::run) {
    return complain(name(run, row) + " has started before its upstream allows it");
  }
  if (const auto setup = lacks_setup(run, task, row.map_index)) {
    return complain(name(run, row) + " has started, and its setup " + *setup + " has not succeeded");
  }
  if (const auto chooser = not_chosen(run, task, row.map_index)) {
    return complain(name(run, row) + " has started, and " + *chooser + " has chosen to skip it");
  }
  // What a backfill makes or clears in this very turn comes after the starts.
  const bool is_past_new =
      run.past && (run.past->number > last_run_ || touched_runs_.contains({run.row.dag_id, run.past->run_id}));
  if (!is_past_new && held_by_past(state, run, static_cast<int>(task))) {
    return complain(name(run, row) + " has started before its run before allows it");
  }
}

// In a mapped group: where the trigger rule lets nothing start before all have ended, nothing at this index has.
void Auditor::check_same_index(const ActiveRun& run, size_t task, const TaskInstance& row) {
  const Dag& dag = truth(run);
  const TriggerRule rule = dag.tasks[task].trigger_rule;
  if (rule == TriggerRule::always || rule == TriggerRule::one_success || rule == TriggerRule::one_failed ||
      rule == TriggerRule::one_done) {
    return;
  }
  for (const int before : dag.tasks[task].upstream) {
    if (!share_indices(dag, before, static_cast<int>(task))) continue;
    const auto there = state_at_index(run.slots[static_cast<size_t>(before)], row.map_index);
    if (there && !is_finished(*there)) {
      complain(name(run, row) + " has started, and `" + dag.tasks[static_cast<size_t>(before)].task_id +
               "` of its group has not ended at the same index");
    }
  }
}

// What the scheduler was told of a try's end is obeyed with the commit that follows, whichever of its lives has begun
// that try; also where it was adopted.
void Auditor::check_obedience() {
  for (const TryId& id : outside_.take_told_ends()) {
    const auto row = must(store_.reader().instance_of_fence(id.fence), "instance_of_fence");
    if (!row || !*row || (*row)->instance.fence != id.fence || !is_live((*row)->instance.state)) continue;
    complain("the end of try " + to_string(id) + " was told, and its task instance is still " +
             std::string(to_string((*row)->instance.state)));
  }
}

const Dag& Auditor::truth(const Dag& told) const {
  const auto known = dags_.find(told.version);
  return known == dags_.end() ? told : *known->second;
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
  });
  check_wishes();
  for (const auto& [number, run] : state.runs()) {
    const auto before = known_runs_.find(number);
    if (before == known_runs_.end() || !is_finished(before->second) || before->second == run.row.state) continue;
    if (!touched_runs_.contains({run.row.dag_id, run.row.run_id})) {
      complain("run " + run.row.run_id + " was finished for good and is " + std::string(to_string(run.row.state)));
    }
  }
}

// By the store: a run whose last try has ended leaves memory with the same turn.
void Auditor::check_wishes() {
  std::erase_if(expected_, [&](const auto& wish) {
    const auto& [key, state] = wish;
    const auto row = must(store_.reader().instance(key), "instance");
    if (!row || !*row) return true;  // its run was deleted
    const TaskState there = (*row)->instance.state;
    if (is_live(there)) return false;
    if (there != state) {
      complain(to_string(key) + " was to be " + std::string(to_string(state)) + " and is " +
               std::string(to_string(there)));
    }
    return true;
  });
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
  const bool goes_on =
      process->end.result == TryEnded::Result::deferred || process->end.result == TryEnded::Result::resumed;
  if (goes_on && !record->end_date) return;
  if (!record->end_date) return complain(what + " is acknowledged before its end is in the store");
  const bool is_wish =
      record->note.find("answered by") != std::string::npos || record->note.find("taken: ") != std::string::npos ||
      record->note.find("marked") != std::string::npos || record->note.find("killed") != std::string::npos ||
      record->note.find("cleared") != std::string::npos || record->note.find("dagrun_timeout") != std::string::npos ||
      record->note.find("cannot go on") != std::string::npos;
  if (is_wish) return;
  const TaskState was = record->state;
  switch (process->end.result) {
    case TryEnded::Result::success:
      // Its run may have another version by now, in which the task chooses.
      if (was == TaskState::failed && (record->note.find("it may choose") != std::string::npos ||
                                       record->note.find("a short circuit returns") != std::string::npos))
        break;
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
    case TryEnded::Result::deferred:
    case TryEnded::Result::resumed:
      // Killed or cleared before it could.
      if (was == TaskState::success)
        complain(what + " goes on, but the store says that it has ended: " + std::string(to_string(was)));
      break;
  }
  if (was != TaskState::success) return;
  check_choice(id, *process, what);
  const auto row = must(store_.reader().instance_by_number(process->request.instance), "instance_by_number");
  if (!row || !*row || !has_succeeded_by((*row)->instance, id.fence)) return;
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
  check_told();
  check_asset_sources();
  check_backfills_at_rest(state);
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

}  // namespace udon::simulation
