#pragma once
// A dag run and its task instances, as they are stored and as they live in the loop's memory.
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/value.h"
#include "model/schedule.h"
#include "model/state.h"

namespace udon {

using RunNumber = int64_t;       // primary key of a dag run
using InstanceNumber = int64_t;  // primary key of a task instance
using BackfillNumber = int64_t;  // primary key of a backfill
// Given in the commit that creates a try; larger for each later try, over the whole installation.
using Fence = int64_t;

enum class RunType { manual, scheduled, backfill, asset_triggered };
std::string_view to_string(RunType type);
std::optional<RunType> parse_run_type(std::string_view text);

// A version of its DAG that a run had until then; what began before was of it.
struct EarlierVersion {
  std::string version;
  TimePoint until{};
  bool operator==(const EarlierVersion&) const = default;
};

struct DagRun {
  RunNumber number = 0;
  std::string dag_id;
  std::string run_id;  // "manual__2026-01-31T00:00:00+00:00", or as given
  RunType type = RunType::manual;
  RunState state = RunState::queued;
  std::optional<TimePoint> logical_date;
  std::optional<DataInterval> data_interval;
  TimePoint run_after{};
  TimePoint queued_at{};
  std::optional<TimePoint> start_date;
  std::optional<TimePoint> end_date;
  Value conf = Value::map();  // what the trigger gave, checked against the DAG's params
  std::string triggered_by;   // "rest_api", "cli", "timetable", …: Airflow's words
  std::string triggering_user;
  std::string dag_version;
  std::vector<EarlierVersion> earlier_versions;  // the first comes first
  std::string note;
  std::optional<BackfillNumber> backfill;  // the last one that made it or ran it again
  bool operator==(const DagRun&) const = default;
};

// "manual__<+00:00 time>", "scheduled__…", "backfill__…".
std::string make_run_id(RunType type, TimePoint logical_date_or_run_after);

// Airflow's allowed_run_id_pattern, as a run's id comes back in URLs: what is wrong with one, or nothing.
std::optional<std::string> problem_of_run_id(std::string_view run_id);

struct TryId {
  std::string installation;  // random, made with the store: two homes on one machine never mix up their processes
  Fence fence = 0;
  auto operator<=>(const TryId&) const = default;
};
std::string to_string(const TryId& id);  // "<installation>-<fence>": names the try's folder and is its UDON_TRY_ID
std::optional<TryId> parse_try_id(std::string_view text);

struct TaskInstance {
  InstanceNumber number = 0;
  RunNumber run = 0;
  std::string task_id;
  int map_index = -1;  // -1: not mapped
  TaskState state = TaskState::none;
  int try_number = 0;  // of the current or last try; 0 before the first
  int max_tries = 0;   // tries allowed in all; clearing adds to it
  Fence fence = 0;     // of the current or last try; 0 before the first
  std::optional<TimePoint> scheduled_at;
  std::optional<TimePoint> queued_at;
  std::optional<TimePoint> start_date;  // of the last try
  std::optional<TimePoint> end_date;
  std::optional<TimePoint> next_try_at;  // up_for_retry
  std::string note;                      // why it ended as it did, in words: "exit code 3", "killed by …"
  bool operator==(const TaskInstance&) const = default;
};

// How people and the API name a task instance.
struct TaskInstanceKey {
  std::string dag_id;
  std::string run_id;
  std::string task_id;
  int map_index = -1;
  auto operator<=>(const TaskInstanceKey&) const = default;
};
std::string to_string(const TaskInstanceKey& key);  // "dag/run/task[3]"

}  // namespace udon
