#include "tests/scheduler/compact_dag.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace udon::testing {

namespace {

Error wrong(const Line& line, const std::string& what) {
  return {ErrorKind::invalid, "line " + std::to_string(line.number) + ": " + what};
}

// Reads options one by one and knows which were left over.
class Options {
 public:
  explicit Options(const Line& line) : line_(line), left_(line.options) {
    for (size_t i = 2; i < line.words.size(); ++i) left_[line.words[i]] = "";
  }
  std::optional<std::string> text(const std::string& key) {
    const auto found = left_.find(key);
    if (found == left_.end()) return std::nullopt;
    std::string value = found->second;
    left_.erase(found);
    return value;
  }
  bool flag(const std::string& key) { return text(key).has_value(); }
  std::optional<int> number(const std::string& key) {
    const auto value = text(key);
    return value ? std::optional(std::stoi(*value)) : std::nullopt;
  }
  std::optional<Duration> duration(const std::string& key) {
    const auto value = text(key);
    return value ? std::optional(parse_duration(*value).value()) : std::nullopt;
  }
  Result<void> end() const {
    if (left_.empty()) return {};
    return wrong(line_, "unknown option `" + left_.begin()->first + "`");
  }

 private:
  const Line& line_;
  std::map<std::string, std::string> left_;
};

// tells=failure,retry: one notice for each.
Result<std::vector<Notice>> read_notices(const Line& line, Options& options) {
  std::vector<Notice> notices;
  for (const std::string& word : split(options.text("tells").value_or(""), ',')) {
    if (word.empty()) continue;
    const auto event = parse_notice_event(word);
    if (!event) return wrong(line, "no event `" + word + "`");
    notices.push_back({.on = *event, .connection = "slack"});
  }
  return notices;
}

// weekdays=mon,tue days_off=2026-02-17,2026-02-18 day_off=next gaps=left_out
Result<void> read_calendar(const Line& line, Options& options, Schedule& schedule) {
  static const std::vector<std::string> names{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
  Calendar calendar;
  const auto weekdays = options.text("weekdays"), days_off = options.text("days_off");
  if (weekdays) {
    calendar.weekdays = 0;
    for (const std::string& name : split(*weekdays, ',')) {
      const auto found = std::find(names.begin(), names.end(), name);
      if (found == names.end()) return wrong(line, "no weekday `" + name + "`");
      calendar.weekdays |= static_cast<uint8_t>(1U << (found - names.begin()));
    }
  }
  for (const std::string& text : split(days_off.value_or(""), ',')) {
    if (text.empty()) continue;
    TRY_ASSIGN(const TimePoint day, parse_time(text));
    calendar.except.push_back({CivilDay(std::chrono::floor<std::chrono::days>(day).time_since_epoch()), "day off"});
  }
  put_in_order(calendar.except);
  if (const auto word = options.text("day_off")) calendar.day_off = parse_day_off(*word).value();
  if (const auto word = options.text("gaps")) calendar.gaps = parse_gaps(*word).value();
  if (weekdays || days_off) schedule.calendar = std::move(calendar);
  return {};
}

Result<void> read_dag(const Line& line, Dag& dag) {
  Options options(line);
  dag.dag_id = line.word(1);
  dag.file = dag.dag_id + ".yaml";
  if (auto every = options.duration("every")) {
    dag.schedule.kind = EverySchedule{.every = *every, .has_interval = !options.flag("no_interval")};
  }
  if (auto cron = options.text("cron")) {
    auto parsed = parse_cron(*cron);
    if (!parsed) return parsed.error();
    dag.schedule.kind = CronSchedule{.crons = {*parsed}, .has_interval = options.flag("interval"), .dst = {}};
  }
  if (const auto times = options.text("times")) {
    TimesSchedule listed;
    for (const std::string& text : split(*times, ',')) {
      TRY_ASSIGN(const TimePoint time, parse_time(text));
      listed.times.push_back(time);
    }
    dag.schedule.kind = std::move(listed);
  }
  TRY(read_calendar(line, options, dag.schedule));
  dag.schedule.look_back = options.duration("look_back").value_or(Duration(0));
  // assets=a,b: all of them; any_assets=a,b: any.
  for (const auto is : {AssetCondition::Is::all, AssetCondition::Is::any}) {
    const auto names = options.text(is == AssetCondition::Is::all ? "assets" : "any_assets");
    if (!names) continue;
    AssetCondition condition{.is = is, .asset = {}, .parts = {}};
    for (const std::string& name : split(*names, ',')) condition.parts.push_back({.asset = name});
    if (dag.schedule.assets)
      dag.schedule.assets->parts.push_back(std::move(condition));
    else
      dag.schedule.assets = std::move(condition);
  }
  if (options.flag("continuous")) dag.schedule.kind = ContinuousSchedule{};
  if (options.flag("once")) dag.schedule.kind = OnceSchedule{};
  dag.schedule.timezone = options.text("timezone").value_or("UTC");
  if (auto start = options.text("start")) dag.schedule.start_date = parse_time(*start).value();
  dag.schedule.catchup = options.flag("catchup");
  dag.max_active_runs = options.number("max_active_runs").value_or(16);
  dag.max_active_tasks = options.number("max_active_tasks").value_or(16);
  dag.dagrun_timeout = options.duration("dagrun_timeout");
  dag.max_consecutive_failed_dag_runs = options.number("max_failed_runs");
  TRY_ASSIGN(dag.notices, read_notices(line, options));
  if (const auto after = options.duration("deadline")) {
    Deadline deadline{.of = Deadline::Of::queued_at, .after = *after, .notices = {{.on = NoticeEvent::deadline}}};
    if (const auto of = options.text("of")) deadline.of = parse_deadline_reference(*of).value();
    dag.deadlines.push_back(std::move(deadline));
  }
  if (options.flag("paused")) dag.is_paused_upon_creation = true;
  return options.end();
}

Result<void> read_param(const Line& line, Dag& dag) {
  Param param;
  param.name = line.word(1);
  auto schema = parse_json(line.word(2));
  if (!schema) return schema.error();
  param.schema = *schema;
  if (auto value = line.option("default")) param.default_value = parse_json(*value).value();
  dag.params.push_back(std::move(param));
  return {};
}

Mapping read_expand(Options& options) {
  if (auto list = options.text("expand")) {
    return MapSpec{.inputs = {{.name = "item", .source = parse_json(*list).value().as_list()}}};
  }
  if (auto source = options.text("expand_from")) return MapSpec{.inputs = {{.name = "item", .source = *source}}};
  return {};
}

Result<void> read_group(const Line& line, Dag& dag) {
  Options options(line);
  dag.groups.push_back({.group_id = line.word(1), .expand = read_expand(options)});
  return options.end();
}

// As the loader has it: what a group is mapped over comes before those of its tasks that nothing in it comes before.
void put_into_group(Task& task, const Dag& dag) {
  for (const TaskGroup& group : dag.groups) {
    if (!group.expand || !is_in_group(group.group_id, task.group_id)) continue;
    task.expand = group.expand;
    task.mapped_group = group.group_id;
    const bool is_first = std::ranges::none_of(task.upstream, [&](int before) {
      return dag.tasks[static_cast<size_t>(before)].mapped_group == group.group_id;
    });
    for (const MapInput& input : group.expand->inputs) {
      const auto* source = std::get_if<std::string>(&input.source);
      if (source == nullptr || !is_first) continue;
      const int index = dag.index_of(*source);
      if (std::ranges::find(task.upstream, index) == task.upstream.end()) task.upstream.push_back(index);
    }
  }
}

Result<void> read_task(const Line& line, Dag& dag) {
  Options options(line);
  Task task;
  task.task_id = line.word(1);
  task.operator_name = "bash";
  for (const std::string& before : split(options.text("after").value_or(""), ',')) {
    if (before.empty()) continue;
    const int index = dag.index_of(before);
    if (index < 0) return wrong(line, "no task `" + before + "` before it");
    task.upstream.push_back(index);
  }
  if (auto rule = options.text("rule")) {
    const auto parsed = parse_trigger_rule(*rule);
    if (!parsed) return wrong(line, "no trigger rule `" + *rule + "`");
    task.trigger_rule = *parsed;
  }
  task.retry.retries = options.number("retries").value_or(0);
  task.retry.delay = options.duration("delay").value_or(task.retry.delay);
  task.retry.exponential_backoff = options.flag("backoff");
  task.retry.jitter = options.duration("jitter").value_or(Duration(0));
  task.retry.delay_max = options.duration("max_delay");
  for (const std::string& word : split(options.text("retry_on").value_or(""), ',')) {
    if (!word.empty()) task.retry.retry_on.push_back(word);
  }
  for (const std::string& word : split(options.text("no_retry_on").value_or(""), ',')) {
    if (!word.empty()) task.retry.no_retry_on.push_back(word);
  }
  if (options.flag("sensor")) task.kind = OperatorKind::sensor;
  task.needs_no_try = options.flag("empty");
  if (task.needs_no_try) task.operator_name = "empty";
  if (options.flag("branch")) task.choosing = Choosing::branch;
  if (options.flag("short_circuit")) task.choosing = Choosing::short_circuit;
  task.group_id = options.text("group").value_or("");
  task.timeout = options.duration("timeout");
  task.poke_interval = options.duration("poke").value_or(task.poke_interval);
  task.soft_fail = options.flag("soft_fail");
  task.execution_timeout = options.duration("execution_timeout");
  task.pool = options.text("pool").value_or("default_pool");
  task.pool_slots = options.number("slots").value_or(1);
  task.priority_weight = options.number("priority").value_or(1);
  task.queue = options.text("queue").value_or("default");
  task.max_active_tis_per_dag = options.number("per_dag");
  task.max_active_tis_per_dagrun = options.number("per_run");
  task.depends_on_past = options.flag("depends_on_past");
  task.wait_for_downstream = options.flag("wait_for_downstream");
  task.is_setup = options.flag("setup");
  task.is_teardown = options.flag("teardown");
  task.on_failure_fail_dagrun = options.flag("fails_run");
  task.expand = read_expand(options);
  put_into_group(task, dag);
  std::ranges::sort(task.upstream);
  for (const std::string& id : split(options.text("connections").value_or(""), ',')) {
    if (!id.empty()) task.connections.push_back(id);
  }
  if (auto id = options.text("default")) {
    task.connections.push_back(*id);
    task.default_connections.push_back(*id);
  }
  for (const std::string& name : split(options.text("outlets").value_or(""), ',')) {
    if (!name.empty()) task.outlets.push_back(name);
  }
  if (auto id = options.text("connection")) task.connection_templates.push_back(*id);
  if (auto text = options.text("asks")) task.asking_templates.push_back(*text);
  if (auto parameters = options.text("with")) task.parameters = parse_json(*parameters).value();
  TRY_ASSIGN(task.notices, read_notices(line, options));
  const int index = static_cast<int>(dag.tasks.size());
  for (const int before : task.upstream) dag.tasks[static_cast<size_t>(before)].downstream.push_back(index);
  dag.tasks.push_back(std::move(task));
  return options.end();
}

}  // namespace

Result<DagPtr> make_dag(std::span<const Line> lines, const std::string& version) {
  auto dag = std::make_shared<Dag>();
  TRY(read_dag(lines.front(), *dag));
  dag->version = version;
  for (const Line& line : lines.subspan(1)) {
    if (line.word(0) == "task") {
      TRY(read_task(line, *dag));
    } else if (line.word(0) == "param") {
      TRY(read_param(line, *dag));
    } else if (line.word(0) == "group") {
      TRY(read_group(line, *dag));
    } else {
      return wrong(line, "`task`, `group` or `param` expected, got `" + line.word(0) + "`");
    }
  }
  return DagPtr(std::move(dag));
}

}  // namespace udon::testing
