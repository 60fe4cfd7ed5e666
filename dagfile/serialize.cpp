// What equals its default is left out: a DAG of a thousand tasks is kept for each of its versions.
#include "dagfile/serialize.h"

#include <algorithm>

namespace udon {
namespace {

// Keeps `value` under `key` unless it is what a reader would assume anyway.
template <class T>
void put(Value& map, const char* key, const T& value, const T& otherwise) {
  if (!(value == otherwise)) map.set(key, value);
}
void put_duration(Value& map, const char* key, const std::optional<Duration>& value) {
  if (value) map.set(key, int64_t{value->count()});
}
void put_integer(Value& map, const char* key, const std::optional<int>& value) {
  if (value) map.set(key, *value);
}
void put_texts(Value& map, const char* key, const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  Value list = Value::list();
  for (const std::string& text : texts) list.push_back(text);
  map.set(key, std::move(list));
}

struct ScheduleWriter {
  Value& map;
  void operator()(const NoSchedule&) const { map.set("kind", "none"); }
  void operator()(const OnceSchedule&) const { map.set("kind", "once"); }
  void operator()(const ContinuousSchedule&) const { map.set("kind", "continuous"); }
  void operator()(const CronSchedule& schedule) const {
    map.set("kind", "cron");
    std::vector<std::string> crons;
    for (const CronExpression& cron : schedule.crons) crons.push_back(cron.text);
    put_texts(map, "crons", crons);
    put(map, "has_interval", schedule.has_interval, false);
    if (schedule.dst.skipped == DstPolicy::Skipped::skip) map.set("dst_skipped", "skip");
    if (schedule.dst.repeated == DstPolicy::Repeated::last) map.set("dst_repeated", "last");
    if (schedule.dst.repeated == DstPolicy::Repeated::both) map.set("dst_repeated", "both");
  }
  void operator()(const EverySchedule& schedule) const {
    map.set("kind", "every");
    put_duration(map, "every_us", schedule.every);
    put(map, "has_interval", schedule.has_interval, true);
  }
  void operator()(const TimesSchedule& schedule) const {
    map.set("kind", "times");
    std::vector<std::string> times;
    for (const TimePoint time : schedule.times) times.push_back(format_time(time));
    put_texts(map, "times", times);
    put(map, "has_interval", schedule.has_interval, false);
  }
};

// {"2026-02-16": "설날"}: a calendar's file is part of the DAG's version.
void put_days(Value& map, const char* key, const std::vector<NamedDay>& days) {
  if (days.empty()) return;
  Value named = Value::map();
  for (const NamedDay& day : days)
    named.set(format_time(TimePoint(day.day.time_since_epoch())).substr(0, 10), day.name);
  map.set(key, std::move(named));
}

Value serialize(const Calendar& calendar) {
  Value map = Value::map();
  put<int64_t>(map, "weekdays", calendar.weekdays, 0x7f);
  put_days(map, "except", calendar.except);
  put_days(map, "only", calendar.only);
  if (calendar.day_off != Calendar::DayOff::skip) map.set("day_off", to_string(calendar.day_off));
  if (calendar.day_of != Calendar::DayOf::run) map.set("day_of", to_string(calendar.day_of));
  if (calendar.gaps != Calendar::Gaps::covered) map.set("gaps", to_string(calendar.gaps));
  return map;
}

Value serialize(const Schedule& schedule) {
  Value map = Value::map();
  std::visit(ScheduleWriter{map}, schedule.kind);
  if (schedule.assets) map.set("assets", to_value(*schedule.assets));
  put<std::string>(map, "timezone", schedule.timezone, "UTC");
  if (schedule.start_date) map.set("start_date", format_time(*schedule.start_date));
  if (schedule.end_date) map.set("end_date", format_time(*schedule.end_date));
  put(map, "catchup", schedule.catchup, false);
  if (schedule.look_back != Duration(0)) put_duration(map, "look_back_us", schedule.look_back);
  if (schedule.calendar) map.set("calendar", serialize(*schedule.calendar));
  return map;
}

Value serialize(const MapSpec& spec) {
  Value inputs = Value::list();
  for (const MapInput& input : spec.inputs) {
    Value item = Value::map();
    item.set("name", input.name);
    if (const auto* list = std::get_if<Value::List>(&input.source))
      item.set("list", Value(*list));
    else
      item.set("xcom", std::get<std::string>(input.source));
    inputs.push_back(std::move(item));
  }
  Value map = Value::map();
  map.set("combine", spec.combine == MapSpec::Combine::zip ? "zip" : "product");
  map.set("inputs", std::move(inputs));
  return map;
}

void put_notices(Value& map, const std::vector<Notice>& notices) {
  if (notices.empty()) return;
  Value list = Value::list();
  for (const Notice& notice : notices) list.push_back(to_value(notice));
  map.set("notices", std::move(list));
}

Value serialize(const Task& task) {
  static const Task plain;
  Value map = Value::map();
  map.set("task_id", task.task_id);
  map.set("operator", task.operator_name);
  if (task.kind != plain.kind) map.set("kind", to_string(task.kind));
  if (task.parameters.size() > 0) map.set("parameters", task.parameters);
  if (!task.upstream.empty()) {  // downstream is told from it
    Value list = Value::list();
    for (const int index : task.upstream) list.push_back(index);
    map.set("upstream", std::move(list));
  }
  put(map, "needs_no_try", task.needs_no_try, false);
  if (task.choosing != plain.choosing) map.set("choosing", to_string(task.choosing));
  if (task.trigger_rule != plain.trigger_rule) map.set("trigger_rule", to_string(task.trigger_rule));
  put(map, "retries", task.retry.retries, plain.retry.retries);
  if (task.retry.delay != plain.retry.delay) put_duration(map, "retry_delay_us", task.retry.delay);
  put(map, "retry_exponential_backoff", task.retry.exponential_backoff, false);
  put_duration(map, "max_retry_delay_us", task.retry.delay_max);
  if (task.retry.jitter.count() != 0) put_duration(map, "retry_jitter_us", task.retry.jitter);
  put_texts(map, "retry_on", task.retry.retry_on);
  put_texts(map, "no_retry_on", task.retry.no_retry_on);
  put_duration(map, "execution_timeout_us", task.execution_timeout);
  put_duration(map, "timeout_us", task.timeout);
  if (task.poke_interval != plain.poke_interval) put_duration(map, "poke_interval_us", task.poke_interval);
  put(map, "soft_fail", task.soft_fail, false);
  put(map, "pool", task.pool, plain.pool);
  put(map, "pool_slots", task.pool_slots, plain.pool_slots);
  put(map, "priority_weight", task.priority_weight, plain.priority_weight);
  if (task.weight_rule != plain.weight_rule) map.set("weight_rule", to_string(task.weight_rule));
  put(map, "queue", task.queue, plain.queue);
  put(map, "depends_on_past", task.depends_on_past, false);
  put(map, "wait_for_downstream", task.wait_for_downstream, false);
  put_integer(map, "max_active_tis_per_dag", task.max_active_tis_per_dag);
  put_integer(map, "max_active_tis_per_dagrun", task.max_active_tis_per_dagrun);
  // That of a mapped group stands with the group, once.
  if (task.expand && task.mapped_group.empty()) map.set("expand", serialize(*task.expand));
  put<std::string>(map, "group_id", task.group_id, "");
  put<std::string>(map, "mapped_group", task.mapped_group, "");
  put(map, "is_setup", task.is_setup, false);
  put(map, "is_teardown", task.is_teardown, false);
  put(map, "on_failure_fail_dagrun", task.on_failure_fail_dagrun, false);
  put_texts(map, "inlets", task.inlets);
  put_texts(map, "outlets", task.outlets);
  put_texts(map, "connections", task.connections);
  put_texts(map, "default_connections", task.default_connections);
  put_texts(map, "connection_templates", task.connection_templates);
  put_texts(map, "asking_templates", task.asking_templates);
  put_notices(map, task.notices);
  put<std::string>(map, "doc", task.doc, "");
  put(map, "line", task.line, 0);
  return map;
}

Value serialize(const TaskGroup& group) {
  Value map = Value::map();
  map.set("group_id", group.group_id);
  put<std::string>(map, "display_name", group.display_name, "");
  put<std::string>(map, "tooltip", group.tooltip, "");
  put<std::string>(map, "doc", group.doc, "");
  if (group.expand) map.set("expand", serialize(*group.expand));
  put_texts(map, "upstream", group.upstream);
  put_texts(map, "downstream_tasks", group.downstream_tasks);
  return map;
}

}  // namespace

Value serialize(const Dag& dag) {
  static const Dag plain;
  Value map = Value::map();
  // Who does not know mapped groups would run their tasks once, and must not read it.
  const bool has_mapped_group =
      std::ranges::any_of(dag.groups, [](const TaskGroup& group) { return group.expand.has_value(); });
  map.set("format", has_mapped_group ? 2 : 1);
  map.set("dag_id", dag.dag_id);
  put<std::string>(map, "description", dag.description, "");
  put<std::string>(map, "file", dag.file, "");
  put<std::string>(map, "version", dag.version, "");
  map.set("schedule", serialize(dag.schedule));
  put<std::string>(map, "schedule_text", dag.schedule_text, "");
  put(map, "max_active_runs", dag.max_active_runs, plain.max_active_runs);
  put(map, "max_active_tasks", dag.max_active_tasks, plain.max_active_tasks);
  put_integer(map, "max_consecutive_failed_dag_runs", dag.max_consecutive_failed_dag_runs);
  put_duration(map, "dagrun_timeout_us", dag.dagrun_timeout);
  if (dag.is_paused_upon_creation) map.set("is_paused_upon_creation", *dag.is_paused_upon_creation);
  put_texts(map, "tags", dag.tags);
  put_texts(map, "owners", dag.owners);
  if (!dag.params.empty()) {
    Value params = Value::list();
    for (const Param& param : dag.params) {
      Value item = Value::map();
      item.set("name", param.name);
      item.set("schema", param.schema);
      if (param.default_value) item.set("default", *param.default_value);
      params.push_back(std::move(item));
    }
    map.set("params", std::move(params));
  }
  put_notices(map, dag.notices);
  if (!dag.deadlines.empty()) {
    Value deadlines = Value::list();
    for (const Deadline& deadline : dag.deadlines) deadlines.push_back(to_value(deadline));
    map.set("deadlines", std::move(deadlines));
  }
  put<std::string>(map, "doc", dag.doc, "");
  if (!dag.groups.empty()) {
    Value groups = Value::list();
    for (const TaskGroup& group : dag.groups) groups.push_back(serialize(group));
    map.set("groups", std::move(groups));
  }
  Value tasks = Value::list();
  for (const Task& task : dag.tasks) tasks.push_back(serialize(task));
  map.set("tasks", std::move(tasks));
  put<std::string>(map, "source", dag.source, "");
  return map;
}

}  // namespace udon
