#include "base/diff.h"

#include <catch2/catch.hpp>
#include <string>

using namespace udon;

namespace {
std::string diff(std::string_view a, std::string_view b) { return unified_diff(a, b, "a", "b"); }
}  // namespace

TEST_CASE("texts that are the same have no difference") {
  CHECK(diff("", "").empty());
  CHECK(diff("a\nb\n", "a\nb\n").empty());
}

TEST_CASE("a change is shown with three lines around it, as diff -u has it") {
  CHECK(diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n") ==
        "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
  CHECK(diff("", "new\n") == "--- a\n+++ b\n@@ -0,0 +1 @@\n+new\n");
  CHECK(diff("old\n", "") == "--- a\n+++ b\n@@ -1 +0,0 @@\n-old\n");
}

TEST_CASE("changes far apart are hunks of their own, those close together share one") {
  std::string a, far, close;
  for (int i = 1; i <= 30; ++i) {
    const std::string line = std::to_string(i) + "\n";
    a += line;
    far += i == 3 || i == 25 ? "x\n" : line;
    close += i == 10 || i == 16 ? "x\n" : line;
  }
  CHECK(diff(a, far) ==
        "--- a\n+++ b\n@@ -1,6 +1,6 @@\n 1\n 2\n-3\n+x\n 4\n 5\n 6\n@@ -22,7 +22,7 @@\n 22\n 23\n 24\n-25\n+x\n 26\n "
        "27\n 28\n");
  CHECK(diff(a, close) ==
        "--- a\n+++ b\n@@ -7,13 +7,13 @@\n 7\n 8\n 9\n-10\n+x\n 11\n 12\n 13\n 14\n 15\n-16\n+x\n 17\n 18\n 19\n");
}

TEST_CASE("what was moved is shown by the shorter way, and texts in Korean by their lines") {
  CHECK(diff("가\n나\n다\n", "나\n다\n가\n") == "--- a\n+++ b\n@@ -1,3 +1,3 @@\n-가\n 나\n 다\n+가\n");
}

TEST_CASE("texts that have next to nothing in common are shown as replaced") {
  std::string a, b;
  for (int i = 0; i < 3000; ++i) {
    a += "a" + std::to_string(i) + "\n";
    b += "b" + std::to_string(i) + "\n";
  }
  const std::string shown = diff("same\n" + a, "same\n" + b);
  CHECK(shown.starts_with("--- a\n+++ b\n@@ -1,3001 +1,3001 @@\n same\n-a0\n-a1\n"));
  CHECK(shown.ends_with("+b2999\n"));
}
