#include "scheduler/versions.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "scheduler/commands.h"

namespace udon {

namespace {

Error conflict(std::string message) { return {ErrorKind::conflict, std::move(message)}; }
std::string by(const std::string& user) { return user.empty() ? "" : " by " + user; }

// The run alone in a world of its own: what is to become of it is tried out there.
State only(const State& state, const ActiveRun& run) {
  State alone(state.parallelism());
  alone.set_counters(state.counters());
  const DagState& dag = *state.find_dag(run.row.dag_id);
  alone.load_dag(dag.record);
  alone.apply(Move(LoadDag{.dag_id = run.row.dag_id, .shape = dag.shape}));
  if (const BackfillState* backfill = state.backfill_of(run.row)) alone.load_backfill(backfill->row);
  std::map<Fence, LiveTry> tries;
  for (const TaskSlot& slot : run.slots) {
    for (const TaskInstance& row : slot.instances) {
      if (is_live(row.state)) tries.emplace(row.fence, state.tries().at(row.fence));
    }
  }
  alone.load_run(run, tries);
  return alone;
}

}  // namespace

// Collects moves, and has each happen in the run's own world at once.
class Versions::Changing {
 public:
  Changing(TimePoint now, const State& state, const ActiveRun& run, std::string user)
      : now_(now), world_(only(state, run)), number_(run.row.number), user_(std::move(user)) {}

  const State& world() const { return world_; }
  const ActiveRun& run() const { return world_.runs().at(number_); }
  const std::vector<TaskInstanceKey>& affected() const { return affected_; }
  Moves take() { return std::move(moves_); }

  void add(Move move) {
    world_.apply(move);
    moves_.push_back(std::move(move));
  }

  // What the new version has no place for, while the old one still has.
  Result<void> make_room(const DagShape& shape) {
    for (int task = 0; task < static_cast<int>(run().slots.size()); ++task) {
      const std::string& task_id = run().dag().tasks[static_cast<size_t>(task)].task_id;
      const int after = shape.dag->index_of(task_id);
      for (int i = 0; i < static_cast<int>(run().slots[static_cast<size_t>(task)].instances.size()); ++i) {
        const InstanceRef at{number_, task, i};
        const TaskInstance& row = run().instance(at);
        const Task* next = after < 0 ? nullptr : &shape.dag->tasks[static_cast<size_t>(after)];
        // One that runs unmapped is none of those that it would be mapped to, and the other way round.
        const bool was_mapped = run().dag().tasks[static_cast<size_t>(task)].expand.has_value();
        const bool has_place = next != nullptr && next->expand.has_value() == was_mapped;
        const Task& before = run().dag().tasks[static_cast<size_t>(task)];
        // What a deferral has left is for the operator that left it. A deferred process lives as a probe.
        const bool was_deferred = run().deferral_of(at) != nullptr;
        const bool has_same_form = has_place && try_kind_of(*next) == try_kind_of(before) &&
                                   (!was_deferred || next->operator_name == before.operator_name);
        if (is_live(row.state) || was_deferred) {
          if (has_same_form) continue;
          return conflict("a try of `" + to_string(key_of(run(), row)) +
                          (is_live(row.state) ? "` is live" : "` is to go on after it was deferred") +
                          ", and the newest version of DAG `" + run().row.dag_id + "` has " +
                          (next == nullptr ? "no such task" : "that task in another form") +
                          "; wait for it, or kill it first");
        }
        if (!has_place)
          remove(at, next == nullptr ? "the newest version of its DAG has no such task"
                                     : "the newest version of its DAG has this task in another form");
      }
    }
    return {};
  }

  // After the change: task instances that were removed and have a place again, and those that a list has none for.
  void take_places() {
    for (int task = 0; task < static_cast<int>(run().slots.size()); ++task) {
      const Task& of = run().dag().tasks[static_cast<size_t>(task)];
      const TaskSlot& slot = run().slots[static_cast<size_t>(task)];
      const bool is_all_removed = slot.count(TaskState::removed) == static_cast<int64_t>(slot.instances.size());
      for (int i = 0; i < static_cast<int>(slot.instances.size()); ++i) {
        const InstanceRef at{number_, task, i};
        const TaskInstance& row = run().instance(at);
        const bool stands_for_all = of.expand && row.map_index < 0;
        bool has_place = true;
        if (stands_for_all) {
          // Without a length it waits for one, unless others do.
          has_place = slot.length ? *slot.length == 0 : slot.instances.size() == 1;
        } else if (of.expand) {
          has_place = slot.length ? row.map_index < *slot.length : is_all_removed || row.state != TaskState::removed;
        }
        if (row.state == TaskState::removed && has_place) {
          revive(at, of);
        } else if (!has_place && is_finished(row.state) && row.state != TaskState::removed) {
          remove(at, "mapped over " + std::to_string(slot.length.value_or(0)) + " items now");
        }
      }
    }
  }

  // There is something to do in a run that had ended.
  void reopen() {
    if (!is_finished(run().row.state) || run().unfinished == 0) return;
    MoveRun move{.row = run().row, .cause = MoveCause::command, .user = user_, .text = "cleared" + by(user_)};
    move.row.state = RunState::queued;
    move.row.queued_at = now_;
    move.row.start_date = move.row.end_date = std::nullopt;
    add(std::move(move));
  }

 private:
  void remove(InstanceRef at, const std::string& note) {
    const TaskInstance& row = run().instance(at);
    if (row.state == TaskState::removed) return;
    affected_.push_back(key_of(run(), row));
    MoveInstance move{.at = at, .row = row, .cause = MoveCause::command, .user = user_, .text = note};
    // What had ended keeps when: it is history now.
    if (!is_finished(row.state)) move.row.end_date = now_;
    move.row.state = TaskState::removed;
    move.row.next_try_at.reset();
    move.row.note = note;
    add(ForgetXComs{at});
    add(std::move(move));
  }

  void revive(InstanceRef at, const Task& of) {
    const TaskInstance& row = run().instance(at);
    affected_.push_back(key_of(run(), row));
    MoveInstance move{.at = at, .row = row, .cause = MoveCause::command, .user = user_, .text = "its DAG has it again"};
    move.row.state = TaskState::none;
    move.row.max_tries = row.try_number + 1 + of.retry.retries;
    move.row.scheduled_at = move.row.queued_at = move.row.start_date = move.row.end_date = move.row.next_try_at =
        std::nullopt;
    move.row.note.clear();
    add(std::move(move));
  }

  TimePoint now_;
  State world_;
  RunNumber number_;
  std::string user_;
  Moves moves_;
  std::vector<TaskInstanceKey> affected_;
};

Result<void> Versions::what_store_knows(ChangeVersion& change, const ActiveRun& run, const Turn& turn) {
  const Dag& dag = *change.shape->dag;
  const auto value_of = [&](int task, const std::string& key) -> Result<std::map<int, Value>> {
    const std::string& task_id = dag.tasks[static_cast<size_t>(task)].task_id;
    std::map<int, Value> values;
    TRY_ASSIGN(auto stored, history_.reader().xcoms_of_task(run.row.number, task_id, key));
    for (auto& [map_index, value] : stored) values[map_index] = std::move(value);
    // What this very turn has changed is not in the store yet.
    const auto take_change = [&](const TaskInstance& row) {
      const auto changed = turn.xcom_of(row.number, key);
      if (!changed) return;
      values.erase(row.map_index);
      if (*changed) values[row.map_index] = **changed;
    };
    const int before = run.dag().index_of(task_id);
    if (before >= 0) std::ranges::for_each(run.slots[static_cast<size_t>(before)].instances, take_change);
    // The same turn may have brought the run to the version that it is in.
    for (const TaskInstance& row : run.outside)
      if (row.task_id == task_id) take_change(row);
    return values;
  };
  for (int task = 0; task < static_cast<int>(dag.tasks.size()); ++task) {
    const auto index = static_cast<size_t>(task);
    const int before = run.dag().index_of(dag.tasks[index].task_id);
    if (before < 0 && run.outside.empty()) continue;
    if (dag.tasks[index].choosing != Choosing::nothing) {
      TRY_ASSIGN(change.choices[task], value_of(task, std::string(choice_key)));
    }
    const bool is_known = before >= 0 && run.shape->feeds_map[static_cast<size_t>(before)];
    if (change.shape->feeds_map[index] && !is_known) {
      TRY_ASSIGN(change.outputs[task], value_of(task, "return_value"));
    }
  }
  TRY_ASSIGN(change.past, history_.past_of(run.row, *change.shape, state_));
  return {};
}

Result<void> Versions::change(Turn& turn, RunNumber number, const std::string& user) {
  ClearTasks none{.on_latest_version = true, .only_new = true, .user = user};
  const DagRun& row = state_.runs().at(number).row;
  none.selection.dag_id = row.dag_id;
  none.selection.run_id = row.run_id;
  TRY(clear(turn, none, Reopen::no));
  return {};
}

Result<CommandOutcome> Versions::clear(Turn& turn, const ClearTasks& command) {
  return clear(turn, command, Reopen::if_unfinished);
}

Result<CommandOutcome> Versions::clear(Turn& turn, const ClearTasks& command, Reopen reopen) {
  const ActiveRun* run = state_.find_run(command.selection.dag_id, command.selection.run_id);
  if (run == nullptr)
    return Error{ErrorKind::not_found, "DAG `" + command.selection.dag_id + "` has no run " + command.selection.run_id};
  const DagState& dag = *state_.find_dag(run->row.dag_id);
  if (!dag.shape)
    return conflict("DAG `" + run->row.dag_id + "` has no file any more, and so no newest version to go on with");
  Changing changing(turn.now(), state_, *run, command.user);
  if (dag.shape->dag->version != run->row.dag_version) {
    ChangeVersion change{
        .run = run->row.number, .shape = dag.shape, .past = {}, .at = turn.now(), .user = command.user};
    TRY(what_store_knows(change, *run, turn));
    TRY(changing.make_room(*dag.shape));
    changing.add(std::move(change));
    changing.take_places();
  }
  CommandOutcome outcome;
  if (!command.only_new) {
    ClearTasks there = command;
    there.dry_run = false;
    TRY_ASSIGN(CommandMoves cleared, moves_of(Command(there), turn.now(), changing.world()));
    outcome = std::move(cleared.outcome);
    for (Move& move : cleared.moves) changing.add(std::move(move));
  }
  if (reopen == Reopen::if_unfinished) changing.reopen();
  outcome.run = changing.run().row;
  const std::set<TaskInstanceKey> cleared(outcome.instances.begin(), outcome.instances.end());
  std::ranges::copy_if(changing.affected(), std::back_inserter(outcome.instances),
                       [&](const TaskInstanceKey& key) { return !cleared.contains(key); });
  if (!command.dry_run) turn.apply(changing.take());
  return outcome;
}

}  // namespace udon
