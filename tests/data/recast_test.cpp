#include "plugins/data/recast.h"

#include <arrow/api.h>
#include <arrow/util/decimal.h>

#include <catch2/catch.hpp>

#include "plugins/data/array_hash.h"
#include "plugins/data/canonical.h"
#include "plugins/data/exact_number.h"
#include "plugins/data/recast_reader.h"
#include "plugins/data/text_times.h"
#include "plugins/data/type_name.h"
#include "tests/data/arrays.h"
#include "tests/data/fake_reader.h"

namespace udon::data {
namespace {

using Strings = std::vector<std::string>;

DataType type_of(const std::string& text) {
  const auto type = parse_data_type(text);
  REQUIRE(type);
  return *type;
}

ColumnInfo column_of(std::shared_ptr<arrow::DataType> type, TextForm form = TextForm::opaque, std::string as = "") {
  return {.request = {.source_name = "v", .name = "v", .mask = "", .type = std::move(as)},
          .source_type = "source type",
          .type = std::move(type),
          .nullable = false,
          .text_form = form};
}

using test::texts;
std::shared_ptr<arrow::Array> longs(const std::vector<std::optional<int64_t>>& values) { return test::ints(values); }
template <class Builder, class Value>
std::shared_ptr<arrow::Array> array_of(const std::shared_ptr<arrow::DataType>& type,
                                       const std::vector<std::optional<Value>>& values) {
  return test::array_of<Builder, Value>(values, Builder(type, arrow::default_memory_pool()));
}
std::shared_ptr<arrow::Array> doubles(const std::vector<std::optional<double>>& values) {
  return array_of<arrow::DoubleBuilder>(arrow::float64(), values);
}
std::shared_ptr<arrow::Array> floats(const std::vector<std::optional<float>>& values) {
  return array_of<arrow::FloatBuilder>(arrow::float32(), values);
}
std::shared_ptr<arrow::Array> decimals(int precision, int scale, const Strings& values) {
  std::vector<std::optional<arrow::Decimal128>> numbers;
  for (const std::string& text : values) {
    int32_t p = 0, s = 0;
    arrow::Decimal128 number;
    REQUIRE(arrow::Decimal128::FromString(text, &number, &p, &s).ok());
    numbers.emplace_back(number.Rescale(s, scale).ValueOrDie());
  }
  return array_of<arrow::Decimal128Builder>(arrow::decimal128(precision, scale), numbers);
}

// Each value as text; or, in the place of the one that fails, why.
Strings recast(const std::shared_ptr<arrow::Array>& values, const std::string& type, TextForm form = TextForm::opaque,
               const Policies& policies = {}, std::vector<PolicyUse>* uses = nullptr) {
  auto recast = make_recast(column_of(values->type(), form), type_of(type), policies);
  if (!recast) return {recast.error().message};
  RecastFailure failure;
  const auto array = (*recast)->apply(*values, failure);
  if (uses != nullptr) *uses = (*recast)->policy_uses();
  if (!array) {
    CHECK(array.error().kind == ErrorKind::data);
    return {describe_value(*values, failure.row) + " " + failure.reason};
  }
  CHECK((*array)->ValidateFull().ok());
  CHECK((*array)->type()->Equals(*arrow_type_of(type_of(type))));
  Strings out;
  for (int64_t row = 0; row < (*array)->length(); ++row) out.push_back(describe_value(**array, row));
  return out;
}

}  // namespace

TEST_CASE("numbers written plainly are exact, and nothing else is a number") {
  for (const char* text : {"0", "-1", "12.5", "0.001", "99999999999999999999999999999999999999",
                           "-0.00000000000000000000000000000000000001", "1234567890.1234567890123456789012345678"}) {
    INFO(text);
    ExactNumber number;
    REQUIRE(parse_exact(text, number) == DigitsProblem::none);
    CHECK(to_text(number) == text);
  }
  ExactNumber number;
  REQUIRE(parse_exact("1.2300", number) == DigitsProblem::none);
  CHECK(to_text(number) == "1.23");
  REQUIRE(parse_exact("1." + std::string(100, '0'), number) == DigitsProblem::none);
  CHECK(to_text(number) == "1");
  for (const char* text :
       {"", "-", "+1", "01", "-007", "1.", ".5", " 1", "1 ", "1e5", "0x1", "1,000", "--1", "1.2.3", "NaN", "١"}) {
    INFO(text);
    CHECK(parse_exact(text, number) == DigitsProblem::no_number);
  }
  CHECK(parse_exact("1" + std::string(38, '0'), number) == DigitsProblem::too_long);
  CHECK(parse_exact("0." + std::string(38, '0') + "1", number) == DigitsProblem::too_long);
  CHECK(parse_exact("12345678901234567890.1234567890123456789", number) == DigitsProblem::too_long);
}

TEST_CASE("integers become other numbers only where they fit") {
  CHECK(recast(longs({0, 1, std::nullopt}), "boolean") == Strings{"false", "true", "NULL"});
  CHECK(recast(longs({0, 2}), "boolean") == Strings{"2 is neither 0 nor 1; leave `type: boolean` out"});
  CHECK(recast(longs({-128, 127}), "int8") == Strings{"-128", "127"});
  CHECK(recast(longs({128}), "int8") == Strings{"128 does not fit into int8; choose a wider `type`"});
  CHECK(recast(longs({-32769}), "int16")[0].find("-32769 does not fit") == 0);
  CHECK(recast(longs({2147483648}), "int32")[0].find("2147483648 does not fit") == 0);
  CHECK(recast(longs({-99, 100}), "decimal(4,1)") == Strings{"-99.0", "100.0"});
  CHECK(recast(longs({1000}), "decimal(4,1)")[0].find("1000 does not fit into decimal(4,1)") == 0);
  CHECK(recast(longs({INT64_MIN, INT64_MAX}), "decimal(38,19)") ==
        Strings{"-9223372036854775808.0000000000000000000", "9223372036854775807.0000000000000000000"});
  CHECK(recast(longs({9007199254740992}), "double") == Strings{"9.007199254740992e+15"});
  CHECK(recast(longs({9007199254740993}), "double")[0].find("9007199254740993 is no double: other digits") == 0);
  CHECK(recast(longs({16777217}), "float")[0].find("16777217 is no float") == 0);
  const auto flags = array_of<arrow::BooleanBuilder, bool>(arrow::boolean(), {true, false});
  CHECK(recast(flags, "int32") == Strings{"1", "0"});
}

TEST_CASE("decimals become other numbers only with all their digits") {
  const auto prices = decimals(12, 2, {"12.50", "-0.10", "9999999999.00"});
  CHECK(recast(prices, "decimal(38,10)") == Strings{"12.5000000000", "-0.1000000000", "9999999999.0000000000"});
  CHECK(recast(prices, "decimal(11,1)") == Strings{"12.5", "-0.1", "9999999999.0"});
  CHECK(recast(prices, "decimal(10,1)")[0].find("9999999999.00 does not fit into decimal(10,1)") == 0);
  CHECK(recast(prices, "decimal(10,0)")[0].find("12.50 has more digits behind the point than decimal(10,0)") == 0);
  CHECK(recast(prices, "double") == Strings{"12.5", "-0.1", "9999999999"});
  CHECK(recast(prices, "float")[0].find("9999999999.00 is no float") == 0);
  CHECK(recast(decimals(12, 2, {"7.00"}), "int8") == Strings{"7"});
  CHECK(recast(prices, "int64")[0].find("12.50 has more digits") == 0);
  CHECK(recast(decimals(20, 0, {"18446744073709551615"}), "int64")[0].find("18446744073709551615 does not fit") == 0);
  CHECK(recast(decimals(20, 0, {"9223372036854775807"}), "int64") == Strings{"9223372036854775807"});
  CHECK(recast(decimals(20, 2, {"123456789012345678.90"}), "double")[0].find("is no double") != std::string::npos);
  CHECK(recast(decimals(38, 38, {"0." + std::string(37, '0') + "1"}), "decimal(1,0)")[0].find("more digits") !=
        std::string::npos);
}

TEST_CASE("floating numbers become decimals only if the same number comes back") {
  CHECK(recast(doubles({12.34, -0.1, 0.0, 1e20}), "decimal(38,2)") ==
        Strings{"12.34", "-0.10", "0.00", "100000000000000000000.00"});
  CHECK(recast(doubles({0.125}), "decimal(38,2)")[0].find("0.125 has more digits behind the point") == 0);
  CHECK(recast(doubles({0.1 + 0.2}), "decimal(38,2)")[0].find("has more digits") != std::string::npos);
  CHECK(recast(doubles({1e38}), "decimal(38,0)")[0].find("1e+38 does not fit") == 0);
  CHECK(recast(doubles({5e-324}), "decimal(38,38)")[0].find("has more digits") != std::string::npos);
  CHECK(recast(floats({3.14159274f}), "decimal(9,7)") == Strings{"3.1415927"});
  CHECK(recast(floats({0.1f}), "double") == Strings{"0.10000000149011612"});
  CHECK(recast(doubles({0.1}), "float")[0].find("0.1 is no float") == 0);
  CHECK(recast(doubles({0.5, 1e300 * 1e10, NAN}), "float") == Strings{"0.5", "inf", "nan"});
  CHECK(recast(doubles({1e300}), "float")[0].find("is no float") != std::string::npos);
  CHECK(recast(doubles({-9223372036854775808.0, 42.0, -0.0}), "int64") == Strings{"-9223372036854775808", "42", "0"});
  CHECK(recast(doubles({9223372036854775808.0}), "int64")[0].find("does not fit into int64") != std::string::npos);
  CHECK(recast(doubles({0.5}), "int64")[0].find("0.5 has more digits") == 0);
  CHECK(recast(doubles({NAN}), "int64")[0] == "nan has no place in int64; choose `nan: 'null'` or string");
  CHECK(recast(doubles({-INFINITY}), "decimal(5,0)")[0].find("-inf has no place in decimal(5,0); choose `infinity") ==
        0);
  std::vector<PolicyUse> uses;
  CHECK(recast(doubles({NAN, 1.0, INFINITY, NAN}), "int8", TextForm::opaque, {.infinity = "null", .nan = "null"},
               &uses) == Strings{"NULL", "1", "NULL", "NULL"});
  CHECK(uses == std::vector<PolicyUse>{{"v", "infinity=null", 1}, {"v", "nan=null", 2}});
}

TEST_CASE("texts of digits and of people become numbers, days and times if they say nothing else") {
  using enum TextForm;
  CHECK(recast(texts({"1.230000000000000000000000000000", "-5", std::nullopt}), "decimal(38,2)", digits) ==
        Strings{"1.23", "-5.00", "NULL"});
  CHECK(recast(texts({"1.234"}), "decimal(38,2)", digits)[0].find("'1.234' has more digits behind the point") == 0);
  CHECK(recast(texts({std::string(39, '9')}), "decimal(38,0)", digits)[0].find("does not fit") != std::string::npos);
  CHECK(recast(texts({"NaN"}), "decimal(38,0)", digits)[0].find("'NaN' has no place in decimal(38,0)") == 0);
  CHECK(recast(texts({"NaN", "-Infinity", "0.1"}), "double", digits) == Strings{"nan", "-inf", "0.1"});
  std::vector<PolicyUse> uses;
  CHECK(recast(texts({"NaN", "Infinity", "1"}), "int64", digits, {.infinity = "null", .nan = "null"}, &uses) ==
        Strings{"NULL", "NULL", "1"});
  CHECK(uses.size() == 2);
  CHECK(recast(texts({"-12", "0"}), "int8", characters) == Strings{"-12", "0"});
  for (const char* text : {"007", "", " 1", "1e3", "NaN", "우동"})
    CHECK(recast(texts({text}), "int64", characters)[0].find("is no number written plainly") != std::string::npos);
  CHECK(recast(texts({"2024-02-29", "1582-10-15"}), "date", characters) == Strings{"2024-02-29", "1582-10-15"});
  CHECK(recast(texts({"2024-2-9"}), "date", characters)[0].find("'2024-2-9' is no day written") == 0);
  CHECK(recast(texts({"2023-02-29"}), "date", characters)[0].find("`zero_dates: 'null'`") != std::string::npos);
  CHECK(recast(texts({"1582-10-14"}), "date", characters)[0].find("`ancient_dates: keep`") != std::string::npos);
  CHECK(recast(texts({"0000-00-00", "1582-10-14"}), "date", characters, {.zero_dates = "null", .ancient_dates = "keep"},
               &uses) == Strings{"NULL", "1582-10-14"});
  CHECK(uses == std::vector<PolicyUse>{{"v", "zero_dates=null", 1}, {"v", "ancient_dates=keep", 1}});
  CHECK(recast(texts({"2024-01-31 09:00:00", "2024-01-31T09:00:00.5", "1969-12-31 23:59:59.999999"}), "timestamp",
               characters) ==
        Strings{"2024-01-31 09:00:00.000000", "2024-01-31 09:00:00.500000", "1969-12-31 23:59:59.999999"});
  CHECK(recast(texts({"2024-01-31 09:00:00+09"}), "timestamp", characters)[0].find("is no time written") !=
        std::string::npos);
  CHECK(recast(texts({"2024-01-31 09:00:00+09", "2024-01-31T00:00:00Z", "2024-01-31 00:30:00.25-03:30"}), "timestamptz",
               characters) ==
        Strings{"2024-01-31 00:00:00.000000Z", "2024-01-31 00:00:00.000000Z", "2024-01-31 04:00:00.250000Z"});
  CHECK(recast(texts({"2024-01-31 09:00:00"}), "timestamptz", characters)[0].find("no time with offset") !=
        std::string::npos);
  CHECK(recast(texts({"a", ""}), "binary", characters) == Strings{"0x61", "0x"});
}

TEST_CASE("times and intervals become microseconds, times only within a day") {
  using enum TextForm;
  const auto times = texts({"-838:59:59.000000", "00:00:00.000001", "24:00:00", std::nullopt});
  CHECK(recast(times, "interval_us", time) == Strings{"-3020399000000", "1", "86400000000", "NULL"});
  CHECK(recast(times, "time", time)[0].find("'-838:59:59.000000' is no time of a day") == 0);
  CHECK(recast(texts({"00:00:00", "23:59:59.999999"}), "time", time) == Strings{"00:00:00.000000", "23:59:59.999999"});
  CHECK(recast(texts({"24:00:00"}), "time", time)[0].find("choose interval_us or string") != std::string::npos);
  CHECK(recast(texts({"PT0S", "PT2H3M4.5S", "PT-2H-3M-4.5S", "PT-0.000006S", "PT838H"}), "interval_us", interval) ==
        Strings{"0", "7384500000", "-7384500000", "-6", "3016800000000"});
  for (const char* text : {"P1D", "P1M", "P-1Y", "P1DT1H"})
    CHECK(recast(texts({text}), "interval_us", interval)[0].find("whose length is not fixed") != std::string::npos);
  for (const char* text : {"", "P", "1 day", "PT1.5H", "PT99999999999999H"})
    CHECK(recast(texts({text}), "interval_us", interval)[0].find("no length of time") != std::string::npos);
}

TEST_CASE("texts and bytes of a UUID become one, if they are written as every program writes them") {
  using enum TextForm;
  const std::string text = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
  for (const TextForm form : {uuid, characters}) {
    const auto made = make_recast(column_of(arrow::utf8(), form), type_of("uuid"), {});
    REQUIRE(made);
    RecastFailure failure;
    const auto array = (*made)->apply(*texts({text, std::nullopt}), failure);
    REQUIRE(array);
    CHECK((*array)->type()->Equals(*(*made)->type()));
    CHECK((*array)->type()->ToString() == "extension<arrow.uuid>");
    const std::string bytes("\xa0\xee\xbc\x99\x9c\x0b\x4e\xf8\xbb\x6d\x6b\xb9\xbd\x38\x0a\x11", 16);
    CHECK(*canonical_bytes(**array) == Strings{bytes, ""});
    CHECK(*hash_array(**array) == std::vector<uint64_t>{hash_text(bytes), null_hash});
    const auto from_bytes = make_recast(column_of(arrow::binary(), characters), type_of("uuid"), {});
    REQUIRE(from_bytes);
    const auto same =
        (*from_bytes)
            ->apply(*array_of<arrow::BinaryBuilder, std::string>(arrow::binary(), {bytes, std::nullopt}), failure);
    REQUIRE(same);
    CHECK((*same)->Equals(**array));
  }
  for (const char* wrong : {"", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc999c0b4ef8bb6d6bb9bd380a11",
                            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1}"})
    CHECK(recast(texts({wrong}), "uuid", characters)[0].find("is no UUID") != std::string::npos);
  CHECK(recast(array_of<arrow::BinaryBuilder, std::string>(arrow::binary(), {"short"}), "uuid", characters)[0].find(
            "is no UUID") != std::string::npos);
}

TEST_CASE("days become midnights and midnights days; bytes become text where they are UTF-8") {
  const auto days = array_of<arrow::Date32Builder, int32_t>(arrow::date32(), {0, -1, std::nullopt});
  CHECK(recast(days, "timestamp") == Strings{"1970-01-01 00:00:00.000000", "1969-12-31 00:00:00.000000", "NULL"});
  CHECK(recast(array_of<arrow::Date32Builder, int32_t>(arrow::date32(), {INT32_MAX}), "timestamp")[0].find(
            "does not fit into timestamp") != std::string::npos);
  const auto micros = arrow::timestamp(arrow::TimeUnit::MICRO);
  const auto clocks = [&](int64_t us) { return array_of<arrow::TimestampBuilder, int64_t>(micros, {us}); };
  CHECK(recast(clocks(-86'400'000'000), "date") == Strings{"1969-12-31"});
  CHECK(recast(clocks(1), "date")[0] == "1970-01-01 00:00:00.000001 is not midnight; choose timestamp or no `type`");
  CHECK(recast(clocks(-1), "date")[0].find("is not midnight") != std::string::npos);
  const auto bytes = array_of<arrow::BinaryBuilder, std::string>(arrow::binary(), {"우동", "\xff"});
  CHECK(recast(bytes, "string", TextForm::characters)[0].find("0xff is no valid UTF-8; choose `invalid_text") == 0);
  std::vector<PolicyUse> uses;
  CHECK(recast(bytes, "string", TextForm::characters, {.invalid_text = "replace"}, &uses) ==
        Strings{"'우동'", "'\uFFFD'"});
  CHECK(uses == std::vector<PolicyUse>{{"v", "invalid_text=replace", 1}});
  CHECK(recast(bytes, "string", TextForm::characters, {.invalid_text = "null"}) == Strings{"'우동'", "NULL"});
}

TEST_CASE("what could lose or invent something is refused before the first row, with the types that there can be") {
  const auto refusal = [](std::shared_ptr<arrow::DataType> from, const std::string& type,
                          TextForm form = TextForm::opaque) {
    const auto made = make_recast(column_of(std::move(from), form), type_of(type), {});
    REQUIRE_FALSE(made);
    CHECK(made.error().kind == ErrorKind::unsupported);
    return made.error().message;
  };
  const auto utc = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  const auto wall = arrow::timestamp(arrow::TimeUnit::MICRO);
  const std::string numbers = "string, boolean, int8, int16, int32, int64, float, double, decimal(p,s)";
  CHECK(refusal(arrow::int64(), "timestamp") ==
        "column `v` (source type): `type: timestamp` could lose or invent something without a word; it can be " +
            numbers);
  CHECK(refusal(arrow::int64(), "interval_us").find("it can be " + numbers) != std::string::npos);
  CHECK(refusal(arrow::decimal128(12, 2), "binary").find("it can be " + numbers) != std::string::npos);
  CHECK(refusal(arrow::float64(), "date").find("it can be " + numbers) != std::string::npos);
  CHECK(refusal(arrow::boolean(), "decimal(5,2)").find("it can be string, boolean, int8") != std::string::npos);
  CHECK(refusal(utc, "timestamp").ends_with("it can be string, timestamptz"));
  CHECK(refusal(utc, "date").ends_with("it can be string, timestamptz"));
  CHECK(refusal(wall, "timestamptz")
            .ends_with("it can be string, date, timestamp; to make it an instant, say its "
                       "zone: `timezone: Asia/Seoul`"));
  CHECK(refusal(arrow::date32(), "int32").ends_with("it can be string, date, timestamp"));
  CHECK(refusal(arrow::utf8(), "int64").ends_with("it can be string"));
  CHECK(refusal(arrow::utf8(), "boolean", TextForm::characters)
            .ends_with("it can be string, binary, int8, int16, int32, int64, float, double, decimal(p,s), date, "
                       "timestamp, timestamptz, uuid"));
  CHECK(refusal(arrow::utf8(), "date", TextForm::digits)
            .ends_with("it can be string, int8, int16, int32, int64, float, double, decimal(p,s)"));
  CHECK(refusal(arrow::utf8(), "int64", TextForm::time).ends_with("it can be string, time, interval_us"));
  CHECK(refusal(arrow::utf8(), "time", TextForm::interval).ends_with("it can be string, interval_us"));
  CHECK(refusal(arrow::binary(), "int64", TextForm::characters).ends_with("it can be string, binary, uuid"));
  CHECK(refusal(arrow::binary(), "string").ends_with("it can be binary"));
  CHECK(refusal(arrow::list(arrow::int32()), "int32").ends_with("it can be string"));
}

namespace {

// A reader over one column `v` and its key `id`, recast.
struct Recasting {
  test::FakeReader* source;
  std::unique_ptr<TableReader> reader;
  TableRequest request;

  Recasting(const std::shared_ptr<arrow::Array>& values, const std::string& type, const std::string& mask = "") {
    auto fake = std::make_unique<test::FakeReader>();
    source = fake.get();
    ColumnInfo column = column_of(values->type(), TextForm::characters, type);
    column.request.mask = mask;
    ColumnInfo id = column_of(arrow::int64());
    id.request = {.source_name = "id", .name = "no", .mask = "", .type = ""};
    source->columns = {id, column};
    std::vector<std::optional<int64_t>> ids;
    for (int64_t row = 0; row < values->length(); ++row) ids.emplace_back(100 + row);
    source->add(
        arrow::RecordBatch::Make(arrow::schema({arrow::field("no", arrow::int64()), arrow::field("v", values->type())}),
                                 values->length(), arrow::ArrayVector{longs(ids), values}));
    source->key = {0};
    reader = make_recast_reader(std::move(fake));
    request.table = "orders";
  }
  Result<std::optional<SourceBatch>> read() {
    TRY(reader->open(request, {}));
    return reader->sources().at(0)->next();
  }
};

}  // namespace

TEST_CASE("a recast column is hashed after it, and the others as they came") {
  Recasting f(longs({1, 2}), "decimal(5,2)");
  const auto spoiled_by_nobody = f.source->batches.front()->hashes[0];
  const auto batch = f.read();
  REQUIRE(batch);
  const SourceBatch& got = **batch;
  CHECK(got.rows->schema()->field(1)->type()->Equals(*arrow::decimal128(5, 2)));
  CHECK_FALSE(got.rows->schema()->field(1)->nullable());
  CHECK(got.hashes[0] == spoiled_by_nobody);
  CHECK(got.hashes[1] == *hash_array(*got.rows->column(1)));
}

TEST_CASE("a value decoded wrongly is caught before it is recast, where its hash would hide it") {
  Recasting f(longs({1, 2}), "decimal(5,2)");
  f.source->batches.front()->hashes[1][1] ^= 1;
  const auto batch = f.read();
  REQUIRE_FALSE(batch);
  CHECK(batch.error().kind == ErrorKind::data);
  CHECK(batch.error().message.find("what was decoded is not what the server sent: column `v`") == 0);
}

TEST_CASE("a value that does not fit is told with its row's key, but not quoted if its column is masked") {
  const Error told = Recasting(longs({1, 300}), "int8").read().error();
  CHECK(told.kind == ErrorKind::data);
  CHECK(told.message ==
        "table orders, column `v` (source type), id = 101: 300 does not fit into int8; choose a wider `type`");
  const Error masked = Recasting(longs({1, 300}), "int8", "hmac_sha256").read().error();
  CHECK(masked.message ==
        "table orders, column `v` (source type), id = 101: the value does not fit into int8; choose a wider `type`");
  Recasting without_key(longs({1, 300}), "int8");
  without_key.source->key.clear();
  CHECK(without_key.read().error().message.find("row 2 of the answer: 300 does not fit") != std::string::npos);
}

TEST_CASE("a policy that makes NULLs of a recast column makes it nullable, and is reported with the reader's own") {
  Recasting f(texts({"0000-00-00"}), "date");
  f.request.policies.zero_dates = "null";
  const auto columns = f.reader->open(f.request, {});
  REQUIRE(columns);
  CHECK(columns->at(1).nullable);
  CHECK(columns->at(1).is_recast);
  CHECK_FALSE(columns->at(0).is_recast);
  REQUIRE(f.reader->sources().at(0)->next());
  CHECK(f.reader->policy_uses() == std::vector<PolicyUse>{{"v", "zero_dates=null", 1}});
}

TEST_CASE("several sources are recast each by itself, and their policies' uses add up") {
  Recasting f(texts({"0000-00-00", "2024-01-01"}), "date");
  f.request.policies.zero_dates = "null";
  f.source->parts.emplace_back().batches.push_back(*f.source->batches.front());
  REQUIRE(f.reader->open(f.request, {}));
  const auto sources = f.reader->sources();
  REQUIRE(sources.size() == 2);
  for (BatchSource* source : sources) {
    const auto batch = source->next();
    REQUIRE(batch);
    CHECK((*batch)->rows->column(1)->null_count() == 1);
  }
  CHECK(f.reader->policy_uses() == std::vector<PolicyUse>{{"v", "zero_dates=null", 2}});
}

TEST_CASE("a type that the column has already changes nothing") {
  Recasting f(longs({1}), "int64");
  f.source->batches.front()->hashes[1][0] ^= 1;  // not even looked at here
  const auto columns = f.reader->open(f.request, {});
  REQUIRE(columns);
  CHECK_FALSE(columns->at(1).is_recast);
  CHECK(f.reader->sources().at(0)->next());
}

}  // namespace udon::data
