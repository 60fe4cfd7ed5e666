#include "web/show.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>

#include "base/id.h"
#include "base/text.h"
#include "store/covered.h"

namespace udon::web {
namespace {

// All DAG files are in one folder; Airflow calls that a bundle.
constexpr const char* bundle_name = "dags-folder";

uint64_t hash_of(std::string_view text) {  // FNV-1a: an id must be the same in every process
  uint64_t hash = 14695981039346656037U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return hash;
}

bool is_periodic(const ScheduleKind& kind) {
  return std::holds_alternative<CronSchedule>(kind) || std::holds_alternative<EverySchedule>(kind) ||
         std::holds_alternative<ContinuousSchedule>(kind) || std::holds_alternative<TimesSchedule>(kind);
}

std::string describe_schedule(const Schedule& schedule, const std::string& text) {
  struct Describe {
    const Schedule& schedule;
    const std::string& text;
    std::string operator()(const NoSchedule&) const {
      return schedule.assets ? "Triggered by assets" : "Never, external triggers only";
    }
    std::string operator()(const OnceSchedule&) const { return "Once, as soon as possible"; }
    std::string operator()(const ContinuousSchedule&) const {
      return "As frequently as possible, but only one run at a time.";
    }
    std::string operator()(const CronSchedule&) const { return text + " (" + schedule.timezone + ")"; }
    std::string operator()(const EverySchedule& every) const { return "Every " + format_duration(every.every); }
    std::string operator()(const TimesSchedule& listed) const {
      return listed.times.size() == 1 ? "At one given time"
                                      : "At " + std::to_string(listed.times.size()) + " given times";
    }
  };
  std::string described = std::visit(Describe{schedule, text}, schedule.kind);
  if (schedule.calendar) described += ", on days of its calendar";
  return schedule.assets && !std::holds_alternative<NoSchedule>(schedule.kind) ? "Triggered by assets or " + described
                                                                               : described;
}

// Airflow's form: {"all": [{"asset": {…}}, …]}.
Value show_assets(const AssetCondition& condition) {
  if (condition.is == AssetCondition::Is::asset)
    return Value::Map{{"asset", Value::Map{{"uri", condition.asset}, {"name", condition.asset}, {"group", "asset"}}}};
  Value::List parts;
  for (const AssetCondition& part : condition.parts) parts.push_back(show_assets(part));
  return Value::Map{{condition.is == AssetCondition::Is::all ? "all" : "any", std::move(parts)}};
}

Value show_params(const Dag& dag) {
  Value params = Value::map();
  for (const Param& param : dag.params) {
    Value schema = param.schema;
    Value description = schema.get("description");
    params.set(param.name, Value::Map{{"value", param.default_value.value_or(Value())},
                                      {"schema", std::move(schema)},
                                      {"description", std::move(description)},
                                      {"source", "dag"}});
  }
  return params;
}

Value::List texts(const std::vector<std::string>& list) { return {list.begin(), list.end()}; }

Value show_delta(Duration duration) {
  const auto days = std::chrono::floor<std::chrono::days>(duration);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(duration - days);
  return Value::Map{{"__type", "TimeDelta"},
                    {"days", static_cast<int64_t>(days.count())},
                    {"seconds", static_cast<int64_t>(seconds.count())},
                    {"microseconds", static_cast<int64_t>((duration - days - seconds).count())}};
}

}  // namespace

Value show_time(std::optional<TimePoint> time) { return time ? Value(format_time(*time)) : Value(); }

Value show_seconds(std::optional<TimePoint> from, std::optional<TimePoint> to) {
  if (!from || !to) return {};
  return std::chrono::duration<double>(*to - *from).count();
}

Value text_or_null(const std::string& text) { return text.empty() ? Value() : Value(text); }

std::string iso_duration(Duration duration) {
  std::string text = duration < Duration{0} ? "-P" : "P";
  duration = std::chrono::abs(duration);
  const auto days = std::chrono::floor<std::chrono::days>(duration);
  const auto hours = std::chrono::floor<std::chrono::hours>(duration - days);
  const auto minutes = std::chrono::floor<std::chrono::minutes>(duration - days - hours);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(duration - days - hours - minutes);
  const auto micros = (duration - days - hours - minutes - seconds).count();
  if (days.count() > 0) text += std::to_string(days.count()) + "D";
  std::string clock;
  if (hours.count() > 0) clock += std::to_string(hours.count()) + "H";
  if (minutes.count() > 0) clock += std::to_string(minutes.count()) + "M";
  if (seconds.count() > 0 || micros > 0 || (clock.empty() && days.count() == 0)) {
    clock += std::to_string(seconds.count());
    if (micros > 0) {
      std::string fraction = std::to_string(1'000'000 + micros).substr(1);
      while (fraction.back() == '0') fraction.pop_back();
      clock += "." + fraction;
    }
    clock += "S";
  }
  return clock.empty() ? text : text + "T" + clock;
}

std::string name_of_server_user() {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found) return found->pw_name;
  return std::to_string(::geteuid());
}

Value show_list(std::string_view plural, Value::List rows, int64_t total) {
  return Value::Map{{std::string(plural), std::move(rows)}, {"total_entries", total}};
}

Value show_list_with_cursors(std::string_view plural, Value::List rows, int64_t total) {
  Value list = show_list(plural, std::move(rows), total);
  for (const char* key : {"total_entries_limit", "next_cursor", "previous_cursor"}) list.set(key, nullptr);
  return list;
}

Result<Value> show_dag(World& world, const DagRecord& record) {
  const DagInfoPtr info = world.dags.find(record.dag_id, record.version);
  static const Dag unknown;
  const Dag& dag = info ? *info->dag : unknown;
  const CatalogPtr catalog = world.catalog ? world.catalog() : nullptr;
  bool has_import_errors = false;
  if (catalog)
    has_import_errors = std::any_of(catalog->diagnostics.begin(), catalog->diagnostics.end(), [&](const Diagnostic& d) {
      return d.file == record.file && d.severity == Diagnostic::Severity::error;
    });
  Value::List tags;
  for (const std::string& tag : record.tags)
    tags.push_back(Value::Map{{"name", tag}, {"dag_id", record.dag_id}, {"dag_display_name", record.dag_id}});
  std::optional<DueRun> next;
  if (info && record.next_run_after) {
    std::optional<TimePoint> covered;
    if (covers_gaps(dag.schedule)) {
      TRY_ASSIGN(covered, covered_until(world.reader, record));
    }
    next = next_due_run(dag.schedule, record.last_scheduled_logical_date, world.clock.now(), covered);
    if (next && next->run_after != *record.next_run_after) next.reset();
  }
  const bool has_limits = std::any_of(dag.tasks.begin(), dag.tasks.end(), [](const Task& task) {
    return task.max_active_tis_per_dag || task.max_active_tis_per_dagrun;
  });
  Value paused_reason;
  if (record.is_paused) {
    TRY_ASSIGN(const auto pause, world.reader.last_pause(record.dag_id));
    if (pause && pause->text.starts_with("paused"))
      paused_reason = pause->text + (pause->user.empty() ? "" : " by " + pause->user) + " at " + format_time(pause->at);
  }
  return Value(Value::Map{
      {"dag_id", record.dag_id},
      {"dag_display_name", record.dag_id},
      {"is_paused", record.is_paused},
      {"paused_reason", std::move(paused_reason)},
      {"is_stale", record.is_stale},
      {"last_parsed_time", show_time(record.last_parsed_at)},
      {"last_parse_duration", nullptr},
      {"last_expired", nullptr},
      {"bundle_name", info && !info->bundle.empty() ? Value(info->bundle) : Value(bundle_name)},
      {"bundle_version", info ? text_or_null(info->bundle_version) : Value()},
      {"relative_fileloc", record.file},
      {"fileloc", record.file.starts_with('@') ? record.file : (world.dags_folder / record.file).string()},
      {"description", text_or_null(record.description)},
      {"timetable_summary", text_or_null(record.schedule_text)},
      {"timetable_description", describe_schedule(dag.schedule, record.schedule_text)},
      {"timetable_partitioned", false},
      {"timetable_periodic", is_periodic(dag.schedule.kind)},
      {"tags", std::move(tags)},
      {"max_active_tasks", dag.max_active_tasks},
      {"max_active_runs", dag.max_active_runs},
      {"max_consecutive_failed_dag_runs", dag.max_consecutive_failed_dag_runs.value_or(0)},
      {"has_task_concurrency_limits", has_limits},
      {"has_import_errors", has_import_errors},
      {"next_dagrun_logical_date", next ? show_time(next->logical_date) : Value()},
      {"next_dagrun_data_interval_start", next ? show_time(next->interval.begin) : Value()},
      {"next_dagrun_data_interval_end", next ? show_time(next->interval.end) : Value()},
      {"next_dagrun_run_after", show_time(record.next_run_after)},
      {"allowed_run_types", nullptr},
      {"owners", texts(dag.owners)},
      {"is_backfillable", is_periodic(dag.schedule.kind)},
      {"file_token", to_base64({reinterpret_cast<const unsigned char*>(record.file.data()), record.file.size()})},
  });
}

Result<Value> show_dag_details(World& world, const DagRecord& record) {
  TRY_ASSIGN(Value shown, show_dag(world, record));
  const DagInfoPtr info = world.dags.find(record.dag_id, record.version);
  static const Dag unknown;
  const Dag& dag = info ? *info->dag : unknown;
  const Value file_token = shown.get("file_token"), is_backfillable = shown.get("is_backfillable");
  shown.erase("file_token");
  shown.erase("is_backfillable");
  shown.set("catchup", dag.schedule.catchup);
  shown.set("dag_run_timeout", dag.dagrun_timeout ? Value(iso_duration(*dag.dagrun_timeout)) : Value());
  shown.set("asset_expression", dag.schedule.assets ? show_assets(*dag.schedule.assets) : Value());
  shown.set("doc_md", text_or_null(dag.doc));
  shown.set("start_date", show_time(dag.schedule.start_date));
  shown.set("end_date", show_time(dag.schedule.end_date));
  shown.set("is_paused_upon_creation", dag.is_paused_upon_creation ? Value(*dag.is_paused_upon_creation) : Value());
  shown.set("params", show_params(dag));
  shown.set("render_template_as_native_obj", false);
  shown.set("template_search_path", nullptr);
  shown.set("timezone", text_or_null(record.timezone));
  shown.set("last_parsed", show_time(record.last_parsed_at));
  shown.set("default_args", Value::map());
  shown.set("rerun_with_latest_version", nullptr);
  shown.set("owner_links", Value::map());
  shown.set("is_favorite", false);
  RunFilter active;
  active.dag_ids = {record.dag_id};
  active.states = {RunState::running};
  const auto running = world.reader.runs(active, {.limit = 1, .offset = 0});
  shown.set("active_runs_count", running ? running->total : int64_t{0});
  shown.set("is_backfillable", is_backfillable);
  shown.set("file_token", file_token);
  shown.set("concurrency", dag.max_active_tasks);
  shown.set("latest_dag_version", info ? show_dag_version(record.dag_id, *info) : Value());
  return shown;
}

namespace {

Value show_version(const std::string& dag_id, int number, TimePoint created_at, const std::string& bundle,
                   const std::string& bundle_version) {
  return Value::Map{{"id", make_uuid7(created_at, hash_of(dag_id), static_cast<uint64_t>(number))},
                    {"version_number", number},
                    {"dag_id", dag_id},
                    {"bundle_name", bundle.empty() ? bundle_name : bundle},
                    {"bundle_version", text_or_null(bundle_version)},
                    {"created_at", format_time(created_at)},
                    {"dag_display_name", dag_id},
                    {"bundle_url", nullptr}};
}

}  // namespace

Value show_dag_version(const std::string& dag_id, const DagInfo& info) {
  return show_version(dag_id, info.number, info.created_at, info.bundle, info.bundle_version);
}

Value show_dag_version(const DagVersionRecord& version) {
  return show_version(version.dag_id, version.number, version.created_at, version.bundle, version.bundle_version);
}

const std::string& version_at(const std::string& now, const std::vector<EarlierVersion>& earlier,
                              std::optional<TimePoint> time) {
  if (!time) return now;
  const auto found =
      std::find_if(earlier.begin(), earlier.end(), [&](const EarlierVersion& one) { return *time < one.until; });
  return found == earlier.end() ? now : found->version;
}

Value show_task(const Dag& dag, const Task& task) {
  Value::List downstream;
  for (const int index : task.downstream) downstream.push_back(dag.tasks[static_cast<size_t>(index)].task_id);
  Value::List template_fields;
  for (const auto& [name, value] : task.parameters.is_map() ? task.parameters.as_map() : Value::Map{})
    template_fields.push_back(name);
  return Value::Map{
      {"task_id", task.task_id},
      {"task_display_name", task.task_id},
      {"owner", dag.owners.empty() ? "airflow" : dag.owners.front()},
      {"start_date", show_time(dag.schedule.start_date)},
      {"end_date", show_time(dag.schedule.end_date)},
      {"trigger_rule", to_string(task.trigger_rule)},
      {"depends_on_past", task.depends_on_past},
      {"wait_for_downstream", task.wait_for_downstream},
      {"retries", static_cast<double>(task.retry.retries)},
      {"queue", task.queue},
      {"pool", task.pool},
      {"pool_slots", static_cast<double>(task.pool_slots)},
      {"execution_timeout", task.execution_timeout ? show_delta(*task.execution_timeout) : Value()},
      {"retry_delay", show_delta(task.retry.delay)},
      {"retry_exponential_backoff", task.retry.exponential_backoff ? 2.0 : 0.0},
      {"priority_weight", static_cast<double>(task.priority_weight)},
      {"weight_rule", to_string(task.weight_rule)},
      {"ui_color", "#fff"},
      {"ui_fgcolor", "#000"},
      {"template_fields", std::move(template_fields)},
      {"downstream_task_ids", std::move(downstream)},
      {"doc_md", text_or_null(task.doc)},
      {"operator_name", task.operator_name},
      {"params", show_params(dag)},
      {"class_ref", Value::Map{{"module_path", "udon"}, {"class_name", task.operator_name}}},
      {"is_mapped", task.expand.has_value()},
      // Not among Airflow's fields, whose ids of tasks begin with those of their groups.
      {"task_group_id", text_or_null(task.group_id)},
      {"extra_links", Value::list()},
  };
}

Value show_run(World& world, const DagRun& run) {
  const DagInfoPtr info = world.dags.find(run.dag_id, run.dag_version);
  // All that it has had, the first comes first; the last is the one that it goes on with.
  Value::List versions;
  for (const EarlierVersion& earlier : run.earlier_versions) {
    const DagInfoPtr before = world.dags.find(run.dag_id, earlier.version);
    if (before) versions.push_back(show_dag_version(run.dag_id, *before));
  }
  if (info) versions.push_back(show_dag_version(run.dag_id, *info));
  return Value::Map{
      {"dag_run_id", run.run_id},
      {"dag_id", run.dag_id},
      {"logical_date", show_time(run.logical_date)},
      {"queued_at", format_time(run.queued_at)},
      {"start_date", show_time(run.start_date)},
      {"end_date", show_time(run.end_date)},
      {"duration", show_seconds(run.start_date, run.end_date)},
      {"data_interval_start", run.data_interval ? show_time(run.data_interval->begin) : Value()},
      {"data_interval_end", run.data_interval ? show_time(run.data_interval->end) : Value()},
      {"run_after", format_time(run.run_after)},
      {"last_scheduling_decision", nullptr},
      {"run_type", to_string(run.type)},
      {"state", to_string(run.state)},
      {"triggered_by", text_or_null(run.triggered_by)},
      {"triggering_user_name", text_or_null(run.triggering_user)},
      {"conf", run.conf},
      {"note", text_or_null(run.note)},
      {"dag_versions", std::move(versions)},
      {"bundle_version", info ? text_or_null(info->bundle_version) : Value()},
      {"dag_display_name", run.dag_id},
      {"partition_key", nullptr},
      {"partition_date", nullptr},
  };
}

// What TaskInstanceResponse and TaskInstanceHistoryResponse have in common, in their order.
Value InstanceShower::common(const InstanceRow& row, std::optional<TimePoint> at) {
  const DagInfoPtr info = world_.dags.find(row.dag_id, version_at(row.dag_version, row.earlier_versions, at));
  const int index = info ? info->dag->index_of(row.instance.task_id) : -1;
  static const Task unknown;
  const Task& task = index >= 0 ? info->dag->tasks[static_cast<size_t>(index)] : unknown;
  static const std::string server_user = name_of_server_user();
  return Value::Map{
      {"task_id", row.instance.task_id},
      {"dag_id", row.dag_id},
      {"dag_run_id", row.run_id},
      {"map_index", row.instance.map_index},
      {"start_date", show_time(row.instance.start_date)},
      {"end_date", show_time(row.instance.end_date)},
      {"duration", show_seconds(row.instance.start_date, row.instance.end_date)},
      {"state", row.instance.state == TaskState::none ? Value() : Value(to_string(row.instance.state))},
      {"try_number", row.instance.try_number},
      // Airflow counts the retries, we count the tries.
      {"max_tries", std::max(0, row.instance.max_tries - 1)},
      {"task_display_name", row.instance.task_id},
      {"dag_display_name", row.dag_id},
      {"hostname", ""},
      {"unixname", server_user},
      {"pool", task.pool},
      {"pool_slots", task.pool_slots},
      {"queue", task.queue},
      {"priority_weight",
       index >= 0 ? Value(info->priorities[static_cast<size_t>(index)]) : Value(task.priority_weight)},
      {"operator", text_or_null(task.operator_name)},
      {"operator_name", text_or_null(task.operator_name)},
      {"queued_when", show_time(row.instance.queued_at)},
      {"scheduled_when", show_time(row.instance.scheduled_at)},
      {"pid", nullptr},
      {"executor", row.instance.fence > 0 ? Value("LocalExecutor") : Value()},  // `empty` needs none
      {"executor_config", "{}"},
      {"dag_version", info ? show_dag_version(row.dag_id, *info) : Value()},
  };
}

Result<Value> InstanceShower::show(const InstanceRow& row) {
  auto queued_at = queued_at_.find(row.instance.run);
  if (queued_at == queued_at_.end()) {
    TRY_ASSIGN(const std::optional<DagRun> run, world_.reader.run_by_number(row.instance.run));
    queued_at = queued_at_.emplace(row.instance.run, run ? run->queued_at : row.run_after).first;
  }
  Value shown = Value::Map{{"id", make_uuid7(queued_at->second, static_cast<uint64_t>(row.instance.run),
                                             static_cast<uint64_t>(row.instance.number))},
                           {"logical_date", show_time(row.logical_date)},
                           {"run_after", format_time(row.run_after)}};
  // What began before its run went on with another version was of the earlier one.
  Value shared = common(row, row.instance.queued_at ? row.instance.queued_at : row.instance.end_date);
  for (auto& [key, value] : shared.as_map()) shown.set(key, std::move(value));
  if (row.instance.try_number > 0) {
    TRY_ASSIGN(const std::vector<TryRecord> tries, world_.reader.tries_of(row.instance.number));
    for (const TryRecord& attempt : tries) {
      if (attempt.try_number != row.instance.try_number) continue;
      shown.set("hostname", attempt.hostname);
      if (attempt.pid > 0) shown.set("pid", attempt.pid);
    }
  }
  shown.set("note", text_or_null(row.instance.note));
  shown.set("rendered_map_index", nullptr);
  shown.set("rendered_fields", Value::map());
  shown.set("trigger", nullptr);
  shown.set("triggerer_job", nullptr);
  return shown;
}

Result<Value::List> show_instances(World& world, RunNumber number, const std::vector<TaskInstanceKey>& keys) {
  Value::List rows;
  if (keys.empty()) return rows;
  TRY_ASSIGN(const std::optional<DagRun> run, world.reader.run_by_number(number));
  if (!run) return rows;
  // One reading of the run, not one a key: a clear may touch a hundred thousand.
  TRY_ASSIGN(std::vector<TaskInstance> all, world.reader.instances_of(number));
  std::map<std::pair<std::string, int>, const TaskInstance*> by_name;
  for (const TaskInstance& instance : all) by_name[{instance.task_id, instance.map_index}] = &instance;
  InstanceShower shower(world);
  for (const TaskInstanceKey& key : keys) {
    const auto found = by_name.find({key.task_id, key.map_index});
    if (found == by_name.end()) continue;
    TRY_ASSIGN(Value shown, shower.show({.instance = *found->second,
                                         .dag_id = run->dag_id,
                                         .run_id = run->run_id,
                                         .logical_date = run->logical_date,
                                         .run_after = run->run_after,
                                         .dag_version = run->dag_version,
                                         .earlier_versions = run->earlier_versions}));
    rows.push_back(std::move(shown));
  }
  return rows;
}

Result<Value> InstanceShower::show_try(const InstanceRow& row, const TryRecord& attempt) {
  Value shown = common(row, attempt.queued_at);
  shown.set("try_number", attempt.try_number);
  shown.set("state", attempt.state == TaskState::none ? Value() : Value(to_string(attempt.state)));
  shown.set("start_date", show_time(attempt.start_date));
  shown.set("end_date", show_time(attempt.end_date));
  shown.set("duration", show_seconds(attempt.start_date, attempt.end_date));
  shown.set("queued_when", show_time(attempt.queued_at));
  shown.set("hostname", attempt.hostname);
  shown.set("pid", attempt.pid > 0 ? Value(attempt.pid) : Value());
  // Not among Airflow's fields: why the try ended as it did, also when a later one went well.
  shown.set("note", text_or_null(attempt.note));
  shown.set("executor", "LocalExecutor");
  return shown;
}

}  // namespace udon::web
