#include "plugins/data/split.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include <random>

namespace udon::data {
namespace {

// Rows of a table by their key, counted as a server would guess them, `error` off at most.
struct Keys {
  std::vector<int64_t> sorted;
  double error = 0;
  int asked = 0;

  Result<std::vector<Int128>> cut(size_t ranges) {
    return cut_numbers(sorted.front(), sorted.back(), ranges, [&](Int128 begin, Int128 end) -> Result<double> {
      ++asked;
      const double rows = static_cast<double>(count(begin, end));
      return rows * (1 + (asked % 2 == 0 ? error : -error));
    });
  }
  int64_t count(Int128 begin, Int128 end) const {
    const auto from = std::ranges::partition_point(sorted, [&](int64_t key) { return key < begin; });
    const auto to = std::ranges::partition_point(sorted, [&](int64_t key) { return key < end; });
    return to - from;
  }
  std::vector<int64_t> rows_of_ranges(const std::vector<Int128>& cuts) const {
    std::vector<int64_t> rows;
    Int128 begin = INT64_MIN;
    for (const Int128 cut : cuts) {
      rows.push_back(count(begin, cut));
      begin = cut;
    }
    rows.push_back(count(begin, static_cast<Int128>(INT64_MAX) + 1));
    return rows;
  }
};

Keys even(int64_t count) {
  Keys keys;
  for (int64_t i = 1; i <= count; ++i) keys.sorted.push_back(i);
  return keys;
}

TEST_CASE("keys without gaps are cut into equal ranges") {
  Keys keys = even(100'000);
  const auto cuts = keys.cut(16);
  REQUIRE(cuts);
  const auto rows = keys.rows_of_ranges(*cuts);
  CHECK(rows.size() >= 12);
  CHECK(rows.size() <= 20);
  CHECK(*std::ranges::max_element(rows) <= 100'000 / 8);
}

TEST_CASE("keys in heaps that lie far apart are cut inside the heaps") {
  Keys keys;
  for (int64_t i = 0; i < 50'000; ++i) keys.sorted.push_back(-5'000'000'000'000 + i);
  for (int64_t i = 0; i < 50'000; ++i) keys.sorted.push_back(1'000 + 3 * i);
  keys.sorted.push_back(INT64_MAX);
  keys.error = 0.3;
  const auto cuts = keys.cut(16);
  REQUIRE(cuts);
  const auto rows = keys.rows_of_ranges(*cuts);
  CHECK(rows.size() >= 8);
  CHECK(*std::ranges::max_element(rows) < 100'000 / 4);
  CHECK(keys.asked < 16 * 16);
}

TEST_CASE("cuts increase and lie between the ends, whatever the server guesses") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 300; ++round) {
    const Int128 least = static_cast<int64_t>(random()) / (round % 3 == 0 ? 1 : 1'000'000'000'000);
    const Int128 greatest = least + static_cast<Int128>(random() >> (round % 60));
    const size_t ranges = 1 + random() % 40;
    const auto cuts = cut_numbers(least, greatest, ranges, [&](Int128, Int128) -> Result<double> {
      return static_cast<double>(random() % 1000) * (random() % 2 == 0 ? 0 : 1);
    });
    REQUIRE(cuts);
    CHECK(cuts->size() < 4 * ranges + 64);
    Int128 before = least;
    for (const Int128 cut : *cuts) {
      CHECK(cut > before);
      CHECK(cut <= greatest);
      before = cut;
    }
  }
}

TEST_CASE("one key, or nothing known, is still a table") {
  const auto nothing = [](Int128, Int128) -> Result<double> { return 0.0; };
  CHECK(cut_numbers(5, 5, 16, nothing)->empty());
  CHECK(cut_numbers(5, 6, 16, nothing)->size() == 1);
  CHECK(cut_numbers(0, 1'000'000, 8, nothing)->size() >= 6);
  const auto refused = cut_numbers(0, 9, 4, [](Int128, Int128) -> Result<double> {
    return Error{ErrorKind::unavailable, "gone"};
  });
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "gone");
}

TEST_CASE("ranges begin where others end, and a NULL is in the first") {
  const auto below = [](size_t i) { return "k < " + std::to_string(i); };
  const auto from = [](size_t i) { return "k >= " + std::to_string(i); };
  using Conditions = std::vector<std::string>;
  CHECK(conditions_of(0, below, from, "k is null") == Conditions{""});
  CHECK(conditions_of(1, below, from, "k is null") == Conditions{"(k < 0 or k is null)", "k >= 0"});
  CHECK(conditions_of(2, below, from, "") == Conditions{"k < 0", "k >= 0 and k < 1", "k >= 1"});
}

TEST_CASE("numbers of 128 bits are written and read") {
  for (const std::string text : {"0", "-1", "18446744073709551615", "-9223372036854775808"})
    CHECK(to_string(*parse_int128(text)) == text);
  for (const std::string text : {"", "-", "1.5", "x", "99999999999999999999999999999999999999"})
    CHECK_FALSE(parse_int128(text));
}

}  // namespace
}  // namespace udon::data
