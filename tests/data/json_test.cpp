#include <catch2/catch.hpp>

#include "plugins/data/array_hash.h"
#include "plugins/data/json_reader.h"
#include "plugins/data/json_text.h"
#include "tests/base/temporary_folder.h"

namespace udon::data {
namespace {

struct ReadResult {
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  std::vector<PolicyUse> uses;
  std::string error;
};

ReadResult read(const std::string& content, StatedSchema schema, JsonOptions options = {}, TableRequest request = {}) {
  const TemporaryFolder folder;
  const Path file = folder.path() / "file.json";
  REQUIRE(write_file_atomically(file, content, Durability::survives_kill));
  options.schema = std::move(schema);
  options.display = "주문.json";
  const auto reader = make_json_reader(file, options);
  if (const auto columns = reader->open(request, {}); !columns) return {{}, {}, columns.error().message};
  ReadResult result;
  while (true) {
    const auto batch = reader->sources().front()->next();
    if (!batch) return {{}, {}, batch.error().message};
    if (!*batch) break;
    for (int c = 0; c < (*batch)->rows->num_columns(); ++c)
      CHECK(*hash_array(*(*batch)->rows->column(c)) == (*batch)->hashes[static_cast<size_t>(c)]);
    result.batches.push_back((*batch)->rows);
  }
  result.uses = reader->policy_uses();
  return result;
}

std::string cell(const ReadResult& result, int column, int64_t row) {
  INFO(result.error);
  REQUIRE(result.error.empty());
  REQUIRE(result.batches.size() == 1);
  const auto scalar = result.batches[0]->column(column)->GetScalar(row).ValueOrDie();
  return scalar->is_valid ? scalar->ToString() : "NULL";
}

std::string one(const std::string& value, const std::string& type) {
  return cell(read("{\"x\":" + value + "}", {{"x", type}}), 0, 0);
}

JsonOptions array() {
  JsonOptions options;
  options.form = JsonForm::array;
  return options;
}

TEST_CASE("a number is what its digits say, never what a double makes of them") {
  CHECK(one("0.1", "decimal(38,20)") == "0.10000000000000000000");
  CHECK(one("12345678901234567890", "decimal(20,0)") == "12345678901234567890");
  CHECK(one("99999999999999999999999999999999999999", "decimal(38,0)") == "99999999999999999999999999999999999999");
  CHECK(one("-9223372036854775808", "int64") == "-9223372036854775808");
  CHECK(one("9007199254740993", "int64") == "9007199254740993");
  CHECK(one("1e-7", "decimal(8,7)") == "1E-7");
  CHECK(one("1.5E+3", "int32") == "1500");
  CHECK(one("12.00", "int8") == "12");
  CHECK(one("2.5e-3", "decimal(4,4)") == "0.0025");
  CHECK(one("1.10", "string") == "1.10");
}

TEST_CASE("a number that has no exact place is an error") {
  const auto refused = [](const std::string& value, const std::string& type, const std::string& why) {
    const std::string error = read("{\"x\":" + value + "}", {{"x", type}}).error;
    INFO(value << " as " << type << ": " << error);
    CHECK(error.starts_with("주문.json:1: "));
    CHECK(error.find(why) != std::string::npos);
  };
  refused("1.5", "int64", "'1.5' is not a whole number");
  refused("9223372036854775808", "int64", "is not a whole number");
  refused("1e400", "double", "Number too big");
  refused("1e39", "float", "is not a finite number");
  refused("0.005", "decimal(5,2)", "behind it");
  refused("1e999999999999", "decimal(5,2)", "Number too big");
  refused("1e300", "decimal(5,2)", "behind it");
  refused("12", "binary", "is a number, a text was expected");
  refused("12", "date", "is not a date");
  refused("2", "boolean", "is not true, false");
  refused("true", "int64", "'true' is not a whole number");
  for (const std::string bad :
       {"01", "+1", ".5", "1.", "1e", "- 1", "0x10", "NaN", "Infinity", "tru", "nul", "nulll", "1x"})
    refused(bad, "string", "is no JSON");
}

TEST_CASE("a document over several lines, where one object a line was expected, is told with what to do") {
  const auto says = [](const std::string& text, const std::string& words) {
    INFO(text);
    const std::string error = read(text, {{"a", "int64"}}).error;
    CAPTURE(error);
    CHECK(error.find(":1: ") != std::string::npos);
    CHECK(error.find(words) != std::string::npos);
  };
  const std::string several = "; this is a JSON document over several lines";
  says("{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}\n",
       several + ", where one object a line was expected: make it so (`jq -c .`)");
  says("{\"a\":\n1}\n", several);
  says("[\n  {\"a\": 1},\n  {\"a\": 2}\n]\n", several + ": one array of objects is `format: json`");
  says("[{\"a\": 1},\n{\"a\": 2}]\n", several);
  says("[{\"a\": 1}]\n", "; an array is `format: json`");
  CHECK(read("{\"a\": tru}", {{"a", "int64"}}).error.find(several) == std::string::npos);
}

TEST_CASE("a text may stand for a value of any type, by the rules of CSV") {
  CHECK(one("\"12.50\"", "decimal(12,2)") == "12.50");
  CHECK(one("\"2026-01-31\"", "date") == "2026-01-31");
  CHECK(one("\"2026-01-31T09:00:00.5+09:00\"", "timestamptz") == "2026-01-31 00:00:00.500000Z");
  CHECK(one("\"2026-01-31 09:00\"", "timestamp") == "2026-01-31 09:00:00.000000");
  CHECK(one("\"\"", "string").empty());
  CHECK(read(R"({"x":""})", {{"x", "int32"}}).error.find("'' is not a whole number") != std::string::npos);
}

TEST_CASE("escapes are what they stand for") {
  CHECK(one(R"("\uc6b0\ub3d9 \ud83c\udf5c \"\\\/\n\t")", "string") == "우동 🍜 \"\\/\n\t");
  CHECK(cell(read(R"({"\uac00격": 1})", {{"가격", "int8"}}), 0, 0) == "1");
  CHECK(read(R"({"x":"\ud800"})", {{"x", "string"}}).error.find("is no JSON") != std::string::npos);
  CHECK(read(R"({"x":"\udc00"})", {{"x", "string"}}).error.find("holds bytes that are no text") != std::string::npos);
  CHECK(read("{\"x\":\"a\nb\"}", {{"x", "string"}}).error.find("is no JSON") != std::string::npos);
}

TEST_CASE("a key that is missing, and null, are NULL") {
  const auto result = read("{\"a\":1}\n{\"b\":\"x\",\"a\":null}\n{}\n", {{"a", "int64"}, {"b", "string"}});
  CHECK(cell(result, 0, 0) == "1");
  CHECK(cell(result, 1, 0) == "NULL");
  CHECK(cell(result, 0, 1) == "NULL");
  CHECK(cell(result, 1, 1) == "x");
  CHECK(cell(result, 0, 2) == "NULL");
  CHECK(result.batches[0]->num_rows() == 3);
}

TEST_CASE("a key that comes twice is an error, and so is one that is not stated, unless it may be passed over") {
  CHECK(read(R"({"a":1,"a":1})", {{"a", "int64"}}).error == "주문.json:1: key `a` comes twice");
  CHECK(read(R"({"a":1,"\u0061":2})", {{"a", "int64"}}).error == "주문.json:1: key `a` comes twice");
  CHECK(read("{\"price\":1}\n\n{\"prise\":1}", {{"price", "int64"}}).error ==
        "주문.json:3: key 'prise' is not in the schema; did you mean `price`?; state it, or say `on_unknown_key: "
        "ignore`");
  JsonOptions options;
  options.on_unknown_key = UnknownKey::ignore;
  CHECK(cell(read(R"({"z":{"a":9},"a":1,"y":[[]]})", {{"a", "int64"}}, options), 0, 0) == "1");
  CHECK(read(R"({"z":{"a":9,},"a":1})", {{"a", "int64"}}, options).error.find("is no JSON") != std::string::npos);
}

TEST_CASE("a nested value is its own text in a string column, and an error in any other") {
  CHECK(one(R"({ "b": [1, 2.50, "가"] })", "string") == R"({ "b": [1, 2.50, "가"] })");
  CHECK(one("[ ]", "string") == "[ ]");
  CHECK(read(R"({"x":[1]})", {{"x", "int64"}}).error ==
        "주문.json:1: column `x`: '[1]' is an array, which only a `string` can hold, as its JSON text");
  for (const std::string bad : {"[1,]", "{\"a\"}", "[1 2]", "{1:2}", "[01]", "{\"a\":tru}", "[\"\\x\"]"})
    CHECK(read("{\"x\":" + bad + "}", {{"x", "string"}}).error.find("is no JSON") != std::string::npos);
}

TEST_CASE("nesting may be deep, but not without end") {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(one(nested(900), "string") == nested(900));
  CHECK(read("{\"x\":" + nested(100'000) + "}", {{"x", "string"}}).error.find("is nested too deeply") !=
        std::string::npos);
}

TEST_CASE("what is no object is told") {
  CHECK(read("[{\"a\":1}]", {{"a", "int64"}}).error ==
        "주문.json:1: '[{\"a\":1}]' is no object; an array is `format: json`");
  for (const std::string bad : {"1", "\"a\"", "null", "{", "{\"a\":1", "{\"a\":1}}", "{\"a\":1}{\"a\":2}",
                                "{\"a\":1} x", "{\"a\" 1}", "{\"a\":}", "{,}", "{\"a\":1,}", "{'a':1}", "}"})
    CHECK_FALSE(read(bad, {{"a", "int64"}}).error.empty());
}

TEST_CASE("NDJSON may be empty, have blank lines, CRLF, a byte order mark and no end of the last line") {
  CHECK(read("", {{"a", "int64"}}).batches.empty());
  CHECK(read("\n\r\n  \n", {{"a", "int64"}}).batches.empty());
  const auto result = read("\xEF\xBB\xBF{\"a\":1}\r\n\r\n  {\"a\":2}  \n{\"a\":3}", {{"a", "int64"}});
  CHECK(cell(result, 0, 2) == "3");
}

TEST_CASE("an array is read element by element, with the lines on which they begin") {
  const auto result =
      read(" [ {\"a\":1},\n{\"a\":\"]},{\\\"\"}\n,{\"a\":[1,{\"b\":\"}\"}]} ] \n", {{"a", "string"}}, array());
  CHECK(cell(result, 0, 0) == "1");
  CHECK(cell(result, 0, 1) == "]},{\"");
  CHECK(cell(result, 0, 2) == R"([1,{"b":"}"}])");
  CHECK(read("[]", {{"a", "int64"}}, array()).error.empty());
  CHECK(read("[{\"a\":1},\n\n{\"a\":\"x\"}]", {{"a", "int64"}}, array()).error.starts_with("주문.json:3: column `a`"));
  CHECK(read("[1]", {{"a", "int64"}}, array()).error == "주문.json:1: '1' is no object");
  for (const std::string bad : {"", "{\"a\":1}", "[", "[{\"a\":1}", "[{\"a\":1},", "[{\"a\":1},]", "[,]",
                                "[{\"a\":1}{\"a\":2}]", "[{\"a\":1}] x", "[{\"a\":1]", "x", "[\"abc", "[{\"a\":\"\\"})
    CHECK_FALSE(read(bad, {{"a", "int64"}}, array()).error.empty());
}

TEST_CASE("records may lie across the blocks that are read, at every place") {
  for (size_t cut = 0; cut < 24; ++cut) {
    const std::string filler((1 << 20) - 24 + cut, 'x');
    const std::string first = "{\"a\":\"" + filler + "\"}";
    for (const bool is_array : {false, true}) {
      const std::string content =
          is_array ? "[" + first + ",{\"a\":\"\\\"]\"},{\"a\":\"끝\"}]" : first + "\n{\"a\":\"\\\"]\"}\n{\"a\":\"끝\"}";
      const auto result = read(content, {{"a", "string"}}, is_array ? array() : JsonOptions());
      REQUIRE(cell(result, 0, 0) == filler);
      REQUIRE(cell(result, 0, 1) == "\"]");
      REQUIRE(cell(result, 0, 2) == "끝");
    }
  }
}

TEST_CASE("a record longer than the budget allows is an error at its line") {
  TableRequest request;
  request.value_bytes_max = 1 << 20;
  const std::string content = "{\"a\":\"x\"}\n{\"a\":\"" + std::string(4 << 20, 'x') + "\"}";
  CHECK(read(content, {{"a", "string"}}, {}, request)
            .error.starts_with("주문.json:2: a record longer than 1048576 bytes"));
}

TEST_CASE("bytes that are no text: an error that names line and column, or as the policy says, counted") {
  const std::string content = "{\"a\":\"ok\",\"b\":1}\n{\"a\":\"x\xff\",\"b\":2}\n";
  const StatedSchema schema = {{"a", "string"}, {"b", "int64"}};
  CHECK(
      read(content, schema).error.starts_with("주문.json:2: column `a`: 'x\xEF\xBF\xBD' holds bytes that are no text"));
  TableRequest request;
  request.policies.invalid_text = "replace";
  auto result = read(content, schema, {}, request);
  CHECK(cell(result, 0, 1) == "x\xEF\xBF\xBD");
  CHECK(result.uses == std::vector<PolicyUse>{{"a", "invalid_text=replace", 1}});
  request.policies.invalid_text = "null";
  result = read(content, schema, {}, request);
  CHECK(cell(result, 0, 1) == "NULL");
  CHECK(cell(result, 1, 1) == "2");
}

TEST_CASE("EUC-KR and CP949 are converted, and a byte of neither is found") {
  JsonOptions options;
  options.encoding = Encoding::euc_kr;
  const std::string udon = "\xbf\xec\xb5\xbf";  // 우동
  CHECK(cell(read("{\"" + udon + "\":\"" + udon + "\"}", {{"우동", "string"}}, options), 0, 0) == "우동");
  const std::string hangul = "\x8c\x63";  // 똠, which EUC-KR has not
  CHECK(read("{\"a\":\"" + hangul + "\"}", {{"a", "string"}}, options).error.starts_with("주문.json:1: column `a`: "));
  options.encoding = Encoding::cp949;
  CHECK(cell(read("{\"a\":\"" + hangul + "\"}", {{"a", "string"}}, options), 0, 0) == "똠");
}

TEST_CASE("a number's exponent is taken out exactly") {
  CHECK(without_exponent("1e0") == "1");
  CHECK(without_exponent("-1.25e1") == "-12.5");
  CHECK(without_exponent("1.25e2") == "125");
  CHECK(without_exponent("1.25e-2") == "0.0125");
  CHECK(without_exponent("0e5") == "0");
  CHECK(without_exponent("0.001e2") == "0.1");
  CHECK(without_exponent("123e-3") == "0.123");
  CHECK_FALSE(without_exponent("1e999"));
  CHECK_FALSE(without_exponent("1e99999999999999999999"));
}

}  // namespace
}  // namespace udon::data
