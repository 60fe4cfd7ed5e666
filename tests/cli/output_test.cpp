#include "cli/output.h"

#include <catch2/catch.hpp>
#include <sstream>

#include "base/text.h"

using namespace udon;
using namespace udon::cli;

namespace {

struct Printed {
  std::ostringstream out, err;
  Output with(Format format, Terminal terminal = {}) { return {out, err, format, terminal}; }
};

Value pools() {
  return Value::Map{
      {"pools",
       Value::List{
           Value::Map{{"name", "기본 풀"}, {"slots", 128}, {"state", "success"}, {"description", "한글 설명이 깁니다"}},
           Value::Map{{"name", "p"}, {"slots", 2}, {"state", nullptr}, {"description", "line\nbreak \x1b[31mred"}}}},
      {"total_entries", 2}};
}
const std::vector<Column> columns{column("POOL", "name"), column("SLOTS", "slots"), column("STATE", "state"),
                                  column("DESCRIPTION", "description")};

}  // namespace

TEST_CASE("columns of a table stand under each other, Korean ones too") {
  Printed printed;
  printed.with(Format::table).list(pools(), "pools", columns);
  CHECK(printed.out.str() ==
        "POOL     SLOTS  STATE    DESCRIPTION\n"
        "기본 풀  128    success  한글 설명이 깁니다\n"
        "p        2               line break  [31mred\n");
}

TEST_CASE("a table is cut to a terminal, and whole in a pipe") {
  for (int width = 1; width < 60; ++width) {
    Printed printed;
    printed.with(Format::table, {.is_terminal = true, .width = width}).list(pools(), "pools", columns);
    for (const std::string& line : split(printed.out.str(), '\n')) CHECK(display_width(line) <= width);
  }
  Printed printed;
  printed.with(Format::table, {.is_terminal = true, .width = 33}).list(pools(), "pools", columns);
  CHECK_THAT(printed.out.str(), Catch::Contains("한글 설…\n"));
}

TEST_CASE("states have colours on a terminal only") {
  Printed plain, coloured;
  plain.with(Format::table).list(pools(), "pools", columns);
  CHECK_THAT(plain.out.str(), !Catch::Contains("\x1b"));
  coloured.with(Format::table, {.is_terminal = true, .width = 80, .has_colour = true}).list(pools(), "pools", columns);
  CHECK_THAT(coloured.out.str(), Catch::Contains("\x1b[32msuccess"));
  // What stands in the data cannot change the terminal.
  CHECK_THAT(coloured.out.str(), !Catch::Contains("\x1b[31mred"));
}

TEST_CASE("programs get the API's object, in JSON or YAML") {
  Printed json, yaml;
  json.with(Format::json).list(pools(), "pools", columns);
  CHECK(parse_json(json.out.str()).value() == pools());
  yaml.with(Format::yaml).list(pools(), "pools", columns);
  CHECK(yaml.out.str() ==
        "pools:\n"
        "- name: 기본 풀\n"
        "  slots: 128\n"
        "  state: success\n"
        "  description: 한글 설명이 깁니다\n"
        "- name: p\n"
        "  slots: 2\n"
        "  state: null\n"
        "  description: \"line\\nbreak \\u001b[31mred\"\n"
        "total_entries: 2\n");
}

TEST_CASE("YAML quotes what would be read as something else") {
  CHECK(to_yaml(Value::Map{{"a", "true"},
                           {"b", "1.5"},
                           {"c", "2026-01-01"},
                           {"d", ""},
                           {"e", "x: y"},
                           {"f", "no #comment"},
                           {"g", "- x"},
                           {"h", "null"},
                           {"i", "it's"},
                           {"1", "key"},
                           {"empty", Value::list()},
                           {"none", Value::map()}}) ==
        "a: \"true\"\nb: \"1.5\"\nc: \"2026-01-01\"\nd: \"\"\ne: \"x: y\"\nf: \"no #comment\"\ng: \"- x\"\nh: "
        "\"null\"\ni: it's\n\"1\": key\n"
        "empty: []\nnone: {}\n");
  CHECK(to_yaml(Value::Map{
            {"m", Value::Map{{"list", Value::List{1, Value::List{2, 3},
                                                  Value::Map{{"k", "v"}, {"w", Value::Map{{"x", 1}}}}}}}}}) ==
        "m:\n  list:\n  - 1\n  - [2,3]\n  - k: v\n    w:\n      x: 1\n");
}

TEST_CASE("an empty list says so on standard error, and is an empty list for programs") {
  Printed table, json;
  const Value none = Value::Map{{"dag_runs", Value::list()}, {"total_entries", 0}};
  table.with(Format::table).list(none, "dag_runs", columns);
  CHECK(table.out.str().empty());
  CHECK(table.err.str() == "no dag runs\n");
  json.with(Format::json).list(none, "dag_runs", columns);
  CHECK(parse_json(json.out.str()).value() == none);
  CHECK(json.err.str().empty());
}

TEST_CASE("a text is cut between characters") {
  CHECK(cut_to_width("한글", 4) == "한글");
  CHECK(cut_to_width("한글", 3) == "한…");
  CHECK(cut_to_width("한글", 2) == "…");
  CHECK(cut_to_width("abc", 3) == "abc");
  CHECK(cut_to_width("abcd", 3) == "ab…");
}
