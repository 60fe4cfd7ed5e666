#pragma once
// Time is UTC in microseconds; waiting is somebody else's business. Only cli/main.cpp and udon-task's main
// make a SystemClock; everybody else is handed a Clock.
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace udon {

using Duration = std::chrono::microseconds;
using TimePoint = std::chrono::sys_time<Duration>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
  // Never goes back, unlike now(); counts from an arbitrary start.
  virtual Duration monotonic() const = 0;
};

class SystemClock final : public Clock {
 public:
  TimePoint now() const override;
  Duration monotonic() const override;
};

// For tests. `jump` moves the wall clock only, as an administrator or NTP does.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(TimePoint start) : now_(start) {}
  TimePoint now() const override { return now_; }
  Duration monotonic() const override { return monotonic_; }
  void advance(Duration by) { now_ += by, monotonic_ += by; }
  void jump(Duration by) { now_ += by; }

 private:
  TimePoint now_;
  Duration monotonic_{0};
};

// RFC 3339 in UTC. "2026-01-31T00:00:00Z"; with microseconds only if there are any: "…00.250000Z".
std::string format_time(TimePoint time);
// Airflow's form in run ids: "2026-01-31T00:00:00+00:00".
std::string format_time_offset(TimePoint time);
// RFC 3339 with Z or a numeric offset, 'T' or a space between, fraction of up to 9 digits (cut to
// microseconds); a plain date is its midnight. Without an offset: an error, as we would have to guess (plain
// dates are UTC).
Result<TimePoint> parse_time(std::string_view text);

// "90s", "1m", "2h", "1d", "250ms", "5us", and sums such as "1h30m". Never negative: nothing that a user may
// set is.
Result<Duration> parse_duration(std::string_view text);
// Exact, largest units first, and parse_duration reads it back: "1h30m", "250ms", "0s". A negative one, which
// only messages have, gets a '-' in front.
std::string format_duration(Duration duration);

}  // namespace udon
