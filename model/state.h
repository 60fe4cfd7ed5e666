#pragma once
// The states of dag runs and task instances, and the one table of moves between them. What is not in the
// table cannot be stored: the store refuses it. Spelled as stored and shown; Airflow's words.
#include <optional>
#include <span>
#include <string_view>

namespace udon {

enum class TaskState {
  none,       // created with its run, nothing decided yet (null in the API)
  scheduled,  // its upstream allows it; waits for a slot, a pool, a limit
  queued,     // a try exists and was handed to an executor
  running,    // the try has said that it runs
  success,
  failed,
  skipped,
  upstream_failed,
  up_for_retry,       // the last try failed; the next is due at next_try_at
  up_for_reschedule,  // Airflow's reschedule mode; ours waits as deferred, this is for Python DAG files
  deferred,           // a sensor or external job waits without a process: the prober looks after it
  restarting,         // cleared while a try was live: that try is being ended, then it starts anew
  removed,            // the run's DAG no longer has this task or map index
};

enum class RunState { queued, running, success, failed };

std::string_view to_string(TaskState state);  // "none" for none
std::string_view to_string(RunState state);
std::optional<TaskState> parse_task_state(std::string_view text);
std::optional<RunState> parse_run_state(std::string_view text);
std::span<const TaskState> all_task_states();

bool is_finished(TaskState state);  // success, failed, skipped, upstream_failed, removed
bool is_live(TaskState state);      // queued, running, deferred, restarting: a try exists that may still act
bool is_finished(RunState state);

// Who may cause a move. Each move of the table names its causes, so that e.g. a report can never clear a
// task.
enum class MoveCause {
  plan,       // the loop's own decision: dependencies, limits, timers
  report,     // what an executor or the prober said about the current try
  command,    // what a person or the API asked for: clear, mark, kill
  reconcile,  // what was found after a restart
};
std::string_view to_string(MoveCause cause);

struct TaskMoveRule {
  TaskState from;
  TaskState to;
  unsigned causes;  // bits: 1 << MoveCause
};
struct RunMoveRule {
  RunState from;
  RunState to;
  unsigned causes;
};
std::span<const TaskMoveRule> task_moves();
std::span<const RunMoveRule> run_moves();
bool is_allowed(TaskState from, TaskState to, MoveCause cause);
bool is_allowed(RunState from, RunState to, MoveCause cause);

}  // namespace udon
