#include "store/sqlite/rows.h"

#include <utility>

namespace udon::sqlite {

namespace {

Error unreadable(std::string_view what, const std::string& text) {
  return {ErrorKind::data,
          "the store holds the " + std::string(what) + " `" + text + "`, which this udon does not know"};
}

Result<TaskState> read_task_state(const Query& row, int column) {
  const std::string text = row.text(column);
  if (const auto state = parse_task_state(text)) return *state;
  return unreadable("task state", text);
}

}  // namespace

std::string texts_as_json(const std::vector<std::string>& texts) {
  Value list = Value::list();
  for (const std::string& text : texts) list.push_back(text);
  return to_json(list);
}

Result<std::vector<std::string>> read_texts(const Query& row, int column, std::string_view what) {
  std::vector<std::string> texts;
  TRY_ASSIGN(const Value list, read_json(row, column));
  if (!list.is_list()) return unreadable(what, row.text(column));
  for (const Value& text : list.as_list()) {
    if (!text.is_string()) return unreadable(what, row.text(column));
    texts.push_back(text.as_string());
  }
  return texts;
}

std::string versions_as_json(const std::vector<EarlierVersion>& versions) {
  Value list = Value::list();
  for (const EarlierVersion& one : versions)
    list.push_back(Value::Map{{"version", one.version}, {"until", one.until.time_since_epoch().count()}});
  return to_json(list);
}

Result<std::vector<EarlierVersion>> read_versions(const Query& row, int column) {
  std::vector<EarlierVersion> versions;
  TRY_ASSIGN(const Value list, read_json(row, column));
  if (!list.is_list()) return unreadable("versions", row.text(column));
  for (const Value& one : list.as_list()) {
    if (!one.is_map()) return unreadable("versions", row.text(column));
    versions.push_back({one.text("version"), TimePoint(Duration(one.integer("until")))});
  }
  return versions;
}

Result<Value> read_json(const Query& row, int column) {
  auto value = parse_json(row.text(column));
  if (!value) return Error{ErrorKind::data, "the store holds JSON that cannot be read: " + value.error().message};
  return value;
}

Result<DagRun> read_run(const Query& row) {
  DagRun run;
  run.number = row.integer(0);
  run.dag_id = row.text(1);
  run.run_id = row.text(2);
  const std::string type = row.text(3);
  const auto parsed_type = parse_run_type(type);
  if (!parsed_type) return unreadable("run type", type);
  run.type = *parsed_type;
  const std::string state = row.text(4);
  const auto parsed_state = parse_run_state(state);
  if (!parsed_state) return unreadable("run state", state);
  run.state = *parsed_state;
  run.logical_date = row.optional_time(5);
  if (!row.is_null(6)) run.data_interval = DataInterval{row.time(6), row.time(7)};
  run.run_after = row.time(8);
  run.queued_at = row.time(9);
  run.start_date = row.optional_time(10);
  run.end_date = row.optional_time(11);
  TRY_ASSIGN(run.conf, read_json(row, 12));
  run.triggered_by = row.text(13);
  run.triggering_user = row.text(14);
  run.dag_version = row.text(15);
  run.note = row.text(16);
  if (!row.is_null(17)) run.backfill = row.integer(17);
  TRY_ASSIGN(run.earlier_versions, read_versions(row, 18));
  return run;
}

Result<Backfill> read_backfill(const Query& row) {
  Backfill backfill;
  backfill.number = row.integer(0);
  backfill.dag_id = row.text(1);
  backfill.from = row.time(2);
  backfill.to = row.time(3);
  const std::string reprocess = row.text(4);
  const auto parsed = parse_reprocess_behavior(reprocess);
  if (!parsed) return unreadable("reprocess behavior", reprocess);
  backfill.reprocess = *parsed;
  backfill.runs_backwards = row.integer(5) != 0;
  backfill.max_active_runs = static_cast<int>(row.integer(6));
  TRY_ASSIGN(backfill.conf, read_json(row, 7));
  backfill.is_paused = row.integer(8) != 0;
  backfill.user = row.text(9);
  backfill.created_at = row.time(10);
  backfill.updated_at = row.time(11);
  backfill.completed_at = row.optional_time(12);
  backfill.is_cancelled = row.integer(13) != 0;
  backfill.last_date = row.optional_time(14);
  backfill.has_all_dates = row.integer(15) != 0;
  backfill.dates = row.integer(16);
  backfill.created = row.integer(17);
  backfill.cleared = row.integer(18);
  backfill.skipped = row.integer(19);
  backfill.on_latest_version = row.integer(20) != 0;
  return backfill;
}

Result<TaskInstance> read_instance(const Query& row) {
  TaskInstance instance;
  instance.number = row.integer(0);
  instance.run = row.integer(1);
  instance.task_id = row.text(2);
  instance.map_index = static_cast<int>(row.integer(3));
  TRY_ASSIGN(instance.state, read_task_state(row, 4));
  instance.try_number = static_cast<int>(row.integer(5));
  instance.max_tries = static_cast<int>(row.integer(6));
  instance.fence = row.integer(7);
  instance.scheduled_at = row.optional_time(8);
  instance.queued_at = row.optional_time(9);
  instance.start_date = row.optional_time(10);
  instance.end_date = row.optional_time(11);
  instance.next_try_at = row.optional_time(12);
  instance.note = row.text(13);
  return instance;
}

Result<InstanceRow> read_named_instance(const Query& row) {
  InstanceRow named;
  TRY_ASSIGN(named.instance, read_instance(row));
  named.dag_id = row.text(14);
  named.run_id = row.text(15);
  named.logical_date = row.optional_time(16);
  named.run_after = row.time(17);
  named.dag_version = row.text(18);
  TRY_ASSIGN(named.earlier_versions, read_versions(row, 19));
  return named;
}

Result<DagRecord> read_dag(const Query& row) {
  DagRecord dag;
  dag.dag_id = row.text(0);
  dag.file = row.text(1);
  dag.version = row.text(2);
  dag.description = row.text(3);
  dag.schedule_text = row.text(4);
  dag.timezone = row.text(5);
  TRY_ASSIGN(dag.tags, read_texts(row, 6, "tags"));
  dag.is_paused = row.integer(7) != 0;
  dag.is_stale = row.integer(8) != 0;
  dag.last_parsed_at = row.time(9);
  dag.last_scheduled_logical_date = row.optional_time(10);
  dag.next_run_after = row.optional_time(11);
  TRY_ASSIGN(dag.assets, read_texts(row, 12, "assets"));
  return dag;
}

Result<TryRecord> read_try(const Query& row) {
  TryRecord attempt;
  attempt.instance = row.integer(0);
  attempt.try_number = static_cast<int>(row.integer(1));
  attempt.fence = row.integer(2);
  TRY_ASSIGN(attempt.state, read_task_state(row, 3));
  attempt.queued_at = row.optional_time(4);
  attempt.start_date = row.optional_time(5);
  attempt.end_date = row.optional_time(6);
  attempt.hostname = row.text(7);
  attempt.pid = row.integer(8);
  attempt.log_file = row.text(9);
  attempt.note = row.text(10);
  return attempt;
}

Result<XComRecord> read_xcom(const Query& row) {
  XComRecord xcom;
  xcom.instance = row.integer(0);
  xcom.key = row.text(1);
  TRY_ASSIGN(xcom.value, read_json(row, 2));
  xcom.at = row.time(3);
  return xcom;
}

}  // namespace udon::sqlite
