#include "tests/task/try_home.h"

using namespace udon;
using test::TryHome;

namespace {

Value parsed(const char* json) {
  auto value = parse_json(json);
  REQUIRE(value);
  return *value;
}

TryEnded choose(const char* parameters, Value context = Value::map()) {
  TryHome home;
  TryRequest request = home.request("branch", parsed(parameters));
  request.context = std::move(context);
  return home.run(request);
}

TryEnded look(const char* parameters) {
  TryHome home;
  return home.run(home.request("short_circuit", parsed(parameters)));
}

}  // namespace

TEST_CASE("a branch returns the ids that it chose, as a list") {
  CHECK(choose(R"({"choose": "load"})").xcom.get("return_value") == parsed(R"(["load"])"));
  CHECK(choose(R"({"choose": ["a", "b"]})").xcom.get("return_value") == parsed(R"(["a", "b"])"));
  const TryEnded nothing = choose(R"({"choose": []})");
  CHECK(nothing.xcom.get("return_value") == parsed("[]"));
  CHECK(nothing.message == "chose nothing");
  CHECK(choose(R"({"choose": "{{ none }}"})").xcom.get("return_value") == parsed("[]"));
  const TryEnded rendered =
      choose(R"({"choose": "{{ ['전체'] if params.all else 'delta' }}"})", parsed(R"({"params": {"all": true}})"));
  CHECK(rendered.xcom.get("return_value") == parsed(R"(["전체"])"));
  CHECK(rendered.message == "chose `전체`");
}

TEST_CASE("a branch looks its value up in its cases") {
  const auto with = [](const std::string& value, const std::string& more) {
    return choose(
        (R"({"choose": )" + value + R"(, "cases": {"true": "a", "3": ["b", "c"], "예": []})" + more + "}").c_str());
  };
  CHECK(with("true", "").xcom.get("return_value") == parsed(R"(["a"])"));
  CHECK(with("\"true\"", "").xcom.get("return_value") == parsed(R"(["a"])"));
  CHECK(with("3", "").xcom.get("return_value") == parsed(R"(["b", "c"])"));
  CHECK(with("\"예\"", "").xcom.get("return_value") == parsed("[]"));
  CHECK(with("false", R"(, "otherwise": "z")").xcom.get("return_value") == parsed(R"(["z"])"));
  CHECK(with("false", R"(, "otherwise": [])").xcom.get("return_value") == parsed("[]"));
  const TryEnded unknown = with("\"tru\"", "");
  CHECK(unknown.result == TryEnded::Result::failed);
  CHECK(unknown.error_kind == ErrorKind::data);
  CHECK(unknown.message ==
        "`cases` has no `tru`, and there is no `otherwise`; it has: true, 3, 예; did you mean `true`?");
  CHECK(with("[1]", "").error_kind == ErrorKind::data);
  CHECK(choose(R"({"choose": {"a": 1}})").error_kind == ErrorKind::data);
  CHECK(choose(R"({"choose": [""]})").error_kind == ErrorKind::data);
}

TEST_CASE("the log says why there is no further try") {
  TryHome home;
  TryRequest request = home.request("branch", parsed(R"({"choose": [3]})"));
  request.max_tries = 3;
  CHECK(home.run(request).error_kind == ErrorKind::data);
  CHECK(home.log_has(request, "udon: not tried again: an error of kind data would come again\n"));
  request = home.bash("exit 2");
  request.max_tries = 3;
  CHECK(home.run(request).exit_code == 2);
  CHECK_FALSE(home.log_has(request, "not tried again"));
  request = home.bash("exit 2");
  request.max_tries = 3;
  request.no_retry_on = {"2"};
  home.run(request);
  CHECK(home.log_has(request, "udon: not tried again: no_retry_on has exit code 2\n"));
}

TEST_CASE("a short circuit returns whether its condition holds") {
  for (const char* const yes : {"true", "1", "2.5", "\"True\"", "\"yes\"", "\"1\"", "[0]", "{\"a\": null}"}) {
    INFO(yes);
    CHECK(look((std::string(R"({"condition": )") + yes + "}").c_str()).xcom == parsed(R"({"return_value": true})"));
  }
  for (const char* const no :
       {"false", "0", "0.0", "\"\"", "\"FALSE\"", "\"no\"", "\"None\"", "[]", "{}", "\"{{ none }}\""}) {
    INFO(no);
    CHECK(look((std::string(R"({"condition": )") + no + "}").c_str()).xcom == parsed(R"({"return_value": false})"));
  }
  CHECK(look(R"({"condition": false, "ignore_downstream_trigger_rules": false})").xcom ==
        parsed(R"({"ignore_downstream_trigger_rules": false, "return_value": false})"));
  const TryEnded neither = look(R"({"condition": "아마"})");
  CHECK(neither.error_kind == ErrorKind::data);
  CHECK_THAT(neither.message, Catch::Contains("the text `아마` is neither true nor false"));
}
