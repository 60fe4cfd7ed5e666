#pragma once
// What people and the API ask of the loop: the only way to change a state from outside. Queued, taken at the
// loop's own pace, answered after its commit.
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/value.h"
#include "model/asset.h"
#include "model/backfill.h"
#include "model/question.h"
#include "model/retention.h"
#include "model/run.h"

namespace udon {

struct TriggerRun {
  std::string dag_id;
  std::optional<std::string> run_id;
  std::optional<TimePoint> logical_date;
  bool has_logical_date = true;  // false: the caller said null, a run without a logical date
  std::optional<DataInterval> data_interval;
  std::optional<TimePoint> run_after;
  Value conf = Value::map();
  std::string note;
  std::string triggered_by;  // "rest_api", "cli", "ui"
  std::string user;
};

struct SetPaused {
  std::string dag_id;
  bool paused = false;
  std::string user;
};

// Which task instances of a run a clear, mark or kill is about.
struct Selection {
  std::string dag_id;
  std::string run_id;
  std::vector<std::pair<std::string, int>> tasks;  // (task_id, map index; -1: all of the task); empty: all of the run
  bool upstream = false;
  bool downstream = false;
  bool only_failed = false;
  bool only_running = false;
};
struct ClearTasks {
  Selection selection;
  bool dry_run = false;
  // The run goes on with the newest version of its DAG; the selection is of that version.
  bool on_latest_version = false;
  bool only_new = false;  // nothing is cleared; tasks that only the newest version has are added
  std::string user;
};
struct MarkTasks {
  Selection selection;
  TaskState state = TaskState::success;  // success, failed or skipped
  bool dry_run = false;
  std::string user;
};
// Several runs of a DAG, cleared or marked in one commit: all of them, or, if one is refused, none.
struct ChangeRuns {
  std::vector<std::variant<ClearTasks, MarkTasks>> changes;  // each of another run
};
// Ends the live tries; they become failed (no retry), with who asked.
struct KillTasks {
  Selection selection;
  std::string user;
};
struct MarkRun {
  std::string dag_id;
  std::string run_id;
  RunState state = RunState::failed;  // success, failed; queued: clear all and run again
  std::string user;
};
struct SetRunNote {
  std::string dag_id;
  std::string run_id;
  std::string note;
  std::string user;
};
struct DeleteRun {
  std::string dag_id;
  std::string run_id;
  std::string user;
};
// What a person says to a task instance that asks. conflict: it has been answered, or does not ask (any more); denied:
// others are asked.
struct AnswerQuestion {
  TaskInstanceKey key;
  std::vector<std::string> chosen;
  Value params_input = Value::map();
  std::string user;
};
// From outside: an asset was made anew.
struct CreateAssetEvent {
  std::string asset;
  Value extra = Value::map();
  std::string user;
};
// Events that are queued for a DAG are to be forgotten.
struct ForgetAssetEvents {
  std::string dag_id;
  std::optional<std::string> asset;  // only of this one
  std::string user;
};
// conflict: the DAG has an active one. With dry_run nothing is made; the outcome says what would become of each date.
struct CreateBackfill {
  std::string dag_id;
  TimePoint from{}, to{};
  ReprocessBehavior reprocess = ReprocessBehavior::none;
  bool runs_backwards = false;
  int max_active_runs = 10;
  Value conf = Value::map();
  bool on_latest_version = false;
  bool dry_run = false;
  std::string user;
};
struct ChangeBackfill {
  enum class Change { pause, unpause, cancel };
  BackfillNumber number = 0;
  Change change = Change::pause;
  std::string user;
};
// Pools in the store have been edited: read them again.
struct PoolsChanged {};
// Likewise connections: read again which there are.
struct ConnectionsChanged {};

using Command = std::variant<TriggerRun, SetPaused, ClearTasks, MarkTasks, ChangeRuns, KillTasks, MarkRun, SetRunNote,
                             DeleteRun, AnswerQuestion, CreateAssetEvent, ForgetAssetEvents, CreateBackfill,
                             ChangeBackfill, CleanStep, PoolsChanged, ConnectionsChanged>;

struct CommandOutcome {
  std::optional<DagRun> run;               // the run made or changed
  std::vector<DagRun> runs;                // of ChangeRuns
  std::vector<TaskInstanceKey> instances;  // those affected
  std::vector<AssetEvent> asset_events;    // the one made, those forgotten
  std::optional<Backfill> backfill;        // the one made or changed
  std::vector<BackfillDate> dates;         // of a dry run
  std::optional<Cleaned> cleaned;
  QuestionPtr question;  // that was answered
};

}  // namespace udon
