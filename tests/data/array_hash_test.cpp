#include "plugins/data/array_hash.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

#include "plugins/data/canonical.h"
#include "tests/data/arrays.h"

namespace udon::data {
namespace {

using test::array_of;
using test::ints;
using test::texts;

TEST_CASE("an integer hashes the same whatever the width of its column") {
  const auto wide = hash_array(*ints({-1, 127, std::nullopt}));
  const auto narrow = hash_array(*array_of<arrow::Int8Builder, int8_t>({int8_t{-1}, int8_t{127}, std::nullopt}));
  REQUIRE(wide);
  REQUIRE(narrow);
  CHECK(*wide == *narrow);
  CHECK(wide->at(0) == hash_int(-1));
  CHECK(wide->at(2) == null_hash);
}

TEST_CASE("both zeros are one value, and all NaNs are one") {
  const auto hashes = hash_array(*array_of<arrow::DoubleBuilder, double>(
      {0.0, -0.0, std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::quiet_NaN()}));
  REQUIRE(hashes);
  CHECK(hashes->at(0) == hashes->at(1));
  CHECK(hashes->at(2) == hashes->at(3));
  CHECK(hashes->at(2) == hash_double(std::nan("1")));
}

TEST_CASE("a decimal hashes over its unscaled 128 bits") {
  arrow::Decimal128Builder builder(arrow::decimal128(38, 10));
  REQUIRE(builder.Append(arrow::Decimal128("-12345678901234567890.0123456789")).ok());
  const auto array = builder.Finish().ValueOrDie();
  const auto hashes = hash_array(*array);
  REQUIRE(hashes);
  Int128 unscaled = 12345678901234567890ULL;
  for (int i = 0; i < 10; ++i) unscaled *= 10;
  unscaled = -(unscaled + 123456789);
  CHECK(hashes->at(0) == hash_decimal(unscaled));
}

TEST_CASE("the empty text is not NULL") {
  const auto hashes = hash_array(*texts({"", std::nullopt}));
  REQUIRE(hashes);
  CHECK(hashes->at(0) != hashes->at(1));
}

TEST_CASE("lists tell apart where their elements begin") {
  const auto list_of = [](const std::vector<std::vector<std::optional<std::string>>>& lists) {
    auto values = std::make_shared<arrow::StringBuilder>();
    arrow::ListBuilder builder(arrow::default_memory_pool(), values);
    for (const auto& list : lists) {
      REQUIRE(builder.Append().ok());
      for (const auto& value : list) REQUIRE((value ? values->Append(*value) : values->AppendNull()).ok());
    }
    return builder.Finish().ValueOrDie();
  };
  const auto hashes = hash_array(*list_of({{"ab", "c"}, {"a", "bc"}, {"abc"}, {std::nullopt}, {""}, {}}));
  REQUIRE(hashes);
  for (size_t i = 0; i < hashes->size(); ++i)
    for (size_t j = i + 1; j < hashes->size(); ++j) CHECK(hashes->at(i) != hashes->at(j));
}

TEST_CASE("a dictionary hashes as its values do") {
  const auto plain = texts({"gold", "silver", std::nullopt, "gold"});
  arrow::StringDictionaryBuilder builder;
  for (const char* text : {"gold", "silver"}) REQUIRE(builder.Append(text).ok());
  REQUIRE(builder.AppendNull().ok());
  REQUIRE(builder.Append("gold").ok());
  const auto dictionary = builder.Finish().ValueOrDie();
  CHECK(*hash_array(*plain) == *hash_array(*dictionary));
  CHECK(canonical_bytes(*dictionary)->at(3) == "gold");
}

TEST_CASE("a slice hashes as the values it shows") {
  const auto array = texts({"a", "b", std::nullopt, "d"});
  CHECK(*hash_array(*array->Slice(1, 2)) == *hash_array(*texts({"b", std::nullopt})));
}

TEST_CASE("a type without canonical bytes is refused, not hashed somehow") {
  const auto hashes = hash_array(*arrow::MakeArrayOfNull(arrow::decimal256(60, 2), 1).ValueOrDie());
  REQUIRE_FALSE(hashes);
  CHECK(hashes.error().kind == ErrorKind::unsupported);
}

}  // namespace
}  // namespace udon::data
