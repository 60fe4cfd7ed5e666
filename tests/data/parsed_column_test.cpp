// What is read several digits at a time is read as one after the other.
#include "plugins/data/parsed_column.h"

#include <catch2/catch.hpp>
#include <optional>

#include "base/random.h"
#include "plugins/data/array_hash.h"
#include "plugins/data/canonical.h"
#include "plugins/data/type_name.h"

namespace udon::data {
namespace {

std::unique_ptr<ParsedColumn> column(const std::string& type) { return *make_parsed_column(*parse_type_name(type)); }

// Nothing: it does not fit.
std::optional<std::string> parsed(ParsedColumn& column, std::string_view text) {
  uint64_t hash = 0;
  if (!column.append(text, &hash)) {
    CHECK_FALSE(column.expected(text).empty());
    return std::nullopt;
  }
  const auto array = *column.finish();
  REQUIRE(array->ValidateFull().ok());
  CHECK(*hash_array(*array) == std::vector<uint64_t>{hash});
  return array->GetScalar(0).ValueOrDie()->ToString();
}

TEST_CASE("a time with one byte that does not belong there is refused, whatever byte, wherever") {
  const auto timestamps = column("timestamp");
  const auto days = column("date");
  const std::string good = "2026-01-11 09:08:07";
  REQUIRE(parsed(*timestamps, good) == "2026-01-11 09:08:07.000000");
  for (size_t at = 0; at < good.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string text = good;
      text[at] = static_cast<char>(byte);
      const bool is_digit = byte >= '0' && byte <= '9';
      const bool is_separator = good[at] == ' ' ? byte == ' ' || byte == 'T' : text[at] == good[at];
      bool fits = good[at] >= '0' && good[at] <= '9' ? is_digit : is_separator;
      if (is_digit && at == 0) fits = byte >= '2';   // before 1582
      if (is_digit && at == 5) fits = byte <= '1';   // month 0x, 1x: 01, 11
      if (is_digit && at == 6) fits = byte != '0';   // 00
      if (is_digit && at == 8) fits = byte <= '3';   // 31
      if (is_digit && at == 11) fits = byte <= '1';  // 19, not 29
      if (is_digit && (at == 14 || at == 17)) fits = byte <= '5';
      if (at == 16 && byte == '.') continue;  // seconds may be left out, and a fraction follow
      INFO(text);
      CHECK(parsed(*timestamps, text).has_value() == fits);
      if (at < 10) CHECK(parsed(*days, text.substr(0, 10)).has_value() == fits);
    }
  }
  for (size_t length = 0; length < good.size(); ++length) {
    INFO(good.substr(0, length));
    CHECK(parsed(*timestamps, good.substr(0, length)).has_value() == (length == 10 || length == 16));
  }
}

TEST_CASE("times of all forms are read") {
  const auto times = column("timestamptz");
  for (const std::string text :
       {"2026-01-31T09:00:00+09:00", "2026-01-31 09:00+09:00", "2026-01-31 09:00+0900", "2026-01-31 00:00:00Z",
        "2026-01-31 00:00Z", "2026-01-30 23:00:00.000000-01", "2026-01-31 00:00:00.0000000 z"}) {
    INFO(text);
    CHECK(parsed(*times, text) == "2026-01-31 00:00:00.000000Z");
  }
  for (const std::string text :
       {"2026-01-31 24:00:00Z", "2026-01-31 09:60:00Z", "2026-01-31 09:00:60Z", "2026-01-31 9:00:00Z",
        "2026-01-31 09:00:0Z", "2026-02-29 00:00:00Z", "2026-01-31 00:00:00"})
    CHECK_FALSE(parsed(*times, text).has_value());
}

TEST_CASE("a decimal is the same with noughts before it, which make it long") {
  Random random(3);
  int taken = 0, refused = 0;
  for (const std::string type :
       {"decimal(12,2)", "decimal(18,0)", "decimal(18,18)", "decimal(19,4)", "decimal(38,10)", "decimal(1,0)"}) {
    const auto decimals = column(type);
    for (int round = 0; round < 3'000; ++round) {
      std::string digits;
      for (uint64_t count = random.below(22); count > 0; --count) digits += static_cast<char>('0' + random.below(10));
      if (random.below(3) != 0) digits.insert(random.below(digits.size() + 1), ".");
      if (random.below(30) == 0) digits.insert(random.below(digits.size() + 1), 1, "x. "[random.below(3)]);
      const std::string sign = random.below(3) == 0 ? "-" : "";
      INFO(type << ' ' << sign << digits);
      const auto brief = parsed(*decimals, sign + digits);
      if (digits.empty() || digits == ".") {
        CHECK_FALSE(brief.has_value());
        continue;
      }
      CHECK(parsed(*decimals, sign + std::string(40, '0') + digits) == brief);
      taken += brief.has_value();
      refused += !brief.has_value();
    }
  }
  CHECK(taken > 3'000);
  CHECK(refused > 3'000);
}

TEST_CASE("whole numbers end where their types end") {
  const auto longs = column("int64");
  for (const std::string text : {"9223372036854775807", "-9223372036854775808", "999999999999999999",
                                 "-999999999999999999", "1000000000000000000"})
    CHECK(parsed(*longs, text) == text);
  CHECK(parsed(*longs, "+0000000000000000000000007") == "7");
  CHECK(parsed(*longs, "-0") == "0");
  for (const std::string text : {"9223372036854775808", "-9223372036854775809", "99999999999999999999", "", "-", "+",
                                 "+-1", "--1", "1 ", " 1", "1.0", "0x1"})
    CHECK_FALSE(parsed(*longs, text).has_value());
  const auto bytes = column("int8");
  for (int value = -300; value <= 300; ++value)
    CHECK(parsed(*bytes, std::to_string(value)).has_value() == (value >= -128 && value <= 127));
}

TEST_CASE("values and NULL stand where they were put, in batch after batch") {
  Random random(9);
  for (const std::string type : {"int32", "string", "boolean", "decimal(12,2)"}) {
    const auto made = column(type);
    for (int batch = 0; batch < 60; ++batch) {
      // Batches without a NULL, with one somewhere, and of nothing else.
      const uint64_t rows = random.below(batch % 7 == 0 ? 9'000 : 40);
      const uint64_t first_null = random.below(rows + 1);
      const uint64_t nulls_of = batch % 3;
      std::vector<std::string> expected;
      for (uint64_t row = 0; row < rows; ++row) {
        const bool is_null = nulls_of == 2 || (nulls_of == 1 && row >= first_null && random.below(2) == 0);
        uint64_t hash = 0;
        if (is_null) {
          made->append_null();
          expected.emplace_back("null");
          continue;
        }
        const std::string text =
            type == "boolean" ? (random.below(2) == 0 ? "false" : "true") : std::to_string(random.below(100));
        REQUIRE(made->append(text, batch % 2 == 0 ? &hash : nullptr));
        expected.push_back(type == "decimal(12,2)" ? text + ".00" : text);
      }
      const auto array = *made->finish();
      REQUIRE(array->ValidateFull().ok());
      REQUIRE(array->length() == static_cast<int64_t>(rows));
      int64_t nulls = 0;
      for (uint64_t row = 0; row < rows; ++row) {
        nulls += expected[row] == "null";
        const std::string found = array->GetScalar(static_cast<int64_t>(row)).ValueOrDie()->ToString();
        REQUIRE(found == expected[row]);
      }
      CHECK(array->null_count() == nulls);
    }
  }
}

}  // namespace
}  // namespace udon::data
