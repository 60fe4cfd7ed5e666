#include "base/clock.h"

#include <catch2/catch.hpp>

#include "base/random.h"

using namespace udon;
using namespace std::chrono_literals;

namespace {

TimePoint time_of(std::string_view text) {
  auto time = parse_time(text);
  INFO(text);
  REQUIRE(time.has_value());
  return *time;
}

}  // namespace

TEST_CASE("a time is shown in UTC with microseconds only if there are any") {
  const TimePoint time = std::chrono::sys_days{std::chrono::year{2026} / 1 / 31} + 9h + 5min;
  CHECK(format_time(time) == "2026-01-31T09:05:00Z");
  CHECK(format_time(time + 250ms) == "2026-01-31T09:05:00.250000Z");
  CHECK(format_time_offset(time + 1us) == "2026-01-31T09:05:00.000001+00:00");
  CHECK(format_time(TimePoint(-1us)) == "1969-12-31T23:59:59.999999Z");
}

TEST_CASE("the forms of one time are the same time") {
  const TimePoint time = time_of("2026-01-31T00:00:00Z");
  for (const char* form : {"2026-01-31", "2026-01-31 00:00:00Z", "2026-01-31t00:00:00z", "2026-01-31T00:00:00.000Z",
                           "2026-01-31T09:00:00+09:00", "2026-01-31T09:00:00+0900", "2026-01-31 09:00:00+09",
                           "2026-01-30T18:30:00-05:30", "2026-01-31T00:00:00+00:00"}) {
    INFO(form);
    CHECK(time_of(form) == time);
  }
  CHECK(time_of("2026-01-31T00:00:00.123456789Z") == time + 123456us);
  CHECK(time_of("2026-01-31T00:00:00.5Z") == time + 500ms);
}

TEST_CASE("a time without an offset is refused rather than guessed") {
  CHECK(parse_time("2026-01-31T00:00:00").error().message ==
        "`2026-01-31T00:00:00` is not a time: it has no offset; add Z for UTC, or one such as +09:00");
}

TEST_CASE("what is no time is refused") {
  for (const char* broken : {"", "now", "2026-02-29", "2026-13-01", "2026-1-31", "2026-01-31T", "2026-01-31T24:00:00Z",
                             "2026-01-31T00:60:00Z", "2026-01-31T00:00Z", "2026-01-31T00:00:00.Z",
                             "2026-01-31T00:00:00.1234567890Z", "2026-01-31T00:00:00Zx", "2026-01-31T00:00:00+9",
                             "2026-01-31T00:00:00+24:00", "2026-01-31T00:00:00 +09:00", "2026-01-31Z", "+026-01-31"}) {
    INFO(broken);
    auto time = parse_time(broken);
    REQUIRE_FALSE(time.has_value());
    CHECK(time.error().kind == ErrorKind::invalid);
  }
}

TEST_CASE("durations are sums of units") {
  CHECK(parse_duration("90s").value() == 90s);
  CHECK(parse_duration("1m").value() == 1min);
  CHECK(parse_duration("2h").value() == 2h);
  CHECK(parse_duration("1d").value() == 24h);
  CHECK(parse_duration("250ms").value() == 250ms);
  CHECK(parse_duration("1h30m").value() == 90min);
  CHECK(parse_duration("0s").value() == 0s);
  for (const char* broken : {"", "5", "s", "1x", "-5s", "1h-5m", "1.5h", "1h 30m", " 1h", "+1s", "1w", "1M",
                             "99999999999999999999s", "9223372036854775807s", "106751991d106751991d"}) {
    INFO(broken);
    CHECK_FALSE(parse_duration(broken).has_value());
  }
  CHECK(parse_duration("5 min").error().message ==
        "`5 min` is not a duration such as 90s, 1h30m or 250ms: unknown unit ` min`; there are d, h, m, s, "
        "ms, us");
}

TEST_CASE("a duration is shown by its units") {
  CHECK(format_duration(0s) == "0s");
  CHECK(format_duration(90min) == "1h30m");
  CHECK(format_duration(250ms) == "250ms");
  CHECK(format_duration(25h + 1us) == "1d1h1us");
  CHECK(format_duration(-90s) == "-1m30s");
  CHECK_FALSE(format_duration(Duration::min()).empty());
}

TEST_CASE("times and durations read back what they show") {
  Random random(42);
  for (int i = 0; i < 2'000; ++i) {
    const Duration duration(static_cast<int64_t>(random.below(200'000'000'000'000'000)));  // to the year 8307
    REQUIRE(parse_duration(format_duration(duration)).value() == duration);
    REQUIRE(parse_time(format_time(TimePoint(duration))).value() == TimePoint(duration));
    REQUIRE(parse_time(format_time_offset(TimePoint(duration))).value() == TimePoint(duration));
  }
}

TEST_CASE("a jump of the wall clock leaves the monotonic one alone") {
  FakeClock clock(TimePoint{});
  clock.advance(5s);
  clock.jump(-1h);
  CHECK(clock.now() == TimePoint(5s - 1h));
  CHECK(clock.monotonic() == 5s);
}

TEST_CASE("the system clock is in this century and its monotonic side does not go back") {
  const SystemClock clock;
  CHECK(clock.now() > time_of("2020-01-01"));
  CHECK(clock.now() < time_of("2100-01-01"));
  const Duration before = clock.monotonic();
  CHECK(clock.monotonic() >= before);
}
