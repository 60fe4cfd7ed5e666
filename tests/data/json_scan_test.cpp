// An object that is read quickly says what the parser says of it: by its twin, which has one member more that only the
// parser reads.
#include <catch2/catch.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "base/random.h"
#include "plugins/data/json_object.h"
#include "plugins/data/json_scan.h"

namespace udon::data {
namespace {

using Member = std::tuple<JsonMember::Kind, std::string, std::string>;

struct Kept final : JsonMembers {
  bool take(const JsonMember& member) override {
    members.emplace_back(member.kind, std::string(member.key), std::string(member.text));
    return true;
  }
  std::vector<Member> members;
};

// Both ways; true: it was one that is read quickly.
bool check(JsonObjectParser& parser, JsonScan& scan, const std::string& text) {
  INFO(text);
  Kept quick;
  const auto said = parser.parse(text, quick);
  const size_t end = text.rfind('}');
  if (end == text.npos) {
    CHECK(said == JsonObjectParser::Problem::no_object);
    return false;
  }
  // Behind an empty object's brace there is nothing to part from.
  const bool is_empty = text.find_last_not_of(" \t\r\n", end - 1) == text.find('{');
  std::string twin = text;
  twin.insert(end, is_empty ? "\"~\":[]" : ",\"~\":[]");
  Kept slow;
  REQUIRE(parser.parse(twin, slow) == said);
  const bool is_read = scan.read(text);
  if (said != JsonObjectParser::Problem::none) {
    CHECK_FALSE(is_read);
    return false;
  }
  REQUIRE(slow.members.size() == quick.members.size() + 1);
  slow.members.pop_back();
  CHECK(slow.members == quick.members);
  return is_read;
}

TEST_CASE("an object that is read quickly has the members that the parser finds") {
  const std::vector<std::string> texts = {"",
                                          "x",
                                          "우동",
                                          "\\n",
                                          "\\\"",
                                          "\\\\",
                                          "\\u00e9",
                                          "\\ud83c\\udf5c",
                                          "\\u0000",
                                          "\\/",
                                          "\\b\\f",
                                          std::string(15, 'a'),
                                          std::string(16, 'b'),
                                          std::string(17, 'c'),
                                          std::string(40, 'd')};
  const std::vector<std::string> values = {"0",
                                           "-0",
                                           "1",
                                           "-12.50",
                                           "9223372036854775807",
                                           "12345678901234567890",
                                           "1e5",
                                           "0.1E-7",
                                           "true",
                                           "false",
                                           "null",
                                           "[1,{\"a\":\"}\"}]",
                                           "{}",
                                           "0.000000000000000000000000000000000000000001"};
  const std::vector<std::string> bad = {
      "01",     "1.",          "-",     "+1", ".5",   "tru", "nul", "\"\\x\"", "\"\\ud800\"", "\"\\ud800\\u0041\"",
      "\"\t\"", "\"\\u12g4\"", "1e309", "",   "\"\\", "NaN", "'a'"};
  const std::vector<std::string> blanks = {"", "", "", " ", "\t", "\r\n", "  "};
  Random random(5);
  JsonObjectParser parser;
  JsonScan scan;
  int quick = 0, refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    const auto one_of = [&](const std::vector<std::string>& list) { return list[random.below(list.size())]; };
    const auto text = [&] {
      std::string all = "\"";
      for (uint64_t count = random.below(4); count > 0; --count) all += one_of(texts);
      return all + "\"";
    };
    std::string object = one_of(blanks) + "{" + one_of(blanks);
    const uint64_t members = random.below(6);
    for (uint64_t i = 0; i < members; ++i) {
      if (i > 0) object += one_of(blanks) + "," + one_of(blanks);
      // The same keys as before mostly.
      object +=
          (random.below(4) != 0 ? "\"key " + std::to_string(i) + "\"" : text()) + one_of(blanks) + ":" + one_of(blanks);
      object += random.below(60) == 0 ? one_of(bad) : random.below(2) == 0 ? text() : one_of(values);
    }
    object += one_of(blanks) + "}" + one_of(blanks);
    if (random.below(20) == 0) object.erase(random.below(object.size()), 1);
    const bool is_read = check(parser, scan, object);
    quick += is_read;
    refused += !is_read;
  }
  CHECK(quick > 5'000);
  CHECK(refused > 1'000);
}

TEST_CASE("what the parser must see is left to it") {
  JsonScan scan;
  for (const std::string& text :
       std::vector<std::string>{R"({"a":[]})", R"({"a":{}})", R"({"a":1e5})", R"({"a":"\udc00"})",
                                "{\"a\":" + std::string(400, '9') + "}"}) {
    INFO(text);
    CHECK_FALSE(scan.read(text));
  }
  REQUIRE(scan.read(R"({"a":"","":"\ud83c\udf5c"})"));
  CHECK(scan.members().size() == 2);
  CHECK(scan.members()[0].text.empty());
  CHECK(scan.members()[1].text == "🍜");
}

}  // namespace
}  // namespace udon::data
