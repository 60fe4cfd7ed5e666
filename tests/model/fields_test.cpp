#include "model/fields.h"

#include <catch2/catch.hpp>

#include "model/state.h"

using namespace udon;

namespace {

std::string message_of(const FieldReader& fields) {
  const Result<void> status = fields.status();
  return status ? "" : status.error().message;
}

}  // namespace

TEST_CASE("a reader of fields gives what is there and complains of nothing") {
  const Value value = *parse_json(R"({"t": "글", "i": -3, "b": true, "at": "2026-01-31T00:00:00.5Z", "d_us": 1500,
      "m": {"x": 1}, "l": ["a", "b"], "n": null, "state": "up_for_retry"})");
  FieldReader fields(value, "form");
  CHECK(fields.text("t") == "글");
  CHECK(fields.integer("i") == -3);
  CHECK(fields.flag("b"));
  CHECK(fields.time("at") == *parse_time("2026-01-31T00:00:00.500000Z"));
  CHECK(fields.duration("d_us") == Duration(1500));
  CHECK(fields.map("m").integer("x") == 1);
  CHECK(fields.texts("l") == std::vector<std::string>{"a", "b"});
  CHECK(fields.any("n").is_null());
  CHECK(fields.word("state", parse_task_state) == TaskState::up_for_retry);
  CHECK(fields.optional_text("n") == std::nullopt);
  CHECK(fields.optional_text("absent") == std::nullopt);
  CHECK(fields.optional_integer("i") == -3);
  CHECK(fields.optional_duration("d_us") == Duration(1500));
  CHECK(fields.optional_flag("b") == true);
  CHECK_FALSE(fields.has("n"));
  CHECK(fields.has("t"));
  CHECK(fields.status());
}

TEST_CASE("what is missing or wrong is named with its key and what was expected") {
  const Value value = *parse_json(R"({"t": 1, "n": null, "l": ["a", 2], "big": 3000000000, "when": "gestern",
      "word": "Success"})");
  const auto complaint = [&](auto&& read) {
    FieldReader fields(value, "form");
    read(fields);
    return message_of(fields);
  };
  CHECK(complaint([](FieldReader& f) { f.text("absent"); }) == "form: `absent` is missing");
  CHECK(complaint([](FieldReader& f) { f.text("t"); }) == "form: `t` has to be a string, found integer");
  CHECK(complaint([](FieldReader& f) { f.text("n"); }) == "form: `n` has to be a string, found null");
  CHECK(complaint([](FieldReader& f) { f.texts("l"); }) == "form: `l` has to hold strings, found integer");
  CHECK(complaint([](FieldReader& f) { f.small_integer("big"); }) == "form: `big` is out of range: 3000000000");
  CHECK(complaint([](FieldReader& f) { f.integer_at_least("t", 2); }) == "form: `t` has to be at least 2, found 1");
  CHECK(complaint([](FieldReader& f) { f.any("absent"); }) == "form: `absent` is missing");
  CHECK(complaint([](FieldReader& f) { f.optional_time("t"); }) == "form: `t` has to be a string, found integer");
  CHECK(complaint([](FieldReader& f) { f.word("word", parse_task_state); }) ==
        "form: `word` is `Success`, which is none of its words");
  CHECK(complaint([](FieldReader& f) { f.time("when"); }).starts_with("form: `when` is no time: "));
}

TEST_CASE("the first complaint is kept, and reading on is harmless") {
  const Value value = *parse_json(R"({"a": 1})");
  FieldReader fields(value, "form");
  CHECK(fields.text("first") == "");
  CHECK(fields.integer("second") == 0);
  CHECK(fields.list("third").empty());
  CHECK(fields.map("fourth").is_map());
  CHECK(fields.time("fifth") == TimePoint{});
  CHECK(message_of(fields) == "form: `first` is missing");
}

TEST_CASE("what is no object at all is said so") {
  for (const char* text : {"[]", "null", "3", "\"x\""}) {
    const Value value = *parse_json(text);
    FieldReader fields(value, "form");
    CHECK(fields.text("a") == "");
    CHECK(fields.optional_text("b") == std::nullopt);
    CHECK(message_of(fields) == "form: expected an object, found " + std::string(value.type_name()));
  }
}
