#include "cli/command_line.h"

#include <catch2/catch.hpp>
#include <sstream>

using namespace udon;
using namespace udon::cli;

namespace {

const std::vector<Command>& commands() {
  const auto nothing = [](const Arguments&, Session&) -> Result<int> { return 0; };
  static const std::vector<Command> all{
      {"dags",
       "trigger",
       "Triggers",
       {{"DAG", "id"}},
       {{"conf", "JSON", "JSON"}, {"wait", "waits", ""}, {"tag", "tags", "TAG", Flag::Count::any}},
       nothing},
      {"dags", "pause", "Pauses", {{"DAG", "ids", Positional::Count::some}}, {}, nothing},
      {"runs", "list", "Lists", {{"DAG", "id", Positional::Count::optional}}, {}, nothing},
      {"tasks", "why", "Why", {{"DAG", "id"}, {"RUN", "id"}, {"TASK", "id"}}, {{"map-index", "which", "N"}}, nothing},
      {"prober", "", "Hidden", {}, {}, nothing, true},
      {"version", "", "Prints", {}, {}, nothing}};
  return all;
}

struct Told {
  std::ostringstream out, err;
  int code = -1;
  Parsed parsed;
  explicit Told(const std::vector<std::string>& arguments) {
    auto result = parse_command_line(arguments, commands(), out, err);
    if (const int* ended = std::get_if<int>(&result))
      code = *ended;
    else
      parsed = std::get<Parsed>(result);
  }
};

}  // namespace

TEST_CASE("--output stands before or after the verb") {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--output", "json", "runs", "list"},
                                                    {"runs", "--output", "json", "list"},
                                                    {"runs", "list", "--output", "json"},
                                                    {"runs", "list", "-o", "json"},
                                                    {"runs", "list", "--output=json", "x"}}) {
    const Told told(arguments);
    REQUIRE(told.code == -1);
    CHECK(told.parsed.format == Format::json);
    CHECK(told.parsed.command->verb == "list");
  }
  CHECK(Told({"runs", "list", "--output", "xml"}).code == wrong_usage);
}

TEST_CASE("positionals and options come in any order, each in its place") {
  const Told told({"tasks", "why", "d", "--map-index", "3", "r", "t"});
  REQUIRE(told.code == -1);
  CHECK(told.parsed.arguments.text("DAG") == "d");
  CHECK(told.parsed.arguments.text("RUN") == "r");
  CHECK(told.parsed.arguments.text("TASK") == "t");
  CHECK(told.parsed.arguments.text("map-index") == "3");
  const Told trigger({"dags", "trigger", "--wait", "--conf", R"({"a": "b c"})", "주문", "--tag", "x", "--tag", "y"});
  REQUIRE(trigger.code == -1);
  CHECK(trigger.parsed.arguments.text("DAG") == "주문");
  CHECK(trigger.parsed.arguments.text("conf") == R"({"a": "b c"})");
  CHECK(trigger.parsed.arguments.has("wait"));
  CHECK(trigger.parsed.arguments.all("tag") == std::vector<std::string>{"x", "y"});
  CHECK(Told({"dags", "pause", "a", "b", "c"}).parsed.arguments.all("DAG") == std::vector<std::string>{"a", "b", "c"});
  CHECK(Told({"runs", "list", "a"}).parsed.arguments.text("DAG") == "a");
  CHECK(!Told({"runs", "list"}).parsed.arguments.has("DAG"));
}

TEST_CASE("wrong usage ends with 2 and says what was meant") {
  const auto wrong = [](const std::vector<std::string>& arguments) {
    const Told told(arguments);
    CHECK(told.code == wrong_usage);
    CHECK(told.out.str().empty());
    return told.err.str();
  };
  CHECK_THAT(wrong({"dagz", "list"}), Catch::Contains("did you mean `dags`?"));
  CHECK_THAT(wrong({"-o", "json", "dags", "triger", "x"}), Catch::Contains("did you mean `trigger`?"));
  CHECK_THAT(wrong({"dags", "trigger"}), Catch::Contains("DAG is required"));
  wrong({"dags", "trigger", "a", "b"});
  wrong({"dags", "trigger", "a", "--nope"});
  wrong({"dags", "trigger", "a", "--conf"});
  wrong({"runs", "list", "a", "b"});
  wrong({"dags", "pause"});
  wrong({"dags"});
  wrong({});
}

TEST_CASE("help goes to standard output, ends with 0, and hides what is not for people") {
  const Told told({"--help"});
  CHECK(told.code == succeeded);
  CHECK_THAT(told.out.str(), Catch::Contains("version") && !Catch::Contains("prober"));
  CHECK_THAT(Told({"dags", "trigger", "--help"}).out.str(), Catch::Contains("--conf JSON"));
}
