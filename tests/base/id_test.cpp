#include "base/id.h"

#include <catch2/catch.hpp>

#include "base/random.h"

using namespace udon;

TEST_CASE("a secret has the asked length and is never the same") {
  const std::string secret = make_secret(32);
  CHECK(secret.size() == 64);
  CHECK(secret.find_first_not_of("0123456789abcdef") == secret.npos);
  CHECK(make_secret(32) != secret);
  CHECK(make_secret(0).empty());
}

TEST_CASE("a UUIDv7 has the form of RFC 9562") {
  // The example of the RFC's appendix A.6.
  const TimePoint time{std::chrono::milliseconds(0x017F22E279B0)};
  CHECK(make_uuid7(time, 0xCC3, 0x18C4DC0C0C07398F) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
}

TEST_CASE("the row number is found again in the UUID that was made from it") {
  Random random(3);
  for (int i = 0; i < 1'000; ++i) {
    const uint64_t low = random.next() >> (2 + random.below(62));
    const auto time = TimePoint(Duration(static_cast<int64_t>(random.below(4'000'000'000'000'000))));
    REQUIRE(low_of_uuid7(make_uuid7(time, random.next(), low)) == static_cast<int64_t>(low));
  }
  CHECK(low_of_uuid7("017F22E2-79B0-7CC3-8000-000000000007") == 7);
}

TEST_CASE("later ids of one row sort later") {
  CHECK(make_uuid7(TimePoint(std::chrono::seconds(1)), 0, 9) < make_uuid7(TimePoint(std::chrono::seconds(2)), 0, 1));
}

TEST_CASE("what is no UUIDv7 has no row number") {
  for (const char* other : {"", "7", "017f22e2-79b0-4cc3-98c4-dc0c0c07398f", "017f22e2-79b0-7cc3-d8c4-dc0c0c07398f",
                            "017f22e279b0-7cc3-98c4-dc0c0c07398f-", "017f22e2-79b0-7cc3-98c4-dc0c0c07398g"}) {
    INFO(other);
    CHECK(low_of_uuid7(other) == -1);
  }
}
