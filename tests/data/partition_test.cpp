#include "plugins/data/partition.h"

#include <catch2/catch.hpp>

#include "tests/data/arrays.h"

namespace udon::data {
namespace {

using Each = PartitionField::Each;

int64_t us(const std::string& text) { return parse_time(text)->time_since_epoch().count(); }

TEST_CASE("a value is escaped as Hive and Spark do it, and NULL and the empty text are one") {
  CHECK(partition_value("우동 한 그릇") == "우동 한 그릇");
  CHECK(partition_value("a/b=c:d%\"'\\") == "a%2Fb%3Dc%3Ad%25%22%27%5C");
  CHECK(partition_value("{[x]}^#*?\t\x7f") == "%7B%5Bx%5D}%5E%23%2A%3F%09%7F");
  CHECK(partition_value("") == "__HIVE_DEFAULT_PARTITION__");
}

TEST_CASE("stretches of the calendar begin, end and are named by the clock on the wall") {
  const int64_t at = us("2024-02-29T13:45:06.000007Z");
  CHECK(name_of(Each::year, at) == "2024");
  CHECK(name_of(Each::month, at) == "2024-02");
  CHECK(name_of(Each::day, at) == "2024-02-29");
  CHECK(name_of(Each::hour, at) == "2024-02-29-13");
  CHECK(begin_of(Each::month, at) == us("2024-02-01T00:00:00Z"));
  CHECK(end_of(Each::month, at) == us("2024-03-01T00:00:00Z"));
  CHECK(end_of(Each::year, us("2023-12-31T23:59:59Z")) == us("2024-01-01T00:00:00Z"));
  CHECK(end_of(Each::day, at) == us("2024-03-01T00:00:00Z"));
  CHECK(begin_of(Each::hour, us("1969-12-31T23:59:59Z")) == us("1969-12-31T23:00:00Z"));
  CHECK(name_of(Each::day, us("1969-12-31T23:59:59Z")) == "1969-12-31");
}

Window window_of(const std::string& from, const std::string& to, Duration late = {}) {
  return {.by = "at", .asked = {{us(from), true}, {us(to), true}}, .late = late};
}

TEST_CASE("a window is widened to whole partitions, in the zone, and with the look-back before it") {
  const auto hours = window_of("2026-01-31T00:00:00Z", "2026-01-31T01:00:00Z");  // 09:00 to 10:00 in Seoul
  const auto day = widened(hours, Each::day, "Asia/Seoul");
  REQUIRE(day);
  CHECK(to_string(day->from) == "2026-01-30T15:00:00Z");
  CHECK(to_string(day->to) == "2026-01-31T15:00:00Z");
  CHECK(names_in(*day, Each::day, "Asia/Seoul") == std::vector<std::string>{"2026-01-31"});
  const auto late = widened(window_of("2026-01-30T15:00:00Z", "2026-01-31T15:00:00Z", std::chrono::hours(30)),
                            Each::day, "Asia/Seoul");
  REQUIRE(late);
  CHECK(names_in(*late, Each::day, "Asia/Seoul") == std::vector<std::string>{"2026-01-29", "2026-01-30", "2026-01-31"});
  // A day of 23 hours, and of 25.
  for (const auto& [from, to] : {std::pair{"2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"},
                                 std::pair{"2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"}}) {
    const auto changed = widened(window_of(from, to), Each::day, "America/New_York");
    REQUIRE(changed);
    CHECK(to_string(changed->from) == std::string(from));
    CHECK(to_string(changed->to) == std::string(to));
  }
  CHECK_FALSE(names_in({{us("1990-01-01T00:00:00Z"), true}, {us("2026-01-01T00:00:00Z"), true}}, Each::day, ""));
}

ColumnInfo column(const std::string& name, std::shared_ptr<arrow::DataType> type) {
  return {.request = {.source_name = name, .name = name, .mask = "", .type = ""},
          .source_type = "test",
          .type = std::move(type)};
}

TEST_CASE("each row finds its folder by all fields together") {
  const auto instants = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  PartitionLayout layout({{"at", "dt", Each::day}, {"shop", "가게", Each::value}}, "Asia/Seoul");
  REQUIRE(layout.open({column("at", instants), column("shop", arrow::utf8())}));
  arrow::TimestampBuilder at(instants, arrow::default_memory_pool());
  for (const std::string text : {"2026-01-30T15:00:00Z", "2026-01-31T14:59:59Z", "2026-01-30T14:59:59Z"})
    REQUIRE(at.Append(us(text)).ok());
  REQUIRE(at.AppendNull().ok());
  const auto rows =
      arrow::RecordBatch::Make(arrow::schema({arrow::field("at", instants), arrow::field("shop", arrow::utf8())}), 4,
                               arrow::ArrayVector{*at.Finish(), test::texts({"강남/1", std::nullopt, "강남/1", ""})});
  const auto places = layout.places_of(*rows);
  REQUIRE(places);
  std::vector<std::string> folders;
  for (const uint32_t place : *places) folders.push_back(layout.folder(place));
  CHECK(folders == std::vector<std::string>{
                       "dt=2026-01-31/가게=강남%2F1", "dt=2026-01-31/가게=__HIVE_DEFAULT_PARTITION__",
                       "dt=2026-01-30/가게=강남%2F1", "dt=__HIVE_DEFAULT_PARTITION__/가게=__HIVE_DEFAULT_PARTITION__"});
  CHECK(layout.places_of(*rows).value() == *places);
}

TEST_CASE("what makes no folders is refused by name before any row is read") {
  const auto refused = [](const PartitionField& field, const ColumnInfo& info) {
    PartitionLayout layout({field}, "");
    const auto opened = layout.open({info});
    REQUIRE_FALSE(opened);
    return opened.error().message;
  };
  CHECK_THAT(refused({"n", "dt", Each::day}, column("n", arrow::int64())), Catch::Contains("neither days nor times"));
  CHECK_THAT(refused({"d", "dt", Each::hour}, column("d", arrow::date32())), Catch::Contains("no hours"));
  CHECK_THAT(refused({"x", "x_", Each::value}, column("x", arrow::float64())), Catch::Contains("too many values"));
  CHECK_THAT(refused({"n", "N", Each::value}, column("n", arrow::int64())),
             Catch::Contains("also a column of the files"));
  CHECK_THAT(refused({"m", "dt", Each::value}, column("n", arrow::int64())), Catch::Contains("add it to `columns`"));
  ColumnInfo masked = column("n", arrow::int64());
  masked.request.mask = "hmac_sha256";
  CHECK_THAT(refused({"n", "k", Each::value}, masked), Catch::Contains("is masked"));
  for (const char* text : {"[]", "[shop]", "[{\"by\": \"a\"}]", "[{\"by\": \"a\", \"as\": \"_a\"}]",
                           "[{\"by\": \"a\", \"as\": \"a/b\"}]", "[{\"by\": \"a\", \"as\": \"x\", \"each\": \"week\"}]",
                           "[{\"by\": \"a\", \"as\": \"x\"}, {\"by\": \"b\", \"as\": \"X\"}]"}) {
    INFO(text);
    const auto value = parse_json(text);
    if (value) CHECK_FALSE(parse_partition_by(*value));
  }
}

TEST_CASE("moments are read with an offset, in the zone, or as the wall shows them") {
  CHECK(parse_moment("2026-01-31T09:00:00+09:00", "", "t") == Moment{us("2026-01-31T00:00:00Z"), true});
  CHECK(parse_moment("2026-01-31", "Asia/Seoul", "t") == Moment{us("2026-01-30T15:00:00Z"), true});
  CHECK(parse_moment("2026-01-31 09:00", "", "t") == Moment{us("2026-01-31T09:00:00Z"), false});
  for (const Moment& moment :
       {Moment{us("2026-01-31T00:00:00.000001Z"), true}, Moment{us("2026-01-31T00:00:00Z"), false}})
    CHECK(parse_moment(to_string(moment), "", "t") == moment);
  CHECK_FALSE(parse_moment("2026-03-08 02:30:00", "America/New_York", "t"));
  CHECK_FALSE(parse_moment("yesterday", "", "t"));
  CHECK_FALSE(parse_moment(5, "", "t"));
}

}  // namespace
}  // namespace udon::data
