// What the upstream of a task says to its instances: wait, run, skip, or have failed with it; and how many instances a
// mapped task has once its inputs are there.
#include <algorithm>
#include <variant>

#include "base/text.h"
#include "scheduler/asset_events.h"
#include "scheduler/plan.h"

namespace udon {

namespace {

constexpr int named_max = 3;
// What most people meet who map over a command's output, which is a text.
constexpr const char* how_to_return = " (a command hands one on as {\"return_value\": […]} in $UDON_XCOM_FILE)";

// The lists that a task is mapped over, or what becomes of it without them.
struct Inputs {
  std::shared_ptr<const MapSpec> bound;
  TriggerVerdict verdict = TriggerVerdict::run;
  std::string problem;  // no list, or too long: the task fails
};

// Airflow maps over the items of a dict too.
std::optional<Value::List> as_list(const Value& value) {
  if (value.is_list()) return value.as_list();
  if (!value.is_map()) return std::nullopt;
  Value::List items;
  for (const auto& [key, item] : value.as_map()) items.push_back(Value::List{Value(key), item});
  return items;
}

Inputs resolve_inputs(const ActiveRun& run, const Task& task) {
  auto bound = std::make_shared<MapSpec>(*task.expand);
  for (MapInput& input : bound->inputs) {
    const auto* source = std::get_if<std::string>(&input.source);
    if (source == nullptr) continue;
    const std::string id = *source;
    const int index = run.dag().index_of(id);
    if (index < 0) return {.bound = {}, .verdict = {}, .problem = "it is mapped over `" + id + "`, which is no task"};
    const TaskSlot& from = run.slots[static_cast<size_t>(index)];
    const bool is_mapped = run.dag().tasks[static_cast<size_t>(index)].expand.has_value();
    if (from.count(TaskState::failed) + from.count(TaskState::upstream_failed) > 0) {
      return {.bound = {}, .verdict = TriggerVerdict::upstream_failed, .problem = {}};
    }
    const int64_t ended =
        from.count(TaskState::success) + from.count(TaskState::skipped) + from.count(TaskState::removed);
    if (ended < from.expected()) return {.bound = {}, .verdict = TriggerVerdict::wait, .problem = {}};
    if (from.count(TaskState::success) == 0) return {.bound = {}, .verdict = TriggerVerdict::skip, .problem = {}};
    if (is_mapped) {
      Value::List all;
      for (const auto& [map_index, value] : from.outputs) all.push_back(value);
      input.source = std::move(all);
      continue;
    }
    const auto output = from.outputs.find(-1);
    if (output == from.outputs.end()) {
      return {.bound = {},
              .verdict = {},
              .problem = "it is mapped over `" + id + "`, which returned nothing" + how_to_return};
    }
    auto list = as_list(output->second);
    if (!list) {
      return {.bound = {},
              .verdict = {},
              .problem = "it is mapped over `" + id + "`, which returned " + std::string(output->second.type_name()) +
                         " instead of an array" + how_to_return};
    }
    input.source = std::move(*list);
  }
  const int64_t length = known_length(*bound).value_or(0);
  if (length > limits::map_length_max) {
    return {.bound = {},
            .verdict = {},
            .problem = "it would be mapped to " + std::to_string(length) + " task instances; the limit is " +
                       std::to_string(limits::map_length_max)};
  }
  return {.bound = std::move(bound), .verdict = TriggerVerdict::run, .problem = {}};
}

// The upstream task instances that decided, for the note: "`load` (failed), `check[3]` (skipped) and 4 more".
std::string culprits(const ActiveRun& run, const Task& task, std::initializer_list<TaskState> states) {
  std::vector<std::string> named;
  int64_t others = 0;
  for (const int index : task.upstream) {
    const TaskSlot& slot = run.slots[static_cast<size_t>(index)];
    int64_t there = 0;
    for (const TaskState state : states) there += slot.count(state);
    if (there == 0) continue;
    if (named.size() == named_max) {
      others += there;
      continue;
    }
    for (const TaskInstance& row : slot.instances) {
      if (std::ranges::find(states, row.state) == states.end()) continue;
      named.push_back("`" + row.task_id + (row.map_index < 0 ? "" : "[" + std::to_string(row.map_index) + "]") + "` (" +
                      std::string(to_string(row.state)) + ")");
      others += there - 1;
      break;
    }
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
    if (run_.row.state != RunState::running) return {};
    const bool is_unexpanded = slot_.instances.empty() && !slot_.length;
    if (slot_.undecided.empty() && slot_.ready.empty() && !is_unexpanded) return {};
    if (const auto chooser = skipped_by_choice(run_, ref_.task)) {
      end_all(TaskState::skipped, not_chosen(run_.dag().tasks[static_cast<size_t>(*chooser)]));
      return std::move(moves_);
    }
    switch (upstream_verdict(run_, ref_.task)) {
      case TriggerVerdict::wait: wait(); break;
      case TriggerVerdict::run: allow(); break;
      case TriggerVerdict::skip:
        end_all(TaskState::skipped, because("skipped", {TaskState::skipped, TaskState::failed,
                                                        TaskState::upstream_failed, TaskState::success}));
        break;
      case TriggerVerdict::upstream_failed:
        end_all(TaskState::upstream_failed,
                because("not started", {TaskState::failed, TaskState::upstream_failed, TaskState::skipped}));
        break;
    }
    return std::move(moves_);
  }

 private:
  bool is_full() const { return static_cast<int>(moves_.size()) >= moves_max_; }

  static std::string not_chosen(const Task& chooser) {
    return chooser.choosing == Choosing::branch ? "skipped: `" + chooser.task_id + "` did not choose it"
                                                : "skipped: the condition of `" + chooser.task_id + "` did not hold";
  }

  std::string because(std::string_view what, std::initializer_list<TaskState> states) const {
    if (const auto setup = setup_in_the_way(run_, ref_.task)) {
      const TaskSlot& slot = run_.slots[static_cast<size_t>(*setup)];
      const bool is_over =
          slot.count(TaskState::skipped) + slot.count(TaskState::failed) + slot.count(TaskState::upstream_failed) > 0;
      if (is_over) {
        return std::string(what) + ": its setup `" + run_.dag().tasks[static_cast<size_t>(*setup)].task_id +
               "` has not succeeded";
      }
    }
    const std::string named = culprits(run_, task_, states);
    return std::string(what) + " by trigger rule " + std::string(to_string(task_.trigger_rule)) +
           (named.empty() ? "" : ": " + named);
  }

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
    for (const int position : slot_.ready) move(position, TaskState::none, "");
    const bool has_any = !slot_.undecided.empty() || !slot_.ready.empty();
    if (run_.shape->maps_over_xcom[static_cast<size_t>(ref_.task)] && slot_.length && has_any) {
      moves_.push_back(SetLength{.task = ref_, .length = {}, .bound = {}});
    }
  }

  void allow() {
    if (held_by_past(state_, run_, ref_.task)) {
      for (const int position : slot_.ready) move(position, TaskState::none, "");
      return;
    }
    if (task_.expand && !slot_.length) return expand();
    for (const int position : slot_.undecided) {
      if (is_full()) return;
      const TaskInstance& row = slot_.instances[static_cast<size_t>(position)];
      if (task_.expand && row.map_index < 0) {
        if (*slot_.length == 0) {
          move(position, TaskState::skipped, "there is nothing to map over");
        } else {
          move(position, TaskState::removed, "it has become " + std::to_string(*slot_.length) + " task instances");
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
    Inputs inputs = resolve_inputs(run_, task_);
    if (!inputs.problem.empty()) return end_all(TaskState::failed, inputs.problem);
    switch (inputs.verdict) {
      case TriggerVerdict::wait: return wait();
      case TriggerVerdict::skip: return end_all(TaskState::skipped, "skipped: what it is mapped over was skipped");
      case TriggerVerdict::upstream_failed:
        return end_all(TaskState::upstream_failed, "not started: what it is mapped over has failed");
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
        move(position, to, note);
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
  Moves moves_;
};

bool went_well(TaskState state) { return state == TaskState::success || state == TaskState::skipped; }

}  // namespace

Moves settle_task(TimePoint now, const State& state, TaskRef task, int moves_max) {
  return Settling(now, state, task, moves_max).moves();
}

void restore_length(ActiveRun& run, int task) {
  TaskSlot& slot = run.slots[static_cast<size_t>(task)];
  if (slot.instances.empty()) return;
  Inputs inputs = resolve_inputs(run, run.dag().tasks[static_cast<size_t>(task)]);
  if (!inputs.bound) return;
  const int64_t length = *known_length(*inputs.bound);
  // Only the one that stands for all: it was never mapped, unless it was mapped over nothing.
  if (length > 0 && slot.placeholder && slot.instances.size() == 1) return;
  slot.length = length;
  slot.bound = std::move(inputs.bound);
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
