// What templates do beyond Jinja2 (differential.py compares with that): Airflow's context, types, limits, facts.
#include "dagfile/templates.h"

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "base/text.h"

namespace udon {
namespace {

Value context() {
  const Result<Value> value = parse_json(R"({
    "ds": "2026-01-31", "ts": "2026-01-31T00:00:00+00:00", "run_id": "manual__1", "ti": {"dag_id": "orders", "task_id": "load", "run_id": "manual__1"},
    "logical_date": "2026-01-31T00:00:00Z",
    "data_interval_start": "2026-01-30T00:00:00Z", "data_interval_end": "2026-01-31T00:00:00Z",
    "local": {"ds": "2026-01-31", "data_interval_start": "2026-01-30T09:00:00+09:00"},
    "dag_run": {"dag_id": "orders", "run_id": "manual__1", "conf": {"logical_date": "2026-01-01T00:00:00Z"},
                "run_after": "2026-01-31T00:00:00.250000Z"},
    "params": {"lake": "s3://lake", "limit": 3, "ratio": 0.5, "on": true, "none": null},
    "item": {"table": "orders", "values": [1, 2], "columns": ["id", {"name": "email", "mask": "hmac"}]}})");
  REQUIRE(value);
  return *value;
}

TemplateLookups lookups() {
  TemplateLookups all;
  all.variable = [](const std::string& key) -> Result<Value> {
    if (key == "region") return Value("ap-northeast-2");
    if (key == "settings") return Value(R"({"depth": [1, 2]})");
    return Error{ErrorKind::not_found, "variable `" + key + "` is not set"};
  };
  all.connection = [](const std::string& id) -> Result<Value> {
    if (id != "shop" && id != "my-shop") return Error{ErrorKind::not_found, "connection `" + id + "` is unknown"};
    return Value(Value::Map{{"host", "db.example"}, {"port", 3306}, {"login", "reader"}});
  };
  all.xcom = [](const std::string& task_id, const std::string& key, std::optional<int> map_index) -> Result<Value> {
    if (task_id == "none") return Value();
    return Value(task_id + "/" + key + (map_index ? "/" + std::to_string(*map_index) : ""));
  };
  all.upstream = {"export"};
  return all;
}

Value rendered(const std::string& text) {
  const Result<Value> value = render_text(text, context(), lookups());
  if (!value) FAIL(text << ": " << value.error().message);
  return *value;
}
std::string error_of(const std::string& text) {
  const Result<Value> value = render_text(text, context(), lookups());
  if (value) FAIL(text << " gave " << to_json(*value));
  return value.error().message;
}

TEST_CASE("a text that is one whole expression keeps its type") {
  CHECK(rendered("{{ params.limit }}") == Value(3));
  CHECK(rendered("{{ params.ratio }}") == Value(0.5));
  CHECK(rendered("{{ params.on }}") == Value(true));
  CHECK(rendered("{{ params.none }}") == Value());
  CHECK(rendered("{{ item.columns }}") == *parse_json(R"(["id", {"name": "email", "mask": "hmac"}])"));
  CHECK(rendered("{{ item }}").get("table") == Value("orders"));
  CHECK(rendered("{{ (1, 'a') }}") == *parse_json(R"([1, "a"])"));
  CHECK(rendered("{{ params.limit if false }}") == Value());
  CHECK(rendered("{{ item.columns | map('string') }}").size() == 2);
  CHECK(rendered("{{ params.limit }}\n") == Value(3));
  CHECK(rendered("{{ params.limit }} ") == Value("3 "));
  CHECK(rendered("{{ params.limit }}{{ params.limit }}") == Value("33"));
  CHECK(rendered("{# note #}{{ params.limit }}") == Value(3));
  CHECK(rendered("{% if true %}{{ params.limit }}{% endif %}") == Value("3"));
}

TEST_CASE("a text without tags is left alone") {
  CHECK(rendered("plain { } % text\r\n") == Value("plain { } % text\r\n"));
  CHECK(rendered("") == Value(""));
}

TEST_CASE("a map's own members come before its methods") {
  CHECK(rendered("{{ item.values }}") == *parse_json("[1, 2]"));
  CHECK(rendered("{{ item.values() | length }}") == Value(3));
  CHECK(rendered("{{ item['values'] }}") == *parse_json("[1, 2]"));
}

TEST_CASE("moments print as in Airflow and go through its filters") {
  CHECK(rendered("{{ data_interval_start }}") == Value("2026-01-30 00:00:00+00:00"));
  CHECK(rendered("from {{ data_interval_start }}") == Value("from 2026-01-30 00:00:00+00:00"));
  CHECK(rendered("{{ dag_run.run_after }}") == Value("2026-01-31 00:00:00.250000+00:00"));
  CHECK(rendered("{{ data_interval_start | ds }}") == Value("2026-01-30"));
  CHECK(rendered("{{ data_interval_start | ds_nodash }}") == Value("20260130"));
  CHECK(rendered("{{ data_interval_start | ts }}") == Value("2026-01-30T00:00:00+00:00"));
  CHECK(rendered("{{ data_interval_start | ts_nodash }}") == Value("20260130T000000"));
  CHECK(rendered("{{ data_interval_start | ts_nodash_with_tz }}") == Value("20260130T000000+0000"));
  CHECK(rendered("{{ local.data_interval_start }}") == Value("2026-01-30 09:00:00+09:00"));
  CHECK(rendered("{{ local.data_interval_start | ts }}") == Value("2026-01-30T09:00:00+09:00"));
  CHECK(rendered("{{ '2026-01-30T23:00:00+09:00' | ds }}") == Value("2026-01-30"));
  CHECK(rendered("{{ none | ds }}") == Value(""));
  CHECK(rendered("{{ data_interval_start.strftime('%Y/%m/%d %H %j %a %b %%') }}") ==
        Value("2026/01/30 00 030 Fri Jan %"));
  CHECK(rendered("{{ data_interval_start.year }}-{{ data_interval_start.month }}") == Value("2026-1"));
  CHECK(rendered("{{ data_interval_start.add(days=2, months=1) | ds }}") == Value("2026-03-02"));
  CHECK(rendered("{{ logical_date.subtract(months=2) | ds }}") == Value("2025-11-30"));
  CHECK(rendered("{{ logical_date.start_of('month') | ds }} {{ logical_date.end_of('week').isoformat() }}") ==
        Value("2026-01-01 2026-02-01T23:59:59.999999+00:00"));
  CHECK(rendered("{{ (logical_date - macros.timedelta(days=1, hours=2)) | ts }}") ==
        Value("2026-01-29T22:00:00+00:00"));
  CHECK(rendered("{{ data_interval_end - data_interval_start }}") == Value("1 day, 0:00:00"));
  CHECK(rendered("{{ (data_interval_end - data_interval_start).total_seconds() }}") == Value(86400.0));
  CHECK(rendered("{{ data_interval_start < data_interval_end and data_interval_start != data_interval_end }}") ==
        Value(true));
  CHECK(rendered("{{ '{:%Y%m}'.format(logical_date) }}") == Value("202601"));
  CHECK(rendered("{{ macros.ds_add(ds, -31) }} {{ macros.ds_add(ds, 1) }}") == Value("2025-12-31 2026-02-01"));
  CHECK(rendered("{{ macros.ds_format(ds, '%Y-%m-%d', '%d.%m.%y') }}") == Value("31.01.26"));
  // What a user writes stays text, even where it looks like a moment.
  CHECK(rendered("{{ dag_run.conf.logical_date }}") == Value("2026-01-01T00:00:00Z"));
  CHECK(error_of("{{ 'soon' | ds }}") == "1:13: `soon` is no moment such as 2026-01-31T00:00:00+00:00 or 2026-01-31");
  CHECK(error_of("{{ macros.ds_add('31.01.2026', 1) }}") == "1:17: `31.01.2026` does not look like `%Y-%m-%d`");
  CHECK(error_of("{{ logical_date.add(years=9000) }}") == "1:20: a moment outside of the years 1 to 9999");
}

TEST_CASE("variables, connections and XComs come through the lookups") {
  CHECK(rendered("{{ var.value.region }}") == Value("ap-northeast-2"));
  CHECK(rendered("{{ var.value.get('nope', 'x') }}") == Value("x"));
  CHECK(rendered("{{ var.json.settings.depth[1] }}") == Value(2));
  CHECK(error_of("{{ var.value.nope }}") == "1:13: variable `nope` is not set");
  CHECK(error_of("{{ var.json.region }}").rfind("1:12: variable `region` is no JSON: ", 0) == 0);
  CHECK(rendered("{{ conn.shop.host }}:{{ conn['my-shop'].port }}") == Value("db.example:3306"));
  CHECK(rendered("{{ conn.get('shop').login }}") == Value("reader"));
  CHECK(error_of("{{ conn.nope.host }}") == "1:8: connection `nope` is unknown");
  CHECK(rendered("{{ ti.xcom_pull('export') }}") == Value("export/return_value"));
  CHECK(rendered("{{ task_instance.xcom_pull(task_ids='a', key='rows') }}") == Value("a/rows"));
  CHECK(rendered("{{ ti.xcom_pull(task_ids=['a', 'b']) }}") == *parse_json(R"(["a/return_value", "b/return_value"])"));
  CHECK(rendered("{{ ti.xcom_pull('a', map_indexes=2) }}") == Value("a/return_value/2"));
  CHECK(rendered("{{ ti.xcom_pull('a', map_indexes=[0, 1]) }}") ==
        *parse_json(R"(["a/return_value/0", "a/return_value/1"])"));
  CHECK(rendered("{{ ti.xcom_pull() }}") == Value("export/return_value"));
  CHECK(rendered("{{ ti.xcom_pull('none') }}") == Value());
  CHECK(rendered("{{ ti.xcom_pull('none', default=5) }}") == Value(5));
  CHECK(rendered("{{ ti.xcom_pull('a', dag_id='orders') }}") == Value("a/return_value"));
  CHECK(error_of("{{ ti.xcom_pull('a', dag_id='other') }}") == "1:16: `ti.xcom_pull` reads XComs of its own run only");
  CHECK(rendered("{{ ti.task_id }} {{ ti.run_id }}") == Value("load manual__1"));
}

TEST_CASE("shell_quote makes one word of anything") {
  CHECK(rendered("echo {{ 'it''s; rm -rf /' | shell_quote }}") == Value("echo 'its; rm -rf /'"));
  CHECK(rendered("{{ \"a'b\" | shell_quote }}") == Value(shell_quote("a'b")));
}

TEST_CASE("an undefined name is an error that names the nearest one, with its place") {
  CHECK(error_of("{{ dss }}") == "1:4: `dss` is undefined; did you mean `ds`?");
  CHECK(error_of("a\n  {{ parms.lake }}") == "2:11: `parms` is undefined; did you mean `params`?");
  CHECK(error_of("{{ params.lkae }}") == "1:10: `lkae` is not in the map; did you mean `lake`?");
  CHECK(error_of("{{ ds | uper }}") == "1:9: unknown filter `uper`; did you mean `upper`?");
  CHECK(error_of("{{ ds is defned }}") == "1:10: unknown test `defned`; did you mean `defined`?");
  CHECK(error_of("{% fro x in y %}") == "1:4: unknown tag `fro`; did you mean `for`?");
  CHECK(error_of("{{ ds.upper }}") == "1:6: `upper` is a function; call it: `upper()`");
  CHECK(error_of("{{ ti }}") == "1:4: an expression gives an object, which is not data");
}

TEST_CASE("syntax is checked without rendering") {
  CHECK_FALSE(check_template("{{ nope.at(all) | default('x') }}"));
  CHECK_FALSE(check_template("no tags"));
  const auto problem = check_template("line one\n{{ 1 + }}");
  REQUIRE(problem);
  CHECK(problem->line == 2);
  CHECK(problem->column == 8);
  CHECK(problem->message == "expected an expression, got `}}`");
  CHECK(check_template("{% if x %}")->message == "expected `{% endif %}` before end of the template");
  CHECK(check_template("{% macro m() %}{% endmacro %}")->message == "`macro` has no place in a DAG file's templates");
  CHECK(check_template("{{ '\xff' }}")->message == "the text is no valid UTF-8");
}

TEST_CASE("rendering a value renders its texts and says where it failed") {
  const Value parameters = *parse_json(
      R"({"to": "{{ params.lake }}/{{ item.table }}/", "{{ key }}": [1, "{{ params.limit }}", {"a": "{{ ds }}"}]})");
  const Result<Value> value = render(parameters, context(), lookups());
  REQUIRE(value);
  CHECK(to_json(*value) == R"({"to":"s3://lake/orders/","{{ key }}":[1,3,{"a":"2026-01-31"}]})");
  const Result<Value> wrong = render(*parse_json(R"({"to": ["x", {"y": "{{ nope }}"}]})"), context(), lookups());
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().message == "to[1].y: 1:4: `nope` is undefined");
}

TEST_CASE("a rendered value that looks like a template is not rendered again") {
  Value given = context();
  given.set("evil", "{{ params.lake }}");
  CHECK(*render_text("{{ evil }}", given, lookups()) == Value("{{ params.lake }}"));
}

TEST_CASE("every template ends and stays small") {
  CHECK(error_of("{% for a in range(2000) %}{% for b in range(2000) %}x{% endfor %}{% endfor %}")
            .ends_with("the template takes more than 1000000 steps"));
  CHECK(error_of("{{ 'x' * 5000000 }}").ends_with("is longer than 4194304 bytes"));
  CHECK(error_of("{% set a = 'x' * 1000000 %}{{ a }}{{ a }}{{ a }}{{ a }}{{ a }}")
            .ends_with("output is longer than 4194304 bytes"));
  CHECK(error_of("{{ [1] * 99999999 }}").ends_with("steps"));
  CHECK(error_of("{{ range(99999999) | list }}").ends_with("steps"));
  CHECK(error_of("{{ '%99999999d' % 1 }}").ends_with("is too large"));
  CHECK(error_of("{{ 'a' | center(99999999) }}").ends_with("is longer than 4194304 bytes"));
  CHECK(error_of("{{ 9 ** 99 }}").ends_with("a number needs more than 64 bits"));
  CHECK(error_of("{% set ns = namespace(x=[]) %}{% for i in range(1000) %}{% set ns.x = [ns.x] %}{% endfor %}")
            .find("nests deeper") != std::string::npos);
  CHECK(error_of("{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}").ends_with("nested too deeply"));
  CHECK(error_of("{{ " + std::string(5000, '-') + "1 }}").ends_with("nested too deeply"));
  std::string sum = "{{ 1";
  for (int i = 0; i < 5000; ++i) sum += " + 1";
  CHECK(error_of(sum + " }}").ends_with("an expression nests too deeply"));
  std::string blocks;
  for (int i = 0; i < 5000; ++i) blocks += "{% if true %}";
  CHECK(error_of(blocks).ends_with("nested too deeply"));
  CHECK(error_of("{% set ns = namespace() %}{% for i in [1] %}{% set ns.l = loop %}{% endfor %}{{ ns.l.index }}")
            .ends_with("the loop is over"));
}

TEST_CASE("facts tell what a template asks for") {
  const TemplateFacts facts = facts_of_template(
      "{% set x = params.a %}{{ x }}{{ ds }}{{ conn.shop.host }}{{ conn['b'].port }}{{ conn.get('c') }}"
      "{{ ti.xcom_pull('t1') }}{{ ti.xcom_pull(task_ids=['t2', 't3']) }}{% for i in l %}{{ i }}{{ loop.index }}{% "
      "endfor %}");
  CHECK(facts.names == std::vector<std::string>{"params", "ds", "conn", "ti", "l"});
  CHECK(facts.connections == std::vector<std::string>{"shop", "b", "c"});
  CHECK_FALSE(facts.opens_computed_connection);
  CHECK(facts.asks_when_run);
  CHECK(facts.pulled_tasks == std::vector<std::string>{"t1", "t2", "t3"});
  CHECK(facts_of_template("{{ conn[item.connection].host }}").opens_computed_connection);
  CHECK_FALSE(facts_of_template("{{ conn[item.connection].host }}").asks_when_run);
  CHECK(facts_of_template("{{ conn[var.value.shop].host }}").asks_when_run);
  CHECK(facts_of_template("{% set pull = ti.xcom_pull %}{{ pull('a') }}").asks_when_run);
  CHECK(names_in_template("{{ a.b }}{% if c %}{{ 'd' }}{% endif %}") == std::vector<std::string>{"a", "c"});
}

std::string splices(const std::string& text) {
  std::string all;
  for (const auto& splice : facts_of_template(text, {"item"}).splices)
    all += splice.source + "@" + std::to_string(splice.line) + ":" + std::to_string(splice.column) + " ";
  return all;
}

TEST_CASE("facts tell whose text is spliced without being quoted") {
  CHECK(splices("echo {{ params.name }}") == "params.name@1:6 ");
  CHECK(splices("echo {{ params.name | shell_quote }}").empty());
  CHECK(splices("echo {{ params.n | int }} {{ ds }} {{ run_id }} {{ data_interval_start | ds }}").empty());
  CHECK(splices("{{ ti.xcom_pull('a') }}") == "ti.xcom_pull@1:1 ");
  CHECK(splices("{{ ti.xcom_pull('a') | tojson | shell_quote }}").empty());
  CHECK(splices("{{ dag_run.conf['x'] | default('y') }} {{ dag_run.run_id }}") == "dag_run.conf.x@1:1 ");
  CHECK(splices("{{ item.table }}{{ item | length }}") == "item.table@1:1 ");
  CHECK(splices("{% set x = params.a ~ '1' %}{{ x }}") == "params.a@1:29 ");
  CHECK(splices("{% for x in params.list %}{{ x }}{% endfor %}") == "params.list@1:27 ");
  CHECK(splices("{{ 'a' if params.x else 'b' }} {{ params.x == 1 }}").empty());
  CHECK(splices("{{ params.x if true else 'b' }}") == "params.x@1:1 ");
}

}  // namespace
}  // namespace udon
