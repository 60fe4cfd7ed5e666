#include "plugins/sql_check/number.h"

#include <catch2/catch.hpp>
#include <vector>

namespace udon {
namespace {

Number number(std::string_view text) {
  const auto parsed = Number::parse(text);
  INFO(text);
  REQUIRE(parsed);
  return *parsed;
}

TEST_CASE("a number is read in every form and written in one") {
  const std::vector<std::pair<const char*, const char*>> forms = {
      {"0", "0"},
      {"-0.00", "0"},
      {"007", "7"},
      {"+1.50", "1.5"},
      {".5", "0.5"},
      {"1.", "1"},
      {"1e3", "1000"},
      {"1.25e1", "12.5"},
      {"-1E-7", "-0.0000001"},
      {"100", "100"},
      {"1e+308", nullptr},
      {"12345678901234567890123456789012345678901234567890.000000000000000000000000000001",
       "12345678901234567890123456789012345678901234567890.000000000000000000000000000001"}};
  for (const auto& [text, canonical] : forms)
    CHECK(number(text).text() == (canonical ? canonical : "1" + std::string(308, '0')));
  for (const char* text :
       {"", "-", ".", "1.2.3", "1e", "e1", "NaN", "Infinity", "0x1", "1 ", " 1", "--1", "1e9999", "한"})
    CHECK_FALSE(Number::parse(text));
}

TEST_CASE("numbers are ordered, whatever their lengths and scales") {
  const std::vector<const char*> ascending = {"-100.5", "-100", "-0.01", "0",     "0.001", "0.01",
                                              "0.1",    "2",    "10",    "10.01", "1e30"};
  for (size_t i = 0; i < ascending.size(); ++i)
    for (size_t j = 0; j < ascending.size(); ++j) CHECK((number(ascending[i]) < number(ascending[j])) == (i < j));
  CHECK(number("1.00") == number("1"));
  CHECK(number("-0") == number("0"));
}

TEST_CASE("differences and products are exact") {
  CHECK((number("0.3") - number("0.1")).text() == "0.2");
  CHECK((number("0.1") - number("0.3")).text() == "-0.2");
  CHECK((number("-5") - number("7.25")).text() == "-12.25");
  CHECK((number("-5") - number("-7.25")).text() == "2.25");
  CHECK((number("5") - number("5.00")).text() == "0");
  CHECK((number("100000000000000000000") - number("0.00000000000000000001")).text() ==
        "99999999999999999999.99999999999999999999");
  CHECK((number("0.02") * number("-50")).text() == "-1");
  CHECK((number("99999999999999999999") * number("99999999999999999999")).text() ==
        "9999999999999999999800000000000000000001");
  CHECK((number("0.001") * number("0.001")).text() == "0.000001");
  CHECK((number("0") * number("-7")).text() == "0");
  CHECK(number("-2.5").absolute().text() == "2.5");
}

}  // namespace
}  // namespace udon
