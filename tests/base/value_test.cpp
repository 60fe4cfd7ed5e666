#include "base/value.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "base/limits.h"
#include "base/random.h"

using namespace udon;

namespace {

Value parsed(std::string_view text) {
  auto value = parse_json(text);
  INFO(text);
  REQUIRE(value.has_value());
  return *value;
}

std::string error_of(std::string_view text) {
  auto value = parse_json(text);
  INFO(text);
  REQUIRE_FALSE(value.has_value());
  CHECK(value.error().kind == ErrorKind::invalid);
  return value.error().message;
}

}  // namespace

TEST_CASE("JSON is printed as it was read, keys in their order") {
  const std::string text =
      R"({"z":[1,-2,true,false,null,"가나다 \"x\" \\ \n \u0001",2.5],"a":{},"m":[],"b":{"c":{"d":""}}})";
  CHECK(to_json(parsed(text)) == text);
}

TEST_CASE("pretty JSON indents by two spaces and keeps empty lists and maps on one line") {
  CHECK(to_json_pretty(parsed(R"({"a":[1,{"b":2}],"c":[],"d":{}})")) ==
        "{\n  \"a\": [\n    1,\n    {\n      \"b\": 2\n    }\n  ],\n  \"c\": [],\n  \"d\": {}\n}");
}

TEST_CASE("an integer stays an integer and a double stays a double") {
  CHECK(parsed("9223372036854775807") == Value(std::numeric_limits<int64_t>::max()));
  CHECK(parsed("-9223372036854775808") == Value(std::numeric_limits<int64_t>::min()));
  CHECK(parsed("1.0") == Value(1.0));
  CHECK(parsed("1") == Value(1));
  CHECK_FALSE(Value(1) == Value(1.0));
  CHECK(to_json(Value(1.0)) == "1.0");
  CHECK(to_json(Value(-0.0)) == "-0.0");
  CHECK(to_json(Value(100000.0)) == "100000.0");
  CHECK(to_json(Value(0.1)) == "0.1");
  CHECK(to_json(Value(0.0001)) == "0.0001");
  CHECK(to_json(Value(1e16)) == "1e+16");
  CHECK(to_json(Value(1e-7)) == "1e-07");
}

TEST_CASE("every finite double is read back exactly") {
  Random random(20260131);
  for (int i = 0; i < 20'000; ++i) {
    const double number = std::bit_cast<double>(random.next());
    if (!std::isfinite(number)) continue;
    const Value back = parsed(to_json(Value(number)));
    REQUIRE(back.is_double());
    REQUIRE(std::bit_cast<uint64_t>(back.as_double()) == std::bit_cast<uint64_t>(number));
  }
  for (double number : {std::numeric_limits<double>::max(), std::numeric_limits<double>::min(),
                        std::numeric_limits<double>::denorm_min(), 9007199254740993.0}) {
    CHECK(parsed(to_json(Value(number))).as_double() == number);
  }
}

TEST_CASE("NaN and infinities are printed as null") {
  CHECK(to_json(Value(std::nan(""))) == "null");
  CHECK(to_json(Value(-std::numeric_limits<double>::infinity())) == "null");
}

TEST_CASE("a number that has no exact place is an error and not another number") {
  CHECK(error_of("9223372036854775808") ==
        "JSON at byte 0 (line 1, column 1): the integer is outside the range of 64 bits");
  CHECK(error_of("{\"a\":\n [1, -9223372036854775809]}") ==
        "JSON at byte 11 (line 2, column 6): the integer is outside the range of 64 bits");
  CHECK(error_of("[123456789012345678901234567890,1]").starts_with("JSON at byte 1 "));
  CHECK_THAT(error_of("1e400"), Catch::Contains("overflow"));
}

TEST_CASE("a key that an object has twice is an error") {
  CHECK(error_of(R"({"a":1,"b":2,"a":3})") ==
        "JSON at byte 18 (line 1, column 19): the object that ends here has the key `a` twice");
  CHECK(parsed(R"([{"a":1},{"a":2}])").size() == 2);
}

TEST_CASE("a syntax error says where and what was expected") {
  CHECK(error_of("") == "JSON at byte 0 (line 1, column 1): unexpected end of input; expected '[', '{', or a literal");
  CHECK(error_of("[1,\n2") == "JSON at byte 5 (line 2, column 2): unexpected end of input; expected ']'");
  error_of("{} x");
  error_of("{'a':1}");
  error_of("[1,]");
  error_of("// no comments\n1");
  error_of("NaN");
}

TEST_CASE("a syntax error does not quote the text, which may hold a password") {
  CHECK_THAT(error_of("{\"password\": \"geheim\n\"}"), !Catch::Contains("geheim"));
  CHECK_THAT(error_of("{\"password\": \"geheim' \\x\"}"), !Catch::Contains("geheim"));
  CHECK_THAT(error_of("{\"password\": geheim}"), !Catch::Contains("gehe"));
}

TEST_CASE("invalid UTF-8 is refused when read and replaced when written") {
  CHECK(error_of("[\"ab\xff\"]").starts_with("JSON at byte 4 "));
  error_of("\"\xed\xa0\x80\"");
  error_of(R"("\ud800")");
  CHECK(to_json(Value("a\xff\xc3z")) == "\"a\xEF\xBF\xBD\xEF\xBF\xBDz\"");
  CHECK(parsed(R"("\ud83d\ude00")") == Value("😀"));
}

TEST_CASE("values nest to the limit and no deeper") {
  const auto nested = [](int depth) {
    return std::string(static_cast<size_t>(depth), '[') + std::string(static_cast<size_t>(depth), ']');
  };
  parsed(nested(limits::value_depth_max));
  CHECK(error_of(nested(limits::value_depth_max + 1)) ==
        "JSON at byte 100 (line 1, column 101): nested deeper than 100 levels");
}

TEST_CASE("a map keeps the place of a key that is set again") {
  Value map;
  map.set("b", 1);
  map.set("a", Value::list());
  map.set("b", "new");
  CHECK(to_json(map) == R"({"b":"new","a":[]})");
  CHECK(map.size() == 2);
  CHECK(map.erase("b"));
  CHECK_FALSE(map.erase("b"));
  CHECK(map.find("b") == nullptr);
  CHECK(map.get("b").is_null());
  CHECK(Value(3).find("b") == nullptr);
}

TEST_CASE("a null becomes a list when something is pushed to it") {
  Value list;
  list.push_back(1);
  list.push_back("two");
  CHECK(list == Value(Value::List{1, "two"}));
}

TEST_CASE("an optional member of another type counts as absent") {
  const Value value = parsed(R"({"text":"t","number":7,"flag":true})");
  CHECK(value.text("text") == "t");
  CHECK(value.text("number", "none") == "none");
  CHECK(value.integer("number") == 7);
  CHECK(value.integer("text", -1) == -1);
  CHECK(value.flag("flag"));
  CHECK_FALSE(value.flag("missing"));
}

TEST_CASE("types have the names that JSON Schema gives them") {
  CHECK(Value().type_name() == "null");
  CHECK(Value(true).type_name() == "boolean");
  CHECK(Value(1).type_name() == "integer");
  CHECK(Value(1.5).type_name() == "number");
  CHECK(Value("x").type_name() == "string");
  CHECK(Value::list().type_name() == "array");
  CHECK(Value::map().type_name() == "object");
}
