#include "dagfile/serialize.h"

#include <catch2/catch.hpp>

#include "base/random.h"

namespace udon {
namespace {

// DAGs in which every field takes its default as often as another value.
class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seed) {}

  Dag dag() {
    Dag dag;
    dag.dag_id = text();
    dag.description = text();
    dag.file = text();
    dag.version = text();
    dag.schedule = schedule();
    dag.schedule_text = text();
    dag.max_active_runs = small(16);
    dag.max_active_tasks = small(16);
    dag.max_consecutive_failed_dag_runs = maybe<int>([&] { return small(1); });
    dag.dagrun_timeout = maybe<Duration>([&] { return duration(); });
    dag.is_paused_upon_creation = maybe<bool>([&] { return flag(); });
    dag.tags = texts();
    dag.owners = texts();
    for (uint64_t i = random_.below(3); i > 0; --i)
      dag.params.push_back({text() + std::to_string(i), map(2), maybe<Value>([&] { return value(2); })});
    dag.notices = notices();
    for (uint64_t i = random_.below(3); i > 0; --i)
      dag.deadlines.push_back(
          {.of = all_deadline_references()[random_.below(4)], .after = duration(), .notices = notices()});
    dag.doc = text();
    has_mapped_group_ = random_.one_in(3);
    if (has_mapped_group_) {
      mapped_ = mapping();
      dag.groups.push_back(
          {.group_id = "g", .display_name = text(), .tooltip = text(), .doc = text(), .expand = mapped_});
    }
    if (flag())
      dag.groups.push_back({.group_id = "g.inner",
                            .display_name = text(),
                            .tooltip = text(),
                            .doc = text(),
                            .upstream = texts(),
                            .downstream_tasks = texts()});
    const uint64_t count = random_.below(6);
    for (uint64_t i = 0; i < count; ++i) {
      dag.tasks.push_back(task(static_cast<int>(i)));
      for (const int index : dag.tasks.back().upstream)
        dag.tasks[static_cast<size_t>(index)].downstream.push_back(static_cast<int>(i));
    }
    dag.source = text();
    if (dag.groups.empty()) {
      for (Task& each : dag.tasks) each.group_id.clear();  // in none that is not there
    }
    return dag;
  }

 private:
  bool flag() { return random_.one_in(2); }
  template <class T, class Make>
  std::optional<T> maybe(Make make) {
    return flag() ? std::optional<T>(make()) : std::nullopt;
  }
  int small(int otherwise) { return flag() ? otherwise : static_cast<int>(random_.below(100)); }
  Duration duration() { return Duration(static_cast<int64_t>(random_.below(1'000'000'000'000))); }
  std::string text() {
    static const char* const words[] = {"", "", "orders", "한글 \"이름\"", "a\nb\\c\t", "{{ ds }}", "x-y.z"};
    return words[random_.below(7)];
  }
  std::vector<std::string> texts() {
    std::vector<std::string> list;
    for (uint64_t i = random_.below(3); i > 0; --i) list.push_back(text());
    return list;
  }
  std::vector<Notice> notices() {
    std::vector<Notice> list;
    for (uint64_t i = random_.below(3); i > 0; --i) {
      Notice notice;
      notice.on = all_notice_events()[random_.below(4)];
      notice.way = static_cast<NoticeWay>(random_.below(3));
      notice.connection = text();
      notice.settings = map(2);
      notice.retries = small(5);
      if (flag()) notice.timeout = duration();
      notice.resends_unknown = flag();
      list.push_back(std::move(notice));
    }
    return list;
  }
  Value map(int depth) {
    Value made = Value::map();
    for (uint64_t i = random_.below(3); i > 0; --i) made.set("k" + std::to_string(i), value(depth - 1));
    return made;
  }
  Value value(int depth) {
    switch (random_.below(depth > 0 ? 7 : 5)) {
      case 0: return {};
      case 1: return flag();
      case 2: return static_cast<int64_t>(random_.next());
      case 3: return static_cast<double>(random_.below(1000)) / 8;
      case 4: return text();
      case 5: return Value(Value::List{value(depth - 1), value(depth - 1)});
      default: return map(depth);
    }
  }
  AssetCondition condition(int depth) {
    AssetCondition made;
    made.is = depth == 0 ? AssetCondition::Is::asset : static_cast<AssetCondition::Is>(random_.below(3));
    if (made.is == AssetCondition::Is::asset) {
      made.asset = text();
      return made;
    }
    for (uint64_t i = random_.below(3) + 1; i > 0; --i) made.parts.push_back(condition(depth - 1));
    return made;
  }
  Schedule schedule() {
    Schedule made;
    switch (random_.below(7)) {
      case 0: break;
      case 6: {
        std::vector<TimePoint> times;
        for (uint64_t i = random_.below(3) + 1; i > 0; --i) times.push_back(TimePoint(duration()));
        made.kind = TimesSchedule{std::move(times), flag()};
        break;
      }
      case 1: made.kind = OnceSchedule{}; break;
      case 2: made.kind = ContinuousSchedule{}; break;
      case 3: {
        CronSchedule cron;
        cron.crons.push_back(*parse_cron("30 2 * * mon#1"));
        if (flag()) cron.crons.push_back(*parse_cron("@daily"));
        cron.has_interval = flag();
        cron.dst.skipped = static_cast<DstPolicy::Skipped>(random_.below(2));
        cron.dst.repeated = static_cast<DstPolicy::Repeated>(random_.below(3));
        made.kind = cron;
        break;
      }
      case 4: made.kind = EverySchedule{duration(), flag()}; break;
      default: made.assets = condition(3);
    }
    if (flag()) made.assets = condition(2);
    if (flag()) made.timezone = "Asia/Seoul";
    made.start_date = maybe<TimePoint>([&] { return TimePoint(duration()); });
    made.end_date = maybe<TimePoint>([&] { return TimePoint(duration()); });
    made.catchup = flag();
    if (flag()) made.look_back = duration();
    if (flag()) made.calendar = calendar();
    return made;
  }
  std::vector<NamedDay> days() {
    std::vector<NamedDay> made;
    for (uint64_t i = random_.below(4); i > 0; --i)
      made.push_back({CivilDay(std::chrono::days(random_.below(30'000))), text()});
    put_in_order(made);
    return made;
  }
  Calendar calendar() {
    Calendar made;
    if (flag()) made.weekdays = static_cast<uint8_t>(random_.below(127) + 1);
    made.except = days();
    made.only = days();
    made.day_off = static_cast<Calendar::DayOff>(random_.below(3));
    made.day_of = static_cast<Calendar::DayOf>(random_.below(2));
    made.gaps = static_cast<Calendar::Gaps>(random_.below(2));
    return made;
  }
  Task task(int index) {
    Task made;
    made.task_id = "t" + std::to_string(index);
    made.operator_name = text();
    made.kind = static_cast<OperatorKind>(random_.below(3));
    made.parameters = map(3);
    for (int i = 0; i < index; ++i)
      if (random_.one_in(3)) made.upstream.push_back(i);
    made.trigger_rule = all_trigger_rules()[random_.below(all_trigger_rules().size())];
    made.retry = {small(0),
                  flag() ? duration() : made.retry.delay,
                  flag(),
                  maybe<Duration>([&] { return duration(); }),
                  flag() ? duration() : Duration(0),
                  texts(),
                  texts()};
    made.execution_timeout = maybe<Duration>([&] { return duration(); });
    made.timeout = maybe<Duration>([&] { return duration(); });
    if (flag()) made.poke_interval = duration();
    made.soft_fail = flag();
    if (flag()) made.pool = text();
    made.pool_slots = small(1);
    made.priority_weight = flag() ? 1 : -5;
    made.weight_rule = static_cast<WeightRule>(random_.below(3));
    if (flag()) made.queue = text();
    made.depends_on_past = flag();
    made.wait_for_downstream = flag();
    made.max_active_tis_per_dag = maybe<int>([&] { return small(3); });
    made.max_active_tis_per_dagrun = maybe<int>([&] { return small(3); });
    if (flag()) made.expand = mapping();
    made.group_id = text();
    if (has_mapped_group_ && random_.one_in(3)) {
      made.mapped_group = "g";
      made.expand = mapped_;
    }
    made.is_setup = flag();
    made.is_teardown = flag();
    made.on_failure_fail_dagrun = flag();
    made.inlets = texts();
    made.outlets = texts();
    made.connections = texts();
    made.default_connections = texts();
    made.connection_templates = texts();
    made.asking_templates = texts();
    made.needs_no_try = flag();
    made.choosing = static_cast<Choosing>(random_.below(3));
    made.notices = notices();
    made.doc = text();
    made.line = small(0);
    return made;
  }

  MapSpec mapping() {
    MapSpec spec;
    if (flag()) spec.combine = MapSpec::Combine::zip;
    spec.inputs.push_back({"item", Value::List{value(2), value(2)}});
    if (flag()) spec.inputs.push_back({"other", std::string("t0")});
    return spec;
  }

  Random random_;
  bool has_mapped_group_ = false;
  Mapping mapped_;
};

TEST_CASE("a DAG is the same after it was written and read, also as JSON") {
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    const Dag dag = Maker(seed).dag();
    const Value written = serialize(dag);
    const Result<Dag> again = deserialize(written);
    INFO("seed " << seed << ": " << to_json(written));
    REQUIRE(again);
    REQUIRE(*again == dag);
    const Result<Value> parsed = parse_json(to_json(written));
    REQUIRE(parsed);
    REQUIRE(*parsed == written);
  }
}

TEST_CASE("groups of a DAG from before they were listed are those that its tasks name") {
  const Result<Dag> dag = deserialize(*parse_json(R"({"format": 1, "dag_id": "a", "schedule": {"kind": "none"},
      "tasks": [{"task_id": "x", "operator": "bash", "group_id": "load.daily"}, {"task_id": "y", "operator": "bash"}]})"));
  REQUIRE(dag);
  CHECK(dag->groups.size() == 2);
  CHECK(dag->find_group("load.daily") != nullptr);
  CHECK(dag->find_group("load") != nullptr);
}

TEST_CASE("what is no serialized DAG is refused with the reason") {
  const auto error_of = [](const std::string& json) {
    const Result<Dag> dag = deserialize(*parse_json(json));
    REQUIRE_FALSE(dag);
    return dag.error().message;
  };
  CHECK(error_of("{}").find("`format`") != std::string::npos);
  CHECK(error_of(R"({"format": 3})") == "serialized DAG: written in format 3; this program reads up to 2");
  CHECK(error_of(R"({"format": 1, "dag_id": "a", "schedule": {"kind": "weekly"}, "tasks": []})") ==
        "schedule: `kind` is `weekly`, which is no kind of schedule");
  CHECK(error_of(R"({"format": 2, "dag_id": "a", "schedule": {"kind": "none"}, "groups": [{"group_id": "g"}],
                     "tasks": [{"task_id": "x", "operator": "bash", "mapped_group": "g"}]})") ==
        "serialized DAG: task `x` lies in `g`, which is no mapped task group");
  CHECK(error_of(R"({"format": 1, "dag_id": "a", "schedule": {"kind": "none"},
                     "tasks": [{"task_id": "x", "operator": "bash", "upstream": [0]}]})") ==
        "serialized DAG: task `x` has an upstream that does not come before it");
}

}  // namespace
}  // namespace udon
