#include "plugins/data/certifier.h"

#include <catch2/catch.hpp>

#include "base/random.h"
#include "tests/data/arrays.h"

namespace udon::data {
namespace {

using test::ints;
using test::texts;

std::shared_ptr<arrow::RecordBatch> batch_of(const std::vector<std::optional<int64_t>>& ids,
                                             const std::vector<std::optional<std::string>>& names) {
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("name", arrow::utf8())}),
      static_cast<int64_t>(ids.size()), arrow::ArrayVector{ints(ids), texts(names)});
}

std::string difference(const std::shared_ptr<arrow::RecordBatch>& a, const std::shared_ptr<arrow::RecordBatch>& b,
                       CertifyLevel level = CertifyLevel::wire) {
  Certifier first(level, 2);
  Certifier second(level, 2);
  REQUIRE(first.add_hashing(*a));
  REQUIRE(second.add_hashing(*b));
  return Certifier::difference(first, second, {"id", "name"});
}

TEST_CASE("rows in another order are the same rows") {
  CHECK(
      difference(batch_of({1, 2, 3}, {"a", "b", std::nullopt}), batch_of({3, 1, 2}, {std::nullopt, "a", "b"})).empty());
}

TEST_CASE("a changed value is seen and its column named") {
  CHECK(difference(batch_of({1, 2}, {"a", "b"}), batch_of({1, 2}, {"a", "B"})) ==
        "column `name`: the checksum of its values differs");
}

TEST_CASE("a value that became NULL is seen") {
  CHECK(difference(batch_of({1, 2}, {"a", ""}), batch_of({1, 2}, {"a", std::nullopt})) ==
        "column `name`: 0 NULLs in the source, 1 in the file");
}

TEST_CASE("a column that slipped by one row is seen, though all its values are there") {
  CHECK(difference(batch_of({1, 2, 3}, {"a", "b", "c"}), batch_of({1, 2, 3}, {"b", "c", "a"})) ==
        "all values are there, but some have moved to another row");
}

TEST_CASE("a doubled row and a lost one do not cancel out") {
  CHECK_FALSE(difference(batch_of({1, 2, 3}, {"a", "b", "c"}), batch_of({1, 1, 3}, {"a", "a", "c"})).empty());
  CHECK(difference(batch_of({1, 2}, {"a", "b"}), batch_of({1}, {"a"})) ==
        "2 rows were read from the source, the file holds 1");
}

TEST_CASE("level rows counts rows and NULLs and nothing else") {
  CHECK(difference(batch_of({1}, {"a"}), batch_of({2}, {"b"}), CertifyLevel::rows).empty());
  CHECK_FALSE(difference(batch_of({1}, {"a"}), batch_of({2}, {std::nullopt}), CertifyLevel::rows).empty());
}

TEST_CASE("any single planted change of a random table is caught") {
  Random random(42);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::optional<int64_t>> ids;
    std::vector<std::optional<std::string>> names;
    const size_t rows = 2 + random.below(20);
    for (size_t i = 0; i < rows; ++i) {
      ids.push_back(random.one_in(5) ? std::nullopt : std::optional<int64_t>(random.below(10)));
      names.push_back(random.one_in(5) ? std::nullopt : std::optional<std::string>(std::to_string(random.below(5))));
    }
    auto changed_ids = ids;
    auto changed_names = names;
    const size_t at = random.below(rows);
    if (random.one_in(2))
      changed_ids[at] = changed_ids[at] ? std::optional<int64_t>() : std::optional<int64_t>(77);
    else
      changed_names[at] = changed_names[at] ? *changed_names[at] + "x" : "x";
    CHECK_FALSE(difference(batch_of(ids, names), batch_of(changed_ids, changed_names)).empty());
  }
}

}  // namespace
}  // namespace udon::data
