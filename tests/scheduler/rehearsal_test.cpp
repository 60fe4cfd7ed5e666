#include "scheduler/rehearsal.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace udon;
using namespace std::chrono_literals;

namespace {

TimePoint at(const char* text) { return parse_time(text).value(); }

Dag daily(const std::string& id, const std::string& cron, const std::string& zone) {
  Dag dag{.dag_id = id, .file = id + ".yaml", .version = "1"};
  dag.schedule.kind = CronSchedule{.crons = {parse_cron(cron).value()}};
  dag.schedule.timezone = zone;
  return dag;
}

Task task(const std::string& id, std::vector<int> upstream = {}, const std::string& pool = "default_pool") {
  Task task{.task_id = id, .operator_name = "bash"};
  task.upstream = std::move(upstream);
  task.pool = pool;
  return task;
}

Dag with(Dag dag, std::vector<Task> tasks) {
  for (size_t i = 0; i < tasks.size(); ++i)
    for (const int upstream : tasks[i].upstream)
      tasks[static_cast<size_t>(upstream)].downstream.push_back(static_cast<int>(i));
  dag.tasks = std::move(tasks);
  return dag;
}

Rehearsal rehearsal(std::vector<Dag> dags, const char* from, const char* to) {
  Rehearsal made{.from = at(from), .to = at(to)};
  for (Dag& dag : dags) made.dags.push_back(std::make_shared<const Dag>(std::move(dag)));
  made.duration = [](const std::string&, const std::string&) { return Duration(10min); };
  made.mapped_length = [](const std::string&, const std::string&) { return int64_t{3}; };
  return made;
}

std::vector<RehearsedRun> played(const Rehearsal& what) {
  auto done = rehearse(what);
  if (!done) FAIL(done.error().message);
  return done->runs;
}

const RehearsedTask& find(const RehearsedRun& run, const std::string& task_id) {
  const auto found = std::ranges::find(run.tasks, task_id, [](const RehearsedTask& task) { return task.row.task_id; });
  REQUIRE(found != run.tasks.end());
  return *found;
}

}  // namespace

TEST_CASE("a rehearsal follows the clock of the DAG's zone through daylight saving, and repeats nothing of the past") {
  Dag dag = with(daily("nightly", "30 2 * * *", "Europe/Berlin"), {task("load")});
  dag.schedule.start_date = at("2020-01-01T00:00:00Z");
  dag.schedule.catchup = true;
  const auto runs = played(rehearsal({dag}, "2026-03-28T01:30:00Z", "2026-03-31T00:00:00Z"));
  REQUIRE(runs.size() == 3);
  CHECK(runs[0].row.run_after == at("2026-03-28T01:30:00Z"));
  CHECK(runs[1].row.run_after == at("2026-03-29T01:00:00Z"));  // 02:30 was skipped: 03:00 in summer time
  CHECK(runs[2].row.run_after == at("2026-03-30T00:30:00Z"));
  for (const RehearsedRun& run : runs) {
    CHECK(run.row.state == RunState::success);
    CHECK(run.row.end_date == run.row.run_after + 10min);
    CHECK(!find(run, "load").waited);
  }
}

TEST_CASE("who waits in a rehearsal is told for what, and for how long") {
  const Dag dag =
      with(daily("shop", "0 * * * *", "UTC"), {task("a", {}, "narrow"), task("b", {}, "narrow"), task("c", {0, 1})});
  Rehearsal what = rehearsal({dag}, "2026-01-01T00:00:00Z", "2026-01-01T00:59:00Z");
  what.pools = {{.name = "narrow", .slots = 1}};
  const auto runs = played(what);
  REQUIRE(runs.size() == 1);
  CHECK(!find(runs[0], "a").waited);
  const RehearsedTask& second = find(runs[0], "b");
  REQUIRE(second.waited);
  CHECK(second.waited->kind == ReasonKind::pool_full);
  CHECK(*second.row.queued_at - *second.row.scheduled_at == Duration(10min));
  CHECK(find(runs[0], "c").row.start_date == at("2026-01-01T00:20:00Z"));
  CHECK(runs[0].row.end_date == at("2026-01-01T00:30:00Z"));

  what.pools = {{.name = "narrow", .slots = 2}};
  CHECK(played(what)[0].row.end_date == at("2026-01-01T00:20:00Z"));
}

TEST_CASE("a rehearsal ends when it is told to: what runs then has no end, what waits for its turn has not begun") {
  Dag dag = with(daily("slow", "*/5 * * * *", "UTC"), {task("a")});
  dag.max_active_runs = 1;
  dag.schedule.start_date = at("2025-01-01T00:00:00Z");
  dag.schedule.catchup = true;
  const auto runs = played(rehearsal({dag}, "2026-01-01T00:00:00Z", "2026-01-01T00:15:00Z"));
  REQUIRE(runs.size() == 2);
  CHECK(runs[0].row.end_date == at("2026-01-01T00:10:00Z"));
  CHECK(runs[1].row.run_after == at("2026-01-01T00:05:00Z"));
  CHECK(runs[1].row.start_date == at("2026-01-01T00:10:00Z"));
  CHECK(!runs[1].row.end_date);
  const auto done = rehearse(rehearsal({dag}, "2026-01-01T00:00:00Z", "2026-01-01T00:15:00Z"));
  REQUIRE(done);
  REQUIRE(done->behind.size() == 1);
  CHECK(done->behind.at("slow") == at("2026-01-01T00:10:00Z"));
}

TEST_CASE("who waits in a rehearsal for what becomes of the run before is told so") {
  Task first = task("first"), last = task("last", {0});
  first.depends_on_past = first.wait_for_downstream = true;
  Dag dag = with(daily("chain", "0 * * * *", "UTC"), {first, last});
  Rehearsal what = rehearsal({dag}, "2026-01-01T00:00:00Z", "2026-01-01T02:30:00Z");
  what.duration = [](const std::string&, const std::string&) { return Duration(40min); };
  const auto runs = played(what);
  REQUIRE(runs.size() == 3);
  CHECK(!find(runs[0], "first").waited);
  CHECK(!find(runs[0], "last").waited);
  REQUIRE(find(runs[1], "first").waited);
  CHECK_THAT(find(runs[1], "first").waited->text, Catch::Contains("depends on the run before: `last` of"));
  CHECK(find(runs[1], "first").waited_time == 20min);
  REQUIRE(find(runs[2], "first").waited);
  CHECK(find(runs[2], "first").row.state == TaskState::none);
  CHECK(!find(runs[2], "first").waited_time);
  CHECK(!find(runs[2], "last").waited);
}

TEST_CASE("a task that is mapped over what another gives has as many instances as it is said to have") {
  Task mapped = task("load", {0});
  mapped.expand = MapSpec{.inputs = {{.name = "item", .source = "list"}}};
  const Dag dag = with(daily("fleet", "0 0 * * *", "UTC"), {task("list"), mapped});
  const auto runs = played(rehearsal({dag}, "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"));
  REQUIRE(runs.size() == 1);
  CHECK(std::ranges::count(runs[0].tasks, "load", [](const RehearsedTask& task) { return task.row.task_id; }) == 3);
  CHECK(runs[0].row.state == RunState::success);
}

TEST_CASE("a task that is mapped over the product of two lists has as many instances as it is said to have") {
  Task mapped = task("load", {0, 1});
  mapped.expand = MapSpec{.inputs = {{.name = "a", .source = "as"}, {.name = "b", .source = "bs"}}};
  const Dag dag = with(daily("fleet", "0 0 * * *", "UTC"), {task("as"), task("bs"), mapped});
  const auto runs = played(rehearsal({dag}, "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"));
  REQUIRE(runs.size() == 1);
  CHECK(runs[0].tasks.size() == 2 + 3);
}

TEST_CASE("more task instances than anybody reads are an error that says what to do") {
  const Dag dag = with(daily("busy", "* * * * *", "UTC"), {task("a")});
  Rehearsal what = rehearsal({dag}, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
  what.instances_max = 60;
  const auto runs = rehearse(what);
  REQUIRE(!runs);
  CHECK_THAT(runs.error().message,
             Catch::Contains("more than 60 task instances until 2026-01-01T01:00:00Z: name fewer"));
}

TEST_CASE("a rehearsal ends though a DAG of tasks that take no time runs continuously, and says where it was cut") {
  Dag endless{.dag_id = "endless", .file = "endless.yaml", .version = "1"};
  endless.schedule.kind = ContinuousSchedule{};
  endless.max_active_runs = 1;
  Task nothing{.task_id = "nothing", .operator_name = "empty"};
  nothing.needs_no_try = true;
  Dag busy = endless;
  busy.dag_id = "busy";
  Rehearsal what =
      rehearsal({with(endless, {nothing}), with(busy, {task("a")})}, "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z");
  what.continuous_runs_max = 100;
  const auto done = rehearse(what);
  REQUIRE(done);
  REQUIRE(done->cut.size() == 1);
  CHECK(done->cut.begin()->first == "endless");
  const auto runs_of = [&](const char* dag_id) {
    return std::ranges::count(done->runs, dag_id, [](const RehearsedRun& run) { return run.row.dag_id; });
  };
  CHECK(runs_of("endless") >= 100);
  CHECK(runs_of("endless") <= 110);
  CHECK(runs_of("busy") == 6);
  // One a second.
  CHECK(done->cut.begin()->second >= at("2026-01-01T00:01:39Z"));
  CHECK(done->cut.begin()->second <= at("2026-01-01T00:01:50Z"));
}

TEST_CASE("a run that a task triggers begins with that task, and who waits for its end ends with it") {
  const auto triggering = [](const std::string& id, Value parameters) {
    Task made = task(id);
    made.operator_name = "trigger_dag_run";
    made.parameters = std::move(parameters);
    return made;
  };
  Dag child{.dag_id = "child", .file = "child.yaml", .version = "1"};
  child.schedule.kind = NoSchedule{};
  Dag parent = with(daily("parent", "0 3 * * *", "UTC"),
                    {triggering("goes_on", Value::Map{{"trigger_dag_id", "child"}}),
                     triggering("waits", Value::Map{{"trigger_dag_id", "child"}, {"wait_for_completion", true}}),
                     triggering("elsewhere", Value::Map{{"trigger_dag_id", "other"}, {"wait_for_completion", true}}),
                     triggering("anywhere", Value::Map{{"trigger_dag_id", "{{ params.dag }}"}})});
  parent.schedule.start_date = at("2020-01-01T00:00:00Z");
  const auto done = rehearse(rehearsal({parent, with(child, {task("first"), task("last", {0})})},
                                       "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"));
  REQUIRE(done);
  REQUIRE(done->runs.size() == 3);
  const TimePoint three = at("2026-01-01T03:00:00Z");
  for (const RehearsedRun& run : done->runs) {
    CHECK(run.row.state == RunState::success);
    CHECK(run.row.start_date == three);
    if (run.row.dag_id == "child") CHECK(run.row.end_date == three + 20min);
  }
  const auto is_parent = [](const RehearsedRun& run) { return run.row.dag_id == "parent"; };
  const RehearsedRun& run = *std::ranges::find_if(done->runs, is_parent);
  CHECK(find(run, "goes_on").row.end_date == three + 10min);
  CHECK(find(run, "waits").row.end_date == three + 20min);
  CHECK(find(run, "elsewhere").row.end_date == three + 10min);
  REQUIRE(done->not_triggered.size() == 2);
  CHECK(done->not_triggered.at("parent.elsewhere") == "`other`, which it triggers, is not played; name it, too");
  CHECK(done->not_triggered.at("parent.anywhere") == "which DAG it triggers is told by a template");
}

TEST_CASE("in a rehearsal a short circuit lets go on, and a branch follows all that it may choose") {
  Task condition = task("condition"), branch = task("branch");
  condition.choosing = Choosing::short_circuit;
  branch.choosing = Choosing::branch;
  const Dag dag = with(daily("chooser", "0 3 * * *", "UTC"),
                       {condition, branch, task("near", {0}), task("far", {2}), task("left", {1}), task("right", {1})});
  const auto runs = played(rehearsal({dag}, "2026-01-01T00:00:00Z", "2026-01-01T12:00:00Z"));
  REQUIRE(runs.size() == 1);
  for (const RehearsedTask& one : runs[0].tasks) {
    INFO(one.row.task_id);
    CHECK(one.row.state == TaskState::success);
  }
  CHECK(runs[0].row.end_date == at("2026-01-01T03:30:00Z"));
}

TEST_CASE("in a rehearsal wait_until and wait_for_task wait for what they name") {
  const auto waiting = [](const std::string& id, const char* operator_name, Value parameters) {
    Task made = task(id);
    made.operator_name = operator_name;
    made.kind = OperatorKind::sensor;
    made.parameters = std::move(parameters);
    return made;
  };
  const auto for_task = [&](const std::string& id, Value parameters) {
    return waiting(id, "wait_for_task", std::move(parameters));
  };
  Task impatient = for_task("impatient", Value::Map{{"external_dag_id", "other"}, {"execution_delta", "1m"}});
  impatient.timeout = 1h;
  const Value::List load{"load"};
  Dag here =
      with(daily("here", "0 4 * * *", "UTC"),
           {waiting("moment", "wait_until", Value::Map{{"at", "{{ logical_date }}"}, {"plus", "20m"}}),
            waiting("anytime", "wait_until", Value::Map{{"at", "{{ var.value.moment }}"}}),
            for_task("tonight",
                     Value::Map{{"external_dag_id", "other"}, {"external_task_ids", load}, {"execution_delta", "1h"}}),
            for_task("whole", Value::Map{{"external_dag_id", "other"}, {"execution_delta", "1h"}}),
            for_task("yesterday", Value::Map{{"external_dag_id", "other"}, {"execution_delta", "25h"}}),
            for_task("elsewhere", Value::Map{{"external_dag_id", "unknown"}}),
            for_task("misspelt", Value::Map{{"external_dag_id", "other"}, {"external_task_ids", Value::List{"lod"}}}),
            for_task("in_vain", Value::Map{{"external_dag_id", "other"}}), impatient});
  Dag other = with(daily("other", "0 3 * * *", "UTC"), {task("load"), task("check", {0})});
  for (Dag* dag : {&here, &other}) dag->schedule.start_date = at("2020-01-01T00:00:00Z");
  Rehearsal what = rehearsal({here, other}, "2026-01-01T00:00:00Z", "2026-01-01T12:00:00Z");
  what.duration = [](const std::string&, const std::string& task_id) {
    return Duration(task_id == "load" ? 2h : 30min);
  };
  const auto done = rehearse(what);
  REQUIRE(done);
  const auto is_here = [](const RehearsedRun& run) { return run.row.dag_id == "here"; };
  const auto found = std::ranges::find_if(done->runs, is_here);
  REQUIRE(found != done->runs.end());
  const auto end_of = [&](const char* task_id) { return find(*found, task_id).row.end_date; };
  const TimePoint four = at("2026-01-01T04:00:00Z");
  CHECK(end_of("moment") == four + 20min);
  CHECK(end_of("anytime") == four + 30min);
  CHECK(end_of("tonight") == four + 1h);
  CHECK(end_of("whole") == four + 90min);
  CHECK(end_of("yesterday") == four);  // it has been run
  CHECK(end_of("elsewhere") == four + 30min);
  CHECK(find(*found, "misspelt").row.state == TaskState::failed);
  CHECK_THAT(find(*found, "misspelt").row.note, Catch::Contains("has no task `lod`; did you mean `load`"));
  CHECK(find(*found, "in_vain").row.state == TaskState::deferred);
  REQUIRE(find(*found, "in_vain").waited);
  CHECK_THAT(find(*found, "in_vain").waited->text,
             Catch::Contains("DAG other has no run of logical date 2026-01-01T04:00:00Z yet"));
  CHECK(find(*found, "impatient").row.state == TaskState::failed);
  CHECK(end_of("impatient") == four + 1h);
  REQUIRE(done->usual_waits.size() == 2);
  CHECK(done->usual_waits.at("here.elsewhere") == "DAG `unknown` is not played; name it, too");
  CHECK_THAT(done->usual_waits.at("here.anytime"), Catch::Contains("told by a template"));
}
