#include "plugins/spec/spec.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <regex>

#include "plugins/spec/builtin.h"
#include "plugins/spec/condition.h"
#include "plugins/spec/data_type.h"
#include "tests/golden.h"

namespace udon {
namespace {

OperatorSpec spec_of(const std::string& params) {
  const Result<Value> value = parse_json(R"({"name": "copy", "summary": "Copies.", "params": )" + params + "}");
  REQUIRE(value);
  Result<OperatorSpec> spec = parse_operator_spec(*value);
  if (!spec) FAIL(spec.error().message);
  return *spec;
}

std::string refusal(const std::string& json) {
  const Result<Value> value = parse_json(json);
  REQUIRE(value);
  const Result<OperatorSpec> spec = parse_operator_spec(*value);
  REQUIRE_FALSE(spec);
  return spec.error().message;
}

std::string problems(const OperatorSpec& spec, const std::string& json) {
  const Result<Value> value = parse_json(json);
  REQUIRE(value);
  std::string text;
  for (const ParamProblem& problem : check_parameters(spec, *value))
    text += problem.param + ": " + problem.message + "\n";
  return text;
}

const char* const every_type = R"([
  {"name": "name", "type": "string", "default": null, "help": "h"},
  {"name": "level", "type": "string", "default": "low", "choices": ["low", "high"], "help": "h"},
  {"name": "count", "type": "integer", "default": 1, "unit": "rows", "help": "h"},
  {"name": "ratio", "type": "number", "default": 0.5, "help": "h"},
  {"name": "flag", "type": "boolean", "default": false, "help": "h"},
  {"name": "lag", "type": "duration", "default": "30s", "help": "h"},
  {"name": "memory", "type": "bytes", "default": "1KiB", "help": "h"},
  {"name": "columns", "type": "list", "default": null, "choices": ["*"], "help": "h"},
  {"name": "env", "type": "map", "default": {}, "help": "h"},
  {"name": "value", "type": "any", "default": null, "help": "h"},
  {"name": "query", "type": "sql", "default": null, "help": "h"},
  {"name": "source", "type": "connection", "required": true, "connection_types": ["mysql"], "help": "h"},
  {"name": "target", "type": "uri", "default": null, "help": "h"},
  {"name": "run", "type": "command", "default": null, "help": "h"},
  {"name": "zone", "type": "timezone", "default": null, "help": "h"},
  {"name": "where", "type": "condition", "default": null, "help": "h"},
  {"name": "parts", "type": "list", "default": null, "help": "h", "items": [{"type": "string"},
    {"type": "map", "members": [{"name": "id", "type": "integer", "required": true},
                                {"name": "secret", "type": "string", "needs": "name"},
                                {"name": "type", "type": "data_type"}]}]},
  {"name": "bucket", "type": "uri", "default": null, "schemes": ["s3"], "help": "h"}])";

TEST_CASE("each built-in operator describes itself and its help page holds its parameters") {
  const OperatorCatalog catalog = builtin_operators();
  const std::vector<std::string> names = catalog.names();
  REQUIRE(names.size() >= 6);
  CHECK(std::is_sorted(names.begin(), names.end()));
  const std::string begin = "<!-- parameters: from operator.json -->\n", end = "<!-- end of parameters -->\n";
  for (const std::string& name : names) {
    INFO(name);
    const OperatorSpec& spec = *catalog.find(name);
    for (const ParamSpec& param : spec.params) CHECK_FALSE(is_reserved_task_key(param.name));
    CHECK(spec.help.rfind("# " + name + "\n", 0) == 0);
    const size_t from = spec.help.find(begin), to = spec.help.find(end);
    REQUIRE(from != std::string::npos);
    REQUIRE(to != std::string::npos);
    test::check_golden("plugins/" + name + "/README.md",
                       spec.help.substr(0, from + begin.size()) + parameters_as_markdown(spec) + spec.help.substr(to));
  }
}

TEST_CASE("a description survives being written and read again") {
  const OperatorCatalog catalog = builtin_operators();
  for (const std::string& name : catalog.names()) {
    const Value written = to_value(*catalog.find(name));
    const Result<OperatorSpec> again = parse_operator_spec(written);
    REQUIRE(again);
    CHECK(to_value(*again) == written);
  }
  const OperatorSpec spec = spec_of(every_type);
  CHECK(to_value(*parse_operator_spec(to_value(spec))) == to_value(spec));
}

TEST_CASE("a wrong description is refused with the reason") {
  CHECK(refusal("[]") == "an operator's description must be an object, not array");
  CHECK(refusal(R"({"name": "Copy", "summary": "s", "params": []})") ==
        "operator `Copy`: a name has lower-case letters, digits and '_'");
  CHECK(refusal(R"({"name": "copy", "params": []})") == "operator `copy`: `summary` is missing");
  CHECK(refusal(R"({"name": "copy", "summary": "s", "parms": []})") ==
        "operator `copy`: unknown key `parms`; did you mean `params`?");
  CHECK(refusal(R"({"name": "copy", "summary": "s", "kind": "sensr", "params": []})") ==
        "operator `copy`: unknown kind `sensr`; did you mean `sensor`?");
  CHECK(refusal(R"({"name": "copy", "summary": "s", "needs_no_try": "yes", "params": []})") ==
        "operator `copy`: `needs_no_try` must be true or false");
  CHECK(refusal(R"({"name": "copy", "summary": "s", "kind": "sensor", "needs_no_try": true, "params": []})") ==
        "operator `copy`: a sensor looks at something, so it needs a try");
  CHECK(refusal(R"({"name": "copy", "summary": "s", "chooses": "brnch", "params": []})") ==
        "operator `copy`: `chooses` is `brnch`, not branch or short_circuit; did you mean `branch`?");
  CHECK(refusal(R"({"name": "copy", "summary": "s", "kind": "external_job", "chooses": "branch", "params": []})") ==
        "operator `copy`: `chooses` is for a process or a sensor: what it returns is the choice");
  CHECK(refusal(R"({"name": "copy", "summary": "s", "object": "../x.so", "params": []})") ==
        "operator `copy`: `object` must be a file name, not a path");
  const auto param = [](const std::string& json) {
    return refusal(R"({"name": "copy", "summary": "s", "params": [)" + json + "]}");
  };
  CHECK(param(R"({"name": "pool", "type": "string", "required": true, "help": "h"})") ==
        "operator `copy`: parameter `pool` bears a name that a DAG file uses for the task itself");
  CHECK(param(R"({"name": "a", "type": "strnig", "required": true, "help": "h"})") ==
        "operator `copy`: parameter `a`: unknown type `strnig`; did you mean `string`?");
  CHECK(param(R"({"name": "a", "type": "string", "help": "h"})") ==
        "operator `copy`: parameter `a`: say either `required: true` or `default` (null: may be left out)");
  CHECK(param(R"({"name": "a", "type": "string", "required": true, "default": "x", "help": "h"})") ==
        "operator `copy`: parameter `a`: say either `required: true` or `default` (null: may be left out)");
  CHECK(param(R"({"name": "a", "type": "duration", "default": "soon", "help": "h"})") ==
        "operator `copy`: default of `a`: `soon`: expected a duration such as 30s, 5m or 1h30m");
  CHECK(
      param(
          R"({"name": "a", "type": "any", "default": 1, "help": "h"}, {"name": "a", "type": "any", "default": 1, "help": "h"})") ==
      "operator `copy`: parameter `a` stands twice");
}

TEST_CASE("parameters of the right types pass, templates stand for any type") {
  const OperatorSpec spec = spec_of(every_type);
  CHECK(problems(spec, R"({"source": "replica"})").empty());
  CHECK(problems(spec, R"({"name": "x", "level": "high", "count": 3, "ratio": 2, "flag": true, "lag": "1h30m",
      "memory": "1MB", "columns": "*", "env": {"A": 1}, "value": [1], "query": "select 1", "source": "replica",
      "target": "s3://a/b", "run": "true"})")
            .empty());
  CHECK(problems(spec,
                 R"({"count": "{{ item.n }}", "columns": "{{ item.columns }}", "flag": "{% if a %}1{% endif %}",
      "lag": "{{ lag }}", "source": "{{ item.connection }}"})")
            .empty());
}

TEST_CASE("parameters of wrong types are named with what was expected") {
  const OperatorSpec spec = spec_of(every_type);
  CHECK(problems(spec, "{}") == "source: operator `copy` needs the parameter `source`: the id of a connection\n");
  CHECK(problems(spec, R"({"source": "replica", "colunms": []})") ==
        "colunms: operator `copy` has no parameter `colunms`; did you mean `columns`?\n");
  CHECK(problems(spec, R"({"source": "replica", "retires": 3})") ==
        "retires: operator `copy` has no parameter `retires`; did you mean `retries`?\n");
  CHECK(problems(spec, R"({"source": "a b"})").rfind("source: `a b` is no connection id: it ", 0) == 0);
  CHECK(problems(spec, R"({"source": "r", "name": 5})") ==
        "name: expected a text, got an integer; quote it to make it a text\n");
  CHECK(problems(spec, R"({"source": "r", "level": "hihg"})") ==
        "level: `hihg`: expected one of `low`, `high`; did you mean `high`?\n");
  CHECK(problems(spec, R"({"source": "r", "count": "three"})") == "count: expected an integer (rows), got a text\n");
  CHECK(problems(spec, R"({"source": "r", "count": null})") == "count: has no value; expected an integer (rows)\n");
  CHECK(problems(spec, R"({"source": "r", "lag": 30})") ==
        "lag: expected a duration such as 30s, 5m or 1h30m, got an integer; write its unit: `30s`\n");
  CHECK(problems(spec, R"({"source": "r", "memory": -1})") ==
        "memory: expected a size such as 512KiB, 256MB or 1GB, got an integer\n");
  CHECK(problems(spec, R"({"source": "r", "columns": "all"})") == "columns: expected a list or `*`, got a text\n");
  CHECK(problems(spec, R"({"source": "r", "run": " "})") == "run: is empty; expected a command for bash, as a text\n");
}

TEST_CASE("a description's bounds are numbers or of its type, and are told") {
  const auto param = [](const std::string& json) {
    return refusal(R"({"name": "copy", "summary": "s", "params": [)" + json + "]}");
  };
  CHECK(param(R"({"name": "a", "type": "bytes", "default": null, "min": 5, "help": "h"})") ==
        "operator `copy`: parameter `a`: `min` and `max` are numbers, or of its type; got 5");
  CHECK(param(R"({"name": "a", "type": "list", "default": null, "max": 5, "help": "h"})") ==
        "operator `copy`: parameter `a`: `min` and `max` are numbers, or of its type; got 5");
  const OperatorCatalog catalog = builtin_operators();
  const OperatorSpec& convert = *catalog.find("parquet_convert");
  const auto with = [](const std::string& schema, const std::string& more = "") {
    return R"({"from": "a.csv", "to": "/out", "schema": )" + schema + more + "}";
  };
  CHECK(problems(convert, with("{}")) == "schema: is empty; at least one key is needed\n");
  CHECK(problems(convert, with(R"({"a": "int64"})", R"(, "delimiter": "\t")")).empty());
  CHECK_FALSE(problems(convert, with(R"({"a": ""})")).empty());
  CHECK(problems(convert, with(R"json({"a": "decimal(9,2)", "b": "uuid"})json"))
            .find("`uuid` cannot be had here; expected one of string, binary") != std::string::npos);
  CHECK(problems(*catalog.find("s3_upload"), R"({"from": "a.csv", "to": "s3://lake/a", "part_size": 1048576})") ==
        "part_size: `1048576`: expected 5MiB to 5GiB\n");
  CHECK(parameters_as_markdown(*catalog.find("s3_upload")).find("| bytes, 5MiB to 5GiB |") != std::string::npos);
  CHECK_FALSE(complete_parameters(convert, *parse_json(with(R"({"a": "int64"})", R"(, "memory": "1MB")"))));
}

TEST_CASE("completed parameters have their defaults and plain units") {
  const OperatorSpec spec = spec_of(every_type);
  const Result<Value> completed =
      complete_parameters(spec, *parse_json(R"({"source": "r", "memory": "2KiB", "columns": "*"})"));
  REQUIRE(completed);
  CHECK(
      to_json(*completed) ==
      R"({"name":null,"level":"low","count":1,"ratio":0.5,"flag":false,"lag":30000000,"memory":2048,"columns":"*",)"
      R"("env":{},"value":null,"query":null,"source":"r","target":null,"run":null,"zone":null,"where":null,"parts":null,"bucket":null})");
  // A text that looks like a template after rendering is not rendered again, and not excused from its type.
  const Result<Value> wrong = complete_parameters(spec, *parse_json(R"({"source": "r", "count": "{{ n }}"})"));
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().message == "parameter `count`: expected an integer (rows), got a text");
}

TEST_CASE("a later description of the same operator takes the place of the earlier") {
  OperatorCatalog catalog;
  OperatorSpec spec;
  spec.name = "b";
  spec.summary = "first";
  catalog.add(spec);
  spec.summary = "second";
  catalog.add(spec);
  spec.name = "a";
  catalog.add(spec);
  CHECK(catalog.names() == std::vector<std::string>{"a", "b"});
  CHECK(catalog.find("b")->summary == "second");
  CHECK(catalog.find("c") == nullptr);
}

TEST_CASE("lists, maps and conditions are checked inside, also after templates are rendered") {
  const OperatorSpec spec = spec_of(every_type);
  CHECK(problems(spec, R"({"source": "a", "parts": ["x", {"id": 1}, "{{ t }}", {"id": "{{ n }}"}]})").empty());
  CHECK(problems(spec, R"({"source": "a", "parts": [1, {"id": "x"}, {"ID": 1}, {"id": 1, "secret": "s"}]})") ==
        "parts: expected a text or a map, got an integer\n"
        "parts: expected an integer, got a text\n"
        "parts: unknown key `ID`; did you mean `id`?; there are id, secret, type\n"
        "parts: needs `id`: an integer\n"
        "parts: `secret` needs the parameter `name`, which is not given\n");
  const auto rendered = complete_parameters(spec, *parse_json(R"({"source": "a", "parts": [{"id": "7"}]})"));
  REQUIRE_FALSE(rendered);
  CHECK(rendered.error().message == "parameter `parts[0].id`: expected an integer, got a text");
}

TEST_CASE("the type of a column is one of those there are, with the digits of a decimal") {
  const OperatorSpec spec = spec_of(every_type);
  CHECK(problems(spec, R"json({"source": "a", "parts": [{"id": 1, "type": "decimal(12,2)"}, {"id": 1, "type": "int64"},
                               {"id": 1, "type": "{{ t }}"}, {"id": 1, "type": ""}, {"id": 1, "type": null}]})json")
            .empty());
  CHECK(problems(spec, R"json({"source": "a", "parts": [{"id": 1, "type": "decimall"}, {"id": 1, "type": "decimal"},
                               {"id": 1, "type": 8}, {"id": 1, "type": "bool"}]})json") ==
        "parts: unknown type `decimall`; there are string, binary, boolean, int8, int16, int32, int64, float, double, "
        "decimal(p,s), date, timestamp, timestamptz, time, interval_us, uuid\n"
        "parts: `decimal`: a decimal is decimal(p,s) with 1 ≤ p ≤ 38 digits, 0 ≤ s ≤ p of them behind the point\n"
        "parts: expected the type of a column, such as int64 or decimal(12,2), got an integer; quote it to make it a "
        "text\n"
        "parts: unknown type `bool`; there are string, binary, boolean, int8, int16, int32, int64, float, double, "
        "decimal(p,s), date, timestamp, timestamptz, time, interval_us, uuid\n");
  for (const char* text : {"decimal(0,0)", "decimal(39,0)", "decimal(5,6)", "decimal(5,-1)", "decimal(a,2)",
                           "decimal()", "decimal(5", "", "Int64", "timestamp(6)"}) {
    INFO(text);
    CHECK_FALSE(parse_data_type(text));
  }
  CHECK(*parse_data_type(" decimal( 12 , 2 ) ") == DataType{DataType::Kind::decimal, 12, 2});
  CHECK(*parse_data_type("decimal(38)") == DataType{DataType::Kind::decimal, 38, 0});
  const std::regex pattern(data_type_pattern());
  for (const std::string& name : data_type_names()) {
    const std::string text = name == "decimal(p,s)" ? "decimal(38,10)" : name;
    const auto type = parse_data_type(text);
    REQUIRE(type);
    CHECK(to_string(*type) == text);
    CHECK(std::regex_match(text, pattern));
  }
}

TEST_CASE("an optional zone may be empty, as a template gives it that finds none") {
  CHECK(problems(spec_of(every_type), R"({"source": "a", "zone": ""})").empty());
  CHECK(problems(spec_of(every_type), R"({"source": "a", "zone": "Asia/Soul"})") ==
        "zone: unknown time zone `Asia/Soul`; did you mean `Asia/Seoul`?\n");
}

TEST_CASE("the parameters of a condition have values, and the values places") {
  CHECK(*names_in_condition(
            "a > :from and b::text = ':x' and \"c:d\" = :to -- :e\n and x[1:2] := :from /* :f */ and $q$ :g $q$") ==
        std::vector<std::string>{"from", "to"});
  CHECK(*names_in_condition("이름 = :이름") == std::vector<std::string>{"이름"});
  CHECK(names_in_condition("")->empty());
  // Read differently by different databases, or not to be read at all.
  for (const char* sql : {"a = 'it\\'s :x'", "a # :x", "a = ':x", "/* :x"}) CHECK_FALSE(names_in_condition(sql));
}

}  // namespace
}  // namespace udon
