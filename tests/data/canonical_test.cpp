#include "plugins/data/canonical.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <set>

using namespace udon::data;

TEST_CASE("canonical bytes hash as written down, whoever computes them") {
  // The known answer of XXH3-64 for no bytes: another version of the library must not change certificates.
  CHECK(hash_bytes("", 0) == 0x2d06800538d394c2ULL);
  CHECK(hash_text("우동") == hash_bytes("\xEC\x9A\xB0\xEB\x8F\x99", 6));
  CHECK(hash_int(-2) == hash_bytes("\xfe\xff\xff\xff\xff\xff\xff\xff", 8));
  CHECK(hash_bool(true) == hash_bytes("\x01", 1));
  CHECK(hash_bool(false) == hash_bytes("\x00", 1));
  CHECK(hash_double(1.5) == hash_bytes("\x00\x00\x00\x00\x00\x00\xf8\x3f", 8));
  CHECK(hash_decimal(-1) == hash_bytes("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16));
}

TEST_CASE("both zeros are one value, and so is every NaN") {
  CHECK(hash_double(-0.0) == hash_double(0.0));
  CHECK(hash_double(std::nan("1")) == hash_double(-std::numeric_limits<double>::quiet_NaN()));
  CHECK(hash_double(std::nan("")) == hash_bytes("\x00\x00\x00\x00\x00\x00\xf8\x7f", 8));
  CHECK(hash_double(std::numeric_limits<double>::infinity()) != hash_double(-std::numeric_limits<double>::infinity()));
}

TEST_CASE("values that could be mistaken for one another hash apart") {
  std::set<uint64_t> hashes{null_hash,        hash_text(""),   hash_text("0"),  hash_int(0),
                            hash_bool(false), hash_int(1),     hash_bool(true), hash_double(1),
                            hash_text("1"),   hash_decimal(0), hash_decimal(1), hash_text("NULL")};
  // 0 and 0.0 have the same eight bytes: a column has one type, so they never meet.
  CHECK(hash_int(0) == hash_double(0));
  CHECK(hashes.size() == 12);
}
