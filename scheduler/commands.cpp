#include "scheduler/commands.h"

#include "base/ensure.h"
#include "base/limits.h"
#include "base/text.h"
#include "scheduler/answers.h"
#include "scheduler/params.h"
#include "scheduler/reports.h"
#include "scheduler/selection.h"
#include "scheduler/teardowns.h"
#include "scheduler/upstream.h"

namespace udon {

namespace {

Error not_found(std::string message) { return {ErrorKind::not_found, std::move(message)}; }
Error invalid(std::string message) { return {ErrorKind::invalid, std::move(message)}; }
Error conflict(std::string message) { return {ErrorKind::conflict, std::move(message)}; }

std::string by(const std::string& user) { return user.empty() ? "" : " by " + user; }

class Commanding {
 public:
  Commanding(TimePoint now, const State& state) : now_(now), state_(state), changes_(now, state) {}
  CommandMoves take() { return changes_.take(); }

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
    changes_.outcome().run = run;
    changes_.add(AddRun{.row = run, .shape = dag->shape, .past = {}, .user = command.user});
    if (command.note.empty()) return {};
    // The note may be edited; what it was when the run was made stays in the history of the run, as long as that.
    EventRecord event;
    event.at = now_;
    event.event = "command";
    event.dag_id = run.dag_id;
    event.run_id = run.run_id;
    event.user = command.user;
    event.text = run.note;
    changes_.add(NoteEvent{std::move(event)});
    return {};
  }

  Result<void> carry_out(const SetPaused& command) {
    const DagState* dag = state_.find_dag(command.dag_id);
    if (dag == nullptr) return not_found("no DAG `" + command.dag_id + "`");
    if (dag->record.is_paused == command.paused) return {};
    SetDag set{.row = dag->record, .is_due_known = false};
    set.row.is_paused = command.paused;
    changes_.add(std::move(set));
    EventRecord event;
    event.at = now_;
    event.event = "command";
    event.dag_id = command.dag_id;
    event.user = command.user;
    event.text = command.paused ? "paused" : "unpaused";
    changes_.add(NoteEvent{std::move(event)});
    return {};
  }

  Result<void> carry_out(const ClearTasks& command) {
    TRY_ASSIGN(const ActiveRun* run, find(command.selection.dag_id, command.selection.run_id));
    TRY_ASSIGN(const Selected selected, select_to_clear(*run, command.selection));
    for (const InstanceRef& at : selected.instances) changes_.clear(*run, at, command.user);
    changes_.outcome().run = run->row;
    if (!changes_.outcome().instances.empty()) changes_.reopen(*run, command.user);
    if (command.dry_run) changes_.drop_moves();
    return {};
  }

  Result<void> carry_out(const MarkTasks& command) {
    const TaskState to = command.state;
    if (to != TaskState::success && to != TaskState::failed && to != TaskState::skipped) {
      return invalid("task instances can be marked success, failed or skipped, not " + std::string(to_string(to)));
    }
    TRY_ASSIGN(const ActiveRun* run, find(command.selection.dag_id, command.selection.run_id));
    TRY_ASSIGN(const Selected selected, select_to_mark(*run, command.selection));
    changes_.outcome().run = run->row;
    const std::string note = "marked " + std::string(to_string(to)) + by(command.user);
    std::set<Place> places;
    for (const TaskRef& task : selected.unexpanded) changes_.mark_unexpanded(*run, task, to, note, command.user);
    for (const InstanceRef& at : selected.instances) {
      changes_.mark(*run, at, to, note, command.user);
      const bool is_of_group = run->shape->mapped_group[static_cast<size_t>(at.task)] >= 0;
      places.insert({at.task, is_of_group ? run->instance(at).map_index : whole});
    }
    if (to != TaskState::failed) changes_.resume_after(*run, places, selected, command.user);
    if (command.dry_run) changes_.drop_moves();
    return {};
  }

  Result<void> carry_out(const KillTasks& command) {
    TRY_ASSIGN(const ActiveRun* run, find(command.selection.dag_id, command.selection.run_id));
    TRY_ASSIGN(const Selected selected, select_instances(*run, command.selection));
    const std::string note = "killed" + by(command.user);
    for (const InstanceRef& at : selected.instances) {
      const TaskState there = run->instance(at).state;
      if (is_live(there) || there == TaskState::up_for_retry)
        changes_.mark(*run, at, TaskState::failed, note, command.user);
    }
    changes_.outcome().run = run->row;
    return {};
  }

  Result<void> carry_out(const MarkRun& command) {
    TRY_ASSIGN(const ActiveRun* run, find(command.dag_id, command.run_id));
    changes_.outcome().run = run->row;
    if (command.state == RunState::running) {
      return invalid("a dag run can be marked success, failed or queued, not running");
    }
    if (command.state == RunState::queued) {
      changes_.clear_all(*run, run->row, command.user);
    } else {
      const std::string note = "the run was marked " + std::string(to_string(command.state)) + by(command.user);
      if (run->row.state == RunState::running && has_to_clear_away(*run)) {
        changes_.mark_before_teardowns(*run, command.state, note, command.user);
      } else {
        changes_.mark_run(*run, command.state, note, MoveCause::command, command.user);
      }
    }
    return {};
  }

  Result<void> carry_out(const SetRunNote& command) {
    TRY_ASSIGN(const ActiveRun* run, find(command.dag_id, command.run_id));
    MoveRun move{.row = run->row, .cause = MoveCause::command, .user = command.user, .text = "note changed"};
    move.row.note = command.note;
    changes_.outcome().run = move.row;
    changes_.add(std::move(move));
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
    changes_.outcome().run = run->row;
    changes_.add(DropRun{.run = run->row.number, .user = command.user});
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
    changes_.add_all(moves_of_answer(answer, at, state_));
    AskedQuestion answered = *asked;
    answered.answer = answer;
    changes_.outcome().run = run->row;
    changes_.outcome().instances.push_back(key_of(*run, row));
    changes_.outcome().question = std::make_shared<const AskedQuestion>(std::move(answered));
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
    changes_.outcome().asset_events = {event};
    changes_.add(AddAssetEvent{std::move(event)});
    return {};
  }

  Result<void> carry_out(const ForgetAssetEvents& command) {
    const DagState* dag = state_.find_dag(command.dag_id);
    if (dag == nullptr) return not_found("no DAG `" + command.dag_id + "`");
    DropAssetEvents drop{.dag_id = command.dag_id, .events = {}};
    for (const auto& [number, event] : dag->events) {
      if (command.asset && event->asset != *command.asset) continue;
      drop.events.push_back(number);
      changes_.outcome().asset_events.push_back(*event);
    }
    if (drop.events.empty()) return {};
    EventRecord record;
    record.at = now_;
    record.event = "command";
    record.dag_id = command.dag_id;
    record.user = command.user;
    record.text = std::to_string(drop.events.size()) + " queued asset events forgotten";
    changes_.add(std::move(drop));
    changes_.add(NoteEvent{std::move(record)});
    return {};
  }

  // Those ask the store (backfills.h), or are several (loop.cpp), and the loop does.
  Result<void> carry_out(const ChangeRuns&) { return {}; }
  Result<void> carry_out(const CreateBackfill&) { return {}; }
  Result<void> carry_out(const ChangeBackfill&) { return {}; }
  Result<void> carry_out(const CleanStep&) { return {}; }  // (retention.h)
  Result<void> carry_out(const PoolsChanged&) { return {}; }
  Result<void> carry_out(const ConnectionsChanged&) { return {}; }

 private:
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

  TimePoint now_;
  const State& state_;
  RunChanges changes_;
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
    Names operator()(const ChangeRuns&) const { return {}; }
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
  RunChanges changes(now, state);
  changes.clear_all(state.runs().at(run), std::move(as), user);
  return changes.take().moves;
}

Moves fail_run(TimePoint now, const State& state, RunNumber run, const std::string& why, const std::string& user) {
  RunChanges changes(now, state);
  changes.mark_run(state.runs().at(run), RunState::failed, why, MoveCause::command, user);
  return changes.take().moves;
}

Moves give_up(TimePoint now, const State& state, RunNumber run, const std::string& why) {
  RunChanges changes(now, state);
  changes.mark_run(state.runs().at(run), RunState::failed, why, MoveCause::plan, "");
  return changes.take().moves;
}

}  // namespace udon
