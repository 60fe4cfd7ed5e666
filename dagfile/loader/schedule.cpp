// schedule, timezone, dst, start_date and end_date.
#include <algorithm>
#include <map>

#include "base/text.h"
#include "dagfile/loader/document.h"

namespace udon {
namespace {

// Years before any that somebody schedules for: a cron that finds no time from here on will find none.
constexpr TimePoint long_ago = std::chrono::sys_days(std::chrono::year(2000) / 1 / 1);

std::optional<CronExpression> read_cron(const YamlNode& node, Problems& problems) {
  if (!node.is_text()) {
    problems.error(node, "`schedule`: " + expected("a cron expression such as \"30 2 * * *\"", node));
    return std::nullopt;
  }
  Result<CronExpression> cron = parse_cron(node.text);
  if (!cron) {
    problems.error(node, "`schedule`: " + cron.error().message);
    return std::nullopt;
  }
  if (!next_match(*cron, "UTC", {}, long_ago)) {
    problems.error(node, "`schedule`: `" + node.text + "` names a time that never comes");
    return std::nullopt;
  }
  return *cron;
}

std::optional<DstPolicy> read_dst(const YamlNode& node, Problems& problems) {
  DstPolicy policy;
  if (!node.is_map()) {
    problems.error(node, "`dst`: " + expected("a map such as {skipped: run_after, repeated: first}", node));
    return std::nullopt;
  }
  bool is_good = true;
  for (const YamlMember& member : node.members) {
    const std::vector<std::string> skipped{"run_after", "skip"}, repeated{"first", "last", "both"};
    if (member.key != "skipped" && member.key != "repeated") {
      problems.error(member.offset, "`dst`: unknown key `" + member.key + "`" + did_you_mean(member.key, dst_keys()) +
                                        "; there are " + join(dst_keys(), ", "));
      is_good = false;
      continue;
    }
    const FieldType type{FieldType::Kind::word, 0, 0, member.key == "skipped" ? skipped : repeated};
    const auto word = read_field(type, "dst." + member.key, member.value, problems);
    is_good = is_good && word;
    if (!word) continue;
    if (member.key == "skipped")
      policy.skipped = word->text == "skip" ? DstPolicy::Skipped::skip : DstPolicy::Skipped::run_after;
    else
      policy.repeated = word->text == "both"   ? DstPolicy::Repeated::both
                        : word->text == "last" ? DstPolicy::Repeated::last
                                               : DstPolicy::Repeated::first;
  }
  if (!is_good) return std::nullopt;
  return policy;
}

// A text, a list (all of it), {all: […]} or {any: […]}, nested as one likes.
std::optional<AssetCondition> read_assets(const YamlNode& node, Problems& problems, int depth = 0) {
  AssetCondition condition;
  if (depth > AssetCondition::depth_max) {
    problems.error(node, "`schedule.assets`: nested too deeply");
    return std::nullopt;
  }
  if (node.is_text()) {
    if (const auto problem = problem_of_asset(node.text)) {
      problems.error(node, "`schedule.assets`: " + *problem);
      return std::nullopt;
    }
    condition.asset = node.text;
    return condition;
  }
  const YamlNode* parts = &node;
  condition.is = AssetCondition::Is::all;
  if (node.is_map()) {
    if (node.members.size() != 1 || (node.members[0].key != "all" && node.members[0].key != "any")) {
      const std::string hint =
          node.members.size() == 1 ? did_you_mean(node.members[0].key, std::vector<std::string>{"all", "any"}) : "";
      problems.error(node, "`schedule.assets`: expected `all` or `any` with a list" + hint);
      return std::nullopt;
    }
    if (node.members[0].key == "any") condition.is = AssetCondition::Is::any;
    parts = &node.members[0].value;
  }
  if (!parts->is_list()) {
    problems.error(*parts, "`schedule.assets`: " + expected("an asset, or a list of assets", *parts));
    return std::nullopt;
  }
  if (parts->items.empty()) {
    problems.error(*parts, "`schedule.assets`: expected at least one asset");
    return std::nullopt;
  }
  for (const YamlNode& item : parts->items) {
    auto part = read_assets(item, problems, depth + 1);
    if (!part) return std::nullopt;
    condition.parts.push_back(std::move(*part));
  }
  return condition;
}

// A date or time without an offset is the zone's wall clock, as in Airflow.
std::optional<TimePoint> read_time(std::string_view key, const YamlNode& node, const std::string& timezone,
                                   Problems& problems) {
  const auto wrong = [&] {
    problems.error(node, "`" + std::string(key) + "`: " +
                             expected("a date such as 2026-01-31 or a time such as 2026-01-31T09:00:00+09:00", node));
    return std::nullopt;
  };
  if (!node.is_text()) return wrong();
  if (const Result<TimePoint> time = parse_time(node.text); time && node.text.size() > 10) return *time;
  const Result<TimePoint> wall = parse_time(node.text.size() > 10 ? node.text + "Z" : node.text);
  if (!wall) return wrong();
  const auto zone = TimeZone::find(timezone);
  if (!zone) return *wall;  // the zone's own error is enough
  const auto seconds = std::chrono::floor<std::chrono::seconds>(*wall);
  const TimeZone::Instants instants = (*zone)->instants_of(WallTime(seconds.time_since_epoch()));
  return TimePoint(instants.first) + (*wall - TimePoint(seconds));
}

// `interval`: whether, or how long before its time a run is about.
struct Interval {
  bool is_wanted = false;
  Duration look_back{};
};
std::optional<Interval> read_interval(const YamlNode& node, Problems& problems) {
  if (node.is_text() && !node.text.empty() && node.text[0] >= '0' && node.text[0] <= '9') {
    const auto length = read_field({FieldType::Kind::duration, 1, 0, {}}, "schedule.interval", node, problems);
    if (!length) return std::nullopt;
    return Interval{false, length->duration};
  }
  const auto flag = read_flag("schedule.interval", node, problems);
  if (!flag) return std::nullopt;
  return Interval{*flag, Duration(0)};
}

std::optional<TimesSchedule> read_times(const YamlNode& node, const std::string& timezone, Problems& problems) {
  if (!node.is_list() || node.items.empty()) {
    problems.error(node, "`schedule.times`: " +
                             (node.is_list() ? "expected at least one time"
                                             : expected("a list of times such as [2026-03-02T09:00:00]", node)));
    return std::nullopt;
  }
  TimesSchedule schedule;
  bool is_good = true;
  std::map<TimePoint, std::string> seen;
  for (const YamlNode& item : node.items) {
    const auto time = read_time("schedule.times", item, timezone, problems);
    is_good = is_good && time;
    if (!time) continue;
    const auto [known, is_new] = seen.emplace(*time, item.text);
    if (!is_new)
      problems.warning(item.offset,
                       "`schedule.times`: `" + item.text + "` is the same time as `" + known->second + "`");
  }
  for (const auto& [time, text] : seen) schedule.times.push_back(time);
  if (!is_good) return std::nullopt;
  return schedule;
}

std::optional<ScheduleKind> read_map(const YamlNode& node, Schedule& schedule_of_dag, Problems& problems) {
  std::optional<AssetCondition>& assets = schedule_of_dag.assets;
  const std::vector<std::string>& known = schedule_keys();
  std::vector<std::string> kinds;
  bool is_good = true;
  for (const YamlMember& member : node.members) {
    if (std::find(known.begin(), known.end(), member.key) == known.end()) {
      problems.error(member.offset, "`schedule`: unknown key `" + member.key + "`" + did_you_mean(member.key, known) +
                                        "; there are " + join(known, ", "));
      is_good = false;
    } else if (member.key != "interval" && member.key != "assets") {
      kinds.push_back(member.key);
    }
  }
  if (!is_good) return std::nullopt;
  const YamlNode* assets_node = node.find("assets");
  if (kinds.size() != 1 && (assets_node == nullptr || !kinds.empty())) {
    problems.error(node, "`schedule`: expected one of `cron`, `every` and `times`, `assets`, or both, got " +
                             (kinds.empty() ? std::string("none") : join(kinds, ", ")));
    return std::nullopt;
  }
  std::optional<Interval> interval;
  const YamlNode* interval_node = node.find("interval");
  if (interval_node != nullptr) {
    interval = read_interval(*interval_node, problems);
    if (!interval) return std::nullopt;
    schedule_of_dag.look_back = interval->look_back;
  }
  if (assets_node != nullptr) {
    assets = read_assets(*assets_node, problems);
    if (!assets) return std::nullopt;
    if (kinds.empty()) {
      if (interval) problems.error(*interval_node, "`schedule`: `interval` needs `cron`, `every` or `times`");
      return ScheduleKind(NoSchedule{});
    }
  }
  if (const YamlNode* every = node.find("every")) {
    const auto value = read_field({FieldType::Kind::duration, 1, 0, {}}, "schedule.every", *every, problems);
    if (!value) return std::nullopt;
    return ScheduleKind(EverySchedule{value->duration, interval.value_or(Interval{true, {}}).is_wanted});
  }
  if (const YamlNode* times = node.find("times")) {
    auto schedule = read_times(*times, schedule_of_dag.timezone, problems);
    if (!schedule) return std::nullopt;
    schedule->has_interval = interval.value_or(Interval{}).is_wanted;
    return ScheduleKind(std::move(*schedule));
  }
  CronSchedule schedule;
  const YamlNode& crons = *node.find("cron");
  if (crons.is_list()) {
    for (const YamlNode& item : crons.items) {
      const auto cron = read_cron(item, problems);
      if (!cron) return std::nullopt;
      schedule.crons.push_back(*cron);
    }
  } else {
    const auto cron = read_cron(crons, problems);
    if (!cron) return std::nullopt;
    schedule.crons.push_back(*cron);
  }
  if (schedule.crons.empty()) {
    problems.error(crons, "`schedule.cron`: expected at least one cron expression");
    return std::nullopt;
  }
  schedule.has_interval = interval.value_or(Interval{}).is_wanted;
  return ScheduleKind(std::move(schedule));
}

std::optional<ScheduleKind> read_kind(const YamlNode& node, Schedule& schedule_of_dag, Problems& problems) {
  if (node.is_null()) return ScheduleKind(NoSchedule{});
  if (node.is_map()) return read_map(node, schedule_of_dag, problems);
  if (node.is_list()) {
    CronSchedule schedule;
    for (const YamlNode& item : node.items) {
      const auto cron = read_cron(item, problems);
      if (!cron) return std::nullopt;
      schedule.crons.push_back(*cron);
    }
    if (schedule.crons.empty()) {
      problems.error(node, "`schedule`: expected at least one cron expression; write `none` for manual runs only");
      return std::nullopt;
    }
    return ScheduleKind(std::move(schedule));
  }
  if (node.is_text() && (node.text == "none" || node.text == "None" || node.text == "@none"))
    return ScheduleKind(NoSchedule{});
  if (node.is_text() && node.text == "@once") return ScheduleKind(OnceSchedule{});
  if (node.is_text() && node.text == "@continuous") return ScheduleKind(ContinuousSchedule{});
  const auto cron = read_cron(node, problems);
  if (!cron) return std::nullopt;
  CronSchedule schedule;
  schedule.crons.push_back(*cron);
  return ScheduleKind(std::move(schedule));
}

// As written, for people: the cron expression, "every 15m".
std::string shown(const ScheduleKind& kind) {
  if (std::holds_alternative<OnceSchedule>(kind)) return "@once";
  if (std::holds_alternative<ContinuousSchedule>(kind)) return "@continuous";
  if (const auto* every = std::get_if<EverySchedule>(&kind)) return "every " + format_duration(every->every);
  if (const auto* cron = std::get_if<CronSchedule>(&kind)) {
    std::vector<std::string> texts;
    for (const CronExpression& expression : cron->crons) texts.push_back(expression.text);
    return join(texts, ", ");
  }
  if (const auto* listed = std::get_if<TimesSchedule>(&kind))
    return listed->times.size() == 1 ? "at " + format_time(listed->times[0])
                                     : "at " + std::to_string(listed->times.size()) + " times";
  return "";
}

}  // namespace

const std::vector<std::string>& schedule_keys() {
  static const std::vector<std::string> keys{"cron", "every", "times", "assets", "interval"};
  return keys;
}

const std::vector<std::string>& dst_keys() {
  static const std::vector<std::string> keys{"skipped", "repeated"};
  return keys;
}

void read_schedule(const YamlNode& root, Dag& dag, Problems& problems) {
  Schedule& schedule = dag.schedule;
  if (const YamlNode* zone = root.find("timezone")) {
    if (!zone->is_text()) {
      problems.error(*zone, "`timezone`: " + expected("the name of a time zone such as Asia/Seoul", *zone));
    } else if (!is_known_timezone(zone->text)) {
      problems.error(*zone, "unknown time zone `" + zone->text + "`" + did_you_mean(zone->text, known_timezones()));
    } else {
      schedule.timezone = zone->text;
    }
  }
  const YamlNode* kind = root.find("schedule");
  if (kind != nullptr) {
    if (auto read = read_kind(*kind, schedule, problems)) schedule.kind = std::move(*read);
  }
  dag.schedule_text = shown(schedule.kind);
  if (schedule.assets)
    dag.schedule_text += (dag.schedule_text.empty() ? "assets " : " or assets ") + to_string(*schedule.assets);
  if (const YamlNode* dst = root.find("dst")) {
    const auto policy = read_dst(*dst, problems);
    auto* cron = std::get_if<CronSchedule>(&schedule.kind);
    if (cron == nullptr)
      problems.error(*dst, "`dst` is about cron expressions, and the schedule has none");
    else if (policy)
      cron->dst = *policy;
  }
  const YamlNode *start = root.find("start_date"), *end = root.find("end_date");
  if (start != nullptr) schedule.start_date = read_time("start_date", *start, schedule.timezone, problems);
  if (end != nullptr) schedule.end_date = read_time("end_date", *end, schedule.timezone, problems);
  if (schedule.start_date && schedule.end_date && *schedule.end_date < *schedule.start_date)
    problems.error(*end, "`end_date` lies before `start_date`: there would be no run");
  const YamlNode* catchup = root.find("catchup");
  if (catchup != nullptr && schedule.catchup && !schedule.start_date)
    problems.warning(catchup->offset, "`catchup` has nothing to begin with: there is no `start_date`");
}

}  // namespace udon
