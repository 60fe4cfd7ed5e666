#include "dagfile/serialize.h"
#include "model/fields.h"

namespace udon {
namespace {

constexpr int64_t format_known = 2;

std::vector<std::string> texts_or_none(FieldReader& fields, const char* key) {
  return fields.has(key) ? fields.texts(key) : std::vector<std::string>();
}

std::optional<int> optional_small(FieldReader& fields, const char* key) {
  return fields.has(key) ? std::optional(fields.small_integer(key)) : std::nullopt;
}

Result<ScheduleKind> read_schedule_kind(FieldReader& fields) {
  const std::string kind = fields.text("kind");
  if (kind == "once") return ScheduleKind(OnceSchedule{});
  if (kind == "continuous") return ScheduleKind(ContinuousSchedule{});
  if (kind == "every") {
    EverySchedule schedule;
    schedule.every = fields.duration("every_us");
    schedule.has_interval = fields.optional_flag("has_interval").value_or(true);
    return ScheduleKind(schedule);
  }
  if (kind == "assets") return ScheduleKind(NoSchedule{});  // of before events were heeded; see read_schedule
  if (kind == "times") {
    TimesSchedule schedule;
    for (const std::string& text : texts_or_none(fields, "times")) {
      TRY_ASSIGN(const TimePoint time, parse_time(text));
      schedule.times.push_back(time);
    }
    schedule.has_interval = fields.optional_flag("has_interval").value_or(false);
    return ScheduleKind(std::move(schedule));
  }
  if (kind != "cron") {
    if (kind != "none") fields.fail("kind", "is `" + kind + "`, which is no kind of schedule");
    return ScheduleKind(NoSchedule{});
  }
  CronSchedule schedule;
  for (const std::string& text : texts_or_none(fields, "crons")) {
    TRY_ASSIGN(CronExpression cron, parse_cron(text));
    schedule.crons.push_back(std::move(cron));
  }
  schedule.has_interval = fields.optional_flag("has_interval").value_or(false);
  const std::string skipped = fields.optional_text("dst_skipped").value_or("run_after");
  const std::string repeated = fields.optional_text("dst_repeated").value_or("first");
  if (skipped == "skip")
    schedule.dst.skipped = DstPolicy::Skipped::skip;
  else if (skipped != "run_after")
    fields.fail("dst_skipped", "is `" + skipped + "`, which is none of its words");
  if (repeated == "last")
    schedule.dst.repeated = DstPolicy::Repeated::last;
  else if (repeated == "both")
    schedule.dst.repeated = DstPolicy::Repeated::both;
  else if (repeated != "first")
    fields.fail("dst_repeated", "is `" + repeated + "`, which is none of its words");
  return ScheduleKind(std::move(schedule));
}

Result<std::vector<NamedDay>> read_days(FieldReader& fields, const char* key) {
  std::vector<NamedDay> days;
  if (!fields.has(key)) return days;
  const Value& named = fields.map(key);
  TRY(fields.status());
  for (const auto& [date, name] : named.as_map()) {
    TRY_ASSIGN(const TimePoint time, parse_time(date));
    if (!name.is_string()) return Error{ErrorKind::invalid, "calendar: the name of `" + date + "` is no text"};
    days.push_back({CivilDay(std::chrono::floor<std::chrono::days>(time).time_since_epoch()), name.as_string()});
  }
  put_in_order(days);
  return days;
}

Result<Calendar> read_calendar(const Value& value) {
  FieldReader fields(value, "calendar");
  Calendar calendar;
  if (const auto weekdays = fields.optional_integer("weekdays")) {
    if (*weekdays < 1 || *weekdays > 0x7f) fields.fail("weekdays", "is no set of days");
    calendar.weekdays = static_cast<uint8_t>(*weekdays);
  }
  TRY_ASSIGN(calendar.except, read_days(fields, "except"));
  TRY_ASSIGN(calendar.only, read_days(fields, "only"));
  calendar.day_off = fields.optional_word("day_off", parse_day_off).value_or(calendar.day_off);
  calendar.day_of = fields.optional_word("day_of", parse_day_of).value_or(calendar.day_of);
  calendar.gaps = fields.optional_word("gaps", parse_gaps).value_or(calendar.gaps);
  TRY(fields.status());
  return calendar;
}

Result<Schedule> read_schedule(const Value& value) {
  FieldReader fields(value, "schedule");
  Schedule schedule;
  TRY_ASSIGN(schedule.kind, read_schedule_kind(fields));
  if (fields.has("assets") && fields.any("assets").is_list()) {
    AssetCondition all{.is = AssetCondition::Is::all, .asset = {}, .parts = {}};
    for (const std::string& name : fields.texts("assets")) all.parts.push_back({.asset = name});
    schedule.assets = std::move(all);
  } else if (fields.has("assets")) {
    TRY_ASSIGN(schedule.assets, parse_asset_condition(fields.any("assets")));
  }
  schedule.timezone = fields.optional_text("timezone").value_or("UTC");
  schedule.start_date = fields.optional_time("start_date");
  schedule.end_date = fields.optional_time("end_date");
  schedule.catchup = fields.optional_flag("catchup").value_or(false);
  schedule.look_back = fields.optional_duration("look_back_us").value_or(Duration(0));
  if (fields.has("calendar")) {
    TRY_ASSIGN(schedule.calendar, read_calendar(fields.any("calendar")));
  }
  TRY(fields.status());
  return schedule;
}

Result<MapSpec> read_map_spec(const Value& value) {
  FieldReader fields(value, "expand");
  MapSpec spec;
  const std::string combine = fields.text("combine");
  if (combine == "zip")
    spec.combine = MapSpec::Combine::zip;
  else if (combine != "product")
    fields.fail("combine", "is `" + combine + "`, neither product nor zip");
  for (const Value& item : fields.list("inputs")) {
    FieldReader input(item, "input of expand");
    MapInput read{.name = input.text("name"), .source = {}};
    if (input.has("list"))
      read.source = input.list("list");
    else
      read.source = input.text("xcom");
    TRY(input.status());
    spec.inputs.push_back(std::move(read));
  }
  TRY(fields.status());
  return spec;
}

Result<std::vector<Notice>> read_notices(FieldReader& fields) {
  std::vector<Notice> notices;
  if (!fields.has("notices")) return notices;
  for (const Value& item : fields.list("notices")) {
    TRY_ASSIGN(Notice notice, parse_notice(item));
    notices.push_back(std::move(notice));
  }
  return notices;
}

Result<Task> read_task(const Value& value) {
  FieldReader fields(value, "task");
  Task task;
  task.task_id = fields.text("task_id");
  task.operator_name = fields.text("operator");
  task.kind = fields.optional_word("kind", parse_operator_kind).value_or(task.kind);
  if (fields.has("parameters")) task.parameters = fields.map("parameters");
  if (fields.has("upstream")) {
    for (const Value& index : fields.list("upstream")) {
      if (index.is_int())
        task.upstream.push_back(static_cast<int>(index.as_int()));
      else
        fields.fail("upstream", "must be a list of integers");
    }
  }
  task.needs_no_try = fields.optional_flag("needs_no_try").value_or(false);
  task.choosing = fields.optional_word("choosing", parse_choosing).value_or(task.choosing);
  task.trigger_rule = fields.optional_word("trigger_rule", parse_trigger_rule).value_or(task.trigger_rule);
  task.retry.retries = optional_small(fields, "retries").value_or(task.retry.retries);
  task.retry.delay = fields.optional_duration("retry_delay_us").value_or(task.retry.delay);
  task.retry.exponential_backoff = fields.optional_flag("retry_exponential_backoff").value_or(false);
  task.retry.delay_max = fields.optional_duration("max_retry_delay_us");
  task.retry.jitter = fields.optional_duration("retry_jitter_us").value_or(task.retry.jitter);
  task.retry.retry_on = texts_or_none(fields, "retry_on");
  task.retry.no_retry_on = texts_or_none(fields, "no_retry_on");
  task.execution_timeout = fields.optional_duration("execution_timeout_us");
  task.timeout = fields.optional_duration("timeout_us");
  task.poke_interval = fields.optional_duration("poke_interval_us").value_or(task.poke_interval);
  task.soft_fail = fields.optional_flag("soft_fail").value_or(false);
  task.pool = fields.optional_text("pool").value_or(task.pool);
  task.pool_slots = optional_small(fields, "pool_slots").value_or(task.pool_slots);
  task.priority_weight = optional_small(fields, "priority_weight").value_or(task.priority_weight);
  task.weight_rule = fields.optional_word("weight_rule", parse_weight_rule).value_or(task.weight_rule);
  task.queue = fields.optional_text("queue").value_or(task.queue);
  task.depends_on_past = fields.optional_flag("depends_on_past").value_or(false);
  task.wait_for_downstream = fields.optional_flag("wait_for_downstream").value_or(false);
  task.max_active_tis_per_dag = optional_small(fields, "max_active_tis_per_dag");
  task.max_active_tis_per_dagrun = optional_small(fields, "max_active_tis_per_dagrun");
  if (fields.has("expand")) {
    const Value& expand = fields.map("expand");
    TRY(fields.status());
    TRY_ASSIGN(task.expand, read_map_spec(expand));
  }
  task.group_id = fields.optional_text("group_id").value_or("");
  task.mapped_group = fields.optional_text("mapped_group").value_or("");
  task.is_setup = fields.optional_flag("is_setup").value_or(false);
  task.is_teardown = fields.optional_flag("is_teardown").value_or(false);
  task.on_failure_fail_dagrun = fields.optional_flag("on_failure_fail_dagrun").value_or(false);
  task.inlets = texts_or_none(fields, "inlets");
  task.outlets = texts_or_none(fields, "outlets");
  task.connections = texts_or_none(fields, "connections");
  task.default_connections = texts_or_none(fields, "default_connections");
  task.connection_templates = texts_or_none(fields, "connection_templates");
  task.asking_templates = texts_or_none(fields, "asking_templates");
  TRY_ASSIGN(task.notices, read_notices(fields));
  task.doc = fields.optional_text("doc").value_or("");
  task.line = optional_small(fields, "line").value_or(0);
  TRY(fields.status());
  return task;
}

Result<TaskGroup> read_group(const Value& value) {
  FieldReader fields(value, "task group");
  TaskGroup group;
  group.group_id = fields.text("group_id");
  group.display_name = fields.optional_text("display_name").value_or("");
  group.tooltip = fields.optional_text("tooltip").value_or("");
  group.doc = fields.optional_text("doc").value_or("");
  if (fields.has("expand")) {
    const Value& expand = fields.map("expand");
    TRY(fields.status());
    TRY_ASSIGN(group.expand, read_map_spec(expand));
  }
  group.upstream = texts_or_none(fields, "upstream");
  group.downstream_tasks = texts_or_none(fields, "downstream_tasks");
  TRY(fields.status());
  return group;
}

Result<Param> read_param(const Value& value) {
  FieldReader fields(value, "param");
  Param param;
  param.name = fields.text("name");
  param.schema = fields.map("schema");
  if (const Value* otherwise = value.find("default")) param.default_value = *otherwise;  // null is a default too
  TRY(fields.status());
  return param;
}

}  // namespace

Result<Dag> deserialize(const Value& value) {
  FieldReader fields(value, "serialized DAG");
  if (const int64_t format = fields.integer("format"); format > format_known) {
    return Error{ErrorKind::unsupported, "serialized DAG: written in format " + std::to_string(format) +
                                             "; this program reads up to " + std::to_string(format_known)};
  }
  Dag dag;
  dag.dag_id = fields.text("dag_id");
  dag.description = fields.optional_text("description").value_or("");
  dag.file = fields.optional_text("file").value_or("");
  dag.version = fields.optional_text("version").value_or("");
  const Value& schedule = fields.map("schedule");
  TRY(fields.status());
  TRY_ASSIGN(dag.schedule, read_schedule(schedule));
  dag.schedule_text = fields.optional_text("schedule_text").value_or("");
  dag.max_active_runs = optional_small(fields, "max_active_runs").value_or(dag.max_active_runs);
  dag.max_active_tasks = optional_small(fields, "max_active_tasks").value_or(dag.max_active_tasks);
  dag.max_consecutive_failed_dag_runs = optional_small(fields, "max_consecutive_failed_dag_runs");
  dag.dagrun_timeout = fields.optional_duration("dagrun_timeout_us");
  dag.is_paused_upon_creation = fields.optional_flag("is_paused_upon_creation");
  dag.tags = texts_or_none(fields, "tags");
  dag.owners = texts_or_none(fields, "owners");
  if (fields.has("params")) {
    for (const Value& item : fields.list("params")) {
      TRY_ASSIGN(Param param, read_param(item));
      dag.params.push_back(std::move(param));
    }
  }
  TRY_ASSIGN(dag.notices, read_notices(fields));
  if (fields.has("deadlines")) {
    for (const Value& item : fields.list("deadlines")) {
      TRY_ASSIGN(Deadline deadline, parse_deadline(item));
      dag.deadlines.push_back(std::move(deadline));
    }
  }
  dag.doc = fields.optional_text("doc").value_or("");
  if (fields.has("groups")) {
    for (const Value& item : fields.list("groups")) {
      TRY_ASSIGN(TaskGroup group, read_group(item));
      dag.groups.push_back(std::move(group));
    }
  }
  for (const Value& item : fields.list("tasks")) {
    TRY_ASSIGN(Task task, read_task(item));
    if (!task.mapped_group.empty()) {
      const TaskGroup* group = dag.find_group(task.mapped_group);
      if (group == nullptr || !group->expand) {
        return Error{ErrorKind::invalid, "serialized DAG: task `" + task.task_id + "` lies in `" + task.mapped_group +
                                             "`, which is no mapped task group"};
      }
      task.expand = group->expand;
    }
    dag.tasks.push_back(std::move(task));
  }
  // Versions from before groups were listed name them by their tasks alone.
  for (size_t i = 0; i < dag.tasks.size() && !fields.has("groups"); ++i) {
    for (std::string_view id = dag.tasks[i].group_id; !id.empty() && !dag.find_group(id); id = parent_group(id))
      dag.groups.push_back({.group_id = std::string(id)});
  }
  dag.source = fields.optional_text("source").value_or("");
  TRY(fields.status());
  // Upstream comes before downstream; anything else would be a cycle or a place that is not there.
  for (size_t i = 0; i < dag.tasks.size(); ++i) {
    for (const int index : dag.tasks[i].upstream) {
      if (index < 0 || static_cast<size_t>(index) >= i)
        return Error{ErrorKind::invalid, "serialized DAG: task `" + dag.tasks[i].task_id +
                                             "` has an upstream that does not come before it"};
      dag.tasks[static_cast<size_t>(index)].downstream.push_back(static_cast<int>(i));
    }
  }
  return dag;
}

}  // namespace udon
