#include "plugins/db/lag/lag.h"

#include <algorithm>
#include <charconv>

namespace udon {

std::optional<int64_t> number_in(const std::optional<std::string>& text) {
  int64_t value = 0;
  if (!text) return std::nullopt;
  const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (failure != std::errc() || end == text->data()) return std::nullopt;
  return value;
}

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
