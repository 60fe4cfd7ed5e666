// What a move does to the facts. One that does not fit them is a broken promise of ours.
#include <algorithm>

#include "base/ensure.h"
#include "scheduler/state.h"
#include "scheduler/upstream.h"

namespace udon {

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
  mark_successors(run, move.task.task);
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
  // It may have come between two others.
  for (const RunNumber number : dags_.find(move.row.dag_id)->second.runs) {
    ActiveRun& later = runs_.at(number);
    if (!later.shape->looks_back || !may_look_back(*later.shape, later.row, move.row)) continue;
    if (later.past && later.past->logical_date >= *move.row.logical_date) continue;
    look_back_at(later, PastRun{.number = move.row.number,
                                .run_id = move.row.run_id,
                                .logical_date = *move.row.logical_date,
                                .states = {}});
  }
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
  for (const RunNumber number : successors_of(move.run)) {
    const auto past = move.pasts.find(number);
    ENSURE(past != move.pasts.end(), "a run is dropped, and who looked back at it is not told at what to look");
    look_back_at(runs_.at(number), past->second);
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
  if (move.covered_until) dag.covered_until = move.covered_until;
  update_dag_timer(dag);
  if (dag.backfill != 0) update_backfill(dag.backfill);
  if (was_paused == dag.record.is_paused) return;
  for (const RunNumber number : dag.runs) {
    ActiveRun& run = runs_.at(number);
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

}  // namespace udon
