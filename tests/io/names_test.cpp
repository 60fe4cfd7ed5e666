// Names that patterns mean.
#include <catch2/catch.hpp>

#include "plugins/io/name_filter.h"
#include "plugins/io/write_order.h"

namespace udon {
namespace {

TEST_CASE("a pattern means the names that people expect") {
  struct Row {
    std::string pattern, name;
    bool fits;
  };
  for (const Row& row : std::vector<Row>{
           {"*.csv", "a.csv", true},
           {"*.csv", "x/y/a.csv", true},
           {"*.csv", "a.csv.gz", false},
           {"/*.csv", "a.csv", true},
           {"/*.csv", "x/a.csv", false},
           {"2026/*.csv", "2026/a.csv", true},
           {"2026/*.csv", "2026/01/a.csv", false},
           {"2026/*.csv", "x/2026/a.csv", false},
           {"2026/**/*.csv", "2026/a.csv", true},
           {"2026/**/*.csv", "2026/01/02/a.csv", true},
           {"**/tmp/*", "a/b/tmp/c", true},
           {"**/tmp/*", "tmp/c", true},
           {"tmp/", "tmp/a/b", true},
           {"tmp/", "x/tmp/a", true},
           {"tmp/", "tmp", false},
           {"a/tmp/", "a/tmp/x", true},
           {"a/tmp/", "b/a/tmp/x", false},
           {"logs/**", "logs/a/b", true},
           {"logs/**", "logs", false},
           {"**", "a/b/c", true},
           {"?.csv", "가.csv", true},
           {"?.csv", "가나.csv", false},
           {"[가-나].csv", "각.csv", true},
           {"[가-나].csv", "다.csv", false},
           {"[!0-9]*", "a1", true},
           {"[!0-9]*", "1a", false},
           {"[]x]", "]", true},
           {"a[*]b", "a*b", true},
           {"a\\*b", "a*b", true},
           {"a\\*b", "axb", false},
           {"a?c", "a/c", false},
           {"*", ".hidden", true},
           {"a**b", "axxb", true},
           {"a**b", "a/b", false},
           {"*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
           {"", "a", false},
       }) {
    INFO(row.pattern << " on " << row.name);
    CHECK(matches_glob(row.pattern, row.name) == row.fits);
  }
  CHECK(fixed_beginning("a/b*c") == "a/b");
  CHECK(fixed_beginning("a\\*/[b]") == "a*/");
  CHECK_FALSE(check_glob(""));
  CHECK_FALSE(check_glob("a[b"));
  CHECK(check_glob("a\\[b"));
}

TEST_CASE("an exclude wins over an include") {
  const auto filter = NameFilter::make({"*.csv"}, {"old/"});
  REQUIRE(filter);
  CHECK(filter->takes("a.csv"));
  CHECK_FALSE(filter->takes("old/a.csv"));
  CHECK_FALSE(filter->takes("a.txt"));
  CHECK(NameFilter().takes("anything"));
}

TEST_CASE("tries of one installation are in the order of their fences, and of no other") {
  const WriteOrder order("0190-ab-12", 12);
  CHECK(order.is_later("0190-ab-13"));
  CHECK(order.is_earlier("0190-ab-9"));
  for (const char* other : {"0190-ab-12", "0190-cd-99", "", "0190-ab-", "0190-ab-1x", "0190-ab-99999999999999999999"}) {
    CHECK_FALSE(order.is_later(other));
    CHECK_FALSE(order.is_earlier(other));
  }
}

}  // namespace
}  // namespace udon
