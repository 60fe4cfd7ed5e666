// A run that goes on with another version of its DAG: its rows find their places among that version's tasks.
#include <algorithm>

#include "base/ensure.h"
#include "scheduler/map_inputs.h"
#include "scheduler/state.h"

namespace udon {

DagRun with_version(DagRun row, const std::string& version, TimePoint at) {
  row.earlier_versions.push_back({std::move(row.dag_version), at});
  row.dag_version = version;
  return row;
}

// A mapped task also has a row without an index: the one that stands for all.
bool fits_task(const Task& task, const TaskInstance& row) { return task.expand.has_value() || row.map_index < 0; }

namespace {

void keep_outside(ActiveRun& run, TaskInstance row) {
  ENSURE(row.state == TaskState::removed, "a task instance has no place in the version that its run goes on with");
  run.outside.push_back(std::move(row));
}

}  // namespace

void State::apply_move(const ChangeVersion& move) {
  ActiveRun old = run_at(move.run);
  take_out_run(move.run);
  ActiveRun run;
  run.row = with_version(std::move(old.row), move.shape->dag->version, move.at);
  run.shape = move.shape;
  run.past = move.past;
  run.events = std::move(old.events);
  // What a task instance waits for goes with it to its new place.
  std::map<InstanceNumber, QuestionPtr> questions;
  std::map<InstanceNumber, DeferralPtr> deferrals;
  for (const auto& [at, question] : old.questions) questions[question->instance] = question;
  for (const auto& [at, deferral] : old.deferrals) deferrals[deferral->instance] = deferral;
  std::map<std::string, std::vector<TaskInstance>, std::less<>> rows;
  for (TaskSlot& slot : old.slots) {
    for (TaskInstance& row : slot.instances) rows[row.task_id].push_back(std::move(row));
  }
  for (TaskInstance& row : old.outside) rows[row.task_id].push_back(std::move(row));
  const std::vector<Task>& tasks = run.dag().tasks;
  run.slots.resize(tasks.size());
  for (size_t i = 0; i < tasks.size(); ++i) {
    TaskSlot& slot = run.slots[i];
    const int task = static_cast<int>(i);
    set_known_length(slot, run.shape, task);
    if (const auto loaded = move.choices.find(task); loaded != move.choices.end()) {
      for (const auto& [map_index, value] : loaded->second)
        slot.choices[map_index] = skipped_by(run.dag(), task, value);
    }
    if (run.shape->feeds_map[i]) {
      const int before = old.dag().index_of(tasks[i].task_id);
      if (before >= 0) slot.outputs = std::move(old.slots[static_cast<size_t>(before)].outputs);
      if (const auto loaded = move.outputs.find(task); loaded != move.outputs.end()) slot.outputs = loaded->second;
    }
    auto own = rows.extract(tasks[i].task_id);
    if (own.empty()) {
      slot.choices.clear();
      slot.outputs.clear();
      continue;
    }
    std::ranges::stable_sort(own.mapped(), {}, &TaskInstance::map_index);
    for (TaskInstance& row : own.mapped()) {
      if (!fits_task(tasks[i], row)) {
        keep_outside(run, std::move(row));
        continue;
      }
      const auto position = static_cast<int>(slot.instances.size());
      if (tasks[i].expand && row.map_index < 0) slot.placeholder = position;
      if (is_live(row.state)) tries_.at(row.fence).at = {move.run, task, position};
      if (const auto asked = questions.find(row.number); asked != questions.end())
        run.questions[{task, position}] = asked->second;
      if (const auto deferred = deferrals.find(row.number); deferred != deferrals.end())
        run.deferrals[{task, position}] = deferred->second;
      slot.in_state[index_of(row.state)] += 1;  // for restore_length; counted anew below
      slot.instances.push_back(std::move(row));
    }
    // What has no place here has handed nothing on, whatever the store still says of it.
    const auto has_no_row = [&](const auto& kept) {
      return !std::ranges::binary_search(slot.instances, kept.first, {}, &TaskInstance::map_index);
    };
    std::erase_if(slot.choices, has_no_row);
    std::erase_if(slot.outputs, has_no_row);
  }
  for (auto& [task_id, left] : rows) {
    for (TaskInstance& row : left) keep_outside(run, std::move(row));
  }
  std::ranges::sort(run.outside, {}, &TaskInstance::number);
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (run.shape->maps_over_xcom[i]) restore_length(run, static_cast<int>(i));
  }
  insert_run(std::move(run));
}

}  // namespace udon
