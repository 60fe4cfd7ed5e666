#include "scheduler/commands.h"

#include <algorithm>
#include <iterator>

#include "base/ensure.h"
#include "base/limits.h"
#include "base/text.h"
#include "scheduler/answers.h"
#include "scheduler/params.h"
#include "scheduler/plan.h"
#include "scheduler/reports.h"
#include "scheduler/teardowns.h"
#include "scheduler/upstream.h"

namespace udon {

namespace {

Error not_found(std::string message) { return {ErrorKind::not_found, std::move(message)}; }
Error invalid(std::string message) { return {ErrorKind::invalid, std::move(message)}; }
Error conflict(std::string message) { return {ErrorKind::conflict, std::move(message)}; }

std::string by(const std::string& user) { return user.empty() ? "" : " by " + user; }

// What a selection names, in the order of the DAG.
struct Selected {
  std::vector<InstanceRef> instances;
  std::vector<TaskRef> unexpanded;  // mapped tasks that have no instance yet
};

// All places that are reached from these along `next`, themselves left out.
std::set<std::pair<int, int>> places_along(const DagShape& shape, const std::vector<std::pair<int, int>>& from,
                                           std::vector<int> Task::*next) {
  std::set<std::pair<int, int>> seen;
  std::vector<std::pair<int, int>> open = from;
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

class Selecting {
 public:
  Selecting(const ActiveRun& run, const Selection& selection) : run_(run), selection_(selection) {}
  // As clearing has it: what a task needs is set up anew for it, and cleared away after it.
  Selecting& with_setups_and_teardowns() {
    adds_setups_ = true;
    return *this;
  }

  // As marking has it: what is set up is still cleared away.
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

  // (task, map index or `whole`). Along an edge inside of a mapped group an index leads to the same index, along any
  // other to the whole task.
  using Place = std::pair<int, int>;

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

class Commanding {
 public:
  Commanding(TimePoint now, const State& state) : now_(now), state_(state) {}
  CommandMoves take() { return std::move(result_); }

  Result<void> carry_out(const TriggerRun& command) {
    const DagState* dag = state_.find_dag(command.dag_id);
    if (dag == nullptr || !dag->shape) {
      if (dag != nullptr && dag->record.is_stale) {
        return not_found("DAG `" + command.dag_id + "` has no file any more (it was " + dag->record.file + ")");
      }
      std::vector<std::string> ids;
      for (const auto& [id, other] : state_.dags()) ids.push_back(id);
      return not_found("no DAG `" + command.dag_id + "`" + did_you_mean(command.dag_id, ids));
    }
    const Dag& definition = *dag->shape->dag;
    TRY(check_conf(definition, command.conf));
    DagRun run;
    run.number = state_.counters().last_run + 1;
    run.dag_id = command.dag_id;
    run.type = RunType::manual;
    run.run_after = command.run_after.value_or(now_);
    if (command.has_logical_date) run.logical_date = command.logical_date.value_or(run.run_after);
    if (command.data_interval) {
      run.data_interval = command.data_interval;
    } else if (run.logical_date) {
      run.data_interval = interval_of_manual_run(definition.schedule, *run.logical_date);
    }
    run.run_id = command.run_id.value_or(make_run_id(RunType::manual, run.logical_date.value_or(run.run_after)));
    if (const auto problem = problem_of_run_id(run.run_id)) return invalid(*problem);
    run.queued_at = now_;
    run.conf = command.conf;
    run.triggered_by = command.triggered_by;
    run.triggering_user = command.user;
    run.dag_version = definition.version;
    run.note = command.note;
    result_.outcome.run = run;
    add(AddRun{.row = run, .shape = dag->shape, .past = {}, .user = command.user});
    return {};
  }

  Result<void> carry_out(const SetPaused& command) {
    const DagState* dag = state_.find_dag(command.dag_id);
    if (dag == nullptr) return not_found("no DAG `" + command.dag_id + "`");
    if (dag->record.is_paused == command.paused) return {};
    SetDag set{.row = dag->record, .is_due_known = false};
    set.row.is_paused = command.paused;
    add(std::move(set));
    EventRecord event;
    event.at = now_;
    event.event = "command";
    event.dag_id = command.dag_id;
    event.user = command.user;
    event.text = command.paused ? "paused" : "unpaused";
    add(NoteEvent{std::move(event)});
    return {};
  }

  Result<void> carry_out(const ClearTasks& command) {
    TRY_ASSIGN(const ActiveRun* run, find(command.selection.dag_id, command.selection.run_id));
    TRY_ASSIGN(const Selected selected, Selecting(*run, command.selection).with_setups_and_teardowns().select());
    for (const InstanceRef& at : selected.instances) clear(*run, at, command.user);
    result_.outcome.run = run->row;
    if (!result_.outcome.instances.empty()) reopen(*run, command.user);
    if (command.dry_run) result_.moves.clear();
    return {};
  }

  Result<void> carry_out(const MarkTasks& command) {
    const TaskState to = command.state;
    if (to != TaskState::success && to != TaskState::failed && to != TaskState::skipped) {
      return invalid("task instances can be marked success, failed or skipped, not " + std::string(to_string(to)));
    }
    TRY_ASSIGN(const ActiveRun* run, find(command.selection.dag_id, command.selection.run_id));
    TRY_ASSIGN(const Selected selected, Selecting(*run, command.selection).without_teardowns_after().select());
    result_.outcome.run = run->row;
    const std::string note = "marked " + std::string(to_string(to)) + by(command.user);
    std::set<std::pair<int, int>> places;
    for (const TaskRef& task : selected.unexpanded) mark_unexpanded(*run, task, to, note, command.user);
    for (const InstanceRef& at : selected.instances) {
      mark(*run, at, to, note, command.user);
      const bool is_of_group = run->shape->mapped_group[static_cast<size_t>(at.task)] >= 0;
      places.insert({at.task, is_of_group ? run->instance(at).map_index : whole});
    }
    if (to != TaskState::failed) resume_after(*run, places, selected, command.user);
    if (command.dry_run) result_.moves.clear();
    return {};
  }

  Result<void> carry_out(const KillTasks& command) {
    TRY_ASSIGN(const ActiveRun* run, find(command.selection.dag_id, command.selection.run_id));
    TRY_ASSIGN(const Selected selected, Selecting(*run, command.selection).select());
    const std::string note = "killed" + by(command.user);
    for (const InstanceRef& at : selected.instances) {
      const TaskState there = run->instance(at).state;
      if (is_live(there) || there == TaskState::up_for_retry) mark(*run, at, TaskState::failed, note, command.user);
    }
    result_.outcome.run = run->row;
    return {};
  }

  Result<void> carry_out(const MarkRun& command) {
    TRY_ASSIGN(const ActiveRun* run, find(command.dag_id, command.run_id));
    result_.outcome.run = run->row;
    if (command.state == RunState::running) {
      return invalid("a dag run can be marked success, failed or queued, not running");
    }
    if (command.state == RunState::queued) {
      for_each_instance(*run, [&](InstanceRef at) { clear(*run, at, command.user); });
      reopen(*run, command.user);
    } else {
      const std::string note = "the run was marked " + std::string(to_string(command.state)) + by(command.user);
      if (run->row.state == RunState::running && has_to_clear_away(*run))
        return mark_before_teardowns(*run, command.state, note, command.user);
      mark_run(*run, command.state, note, MoveCause::command, command.user);
    }
    return {};
  }

  Result<void> carry_out(const SetRunNote& command) {
    TRY_ASSIGN(const ActiveRun* run, find(command.dag_id, command.run_id));
    MoveRun move{.row = run->row, .cause = MoveCause::command, .user = command.user, .text = "note changed"};
    move.row.note = command.note;
    result_.outcome.run = move.row;
    add(std::move(move));
    return {};
  }

  Result<void> carry_out(const DeleteRun& command) {
    TRY_ASSIGN(const ActiveRun* run, find(command.dag_id, command.run_id));
    if (!is_finished(run->row.state)) {
      return conflict("run " + command.run_id + " of DAG `" + command.dag_id + "` is " +
                      std::string(to_string(run->row.state)) + "; mark it failed before you delete it");
    }
    if (run->live > 0) {
      return conflict("run " + command.run_id + " of DAG `" + command.dag_id + "`: " + std::to_string(run->live) +
                      " of its tries are still being ended");
    }
    result_.outcome.run = run->row;
    add(DropRun{.run = run->row.number, .user = command.user});
    return {};
  }

  Result<void> carry_out(const AnswerQuestion& command) {
    const TaskInstanceKey& key = command.key;
    TRY_ASSIGN(const ActiveRun* run, find(key.dag_id, key.run_id));
    TRY_ASSIGN(const InstanceRef at, find(*run, key));
    const TaskInstance& row = run->instance(at);
    const QuestionPtr asked = run->question_of(at);
    if (asked == nullptr || row.state != TaskState::deferred) {
      return conflict(to_string(key) + " waits for no answer: it is " + std::string(to_string(row.state)) +
                      (row.note.empty() ? "" : ": " + row.note));
    }
    if (asked->answer) return conflict(to_string(key) + " has been answered already, by " + describe(*asked->answer));
    if (const LiveTry& live = state_.tries().at(row.fence); live.becomes)
      return conflict(to_string(key) + " waits for no answer any more: " + live.note);
    TRY_ASSIGN(const Answer answer, answer_of(*asked, command, now_));
    add_all(moves_of_answer(answer, at, state_));
    AskedQuestion answered = *asked;
    answered.answer = answer;
    result_.outcome.run = run->row;
    result_.outcome.instances.push_back(key_of(*run, row));
    result_.outcome.question = std::make_shared<const AskedQuestion>(std::move(answered));
    return {};
  }

  Result<void> carry_out(const CreateAssetEvent& command) {
    if (const auto problem = problem_of_asset(command.asset)) return invalid(*problem);
    if (!command.extra.is_map()) return invalid("the extra of an asset event is a map");
    if (const auto bytes = static_cast<int64_t>(to_json(command.extra).size()); bytes > limits::asset_extra_bytes_max) {
      return invalid("the extra has " + std::to_string(bytes) + " bytes; at most " +
                     std::to_string(limits::asset_extra_bytes_max) + " are allowed: hand on a path, not the data");
    }
    AssetEvent event;
    event.number = state_.counters().last_asset_event + 1;
    event.asset = command.asset;
    event.at = now_;
    event.extra = command.extra;
    event.user = command.user;
    result_.outcome.asset_events = {event};
    add(AddAssetEvent{std::move(event)});
    return {};
  }

  Result<void> carry_out(const ForgetAssetEvents& command) {
    const DagState* dag = state_.find_dag(command.dag_id);
    if (dag == nullptr) return not_found("no DAG `" + command.dag_id + "`");
    DropAssetEvents drop{.dag_id = command.dag_id, .events = {}};
    for (const auto& [number, event] : dag->events) {
      if (command.asset && event->asset != *command.asset) continue;
      drop.events.push_back(number);
      result_.outcome.asset_events.push_back(*event);
    }
    if (drop.events.empty()) return {};
    EventRecord record;
    record.at = now_;
    record.event = "command";
    record.dag_id = command.dag_id;
    record.user = command.user;
    record.text = std::to_string(drop.events.size()) + " queued asset events forgotten";
    add(std::move(drop));
    add(NoteEvent{std::move(record)});
    return {};
  }

  // Those ask the store (backfills.h), and the loop does.
  Result<void> carry_out(const CreateBackfill&) { return {}; }
  Result<void> carry_out(const ChangeBackfill&) { return {}; }
  Result<void> carry_out(const CleanStep&) { return {}; }  // (retention.h)
  Result<void> carry_out(const PoolsChanged&) { return {}; }
  Result<void> carry_out(const ConnectionsChanged&) { return {}; }

  void clear_all(const ActiveRun& run, DagRun as, const std::string& user) {
    for_each_instance(run, [&](InstanceRef at) { clear(run, at, user); });
    reopen(run, user, std::move(as));
  }

  // The run goes on until they have cleared away; what is marked here decides how it ends then.
  Result<void> mark_before_teardowns(const ActiveRun& run, RunState to, const std::string& note,
                                     const std::string& user) {
    const auto decides = [&](int task) { return run.shape->decides[static_cast<size_t>(task)]; };
    bool will_fail = false;
    for (int task = 0; task < static_cast<int>(run.slots.size()); ++task) {
      const TaskSlot& slot = run.slots[static_cast<size_t>(task)];
      const bool has_failed = slot.count(TaskState::failed) + slot.count(TaskState::upstream_failed) > 0;
      if (has_to_clear_away(run, task)) continue;
      const bool is_open = slot.finished() < slot.expected();
      will_fail = will_fail || (decides(task) && (has_failed || is_open));
      // One that decides is failed, not skipped: else the run would succeed.
      const TaskState unstarted = to == RunState::success ? TaskState::success
                                  : decides(task)         ? TaskState::failed
                                                          : TaskState::skipped;
      if (slot.instances.empty() && slot.missing() > 0)
        mark_unexpanded(run, {run.row.number, task}, unstarted, note, user);
      for (int k = 0; k < static_cast<int>(slot.instances.size()); ++k) {
        const InstanceRef at{run.row.number, task, k};
        const TaskState there = run.instance(at).state;
        if (to == RunState::success) {
          if (there != TaskState::skipped) mark(run, at, TaskState::success, note, user);
        } else if (!is_finished(there)) {
          mark(run, at, is_live(there) ? TaskState::failed : unstarted, note, user);
        }
      }
    }
    if (to == RunState::failed && !will_fail) {
      return conflict("run " + run.row.run_id + " of DAG `" + run.row.dag_id +
                      "` has nothing left but teardowns, which clear away what was set up: mark it failed when they "
                      "have ended, or mark them");
    }
    add(MoveRun{.row = run.row, .cause = MoveCause::command, .user = user, .text = note + "; its teardowns run first"});
    return {};
  }

  void mark_run(const ActiveRun& run, RunState to, const std::string& note, MoveCause cause, const std::string& user) {
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

 private:
  void add(Move move) { result_.moves.push_back(std::move(move)); }
  void add_all(Moves moves) { std::ranges::move(moves, std::back_inserter(result_.moves)); }

  static Result<InstanceRef> find(const ActiveRun& run, const TaskInstanceKey& key) {
    const int task = run.dag().index_of(key.task_id);
    if (task >= 0) {
      const bool is_mapped = run.dag().tasks[static_cast<size_t>(task)].expand.has_value();
      const auto position = run.slots[static_cast<size_t>(task)].position_of(key.map_index, is_mapped);
      if (position) return InstanceRef{run.row.number, task, *position};
    }
    return not_found("there is no task instance " + to_string(key));
  }

  Result<const ActiveRun*> find(const std::string& dag_id, const std::string& run_id) const {
    if (const ActiveRun* run = state_.find_run(dag_id, run_id)) return run;
    return not_found("DAG `" + dag_id + "` has no run " + run_id);
  }

  template <class F>
  void for_each_instance(const ActiveRun& run, F&& f) {
    for (size_t i = 0; i < run.slots.size(); ++i) {
      for (size_t k = 0; k < run.slots[i].instances.size(); ++k) {
        f(InstanceRef{run.row.number, static_cast<int>(i), static_cast<int>(k)});
      }
    }
  }

  void end(const ActiveRun& run, InstanceRef at, TaskState becomes, const std::string& note, const std::string& user) {
    const TaskInstance& row = run.instance(at);
    add(end_try(state_, row.fence, becomes, EndCause::killed, note, user));
    if (becomes != TaskState::none || row.state == TaskState::restarting) return;
    MoveInstance move{.at = at, .row = row, .cause = MoveCause::command, .user = user, .text = note};
    move.row.state = TaskState::restarting;
    add(std::move(move));
  }

  void clear(const ActiveRun& run, InstanceRef at, const std::string& user) {
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

  void reopen(const ActiveRun& run, const std::string& user) { reopen(run, user, run.row); }
  void reopen(const ActiveRun& run, const std::string& user, DagRun as) {
    if (!is_finished(run.row.state)) return;
    MoveRun move{.row = std::move(as), .cause = MoveCause::command, .user = user, .text = "cleared" + by(user)};
    move.row.state = RunState::queued;
    move.row.queued_at = now_;
    move.row.start_date = move.row.end_date = std::nullopt;
    result_.outcome.run = move.row;
    add(std::move(move));
  }

  void mark(const ActiveRun& run, InstanceRef at, TaskState to, const std::string& note, const std::string& user,
            MoveCause cause = MoveCause::command) {
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

  void mark_unexpanded(const ActiveRun& run, TaskRef task, TaskState to, const std::string& note,
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

  // What had failed behind those that are now marked well gets its chance again, as in Airflow.
  void resume_after(const ActiveRun& run, const std::set<std::pair<int, int>>& places, const Selected& selected,
                    const std::string& user) {
    const std::set<std::pair<int, int>> behind =
        places_along(*run.shape, {places.begin(), places.end()}, &Task::downstream);
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

  TimePoint now_;
  const State& state_;
  int64_t added_ = 0;
  CommandMoves result_;
};

}  // namespace

std::optional<std::pair<std::string, std::string>> run_of(const Command& command) {
  using Names = std::optional<std::pair<std::string, std::string>>;
  struct Visitor {
    Names operator()(const TriggerRun&) const { return {}; }
    Names operator()(const SetPaused&) const { return {}; }
    Names operator()(const CreateAssetEvent&) const { return {}; }
    Names operator()(const ForgetAssetEvents&) const { return {}; }
    Names operator()(const CreateBackfill&) const { return {}; }
    Names operator()(const ChangeBackfill&) const { return {}; }
    Names operator()(const CleanStep&) const { return {}; }
    Names operator()(const PoolsChanged&) const { return {}; }
    Names operator()(const ConnectionsChanged&) const { return {}; }
    Names operator()(const AnswerQuestion& c) const { return {{c.key.dag_id, c.key.run_id}}; }
    Names operator()(const ClearTasks& c) const { return {{c.selection.dag_id, c.selection.run_id}}; }
    Names operator()(const MarkTasks& c) const { return {{c.selection.dag_id, c.selection.run_id}}; }
    Names operator()(const KillTasks& c) const { return {{c.selection.dag_id, c.selection.run_id}}; }
    Names operator()(const MarkRun& c) const { return {{c.dag_id, c.run_id}}; }
    Names operator()(const SetRunNote& c) const { return {{c.dag_id, c.run_id}}; }
    Names operator()(const DeleteRun& c) const { return {{c.dag_id, c.run_id}}; }
  };
  return std::visit(Visitor{}, command);
}

Result<CommandMoves> moves_of(const Command& command, TimePoint now, const State& state) {
  Commanding commanding(now, state);
  TRY(std::visit([&](const auto& what) { return commanding.carry_out(what); }, command));
  return commanding.take();
}

Moves clear_all(TimePoint now, const State& state, RunNumber run, DagRun as, const std::string& user) {
  Commanding commanding(now, state);
  commanding.clear_all(state.runs().at(run), std::move(as), user);
  return commanding.take().moves;
}

Moves fail_run(TimePoint now, const State& state, RunNumber run, const std::string& why, const std::string& user) {
  Commanding commanding(now, state);
  commanding.mark_run(state.runs().at(run), RunState::failed, why, MoveCause::command, user);
  return commanding.take().moves;
}

Moves give_up(TimePoint now, const State& state, RunNumber run, const std::string& why) {
  Commanding commanding(now, state);
  commanding.mark_run(state.runs().at(run), RunState::failed, why, MoveCause::plan, "");
  return commanding.take().moves;
}

}  // namespace udon
