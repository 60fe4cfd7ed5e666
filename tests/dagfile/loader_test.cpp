// What good DAG files mean. What bad ones get is in diagnostics_test.cpp.
#include <unistd.h>

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "dagfile/asset_cycles.h"
#include "dagfile/catalog.h"
#include "dagfile/connections.h"
#include "dagfile/loader/files.h"
#include "dagfile/loader/load.h"
#include "dagfile/loader/yaml.h"
#include "dagfile/schema.h"
#include "dagfile/serialize.h"
#include "plugins/spec/builtin.h"
#include "tests/dagfile/operators.h"
#include "tests/golden.h"

namespace udon {
namespace {

const OperatorCatalog& operators() {
  static const OperatorCatalog catalog = test::operators();
  return catalog;
}

std::string told(const LoadedFile& loaded) {
  std::string text;
  for (const Diagnostic& diagnostic : loaded.diagnostics) text += to_string(diagnostic) + "\n";
  return text;
}

LoadedFile load(const std::string& text) { return load_dag_text(".", "dags.yaml", text, operators()); }

Dag dag_of(const std::string& text) {
  const LoadedFile loaded = load(text);
  INFO(told(loaded));
  REQUIRE(loaded.dags.size() == 1);
  return *loaded.dags[0];
}

const Task& task_of(const Dag& dag, const std::string& id) {
  REQUIRE(dag.index_of(id) >= 0);
  return dag.tasks[static_cast<size_t>(dag.index_of(id))];
}

std::string ids_of(const Dag& dag) {
  std::string ids;
  for (const Task& task : dag.tasks) ids += task.task_id + " ";
  return ids;
}

TEST_CASE("a DAG with every word means what it says") {
  const std::string text = R"(
dag: everything
description: All words of a DAG
schedule: {cron: "30 2 * * *", interval: true}
timezone: Asia/Seoul
dst: {skipped: skip, repeated: both}
start_date: 2026-01-01
end_date: 2026-12-31T00:00:00Z
catchup: true
max_active_runs: 2
max_active_tasks: 3
max_consecutive_failed_dag_runs: 4
dagrun_timeout: 1d
tags: [lake, 한글]
owners: data
is_paused_upon_creation: true
doc: "# Everything"
deadline: {after: 2h, of: run_after, notify: {webhook: slack}}
on_failure: {email: mail, to: data@example.com, subject: "실패 {{ run_id }}"}
params:
  lake: {type: string, default: "s3://lake", description: Where}
  limit: 10
default_args: {retries: 3, retry_delay: 1m, pool: replica, connection: replica, poke_interval: 5s}
tasks:
  last:
    operator: bash
    after: [first, waiting]
    command: echo {{ ds }}
    trigger_rule: all_done
    retries: 0
    retry_exponential_backoff: true
    max_retry_delay: 1h
    execution_timeout: 2h
    pool: default_pool
    pool_slots: 2
    priority_weight: -5
    weight_rule: absolute
    queue: big
    depends_on_past: true
    max_active_tis_per_dag: 5
    max_active_tis_per_dagrun: 6
    group: extract.mysql
    teardown: true
    inlets: ["lake://a"]
    outlets: lake://b
    doc: The last
    on_success: {command: [logger, "{{ ti.task_id }}"], timeout: 5s}
    on_retry: [{webhook: slack, body: {n: 1}, retries: 2, when_unknown: resend}]
  first:
    operator: export
    table: orders
    columns: '*'
    to: "{{ params.lake }}/orders/"
    expand: {item: [1, 2], name: [a, b, c]}
    setup: true
  waiting: {operator: wait, timeout: 1h, soft_fail: true, wait_for_downstream: true}
)";
  const Dag dag = dag_of(text);
  test::check_golden("tests/golden/everything.json", to_json_pretty(serialize(dag)) + "\n");
  CHECK(ids_of(dag) == "first waiting last ");
  CHECK(task_of(dag, "last").upstream == std::vector<int>{0, 1});
  CHECK(task_of(dag, "first").downstream == std::vector<int>{2});
  CHECK(format_time(*dag.schedule.start_date) == "2025-12-31T15:00:00Z");
  CHECK(known_length(*task_of(dag, "first").expand) == 6);
}

TEST_CASE("schedules in all their forms") {
  const auto kind = [](const std::string& schedule) {
    return dag_of("dag: a\nschedule: " + schedule + "\ntasks: {t: {operator: empty}}\n").schedule.kind;
  };
  const auto shown = [](const std::string& schedule) {
    return dag_of("dag: a\nschedule: " + schedule + "\ntasks: {t: {operator: empty}}\n").schedule_text;
  };
  CHECK(std::holds_alternative<NoSchedule>(dag_of("dag: a\ntasks: {t: {operator: empty}}").schedule.kind));
  CHECK(std::holds_alternative<NoSchedule>(kind("none")));
  CHECK(std::holds_alternative<NoSchedule>(kind("null")));
  CHECK(std::holds_alternative<NoSchedule>(kind("")));
  CHECK(std::holds_alternative<OnceSchedule>(kind("\"@once\"")));
  CHECK(std::holds_alternative<ContinuousSchedule>(kind("'@continuous'")));
  CHECK_FALSE(std::get<CronSchedule>(kind("\"@daily\"")).has_interval);
  CHECK_FALSE(std::get<CronSchedule>(kind("30 2 * * *")).has_interval);
  CHECK(std::get<CronSchedule>(kind("{cron: \"0 0 * * *\", interval: true}")).has_interval);
  CHECK(std::get<CronSchedule>(kind("[\"0 0 * * *\", \"0 12 * * 1-5\"]")).crons.size() == 2);
  CHECK(std::get<CronSchedule>(kind("{cron: [\"0 0 * * *\", \"@weekly\"]}")).crons.size() == 2);
  CHECK(std::get<EverySchedule>(kind("{every: 15m}")) == EverySchedule{std::chrono::minutes(15), true});
  CHECK_FALSE(std::get<EverySchedule>(kind("{every: 15m, interval: false}")).has_interval);
  CHECK(std::holds_alternative<NoSchedule>(kind("{assets: [a, b]}")));
  CHECK(std::holds_alternative<CronSchedule>(kind("{assets: a, cron: '@daily'}")));
  CHECK(std::get<CronSchedule>(kind("{cron: [\"0 0 * * *\", \"0 12 * * *\"], interval: true}")).has_interval);
  const auto look_back = [](const std::string& schedule) {
    return dag_of("dag: a\nschedule: " + schedule + "\ntasks: {t: {operator: empty}}\n").schedule.look_back;
  };
  CHECK(look_back("{cron: [\"0 0 * * *\", \"0 12 * * *\"], interval: 1d}") == std::chrono::hours(24));
  CHECK_FALSE(std::get<EverySchedule>(kind("{every: 15m, interval: 1h}")).has_interval);
  const auto times = std::get<TimesSchedule>(
      dag_of("dag: a\ntimezone: Asia/Seoul\nschedule: {times: [2026-02-17T09:30:00, '2026-01-01', "
             "2026-02-17T00:30:00Z, 2026-02-17T00:00:00Z]}\ntasks: {t: {operator: empty}}\n")
          .schedule.kind);
  CHECK_FALSE(times.has_interval);
  std::string listed;
  for (const TimePoint time : times.times) listed += format_time(time) + " ";
  CHECK(listed == "2025-12-31T15:00:00Z 2026-02-17T00:00:00Z 2026-02-17T00:30:00Z ");
  CHECK(std::get<TimesSchedule>(kind("{times: [2026-02-17], interval: true}")).has_interval);
  CHECK(shown("{times: [2026-02-17, 2026-02-18T06:00:00Z]}") == "at 2 times");
  CHECK(shown("{times: [2026-02-17]}") == "at 2026-02-17T00:00:00Z");
  CHECK(shown("none").empty());
  CHECK(shown("30 2 * * *") == "30 2 * * *");
  CHECK(shown("{every: 90m}") == "every 1h30m");
  CHECK(shown("[\"0 0 * * *\", \"@weekly\"]") == "0 0 * * *, @weekly");
  CHECK(shown("{assets: [a, b]}") == "assets a & b");
  CHECK(shown("{assets: 's3://호수/주문'}") == "assets s3://호수/주문");
  CHECK(shown("{assets: {any: [a, {all: [b, c]}]}}") == "assets a | (b & c)");
  CHECK(shown("{assets: {any: [a, b]}, cron: '@daily'}") == "@daily or assets a | b");
  CHECK(shown("{assets: a, every: 1h}") == "every 1h or assets a");
}

TEST_CASE("a calendar is weekdays, and days with their names from files and lists") {
  const LoadedFile loaded =
      load_dag_text(test::source_folder() / "tests/golden", "dags.yaml",
                    "dag: a\nschedule: '@daily'\ncalendar: {weekdays: [mon, Fri], skip: [2026-12-31, "
                    "diagnostics/lists/holidays.txt], day_off: previous}\ntasks: {t: {operator: empty}}\n",
                    operators());
  INFO(told(loaded));
  REQUIRE(loaded.dags.size() == 1);
  const Calendar calendar = loaded.dags[0]->schedule.calendar.value();
  CHECK(calendar.weekdays == ((1 << 1) | (1 << 5)));
  CHECK(calendar.day_off == Calendar::DayOff::previous);
  std::string days;
  for (const NamedDay& day : calendar.except)
    days += format_time(TimePoint(day.day.time_since_epoch())).substr(5, 5) + " " + day.name + ", ";
  CHECK(days ==
        "01-01 신정, 02-16 설날 전날, 02-17 설날, 02-18 설날, 다음날, 03-01 삼일절, 03-02 대체공휴일(삼일절), 05-05 , "
        "12-31 , ");
}

TEST_CASE("dates without an offset are the zone's own, through daylight saving") {
  const auto start = [](const std::string& date, const std::string& zone) {
    return format_time(
        *dag_of("dag: a\ntimezone: " + zone + "\nstart_date: " + date + "\ntasks: {t: {operator: empty}}")
             .schedule.start_date);
  };
  CHECK(start("2026-01-31", "UTC") == "2026-01-31T00:00:00Z");
  CHECK(start("2026-07-01", "Europe/Berlin") == "2026-06-30T22:00:00Z");
  CHECK(start("2026-01-01 09:30:00", "Asia/Seoul") == "2026-01-01T00:30:00Z");
  CHECK(start("2026-01-01T09:30:00.250", "Asia/Seoul") == "2026-01-01T00:30:00.250000Z");
  CHECK(start("2026-01-01T09:30:00+02:00", "Asia/Seoul") == "2026-01-01T07:30:00Z");
  CHECK(start("2026-03-29T02:30:00", "Europe/Berlin") == "2026-03-29T01:00:00Z");  // skipped: the end of the gap
}

TEST_CASE("tasks keep their order as far as dependencies allow") {
  CHECK(ids_of(dag_of("dag: a\ntasks: {c: {operator: empty}, b: {operator: empty}, a: {operator: empty}}")) ==
        "c b a ");
  CHECK(ids_of(dag_of("dag: a\ntasks: {d: {operator: empty, after: [a]}, c: {operator: empty}, b: {operator: empty, "
                      "after: c}, a: {operator: empty}}")) == "c b a d ");
  CHECK(ids_of(dag_of(
            "dag: a\ntasks:\n- {task_id: y, operator: empty, after: x}\n- {task_id: x, operator: empty}\n")) == "x y ");
}

TEST_CASE("default_args reach what takes them, and a task's own word wins") {
  const Dag dag = dag_of(R"(
dag: a
default_args: {retries: 2, timeout: 1h, command: "echo default", memory: 1GB}
tasks:
  own: {operator: bash, command: echo own, retries: 5}
  none: {operator: empty}
  dflt: {operator: bash}
  sensor: {operator: wait, connection: c}
  export: {operator: export, connection: c, table: t, columns: [id], to: out/}
)");
  CHECK(task_of(dag, "own").parameters.text("command") == "echo own");
  CHECK(task_of(dag, "own").retry.retries == 5);
  CHECK(task_of(dag, "dflt").parameters.text("command") == "echo default");
  CHECK(task_of(dag, "dflt").retry.retries == 2);
  CHECK(task_of(dag, "none").parameters == Value::map());
  CHECK_FALSE(task_of(dag, "own").timeout);
  CHECK(task_of(dag, "sensor").timeout == std::chrono::hours(1));
  CHECK(task_of(dag, "sensor").kind == OperatorKind::sensor);
  CHECK(task_of(dag, "export").parameters.text("memory") == "1GB");
}

TEST_CASE("a try may open the connections that its file names, and its operator's defaults") {
  const Dag dag = dag_of(R"(
dag: a
tasks:
  named: {operator: export, connection: replica, mask_key: key, table: t, columns: [id], to: "s3://a/b"}
  own: {operator: export, connection: replica, to_connection: aws_default, table: t, columns: [id], to: out/}
  template: {operator: export, connection: "{{ item.connection }}", table: t, columns: [id], to: out/, expand: {item: [{connection: x}]}}
  used: {operator: bash, command: "curl {{ conn.api.host | shell_quote }} {{ conn['b-c'].port | int }}"}
  any: {operator: bash, command: "curl {{ conn[item].host | shell_quote }}", expand: {item: [x]}}
  job: {operator: submit}
)");
  using Names = std::vector<std::string>;
  CHECK(task_of(dag, "named").connections == Names{"replica", "aws_default", "key"});
  CHECK(task_of(dag, "named").default_connections == Names{"aws_default"});
  CHECK(task_of(dag, "own").connections == Names{"replica", "aws_default"});
  CHECK(task_of(dag, "own").default_connections.empty());
  CHECK(task_of(dag, "template").connections == Names{"aws_default"});
  CHECK(task_of(dag, "template").connection_templates == Names{"{{ item.connection }}"});
  CHECK(task_of(dag, "used").connections == Names{"api", "b-c"});
  CHECK(task_of(dag, "used").asking_templates.empty());
  CHECK(task_of(dag, "any").asking_templates == Names{"curl {{ conn[item].host | shell_quote }}"});
  CHECK(task_of(dag, "job").connections == Names{"cluster_default"});
}

TEST_CASE("a template that chooses a connection names just that one, for each try anew") {
  using Names = std::vector<std::string>;
  const auto chosen = [](const std::string& task, const std::string& context) {
    const Dag dag = dag_of("dag: a\nparams: {shop: x}\ntasks:\n  t: {" + task + "}\n");
    return connections_in_templates(task_of(dag, "t"), *parse_json(context));
  };
  const std::string mapped = R"(operator: bash, expand: {item: [x]}, command: )";
  CHECK(chosen(R"(operator: export, connection: "{{ item.db }}", table: t, columns: [id], to: o/, expand: {item: [1]})",
               R"({"item": {"db": "shop_3"}})") == Names{"shop_3"});
  CHECK(chosen(R"(operator: export, connection: "db_{{ params.shop }}", table: t, columns: [id], to: o/)",
               R"({"params": {"shop": "서울"}})") == Names{"db_서울"});
  CHECK(
      chosen(mapped +
                 R"("{{ conn[item].host | int }} {{ conn.get(item ~ '_b').port | int }} {{ conn.fixed.port | int }}")",
             R"({"item": "a"})") == Names{"a", "a_b", "fixed"});
  // What the context does not have names nothing, and is no reason to stop.
  CHECK(chosen(mapped + R"("{{ conn[item.gone.away].host | int }}")", R"({"item": "a"})").empty());
  CHECK(chosen("operator: bash, command: \"true\"", "{}").empty());
}

TEST_CASE("a connection that only the try can know of must be listed") {
  const auto said = [](const std::string& task) {
    return told(load("dag: a\ntasks:\n  u: {operator: empty}\n  t: {after: [u], " + task + "}\n"));
  };
  const std::string unknown =
      "which connection this opens is known only when the try runs; list those that it may be: "
      "`connections: [...]`";
  for (const char* id : {"{{ ti.xcom_pull('u') }}", "{{ var.value.db }}", "{{ conn.other.schema }}"}) {
    const std::string task =
        std::string("operator: export, table: t, columns: [id], to: o/, connection: \"") + id + "\"";
    CHECK(said(task) == "dags.yaml:4:82: error: task `t`: " + unknown + "\n");
    CHECK(said(task + ", connections: [shop_1, shop_2]").empty());
  }
  CHECK_THAT(said("operator: bash, command: \"{{ conn[ti.xcom_pull('u')].port | int }}\""), Catch::Contains(unknown));
  const Dag dag = dag_of(
      "dag: a\ntasks: {t: {operator: bash, command: \"{{ conn[var.value.db].port | int }}\", "
      "connections: [shop_1, shop_2]}}");
  CHECK(task_of(dag, "t").connections == std::vector<std::string>{"shop_1", "shop_2"});
}

TEST_CASE("a teardown follows its setups and has their trigger rule") {
  const Dag dag = dag_of(
      "dag: a\ntasks: {make: {operator: empty, setup: true}, work: {operator: empty, after: [make]}, "
      "drop: {operator: empty, after: [work], teardown: make}, gone: {operator: empty, teardown: [make], "
      "trigger_rule: all_done, on_failure_fail_dagrun: true}, kept: {operator: empty, teardown: false}}");
  const Task& drop = task_of(dag, "drop");
  CHECK(drop.is_teardown);
  CHECK(drop.trigger_rule == TriggerRule::all_done_setup_success);
  CHECK(drop.upstream == std::vector<int>{dag.index_of("make"), dag.index_of("work")});
  CHECK_FALSE(drop.on_failure_fail_dagrun);
  CHECK(task_of(dag, "gone").trigger_rule == TriggerRule::all_done);
  CHECK(task_of(dag, "gone").on_failure_fail_dagrun);
  CHECK_FALSE(task_of(dag, "kept").is_teardown);
  CHECK(task_of(dag, "kept").trigger_rule == TriggerRule::all_success);
}

TEST_CASE("what comes after a task group comes after its last tasks, and a group's word reaches those in it") {
  const Dag dag = dag_of(R"(
dag: a
default_args: {retries: 1, pool: wide, queue: far}
task_groups:
  each:
    group_display_name: Each shop
    tooltip: 가게마다
    doc: "# Shops"
    after: [prepare]
    expand_zip: {shop: {xcom: shops}, code: [1, 2]}
    default_args: {retries: 2, pool: narrow}
  each.checks: {after: [load], default_args: {retries: 3}}
tasks:
  shops: {operator: empty}
  prepare: {operator: empty}
  make: {operator: empty, group: each, setup: true}
  load: {operator: empty, group: each, after: make}
  rows: {operator: empty, group: each.checks}
  names: {operator: empty, group: each.checks, retries: 4}
  drop: {operator: empty, group: each, after: each.checks, teardown: make}
  tell: {operator: empty, after: each}
  alone: {operator: empty, after: each.checks}
)");
  const auto upstream = [&](const std::string& id) {
    std::string ids;
    for (const int before : task_of(dag, id).upstream) ids += dag.tasks[static_cast<size_t>(before)].task_id + " ";
    return ids;
  };
  CHECK(upstream("make") == "shops prepare ");
  CHECK(upstream("load") == "make ");
  CHECK(upstream("rows") == "load ");
  CHECK(upstream("names") == "load ");
  CHECK(upstream("drop") == "make rows names ");
  CHECK(upstream("tell") == "rows names ");  // not after the teardown
  CHECK(upstream("alone") == "rows names ");
  REQUIRE(dag.groups.size() == 2);
  CHECK(dag.groups[0] == TaskGroup{.group_id = "each",
                                   .display_name = "Each shop",
                                   .tooltip = "가게마다",
                                   .doc = "# Shops",
                                   .expand = task_of(dag, "rows").expand,
                                   .upstream = {"prepare", "shops"},
                                   .downstream_tasks = {"tell"}});
  CHECK(dag.groups[1].group_id == "each.checks");
  CHECK(dag.groups[1].upstream == std::vector<std::string>{"load"});
  CHECK(dag.groups[1].downstream_tasks == std::vector<std::string>{"drop", "alone"});
  CHECK_FALSE(dag.groups[1].expand);
  CHECK(task_of(dag, "rows").mapped_group == "each");
  CHECK(task_of(dag, "rows").expand->combine == MapSpec::Combine::zip);
  CHECK(task_of(dag, "rows").expand->inputs[0].name == "shop");
  CHECK(task_of(dag, "tell").mapped_group.empty());
  CHECK(task_of(dag, "tell").retry.retries == 1);
  CHECK(task_of(dag, "load").retry.retries == 2);
  CHECK(task_of(dag, "rows").retry.retries == 3);
  CHECK(task_of(dag, "names").retry.retries == 4);
  CHECK(task_of(dag, "rows").pool == "narrow");
  CHECK(task_of(dag, "rows").queue == "far");
  test::check_golden("tests/golden/task_groups.json", to_json_pretty(serialize(dag)) + "\n");
}

TEST_CASE("groups that say nothing of themselves need not be declared") {
  const Dag dag = dag_of("dag: a\ntasks: {t: {operator: empty, group: x.y.z}, u: {operator: empty, after: [x]}}\n");
  std::string ids;
  for (const TaskGroup& group : dag.groups) ids += group.group_id + " ";
  CHECK(ids == "x x.y x.y.z ");
  CHECK(task_of(dag, "u").upstream == std::vector<int>{0});
}

TEST_CASE("which failures are tried again is told by words and exit codes") {
  const Dag dag = dag_of(
      "dag: a\ndefault_args: {retry_on: unavailable, retry_jitter: 30s}\n"
      "tasks: {a: {operator: empty, no_retry_on: [2, out_of_memory]}}");
  const RetryPolicy& retry = task_of(dag, "a").retry;
  CHECK(retry.retry_on == std::vector<std::string>{"unavailable"});
  CHECK(retry.no_retry_on == std::vector<std::string>{"2", "out_of_memory"});
  CHECK(retry.jitter == std::chrono::seconds(30));
}

TEST_CASE("a task whose operator chooses is known as one") {
  const Dag dag =
      dag_of("dag: a\ntasks: {how: {operator: branch, choose: b}, b: {operator: bash, command: 'true', after: [how]}}");
  CHECK(task_of(dag, "how").choosing == Choosing::branch);
  CHECK(task_of(dag, "b").choosing == Choosing::nothing);
}

TEST_CASE("a task whose operator does nothing needs no try, unless it reads or makes an asset") {
  const Dag dag = dag_of(
      "dag: a\ntasks: {a: {operator: empty}, b: {operator: empty, outlets: [x]}, c: {operator: empty, inlets: [x]}, "
      "d: {operator: bash, command: 'true'}}");
  CHECK(task_of(dag, "a").needs_no_try);
  CHECK_FALSE(task_of(dag, "b").needs_no_try);
  CHECK_FALSE(task_of(dag, "c").needs_no_try);
  CHECK_FALSE(task_of(dag, "d").needs_no_try);
}

TEST_CASE("names of pools and connections are checked against what is known") {
  CatalogSnapshot catalog;
  const LoadedFile loaded = load(R"(
dag: a
tasks:
  t: {operator: export, connection: replcia, table: t, columns: [id], to: out/, pool: replica_slots}
)");
  catalog.dags.emplace("a", loaded.dags.at(0));
  const auto all = [&](const KnownNames& names) {
    std::string text;
    for (const Diagnostic& diagnostic : check_names(catalog, names, operators())) text += to_string(diagnostic) + "\n";
    return text;
  };
  CHECK(all({}) == "warning: pools are not checked: no server\nwarning: connections are not checked: no server\n");
  CHECK(all({std::vector<std::string>{"replica_slots"}, std::vector<std::string>{"replica"}}) ==
        "dags.yaml:4:1: error: task `t`: unknown connection `replcia`; did you mean `replica`?\n");
  CHECK(all({std::vector<std::string>{"replica_slot"}, std::vector<std::string>{"replcia"}}) ==
        "dags.yaml:4:1: error: task `t`: unknown pool `replica_slots`; did you mean `replica_slot`?\n");
}

TEST_CASE("DAGs that make each other due by assets are told of, once for each ring") {
  CatalogSnapshot catalog;
  const LoadedFile loaded = load(R"(
dag: a
schedule: {assets: [c_done, other]}
tasks: {t: {operator: empty, outlets: [a_done]}}
---
dag: b
schedule: {assets: {any: [a_done, x]}}
tasks: {t: {operator: empty, outlets: [b_done, y]}}
---
dag: c
schedule: {assets: b_done}
tasks: {t: {operator: empty, outlets: [c_done]}}
---
dag: itself
schedule: {assets: again}
tasks: {t: {operator: empty, outlets: [again]}}
---
dag: straight
schedule: {assets: [c_done, again]}
tasks: {t: {operator: empty, outlets: ["{{ ds }}"]}}
)");
  REQUIRE(loaded.dags.size() == 5);
  for (const DagPtr& dag : loaded.dags) catalog.dags.emplace(dag->dag_id, dag);
  std::string text;
  for (const Diagnostic& diagnostic : asset_cycles(catalog)) text += to_string(diagnostic) + "\n";
  CHECK(text ==
        "dags.yaml: warning: these make each other due, again and again: `a` makes `a_done`, for which `b` waits, `b` "
        "makes `b_done`, for which `c` waits, `c` makes `c_done`, for which `a` waits\n"
        "dags.yaml: warning: these make each other due, again and again: `itself` makes `again`, for which `itself` "
        "waits\n");
}

TEST_CASE("a connection of a type that the operator cannot use, and more slots than the pool has, are told") {
  const OperatorCatalog built_in = builtin_operators();
  const LoadedFile loaded = load_dag_text(".", "dags.yaml", R"(
dag: a
tasks:
  lake: {operator: replica_export, connection: lake, table: t, columns: [id], to: /out/, pool: small, pool_slots: 3}
  fine: {operator: replica_export, connection: shop, table: t, columns: [id], to: /out/, pool: small, pool_slots: 2}
  late: {operator: replica_export, connection: "{{ params.c }}", table: t, columns: [id], to: /out/, pool: endless, pool_slots: 9}
  else: {operator: replica_export, connection: unlisted, table: t, columns: [id], to: /out/}
params: {c: lake}
)",
                                          built_in);
  CatalogSnapshot catalog;
  catalog.dags.emplace("a", loaded.dags.at(0));
  const KnownNames names{.pools = std::vector<std::string>{"small", "endless"},
                         .connections = std::vector<std::string>{"lake", "shop", "unlisted"},
                         .slots = {{"small", 2}, {"endless", -1}},
                         .conn_types = {{"lake", "aws"}, {"shop", "mysql"}}};
  std::string text;
  for (const Diagnostic& diagnostic : check_names(catalog, names, built_in)) text += to_string(diagnostic) + "\n";
  CHECK(text ==
        "dags.yaml:4:1: error: task `lake`: `pool_slots: 3`: the pool `small` has 2, so the task could never start\n"
        "dags.yaml:4:1: error: task `lake`: `connection`: the connection `lake` is of type aws; expected mysql or "
        "postgresql\n");
}

TEST_CASE("names in a file that has other errors are checked with them") {
  const LoadedFile loaded = load(R"(
dag: a
shedule: none
tasks:
  t: {operator: export, connection: replcia, table: t, columns: [id], to: out/, pool: fast, bogus: 1}
)");
  CHECK(loaded.dags.empty());
  REQUIRE(loaded.refused.size() == 1);
  CatalogSnapshot catalog;
  catalog.refused = loaded.refused;
  const auto found =
      check_names(catalog, {std::vector<std::string>{}, std::vector<std::string>{"replica"}}, operators());
  REQUIRE(found.size() == 2);
  CHECK(to_string(found[0]) == "dags.yaml:5:1: error: task `t`: unknown pool `fast`");
  CHECK(to_string(found[1]) == "dags.yaml:5:1: error: task `t`: unknown connection `replcia`; did you mean `replica`?");
}

TEST_CASE("params are schemas or plain defaults") {
  const Dag dag = dag_of(
      "dag: a\nparams: {a: 5, b: {type: integer, default: 3, minimum: 1}, c: {type: [string, 'null'], default: null}, "
      "d: [x], e: {type: string}}\ntasks: {t: {operator: empty}}");
  REQUIRE(dag.params.size() == 5);
  CHECK(dag.params[0].default_value == Value(5));
  CHECK(dag.params[1].default_value == Value(3));
  CHECK(to_json(dag.params[1].schema) == R"({"type":"integer","minimum":1})");
  CHECK(dag.params[2].default_value == Value());
  CHECK(dag.params[3].default_value == *parse_json(R"(["x"])"));
  CHECK_FALSE(dag.params[4].default_value);
}

TEST_CASE("several documents are several DAGs, each with its own text and version") {
  const std::string first = "dag: a\ntasks: {t: {operator: empty}}\n",
                    second = "---\ndag: b\ntasks: {t: {operator: empty}}\n";
  const LoadedFile loaded = load(first + second);
  REQUIRE(loaded.dags.size() == 2);
  CHECK(loaded.dags[0]->source == first);
  CHECK(loaded.dags[1]->source == second);
  CHECK(loaded.dag_lines == std::vector<int>{1, 4});
  const LoadedFile changed = load(first + second + "tags: [x]\n");
  REQUIRE(changed.dags.size() == 2);
  CHECK(changed.dags[0]->version == loaded.dags[0]->version);
  CHECK(changed.dags[1]->version != loaded.dags[1]->version);
  CHECK(loaded.dags[0]->version.size() == 32);
  // One broken document leaves the others alone.
  const LoadedFile broken = load("dag: a\ntasks: {t: {operator: nope}}\n" + second);
  REQUIRE(broken.dags.size() == 1);
  CHECK(broken.dags[0]->dag_id == "b");
  CHECK(broken.diagnostics.at(0).dag_id == "a");
}

TEST_CASE("files that are no DAG files are left alone") {
  CHECK(told(load("")).empty());
  CHECK(told(load("# nothing\n")).empty());
  CHECK(told(load("- {table: orders}\n")).empty());
  CHECK(told(load("---\n---\n")).empty());
  CHECK(told(load("version: 2\nmodels: []\n")).empty());
}

TEST_CASE("anchors, aliases and merge keys") {
  const Dag dag = dag_of(R"(
dag: a
params:
  common: {default: &common {operator: bash, retries: 2, command: echo}}
  other: {default: &other {retries: 9, pool: other}}
tasks:
  t: {<<: *common, retries: 3}
  u: {<<: [*common, *other]}
  v: *common
)");
  CHECK(task_of(dag, "t").retry.retries == 3);
  CHECK(task_of(dag, "t").parameters.text("command") == "echo");
  CHECK(task_of(dag, "u").retry.retries == 2);
  CHECK(task_of(dag, "u").pool == "other");
  CHECK(task_of(dag, "v").operator_name == "bash");
}

TEST_CASE("byte order marks and line ends of other systems change nothing") {
  const std::string text = "dag: a\ntasks:\n  t:\n    operator: bash\n    command: |\n      echo one\n      echo two\n";
  std::string windows = "\xEF\xBB\xBF";
  for (const char c : text) windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
  CHECK(dag_of(windows).tasks == dag_of(text).tasks);
  CHECK(dag_of(windows).version == dag_of(text).version);
}

TEST_CASE("plain scalars are what YAML 1.2 says, and nothing more") {
  const YamlFile file = parse_yaml(
      "[no, yes, on, 007, 1.10, 0x1F, 0o17, 1e3, .5, -3, +4, 12:30, 2026-01-01, '5', ~, Null, True, FALSE, 1_000, 0.0, "
      "'', \"\", -, .]");
  REQUIRE_FALSE(file.problem);
  CHECK(
      to_json(to_value(file.documents.at(0).root)) ==
      R"(["no","yes","on","007",1.1,31,15,1000.0,0.5,-3,4,"12:30","2026-01-01","5",null,null,true,false,"1_000",0.0,"","","-","."])");
}

std::string problem_of(const std::string& bytes) {
  const YamlFile file = parse_yaml(bytes);
  if (!file.problem) return "none";
  const YamlPlace place = file.place(file.problem->offset);
  return std::to_string(place.line) + ":" + std::to_string(place.column) + ": " + file.problem->message;
}

TEST_CASE("what is no text is refused with its place") {
  CHECK(problem_of("a: 1\nb: \xff\n") == "2:4: the file is no valid UTF-8");
  CHECK(problem_of("a: \xed\xa0\x80\n") == "1:4: the file is no valid UTF-8");
  CHECK(problem_of(std::string("a: b\0c\n", 7)) == "1:5: a control character (byte 0)");
  CHECK(problem_of("a: \x1b[0m\n") == "1:4: a control character (byte 27)");
  CHECK(problem_of("한글: [1") == "1:7: `]` is missing");
}

TEST_CASE("deep and huge files are refused, not suffered") {
  CHECK(problem_of(std::string(50, '[') + std::string(50, ']')) == "none");
  CHECK(problem_of(std::string(5000, '[') + std::string(5000, ']')).ends_with("nested deeper than 100"));
  std::string map;
  for (int i = 0; i < 300; ++i) map += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  CHECK(problem_of(map).ends_with("nested deeper than 100"));
  std::string many = "[";
  for (int i = 0; i < 600'000; ++i) many += "1,";
  CHECK(problem_of(many + "1]").ends_with("the file holds more than 500000 values, aliases expanded"));
}

// The place of every character of a scalar, in each of YAML's styles.
TEST_CASE("places inside of texts are places of the file") {
  const auto place = [](const std::string& yaml, const std::string& wanted) {
    const YamlFile file = parse_yaml(yaml);
    REQUIRE_FALSE(file.problem);
    const YamlNode& node = *file.documents.at(0).root.find("a");
    const size_t at = node.text.find(wanted);
    REQUIRE(at != std::string::npos);
    const uint32_t offset = offset_in_source(file, node, at);
    return file.source.substr(offset, wanted.size()) == wanted;
  };
  CHECK(place("a: one XX two", "XX"));
  CHECK(place("a: one\n  two XX\n", "XX"));
  CHECK(place("a: \"one \\\"q\\\" \\t\\u00e9\\x41 XX\"", "XX"));
  CHECK(place("a: \"one \\n\\n 한글 XX\"", "XX"));
  CHECK(place("a: \"one\n  two\n\n  three XX\"", "XX"));
  CHECK(place("a: \"one \\\n  XX\"", "XX"));
  CHECK(place("a: 'it''s '' XX'", "XX"));
  CHECK(place("a: |\n  one\n    two XX\n  three YY\n", "XX"));
  CHECK(place("a: |\n  one\n    two XX\n\n\n  three YY\n", "YY"));
  CHECK(place("a: |-\n   XX\n", "XX"));
  CHECK(place("a: |2\n    XX\n", "XX"));
  CHECK(place("a: >\n  one\n  two\n\n  three XX\n   more YY\n", "XX"));
  CHECK(place("a: >\n  one\n  two\n\n  three XX\n   more YY\n", "YY"));
  CHECK(place("b: x\na: &n 'XX'\n", "XX"));
}

TEST_CASE("CSV is read as RFC 4180 has it") {
  const auto csv = [](const std::string& text) {
    const Result<Value::List> list = parse_csv(text);
    return list ? to_json(Value(*list)) : list.error().message;
  };
  CHECK(csv("name,rows\norders,5\n\"a \"\"b\"\", c\",\n") ==
        R"([{"name":"orders","rows":"5"},{"name":"a \"b\", c","rows":""}])");
  CHECK(csv("\xEF\xBB\xBFname\r\n우동\r\n\r\n\"two\nlines\"") == R"([{"name":"우동"},{"name":"two\nlines"}])");
  CHECK(csv("a,b\n1,") == R"([{"a":"1","b":""}])");
  CHECK(csv("a\n") == "[]");
  CHECK(csv("") == "it has no header");
  CHECK(csv("a,a\n") == "line 1: the header's column 2 has no name of its own");
  CHECK(csv("a,b\n1\n") == "line 2: 1 fields where the header has 2");
  CHECK(csv("a\n\"x\ny\n") == "line 2: a quoted field is not closed");
  CHECK(csv("a\n\"x\"y\n") == "line 2: text after a quoted field");
}

TEST_CASE("a task is mapped over the list of a file, which is part of the version") {
  const Path folder = std::filesystem::temp_directory_path() / ("udon-loader-" + std::to_string(::getpid()));
  const auto put = [&](const std::string& name, const std::string& text) {
    REQUIRE(make_directories((folder / name).parent_path()));
    REQUIRE(write_file_atomically(folder / name, text, Durability::survives_kill));
  };
  put("team/orders.yaml",
      "dag: a\ntasks:\n  t: {operator: bash, command: echo, expand: {item: {file: lists/tables.yaml}, row: {file: "
      "../rows.csv}, x: {file: x.json}}}\n");
  put("team/lists/tables.yaml", "- {table: orders}\n- {table: users}\n");
  put("rows.csv", "id\n1\n2\n3\n");
  put("team/x.json", "[1, null]");
  const LoadedFile loaded = load_dag_file(folder, "team/orders.yaml", operators());
  INFO(told(loaded));
  REQUIRE(loaded.dags.size() == 1);
  CHECK(known_length(*loaded.dags[0]->tasks[0].expand) == 12);
  CHECK(to_json(bound_values(*loaded.dags[0]->tasks[0].expand, 0)) ==
        R"({"item":{"table":"orders"},"row":{"id":"1"},"x":1})");
  CHECK(loaded.included == std::vector<Path>{"rows.csv", "team/lists/tables.yaml", "team/x.json"});
  put("team/lists/tables.yaml", "- {table: orders}\n");
  CHECK(load_dag_file(folder, "team/orders.yaml", operators()).dags.at(0)->version != loaded.dags[0]->version);
  std::filesystem::create_symlink("/etc/hostname", folder / "secret.csv");
  put("team/link.yaml",
      "dag: b\ntasks:\n  t: {operator: bash, command: echo, expand: {item: {file: ../secret.csv}}}\n");
  CHECK(told(load_dag_file(folder, "team/link.yaml", operators())).find("it leads out of the DAGs folder") !=
        std::string::npos);
  CHECK(told(load_dag_file(folder, "nope.yaml", operators())).starts_with("nope.yaml: error: "));
  put("large.yaml", std::string(static_cast<size_t>(limits::dag_file_bytes_max) + 1, '#'));
  CHECK(load_dag_file(folder, "large.yaml", operators()).diagnostics.size() == 1);
  REQUIRE(remove_tree(folder));
}

TEST_CASE("a file of a thousand mistakes tells the first hundred") {
  std::string text = "dag: a\ntasks:\n";
  for (int i = 0; i < 1000; ++i) text += "  t" + std::to_string(i) + ": {operator: nope}\n";
  const LoadedFile loaded = load(text);
  CHECK(loaded.dags.empty());
  CHECK(loaded.diagnostics.size() == 100);
  CHECK(loaded.diagnostics.back().message.starts_with("there are more problems than are shown"));
}

TEST_CASE("a chain of ten thousand tasks loads, and so does the report of its cycle") {
  std::string text = "dag: a\ntasks:\n  t0: {operator: empty}\n";
  for (int i = 1; i < 10'000; ++i)
    text += "  t" + std::to_string(i) + ": {operator: empty, after: t" + std::to_string(i - 1) + "}\n";
  CHECK(dag_of(text).tasks.size() == 10'000);
  const LoadedFile cycle = load(text + "  z: {operator: empty, after: [t9999, z]}\n");
  REQUIRE(cycle.diagnostics.size() == 1);
  CHECK(cycle.diagnostics[0].message == "a cycle: z → z");
}

TEST_CASE("the examples of the operators' help pages load") {
  const OperatorCatalog built_in = builtin_operators();
  int count = 0;
  for (const std::string& name : built_in.names()) {
    const std::string& help = built_in.find(name)->help;
    for (size_t at = help.find("```yaml\n"); at != std::string::npos; at = help.find("```yaml\n", at + 1)) {
      const size_t begin = at + 8;
      const std::string text = help.substr(begin, help.find("```", begin) - begin);
      const LoadedFile loaded = load_dag_text(".", name + "/README.md", text, built_in);
      INFO(name << "\n" << text << "\n" << told(loaded));
      CHECK(told(loaded).find("error:") == std::string::npos);
      ++count;
    }
  }
  CHECK(count >= 2);
}

TEST_CASE("the schema of the format has every word of it") {
  const Value schema = dag_file_schema(operators());
  test::check_golden("tests/golden/dag_file_schema.json", to_json_pretty(schema) + "\n");
  const Value& task = schema.get("definitions").get("task_export").get("properties");
  for (const char* const key : {"operator", "after", "expand", "retries", "table", "to_connection"})
    CHECK(task.find(key) != nullptr);
  CHECK(dag_file_schema(builtin_operators()).get("definitions").find("task_bash") != nullptr);
}

}  // namespace
}  // namespace udon
