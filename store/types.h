#pragma once
// What the store is asked and told, in domain terms.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/value.h"
#include "model/backfill.h"
#include "model/dag.h"
#include "model/pool.h"
#include "model/retention.h"
#include "model/run.h"

namespace udon {

// A DAG as the store knows it: there as long as it has history, whether or not its file still is.
struct DagRecord {
  std::string dag_id;
  std::string file;
  std::string version;  // of the last good load
  std::string description;
  std::string schedule_text;
  std::string timezone;
  std::vector<std::string> tags;
  bool is_paused = false;
  bool is_stale = false;  // its file is gone
  TimePoint last_parsed_at{};
  std::optional<TimePoint> last_scheduled_logical_date;  // the calendar goes on after it
  std::optional<TimePoint> next_run_after;
  std::vector<std::string> assets;  // whose events are queued for it; ascending
  bool operator==(const DagRecord&) const = default;
};

// A version of a DAG's content, kept as long as a run needs it: the serialized Dag, so that runs survive a
// file's end.
struct DagVersionRecord {
  std::string dag_id;
  std::string version;
  int number = 0;  // 1, 2, … per DAG, in order of appearance
  TimePoint created_at{};
  std::string bundle;  // as Dag::bundle
  std::string bundle_version;
  Value serialized;  // dagfile/serialize.h
  std::string source;
};

// One row of the history of everything: what moved, when, why, on whose wish.
struct EventRecord {
  int64_t number = 0;
  TimePoint at{};
  std::string event;  // "task", "run", "command", "scheduler", "audit"
  std::string dag_id;
  std::string run_id;
  std::string task_id;
  int map_index = -1;
  int try_number = 0;
  std::string from;
  std::string to;
  std::string cause;  // MoveCause
  std::string user;
  std::string text;
  bool operator==(const EventRecord&) const = default;
};

// A try as it happened; one row per (task instance, try number).
struct TryRecord {
  InstanceNumber instance = 0;
  int try_number = 0;
  Fence fence = 0;
  TaskState state = TaskState::none;
  std::optional<TimePoint> queued_at, start_date, end_date;
  std::string hostname;
  int64_t pid = 0;
  std::string log_file;
  std::string note;
  bool operator==(const TryRecord&) const = default;
};

struct XComRecord {
  InstanceNumber instance = 0;
  std::string key;
  Value value;
  TimePoint at{};
};

// A page of a list: rows and how many there are in all.
template <class T>
struct Page {
  std::vector<T> rows;
  int64_t total = 0;
};

struct PageRequest {
  int limit = 50;
  int64_t offset = 0;
};

// Filters of lists; empty vectors and absent optionals do not filter. Rows that are equal in the order asked
// for follow by number, in the same direction; absent values are smaller than all others. An unknown order is
// an error (invalid).
struct RunFilter {
  std::vector<std::string> dag_ids;
  std::optional<std::string> run_id;
  std::vector<RunState> states;
  std::vector<RunType> types;
  std::optional<TimePoint> logical_date_gte, logical_date_lte, run_after_gte, run_after_lte, start_date_gte,
      start_date_lte, end_date_gte, end_date_lte;
  std::string order_by = "-number";  // number, logical_date, run_after, start_date, end_date, state; '-' descends
};
struct InstanceFilter {
  std::vector<std::string> dag_ids;
  std::vector<std::string> run_ids;
  std::vector<std::string> task_ids;
  std::optional<int> map_index;
  std::vector<TaskState> states;
  std::string order_by = "number";  // number, task_id, map_index, start_date, end_date, state; '-' descends
};
struct DagFilter {
  std::optional<std::string> dag_id_like;  // part of it; ASCII letters in any case
  std::vector<std::string> tags;           // any of them
  std::optional<bool> is_paused;
  bool include_stale = false;
  std::string order_by = "dag_id";  // dag_id, next_run_after, last_parsed_at; '-' descends
};

struct BackfillFilter {
  std::string dag_id;               // empty: of all
  bool only_active = false;         // not completed
  std::string order_by = "number";  // number, created_at; '-' descends
};
// How many runs bear a backfill's number, by state.
struct BackfillRuns {
  int64_t queued = 0, running = 0, success = 0, failed = 0;
  bool operator==(const BackfillRuns&) const = default;
};

// A finished run, and how many task instances it has.
struct OldRun {
  DagRun row;
  int64_t instances = 0;
};

// A task instance with the names that people know it by.
struct InstanceRow {
  TaskInstance instance;
  std::string dag_id;
  std::string run_id;
  std::optional<TimePoint> logical_date;
  TimePoint run_after{};
  std::string dag_version;
  std::vector<EarlierVersion> earlier_versions;
};

}  // namespace udon
