#include "plugins/replica_lag/lag.h"

#include <algorithm>

namespace udon {

Lag lag_of_heartbeat(std::optional<int64_t> age_us, const std::string& table) {
  // Clocks of well-kept servers differ by less.
  constexpr int64_t clock_difference_us = 1'000'000;
  if (!age_us) return Lag::unknown("heartbeat table " + table + " has no row with a time in `ts`");
  if (*age_us < -clock_difference_us)
    return Lag::unknown("the heartbeat in " + table + " is " + format_duration(Duration(-*age_us)) +
                        " ahead of the replica's clock: the clocks differ, or `ts` is not in UTC (pt-heartbeat --utc)");
  return Lag::of(Duration(std::max<int64_t>(*age_us, 0)), "heartbeat table");
}

}  // namespace udon
