#pragma once
// Rows of the database as values, and back. The lists of columns stand beside the functions that read them.
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/sqlite/database.h"
#include "store/types.h"

namespace udon::sqlite {

// How many columns a list of them has.
constexpr int width_of(std::string_view columns) {
  int width = 1;
  for (const char c : columns) width += c == ',' ? 1 : 0;
  return width;
}

// Of dag_run as r.
inline constexpr std::string_view run_columns =
    "r.number, r.dag_id, r.run_id, r.type, r.state, r.logical_date, r.interval_begin, r.interval_end, r.run_after, "
    "r.queued_at, r.start_date, r.end_date, r.conf, r.triggered_by, r.triggering_user, r.dag_version, r.note, "
    "r.backfill, r.earlier_versions";
Result<DagRun> read_run(const Query& row);

// Of task_instance as t.
inline constexpr std::string_view instance_columns =
    "t.number, t.run, t.task_id, t.map_index, t.state, t.try_number, t.max_tries, t.fence, t.scheduled_at, "
    "t.queued_at, t.start_date, t.end_date, t.next_try_at, t.note";
Result<TaskInstance> read_instance(const Query& row);

// instance_columns, then these of dag_run as r.
inline constexpr std::string_view name_columns =
    "r.dag_id, r.run_id, r.logical_date, r.run_after, r.dag_version, r.earlier_versions";
Result<InstanceRow> read_named_instance(const Query& row);

inline constexpr std::string_view dag_columns =
    "dag_id, file, version, description, schedule_text, timezone, tags, is_paused, is_stale, last_parsed_at, "
    "last_scheduled_logical_date, next_run_after, assets";
Result<DagRecord> read_dag(const Query& row);

inline constexpr std::string_view backfill_columns =
    "number, dag_id, from_date, to_date, reprocess, runs_backwards, max_active_runs, conf, is_paused, user, "
    "created_at, "
    "updated_at, completed_at, is_cancelled, last_date, has_all_dates, dates, created, cleared, skipped, "
    "on_latest_version";
Result<Backfill> read_backfill(const Query& row);

inline constexpr std::string_view try_columns =
    "instance, try_number, fence, state, queued_at, start_date, end_date, hostname, pid, log_file, note";
Result<TryRecord> read_try(const Query& row);

inline constexpr std::string_view xcom_columns = "instance, key, value, at";
Result<XComRecord> read_xcom(const Query& row);

std::string versions_as_json(const std::vector<EarlierVersion>& versions);
Result<std::vector<EarlierVersion>> read_versions(const Query& row, int column);

Result<Value> read_json(const Query& row, int column);
// A JSON list of texts.
std::string texts_as_json(const std::vector<std::string>& texts);
Result<std::vector<std::string>> read_texts(const Query& row, int column, std::string_view what);

// One row at most; nothing if there is none.
template <class T>
Result<std::optional<T>> read_one(Query& query, Result<T> (*read)(const Query&)) {
  TRY_ASSIGN(const bool has_row, query.next());
  if (!has_row) return std::optional<T>();
  TRY_ASSIGN(T row, read(query));
  return std::optional<T>(std::move(row));
}
template <class T>
Result<std::vector<T>> read_all(Query& query, Result<T> (*read)(const Query&)) {
  std::vector<T> rows;
  for (;;) {
    TRY_ASSIGN(const bool has_row, query.next());
    if (!has_row) return rows;
    TRY_ASSIGN(T row, read(query));
    rows.push_back(std::move(row));
  }
}

}  // namespace udon::sqlite
