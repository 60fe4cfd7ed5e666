// What the upstream of a task says to its instances: wait, run, skip, or have failed with it; and how many instances a
// mapped task has once its inputs are there.
#include <algorithm>

#include "base/text.h"
#include "scheduler/asset_events.h"
#include "scheduler/map_inputs.h"
#include "scheduler/plan.h"
#include "scheduler/upstream.h"

namespace udon {

namespace {

constexpr size_t named_max = 3;
constexpr const char* nothing_to_map = "there is nothing to map over";
constexpr const char* inputs_skipped = "skipped: what it is mapped over was skipped";
constexpr const char* inputs_failed = "not started: what it is mapped over has failed";
std::string told(const TaskInstance& row) {
  return "`" + row.task_id + (row.map_index < 0 ? "" : "[" + std::to_string(row.map_index) + "]") + "` (" +
         std::string(to_string(row.state)) + ")";
}

// The upstream task instances that decided, for the note: "`load` (failed), `check[3]` (skipped) and 4 more".
std::string culprits(const ActiveRun& run, int task, int map_index, std::initializer_list<TaskState> states) {
  const auto decides = [&](TaskState state) { return std::ranges::find(states, state) != states.end(); };
  std::vector<std::string> named;
  int64_t others = 0;
  for (const int index : run.dag().tasks[static_cast<size_t>(task)].upstream) {
    const TaskSlot& slot = run.slots[static_cast<size_t>(index)];
    if (is_inner_edge(*run.shape, index, task)) {
      auto position = slot.position_of(map_index, true);
      if (!position) position = slot.placeholder;
      if (!position || !decides(slot.instances[static_cast<size_t>(*position)].state)) continue;
      named.size() < named_max ? named.push_back(told(slot.instances[static_cast<size_t>(*position)])) : void(++others);
      continue;
    }
    int64_t there = 0;
    for (const TaskState state : states) there += slot.count(state);
    if (there == 0) continue;
    if (named.size() == named_max) {
      others += there;
      continue;
    }
    const auto first = std::ranges::find_if(slot.instances, decides, &TaskInstance::state);
    named.push_back(told(*first));
    others += there - 1;
  }
  return join(named, ", ") + (others > 0 ? " and " + std::to_string(others) + " more" : "");
}

class Settling {
 public:
  Settling(TimePoint now, const State& state, TaskRef ref, int moves_max)
      : now_(now),
        state_(state),
        ref_(ref),
        run_(state.runs().at(ref.run)),
        task_(run_.dag().tasks[static_cast<size_t>(ref.task)]),
        slot_(run_.slots[static_cast<size_t>(ref.task)]),
        moves_max_(moves_max) {}

  Moves moves() {
    if (!has_something()) return {};
    is_of_group() ? look_at_group(nullptr) : look_at_whole();
    return std::move(moves_);
  }

  Moves moves(const std::set<int>& indices) {
    if (!has_something()) return {};
    look_at_group(&indices);
    return std::move(moves_);
  }

 private:
  bool is_full() const { return static_cast<int>(moves_.size()) >= moves_max_; }
  // The process of its try was deferred, and what that waited for has come. Like a live one it began long ago, whatever
  // its upstream says now; but an item of a list that is made anew has to be there again.
  bool goes_on(int position) const {
    return slot_.ready.contains(position) && !run_.shape->maps_over_xcom[static_cast<size_t>(ref_.task)] &&
           run_.deferral_of({ref_.run, ref_.task, position}) != nullptr;
  }
  void hold_back_ready() {
    for (const int position : slot_.ready)
      if (!goes_on(position)) move(position, TaskState::none, "");
  }
  bool is_unexpanded() const { return slot_.instances.empty() && !slot_.length; }
  bool is_of_group() const { return run_.shape->mapped_group[static_cast<size_t>(ref_.task)] >= 0; }
  bool has_something() const {
    return run_.row.state == RunState::running && !(slot_.undecided.empty() && slot_.ready.empty() && !is_unexpanded());
  }

  void look_at_whole() {
    if (const auto chooser = skipped_by_choice(run_, ref_.task, whole)) {
      return end_all(TaskState::skipped, not_chosen(*chooser));
    }
    switch (upstream_verdict(run_, ref_.task, whole)) {
      case TriggerVerdict::wait: return wait();
      case TriggerVerdict::run: return allow();
      case TriggerVerdict::skip: return end_all(TaskState::skipped, because_skipped(whole));
      case TriggerVerdict::upstream_failed: return end_all(TaskState::upstream_failed, because_failed(whole));
    }
  }

  // Of a mapped group: all of its tasks are mapped as soon as its inputs are there, whatever else they wait for; then
  // each index goes its own way. indices: null: all of them.
  void look_at_group(const std::set<int>* indices) {
    if (slot_.instances.empty() || !slot_.length) {
      if (const auto chooser = skipped_by_choice(run_, ref_.task, whole)) {
        return end_all(TaskState::skipped, not_chosen(*chooser));
      }
      // Before it is mapped: what is decided for all of its indices is decided.
      const TriggerVerdict verdict = upstream_verdict(run_, ref_.task, whole);
      if (verdict == TriggerVerdict::skip) return end_all(TaskState::skipped, because_skipped(whole));
      if (verdict == TriggerVerdict::upstream_failed) {
        return end_all(TaskState::upstream_failed, because_failed(whole));
      }
    }
    if (!slot_.length) return expand();
    if (run_.shape->maps_over_xcom[static_cast<size_t>(ref_.task)]) {
      switch (inputs_verdict(run_, task_)) {
        case TriggerVerdict::run: break;
        case TriggerVerdict::wait: return wait();
        case TriggerVerdict::skip: return end_all(TaskState::skipped, inputs_skipped);
        case TriggerVerdict::upstream_failed: return end_all(TaskState::upstream_failed, inputs_failed);
      }
    }
    if (indices == nullptr) {
      for (const auto* positions : {&slot_.undecided, &slot_.ready}) {
        for (const int position : *positions) {
          if (is_full()) return;
          decide(position);
        }
      }
      return;
    }
    for (const int map_index : *indices) {
      if (is_full()) return;
      const auto position = slot_.position_of(map_index, true);
      if (position && (slot_.undecided.contains(*position) || slot_.ready.contains(*position))) decide(*position);
    }
  }

  // One index of a mapped group.
  void decide(int position) {
    const TaskInstance& row = slot_.instances[static_cast<size_t>(position)];
    if (row.map_index < 0 && *slot_.length > 0) return move(position, TaskState::removed, has_become());
    if (is_beyond(row)) return remove(position);
    if (goes_on(position)) return;
    if (const auto chooser = skipped_by_choice(run_, ref_.task, row.map_index)) {
      return move(position, TaskState::skipped, not_chosen(*chooser));
    }
    const bool is_ready = row.state == TaskState::scheduled;
    switch (upstream_verdict(run_, ref_.task, row.map_index)) {
      case TriggerVerdict::wait:
        if (is_ready) move(position, TaskState::none, "");
        return;
      case TriggerVerdict::skip: return move(position, TaskState::skipped, because_skipped(row.map_index));
      case TriggerVerdict::upstream_failed:
        return move(position, TaskState::upstream_failed, because_failed(row.map_index));
      case TriggerVerdict::run: break;
    }
    if (row.map_index < 0) return move(position, TaskState::skipped, nothing_to_map);
    if (!is_held_) is_held_ = held_by_past(state_, run_, ref_.task).has_value();
    if (*is_held_) {
      if (is_ready) move(position, TaskState::none, "");
      return;
    }
    if (!is_ready) move(position, TaskState::scheduled, "");
    if (!may_succeed()) return;
    succeed(position, is_ready ? row : std::get<MoveInstance>(moves_.back()).row);
  }

  std::string not_chosen(int by) const {
    const Task& chooser = run_.dag().tasks[static_cast<size_t>(by)];
    return chooser.choosing == Choosing::branch ? "skipped: `" + chooser.task_id + "` did not choose it"
                                                : "skipped: the condition of `" + chooser.task_id + "` did not hold";
  }

  std::string because_skipped(int map_index) const {
    return because("skipped", map_index,
                   {TaskState::skipped, TaskState::failed, TaskState::upstream_failed, TaskState::success});
  }
  std::string because_failed(int map_index) const {
    return because("not started", map_index, {TaskState::failed, TaskState::upstream_failed, TaskState::skipped});
  }

  std::string because(std::string_view what, int map_index, std::initializer_list<TaskState> states) const {
    if (const auto setup = setup_in_the_way(run_, ref_.task, map_index)) {
      const TaskSlot& slot = run_.slots[static_cast<size_t>(*setup)];
      const bool is_inner = is_inner_edge(*run_.shape, *setup, ref_.task);
      const bool is_over = is_inner ? is_finished(state_at(slot, map_index))
                                    : slot.count(TaskState::skipped) + slot.count(TaskState::failed) +
                                              slot.count(TaskState::upstream_failed) >
                                          0;
      if (is_over) {
        return std::string(what) + ": its setup `" + run_.dag().tasks[static_cast<size_t>(*setup)].task_id +
               "` has not succeeded";
      }
    }
    const std::string named = culprits(run_, ref_.task, map_index, states);
    return std::string(what) + " by trigger rule " + std::string(to_string(task_.trigger_rule)) +
           (named.empty() ? "" : ": " + named);
  }

  std::string has_become() const { return "it has become " + std::to_string(*slot_.length) + " task instances"; }

  void move(int position, TaskState to, const std::string& note) {
    move(position, slot_.instances[static_cast<size_t>(position)], to, note);
  }

  void move(int position, TaskInstance row, TaskState to, const std::string& note) {
    MoveInstance move;
    move.at = {ref_.run, ref_.task, position};
    move.row = std::move(row);
    move.row.state = to;
    move.row.note = note;
    if (to == TaskState::scheduled) move.row.scheduled_at = now_;
    if (is_finished(to)) move.row.end_date = now_;
    move.text = note;
    moves_.push_back(std::move(move));
  }

  // Its upstream goes on: what was ready is not any more, and what an XCom said will be said anew.
  void wait() {
    hold_back_ready();
    const bool has_any = !slot_.undecided.empty() || !slot_.ready.empty();
    if (run_.shape->maps_over_xcom[static_cast<size_t>(ref_.task)] && slot_.length && has_any) {
      moves_.push_back(SetLength{.task = ref_, .length = {}, .bound = {}});
    }
  }

  void allow() {
    if (held_by_past(state_, run_, ref_.task)) return hold_back_ready();
    if (task_.expand && !slot_.length) return expand();
    for (const int position : slot_.undecided) {
      if (is_full()) return;
      const TaskInstance& row = slot_.instances[static_cast<size_t>(position)];
      if (task_.expand && row.map_index < 0) {
        if (*slot_.length == 0) {
          move(position, TaskState::skipped, nothing_to_map);
        } else {
          move(position, TaskState::removed, has_become());
        }
      } else if (is_beyond(row)) {
        remove(position);
      } else {
        move(position, TaskState::scheduled, "");
        if (may_succeed()) succeed(position, std::get<MoveInstance>(moves_.back()).row);
      }
    }
    // Ready since before, and then the list became shorter: their tries were not started.
    for (auto last = slot_.ready.rbegin(); last != slot_.ready.rend() && !is_full(); ++last) {
      if (!is_beyond(slot_.instances[static_cast<size_t>(*last)])) break;
      remove(*last);
    }
    // Ready since before: its DAG was paused.
    if (!may_succeed()) return;
    for (const int position : slot_.ready) {
      if (is_full()) return;
      const TaskInstance& row = slot_.instances[static_cast<size_t>(position)];
      if (!is_beyond(row)) succeed(position, row);
    }
  }

  bool is_beyond(const TaskInstance& row) const { return task_.expand && row.map_index >= *slot_.length; }
  void remove(int position) {
    move(position, TaskState::removed, "mapped over " + std::to_string(*slot_.length) + " items now");
  }

  bool may_succeed() const { return task_.needs_no_try && !state_.find_dag(run_.row.dag_id)->record.is_paused; }

  // Without a try, but not uncounted: as in Airflow, try_number says how often it was done.
  void succeed(int position, TaskInstance row) {
    row.try_number += 1;
    row.start_date = now_;
    auto events = asset_events_of(run_, {ref_.run, ref_.task, position}, Value(), now_);
    if (!events) return move(position, std::move(row), TaskState::failed, events.error().message);
    move(position, std::move(row), TaskState::success, "");
    for (AssetEvent& event : *events) moves_.push_back(AddAssetEvent{std::move(event)});
  }

  void expand() {
    Inputs inputs = resolve_inputs(run_, ref_.task);
    if (!inputs.problem.empty()) return end_all(TaskState::failed, inputs.problem);
    switch (inputs.verdict) {
      case TriggerVerdict::wait: return wait();
      case TriggerVerdict::skip: return end_all(TaskState::skipped, inputs_skipped);
      case TriggerVerdict::upstream_failed: return end_all(TaskState::upstream_failed, inputs_failed);
      case TriggerVerdict::run: break;
    }
    const int64_t length = *known_length(*inputs.bound);
    moves_.push_back(SetLength{.task = ref_, .length = length, .bound = std::move(inputs.bound)});
    // Indices that an earlier, shorter list had taken away.
    for (size_t i = 0; i < slot_.instances.size(); ++i) {
      const TaskInstance& row = slot_.instances[i];
      if (row.state == TaskState::removed && row.map_index >= 0 && row.map_index < length) {
        move(static_cast<int>(i), TaskState::none, "");
      }
    }
  }

  void end_all(TaskState to, const std::string& note) {
    if (slot_.instances.empty()) {
      // Nothing to show it on yet: one that stands for all.
      moves_.push_back(
          AddInstances{.task = ref_, .rows = {new_instance(run_, ref_.task, -1, state_.counters().last_instance + 1)}});
      return;
    }
    for (const auto* positions : {&slot_.undecided, &slot_.ready}) {
      for (const int position : *positions) {
        if (is_full()) return;
        if (!goes_on(position)) move(position, to, note);
      }
    }
  }

  TimePoint now_;
  const State& state_;
  TaskRef ref_;
  const ActiveRun& run_;
  const Task& task_;
  const TaskSlot& slot_;
  int moves_max_;
  std::optional<bool> is_held_;  // by the run before
  Moves moves_;
};

bool went_well(TaskState state) { return state == TaskState::success || state == TaskState::skipped; }

}  // namespace

Moves settle_task(TimePoint now, const State& state, TaskRef task, int moves_max) {
  return Settling(now, state, task, moves_max).moves();
}

Moves settle_indices(TimePoint now, const State& state, TaskRef task, const std::set<int>& indices, int moves_max) {
  return Settling(now, state, task, moves_max).moves(indices);
}

std::optional<std::string> held_by_past(const State& state, const ActiveRun& run, int task) {
  const Task& of = run.dag().tasks[static_cast<size_t>(task)];
  if (!of.depends_on_past && !of.wait_for_downstream) return std::nullopt;
  if (!run.past) return std::nullopt;
  const ActiveRun* before = state.find_run(run.past->number);
  // The states of a task in the run before; nothing: it had no such task.
  const auto states_of = [&](const std::string& task_id) {
    std::vector<TaskState> states;
    if (before == nullptr) {
      const auto found = run.past->states.find(task_id);
      if (found != run.past->states.end()) states = found->second;
      return states;
    }
    const int index = before->dag().index_of(task_id);
    if (index < 0) return states;
    const TaskSlot& slot = before->slots[static_cast<size_t>(index)];
    for (const TaskInstance& row : slot.instances) states.push_back(row.state);
    // A run that was marked finished early may have left some out for good.
    if (slot.missing() > 0 && !is_finished(before->row.state)) states.push_back(TaskState::none);
    return states;
  };
  const auto problem_of = [&](const std::string& task_id) -> std::optional<std::string> {
    for (const TaskState there : states_of(task_id)) {
      if (went_well(there) || there == TaskState::removed) continue;
      return "`" + task_id + "` of " + run.past->run_id + " is " + std::string(to_string(there));
    }
    return std::nullopt;
  };
  if (auto problem = problem_of(of.task_id)) return problem;
  if (!of.wait_for_downstream) return std::nullopt;
  for (const int next : of.downstream) {
    if (auto problem = problem_of(run.dag().tasks[static_cast<size_t>(next)].task_id)) return problem;
  }
  return std::nullopt;
}

TaskInstance new_instance(const ActiveRun& run, int task, int map_index, InstanceNumber number) {
  const Task& of = run.dag().tasks[static_cast<size_t>(task)];
  TaskInstance row;
  row.number = number;
  row.run = run.row.number;
  row.task_id = of.task_id;
  row.map_index = map_index;
  row.max_tries = 1 + of.retry.retries;
  return row;
}

}  // namespace udon
