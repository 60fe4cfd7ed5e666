#pragma once
// Wall clocks of one zone into instants, a column at a time: neighbours in a column lie in the same stretch of time, so
// the zone is asked seldom. Used by one thread.
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/timezone.h"

namespace udon::data {

class WallClock {
 public:
  // invalid, with the nearest name, if there is no such zone.
  static Result<WallClock> of_zone(const std::string& name);

  // Microseconds since 1970 on the clock on the wall → of the instant. A clock that was set forward skips wall clocks,
  // one set back repeats them: those mean no one instant, and `instant_us` is not set.
  TimeZone::Kind to_instant(int64_t wall_us, int64_t& instant_us);
  int64_t to_wall(int64_t instant_us) const;

 private:
  explicit WallClock(std::shared_ptr<const TimeZone> zone) : zone_(std::move(zone)) {}
  std::shared_ptr<const TimeZone> zone_;
  // On wall clocks from here until there the offset is sure.
  int64_t sure_from_ = 0, sure_until_ = 0, offset_ = 0;  // seconds
};

}  // namespace udon::data
