#include "model/state.h"

#include <algorithm>
#include <array>

#include "base/ensure.h"

namespace udon {
namespace {

using enum MoveCause;

constexpr unsigned bit(MoveCause cause) { return 1U << static_cast<unsigned>(cause); }
template <class... Causes>
constexpr unsigned by(Causes... causes) {
  return (bit(causes) | ...);
}

constexpr std::array all_states{
    TaskState::none,         TaskState::scheduled,
    TaskState::queued,       TaskState::running,
    TaskState::success,      TaskState::failed,
    TaskState::skipped,      TaskState::upstream_failed,
    TaskState::up_for_retry, TaskState::up_for_reschedule,
    TaskState::deferred,     TaskState::restarting,
    TaskState::removed,
};

// One step each; what happens within one turn (none to queued, queued to success) is several rows, and the
// store checks each of them. Read it by column: what the plan may decide, what a report may bring, what a
// person may ask for. Marking is always a command and clearing too, so a report can do neither.
constexpr auto task_move_table = [] {
  using S = TaskState;
  return std::to_array<TaskMoveRule>({
      // Nothing decided yet.
      {S::none, S::scheduled, by(plan)},
      {S::none, S::skipped, by(plan, command)},  // trigger rule, a branch, a run that timed out; marked
      {S::none, S::upstream_failed, by(plan)},
      {S::none, S::removed, by(plan, command)},  // the expansion turned out shorter, or the task is gone
      {S::none, S::success, by(command)},
      {S::none, S::failed, by(plan, command)},  // it cannot be expanded: its input is no list, or too long

      // Allowed to start.
      {S::scheduled, S::queued, by(plan)},            // a try is created: here and nowhere else
      {S::scheduled, S::none, by(plan, command)},     // its upstream was cleared under it, or it was cleared
      {S::scheduled, S::success, by(plan, command)},  // plan: an operator that does nothing needs no try
      {S::scheduled, S::failed, by(plan, command)},
      {S::scheduled, S::skipped, by(plan, command)},
      {S::scheduled, S::upstream_failed, by(plan)},
      {S::scheduled, S::removed, by(plan, command)},

      // A try was handed to an executor.
      {S::queued, S::running, by(report, reconcile)},
      {S::queued, S::deferred, by(plan, report, reconcile)},      // a sensor or external job: it has no process
      {S::queued, S::scheduled, by(plan, report, reconcile)},     // nobody has it, and nobody will start it
      {S::queued, S::up_for_retry, by(plan, report, reconcile)},  // it could not be started; or waited too long
      {S::queued, S::failed, by(plan, report, command, reconcile)},
      {S::queued, S::success, by(command)},
      {S::queued, S::skipped, by(plan, command)},
      {S::queued, S::restarting, by(command)},

      // The try runs. The plan ends it for a run that timed out or fails fast.
      {S::running, S::success, by(report, command, reconcile)},
      {S::running, S::failed, by(plan, report, command, reconcile)},
      {S::running, S::skipped, by(plan, report, command, reconcile)},
      {S::running, S::up_for_retry, by(report, reconcile)},
      {S::running, S::up_for_reschedule, by(report, reconcile)},
      {S::running, S::deferred, by(report, reconcile)},
      {S::running, S::restarting, by(command)},

      // The try waits without a process. The plan ends it when a time limit over all its pokes has passed.
      {S::deferred, S::success, by(report, command, reconcile)},
      {S::deferred, S::failed, by(plan, report, command, reconcile)},
      {S::deferred, S::skipped, by(plan, report, command, reconcile)},
      {S::deferred, S::up_for_retry, by(plan, report, reconcile)},
      {S::deferred, S::scheduled, by(plan, report, reconcile)},  // its trigger fired: the same try goes on
      {S::deferred, S::restarting, by(command)},

      // Cleared while a try was live. The end of that try, whatever it is, starts it anew.
      {S::restarting, S::none, by(report, reconcile)},
      {S::restarting, S::scheduled, by(report, reconcile)},
      {S::restarting, S::up_for_retry, by(report, reconcile)},
      {S::restarting, S::failed, by(plan, command)},
      {S::restarting, S::skipped, by(plan, command)},
      {S::restarting, S::success, by(command)},

      // Between two tries.
      {S::up_for_retry, S::scheduled, by(plan)},
      {S::up_for_retry, S::none, by(command)},
      {S::up_for_retry, S::success, by(command)},
      {S::up_for_retry, S::failed, by(plan, command)},
      {S::up_for_retry, S::skipped, by(plan, command)},
      {S::up_for_retry, S::upstream_failed, by(plan)},  // Airflow asks the trigger rule again before each try
      {S::up_for_retry, S::removed, by(plan, command)},

      // Between two looks of the same try.
      {S::up_for_reschedule, S::scheduled, by(plan)},
      {S::up_for_reschedule, S::none, by(command)},
      {S::up_for_reschedule, S::success, by(command)},
      {S::up_for_reschedule, S::failed, by(plan, command)},
      {S::up_for_reschedule, S::skipped, by(plan, command)},
      {S::up_for_reschedule, S::upstream_failed, by(plan)},
      {S::up_for_reschedule, S::removed, by(plan, command)},

      // Finished: left by a person's wish only (to none: cleared; else marked), except that an expansion
      // which grew
      // takes back the indices that it had removed.
      {S::success, S::none, by(command)},
      {S::success, S::removed, by(command)},  // the run goes on with a version that has no such task
      {S::success, S::failed, by(command)},
      {S::success, S::skipped, by(command)},
      {S::failed, S::none, by(command)},
      {S::failed, S::removed, by(command)},
      {S::failed, S::success, by(command)},
      {S::failed, S::skipped, by(command)},
      {S::skipped, S::none, by(command)},
      {S::skipped, S::removed, by(command)},
      {S::skipped, S::success, by(command)},
      {S::skipped, S::failed, by(command)},
      {S::upstream_failed, S::none, by(command)},
      {S::upstream_failed, S::removed, by(command)},
      {S::upstream_failed, S::success, by(command)},
      {S::upstream_failed, S::failed, by(command)},
      {S::upstream_failed, S::skipped, by(command)},
      {S::removed, S::none, by(plan, command)},
  });
}();

constexpr auto run_move_table = std::to_array<RunMoveRule>({
    {RunState::queued, RunState::running, by(plan)},
    {RunState::queued, RunState::success, by(command)},
    {RunState::queued, RunState::failed, by(plan, command)},  // plan: the DAG that it started with cannot be read
    {RunState::running, RunState::success, by(plan, command)},
    {RunState::running, RunState::failed, by(plan, command)},
    {RunState::running, RunState::queued, by(command)},
    {RunState::success, RunState::queued, by(command)},
    {RunState::success, RunState::failed, by(command)},
    {RunState::failed, RunState::queued, by(command)},
    {RunState::failed, RunState::success, by(command)},
});

template <class Rules, class State>
bool has_move(const Rules& rules, State from, State to, MoveCause cause) {
  return std::ranges::any_of(
      rules, [&](const auto& rule) { return rule.from == from && rule.to == to && (rule.causes & bit(cause)) != 0; });
}

}  // namespace

std::string_view to_string(TaskState state) {
  switch (state) {
    case TaskState::none: return "none";
    case TaskState::scheduled: return "scheduled";
    case TaskState::queued: return "queued";
    case TaskState::running: return "running";
    case TaskState::success: return "success";
    case TaskState::failed: return "failed";
    case TaskState::skipped: return "skipped";
    case TaskState::upstream_failed: return "upstream_failed";
    case TaskState::up_for_retry: return "up_for_retry";
    case TaskState::up_for_reschedule: return "up_for_reschedule";
    case TaskState::deferred: return "deferred";
    case TaskState::restarting: return "restarting";
    case TaskState::removed: return "removed";
  }
  ENSURE(false, "a task state outside its enum");
}

std::string_view to_string(RunState state) {
  switch (state) {
    case RunState::queued: return "queued";
    case RunState::running: return "running";
    case RunState::success: return "success";
    case RunState::failed: return "failed";
  }
  ENSURE(false, "a run state outside its enum");
}

std::string_view to_string(MoveCause cause) {
  switch (cause) {
    case plan: return "plan";
    case report: return "report";
    case command: return "command";
    case reconcile: return "reconcile";
  }
  ENSURE(false, "a cause outside its enum");
}

std::optional<TaskState> parse_task_state(std::string_view text) {
  for (const TaskState state : all_states) {
    if (to_string(state) == text) return state;
  }
  return std::nullopt;
}

std::optional<RunState> parse_run_state(std::string_view text) {
  for (const RunState state : {RunState::queued, RunState::running, RunState::success, RunState::failed}) {
    if (to_string(state) == text) return state;
  }
  return std::nullopt;
}

std::span<const TaskState> all_task_states() { return all_states; }

bool is_finished(TaskState state) {
  switch (state) {
    case TaskState::success:
    case TaskState::failed:
    case TaskState::skipped:
    case TaskState::upstream_failed:
    case TaskState::removed: return true;
    case TaskState::none:
    case TaskState::scheduled:
    case TaskState::queued:
    case TaskState::running:
    case TaskState::up_for_retry:
    case TaskState::up_for_reschedule:
    case TaskState::deferred:
    case TaskState::restarting: return false;
  }
  ENSURE(false, "a task state outside its enum");
}

bool is_live(TaskState state) {
  switch (state) {
    case TaskState::queued:
    case TaskState::running:
    case TaskState::deferred:
    case TaskState::restarting: return true;
    case TaskState::none:
    case TaskState::scheduled:
    case TaskState::success:
    case TaskState::failed:
    case TaskState::skipped:
    case TaskState::upstream_failed:
    case TaskState::up_for_retry:
    case TaskState::up_for_reschedule:
    case TaskState::removed: return false;
  }
  ENSURE(false, "a task state outside its enum");
}

bool is_finished(RunState state) { return state == RunState::success || state == RunState::failed; }

std::span<const TaskMoveRule> task_moves() { return task_move_table; }
std::span<const RunMoveRule> run_moves() { return run_move_table; }

bool is_allowed(TaskState from, TaskState to, MoveCause cause) { return has_move(task_move_table, from, to, cause); }
bool is_allowed(RunState from, RunState to, MoveCause cause) { return has_move(run_move_table, from, to, cause); }

}  // namespace udon
