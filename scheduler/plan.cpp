#include "scheduler/plan.h"

#include <algorithm>
#include <set>

#include "base/ensure.h"
#include "base/text.h"
#include "scheduler/deadlines.h"
#include "scheduler/teardowns.h"

namespace udon {

namespace {

constexpr int named_max = 5;

class Planning {
 public:
  Planning(TimePoint now, const State& state, int moves_max) : now_(now), state_(state), moves_max_(moves_max) {}

  Plan plan() {
    // Each kind of work on a state in which the kinds before it have come to rest: what starts has had its upstream
    // looked at in this very turn.
    fill();
    if (plan_.moves.empty()) look_at_dags();
    if (plan_.moves.empty()) tell_deadlines();
    if (plan_.moves.empty()) look_at_backfills();
    if (plan_.moves.empty()) time_out_runs();
    if (plan_.moves.empty()) retry();
    if (plan_.moves.empty()) settle();
    if (plan_.moves.empty()) finish_runs();
    if (plan_.moves.empty() && state_.stopped().empty()) start();
    if (!plan_.moves.empty()) plan_.backfills.clear();
    if (plan_.moves.empty()) plan_.wake_at = next_timer();
    return std::move(plan_);
  }

 private:
  bool is_full() const { return static_cast<int>(plan_.moves.size()) >= moves_max_; }

  void start() {
    Starts starts = start_ready(now_, state_, moves_max_);
    plan_.moves = std::move(starts.moves);
    for (const auto& [pool, kept] : starts.kept) kept_until_ = std::min(kept_until_.value_or(kept.until), kept.until);
  }

  // Task instances that are to be there and are not yet.
  void fill() {
    InstanceNumber number = state_.counters().last_instance;
    int left = moves_max_;
    for (const TaskRef& ref : state_.fillable()) {
      const ActiveRun& run = state_.runs().at(ref.run);
      const TaskSlot& slot = run.slots[static_cast<size_t>(ref.task)];
      const bool is_mapped = run.dag().tasks[static_cast<size_t>(ref.task)].expand.has_value();
      AddInstances add{.task = ref, .rows = {}};
      if (is_mapped && *slot.length == 0) {
        add.rows.push_back(new_instance(run, ref.task, -1, ++number));
      } else {
        const auto there = static_cast<int64_t>(slot.instances.size()) - (slot.placeholder ? 1 : 0);
        const int64_t end = std::min<int64_t>(*slot.length, there + left);
        for (int64_t i = there; i < end; ++i) {
          add.rows.push_back(new_instance(run, ref.task, is_mapped ? static_cast<int>(i) : -1, ++number));
        }
      }
      left -= static_cast<int>(add.rows.size());
      plan_.moves.emplace_back(std::move(add));
      if (left <= 0) return;
    }
  }

  void look_at_dags() {
    for (const auto& [at, dag_id] : state_.dag_timers()) {
      if (at > now_ || is_full()) return;
      look_at(state_.dags().find(dag_id)->second);
    }
  }

  void begin(RunNumber number) {
    MoveRun move;
    move.row = state_.runs().at(number).row;
    move.row.state = RunState::running;
    move.row.start_date = now_;
    move.row.end_date.reset();
    plan_.moves.emplace_back(std::move(move));
  }

  void look_at_backfills() {
    for (const BackfillNumber number : state_.workable_backfills()) {
      if (is_full()) return;
      look_at(state_.backfills().at(number));
    }
  }

  // Its dates are in the past: nothing but room makes its runs wait.
  void look_at(const BackfillState& backfill) {
    if (backfill.row.has_all_dates && backfill.active() == 0) {
      SetBackfill set{backfill.row};
      set.row.completed_at = set.row.updated_at = now_;
      plan_.moves.emplace_back(std::move(set));
      return;
    }
    int running = backfill.running;
    for (const auto& [order, number] : backfill.queued) {
      if (running >= backfill.row.max_active_runs || is_full()) return;
      begin(number);
      ++running;
    }
    if (!backfill.row.has_all_dates && backfill.active() < backfill.row.max_active_runs) {
      plan_.backfills.push_back(backfill.row.number);
    }
  }

  void look_at(const DagState& dag) {
    const int runs_max = dag.max_active_runs;
    int running = dag.running;
    for (const auto& [run_after, number] : dag.queued) {
      if (run_after > now_ || running >= runs_max || is_full()) break;
      begin(number);
      ++running;
    }
    if (!dag.shape || dag.running + static_cast<int>(dag.queued.size()) >= runs_max) return;
    if (dag.is_due_by_assets()) return add_run_of_events(dag);
    if (dag.is_due_known && (!dag.record.next_run_after || *dag.record.next_run_after > now_)) return;
    look_at_calendar(dag);
  }

  void look_at_calendar(const DagState& dag) {
    const Schedule& schedule = dag.shape->dag->schedule;
    SetDag set{.row = dag.record, .is_due_known = true};
    auto due = next_due_run(schedule, dag.record.last_scheduled_logical_date, now_, dag.covered_until);
    if (due && due->run_after <= now_) {
      plan_.moves.emplace_back(AddRun{.row = scheduled_run(dag, *due), .shape = dag.shape, .past = {}, .user = {}});
      set.row.last_scheduled_logical_date = due->logical_date;
      set.covered_until = due->interval.end;
      due = next_due_run(schedule, due->logical_date, now_, due->interval.end);
    }
    set.row.next_run_after = due ? std::optional(due->run_after) : std::nullopt;
    plan_.moves.emplace_back(std::move(set));
  }

  // All that have come since the last one, as in Airflow: also of assets that alone would have been enough.
  void add_run_of_events(const DagState& dag) {
    AddRun add{.row = {}, .shape = dag.shape, .past = {}, .user = {}};
    DagRun& run = add.row;
    for (const auto& [number, event] : dag.events) {
      add.events.push_back(number);
      run.run_after = std::max(run.run_after, event->at);
    }
    run.run_after = std::min(run.run_after, now_);  // the clock may have been set back
    run.number = next_run_number();
    run.dag_id = dag.record.dag_id;
    run.run_id = make_run_id(RunType::asset_triggered, run.run_after);
    run.type = RunType::asset_triggered;
    run.queued_at = now_;
    run.triggered_by = "asset";
    run.dag_version = dag.shape->dag->version;
    plan_.moves.emplace_back(std::move(add));
  }

  RunNumber next_run_number() const {
    return state_.counters().last_run + 1 +
           std::ranges::count_if(plan_.moves, [](const Move& move) { return std::holds_alternative<AddRun>(move); });
  }

  DagRun scheduled_run(const DagState& dag, const DueRun& due) const {
    DagRun run;
    run.number = next_run_number();
    run.dag_id = dag.record.dag_id;
    run.run_id = make_run_id(RunType::scheduled, due.logical_date);
    run.type = RunType::scheduled;
    run.logical_date = due.logical_date;
    run.data_interval = due.interval;
    run.run_after = due.run_after;
    run.queued_at = now_;
    run.triggered_by = "timetable";
    run.dag_version = dag.shape->dag->version;
    return run;
  }

  // Before a run that ends in this turn has ended: it is late all the same.
  void tell_deadlines() {
    for (const auto& [at, number] : state_.deadline_timers()) {
      if (at > now_ || is_full()) return;
      const ActiveRun& run = state_.runs().at(number);
      for (const int missed : missed_deadlines(run, now_)) {
        const TimePoint passed = *deadline_of(run.row, run.dag().deadlines[static_cast<size_t>(missed)]);
        plan_.moves.emplace_back(TellDeadline{.run = number, .deadline = missed, .at = passed});
      }
    }
  }

  void time_out_runs() {
    for (const auto& [at, number] : state_.run_timers()) {
      if (at > now_ || is_full()) return;
      const ActiveRun& run = state_.runs().at(number);
      const std::string note =
          "the run's dagrun_timeout of " + format_duration(*run.dag().dagrun_timeout) + " has passed";
      for (size_t i = 0; i < run.slots.size() && !is_full(); ++i) time_out(run, static_cast<int>(i), note);
    }
  }

  void time_out(const ActiveRun& run, int task, const std::string& note) {
    const TaskSlot& slot = run.slots[static_cast<size_t>(task)];
    const bool clears_away = has_to_clear_away(run, task);
    if (slot.instances.empty() && clears_away) return;
    if (slot.instances.empty()) {
      plan_.moves.emplace_back(
          AddInstances{.task = {run.row.number, task},
                       .rows = {new_instance(run, task, -1, state_.counters().last_instance + 1 + added_)}});
      ++added_;
      return;
    }
    for (size_t k = 0; k < slot.instances.size() && !is_full(); ++k) {
      const TaskInstance& row = slot.instances[k];
      if (is_finished(row.state)) continue;
      if (clears_away && has_to_clear_away(run, {run.row.number, task, static_cast<int>(k)})) continue;
      if (is_live(row.state)) {
        if (state_.tries().at(row.fence).becomes) continue;
        plan_.moves.emplace_back(end_try(state_, row.fence, TaskState::skipped, EndCause::timeout, note, ""));
        continue;
      }
      MoveInstance move;
      move.at = {run.row.number, task, static_cast<int>(k)};
      move.row = row;
      move.row.state = TaskState::skipped;
      move.row.next_try_at.reset();
      move.row.end_date = now_;
      move.row.note = move.text = note;
      plan_.moves.emplace_back(std::move(move));
    }
  }

  void retry() {
    for (const auto& [at, ref] : state_.retry_timers()) {
      if (at > now_ || is_full()) return;
      MoveInstance move;
      move.at = ref;
      move.row = state_.instance(ref);
      move.row.state = TaskState::scheduled;
      move.row.next_try_at.reset();
      move.row.scheduled_at = now_;
      plan_.moves.emplace_back(std::move(move));
    }
  }

  void settle() {
    for (const TaskRef& ref : state_.dirty()) {
      if (is_full()) return;
      settled(ref, settle_task(now_, state_, ref, moves_max_ - static_cast<int>(plan_.moves.size())));
    }
    for (const auto& [ref, indices] : state_.dirty_indices()) {
      if (is_full()) return;
      if (state_.dirty().contains(ref)) continue;
      settled(ref, settle_indices(now_, state_, ref, indices, moves_max_ - static_cast<int>(plan_.moves.size())));
    }
  }

  void settled(TaskRef ref, Moves moves) {
    // A task that has moves is looked at once more: they may have been cut.
    if (moves.empty()) plan_.settled.push_back(ref);
    number_new_instances(moves);
    std::ranges::move(moves, std::back_inserter(plan_.moves));
  }

  // settle_task numbers from the state's counter; several tasks of one plan must not take the same.
  void number_new_instances(Moves& moves) {
    for (Move& move : moves) {
      if (auto* add = std::get_if<AddInstances>(&move)) {
        for (TaskInstance& row : add->rows) row.number += added_;
        added_ += static_cast<int64_t>(add->rows.size());
      }
    }
  }

  void finish_runs() {
    for (const RunNumber number : state_.finishable()) {
      if (is_full()) return;
      const ActiveRun& run = state_.runs().at(number);
      MoveRun move;
      move.row = run.row;
      move.row.end_date = now_;
      const std::string failed = failed_tasks(run);
      const auto& timeout = run.dag().dagrun_timeout;
      // As long as that: its task instances have been skipped for it, whatever became of them one by one.
      const bool is_late = timeout && run.row.start_date && *run.row.start_date + *timeout <= now_;
      move.row.state = failed.empty() && !is_late ? RunState::success : RunState::failed;
      if (!failed.empty()) {
        move.text = "failed: " + failed;
      } else if (is_late) {
        move.text = "its dagrun_timeout of " + format_duration(*timeout) + " has passed";
      }
      plan_.moves.emplace_back(std::move(move));
    }
  }

  // The tasks that have failed themselves, and that those which decide the run have waited for or are.
  static std::set<int> failed_roots(const ActiveRun& run) {
    std::set<int> roots, seen;
    std::vector<int> open;
    const auto look_at = [&](int task) {
      const TaskSlot& slot = run.slots[static_cast<size_t>(task)];
      if (slot.count(TaskState::failed) + slot.count(TaskState::upstream_failed) == 0) return false;
      if (seen.insert(task).second) open.push_back(task);
      return true;
    };
    for (size_t i = 0; i < run.slots.size(); ++i)
      if (run.shape->decides[i]) look_at(static_cast<int>(i));
    while (!open.empty()) {
      const int task = open.back();
      open.pop_back();
      const auto index = static_cast<size_t>(task);
      bool has_cause = false;
      if (run.slots[index].count(TaskState::upstream_failed) > 0) {
        for (const int before : run.dag().tasks[index].upstream) has_cause = look_at(before) || has_cause;
        for (const int setup : run.shape->setups[index]) has_cause = look_at(setup) || has_cause;
      }
      if (!has_cause || run.slots[index].count(TaskState::failed) > 0) roots.insert(task);
    }
    return roots;
  }

  static std::string failed_tasks(const ActiveRun& run) {
    std::vector<std::string> names;
    int64_t others = 0;
    for (const int task : failed_roots(run)) {
      if (names.size() == named_max) {
        ++others;
      } else {
        names.push_back("`" + run.dag().tasks[static_cast<size_t>(task)].task_id + "`");
      }
    }
    return join(names, ", ") + (others > 0 ? " and " + std::to_string(others) + " more" : "");
  }

  std::optional<TimePoint> next_timer() const {
    std::optional<TimePoint> next = kept_until_;
    const auto consider = [&](const auto& timers) {
      if (timers.empty()) return;
      const TimePoint at = timers.begin()->first;
      if (!next || at < *next) next = at;
    };
    consider(state_.dag_timers());
    consider(state_.retry_timers());
    consider(state_.run_timers());
    consider(state_.deadline_timers());
    return next;
  }

  TimePoint now_;
  const State& state_;
  int moves_max_;
  int64_t added_ = 0;
  std::optional<TimePoint> kept_until_;
  Plan plan_;
};

}  // namespace

Plan plan(TimePoint now, const State& state, int moves_max) { return Planning(now, state, moves_max).plan(); }

ChangeTry end_try(const State& state, Fence fence, TaskState becomes, EndCause cause, std::string note,
                  std::string user) {
  const LiveTry& live = state.tries().at(fence);
  ChangeTry change{.fence = fence, .row = live, .user = std::move(user), .text = note};
  change.row.becomes = becomes;
  change.row.kill_cause = cause;
  change.row.note = std::move(note);
  return change;
}

}  // namespace udon
