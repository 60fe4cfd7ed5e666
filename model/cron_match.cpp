// From the wall clock to instants. A zone's time is a row of periods with one offset each; within one the wall clock
// runs evenly, so a match there is a match in time, and what daylight saving skips or repeats is seen at the seams.
#include <algorithm>

#include "base/timezone.h"
#include "model/cron.h"
#include "model/schedule.h"

namespace udon {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;
using Period = TimeZone::Period;

constexpr auto years_searched = std::chrono::years(50);
// RFC 3339's years, less the reach of a search: the calendar's own arithmetic ends not far beyond.
constexpr sys_seconds first_time = std::chrono::sys_days(std::chrono::year(51) / 1 / 1);
constexpr sys_seconds last_time = std::chrono::sys_days(std::chrono::year(9949) / 1 / 1);

WallTime wall_of(sys_seconds time, seconds offset) { return WallTime(time.time_since_epoch() + offset); }

class Search {
 public:
  Search(const CronExpression& cron, const TimeZone& zone, DstPolicy dst) : cron_(cron), zone_(zone), dst_(dst) {
    constexpr uint32_t every_hour = 0xffffff;
    if (cron.hours != every_hour) return;
    dst_ = {DstPolicy::Skipped::skip, DstPolicy::Repeated::both};
  }

  std::optional<sys_seconds> next(sys_seconds earliest) const {
    const sys_seconds horizon = earliest + years_searched;
    for (Period period = zone_.at(earliest); period.begin <= horizon; period = zone_.at(period.end)) {
      if (period.begin >= earliest && has_skipped_match(period)) return period.begin;
      const Reach reach = reach_of(period, earliest, horizon);
      if (const auto wall = first_match(cron_, reach.from, reach.before)) return instant(*wall, period);
      if (period.end == sys_seconds::max()) break;
    }
    return std::nullopt;
  }

  std::optional<sys_seconds> previous(sys_seconds latest) const {
    const sys_seconds horizon = latest - years_searched;
    for (Period period = zone_.at(latest); period.end > horizon; period = zone_.at(period.begin - seconds(1))) {
      const Reach reach = reach_of(period, horizon, latest + seconds(1));
      if (const auto wall = last_match(cron_, reach.from, reach.before)) return instant(*wall, period);
      if (period.begin == sys_seconds::min()) break;
      if (period.begin > horizon && has_skipped_match(period)) return period.begin;
    }
    return std::nullopt;
  }

 private:
  struct Reach {
    WallTime from;
    WallTime before;
  };

  static sys_seconds instant(WallTime wall, const Period& period) {
    return sys_seconds(wall.time_since_epoch() - period.offset);
  }

  // The wall clock times of a period that count: those at instants in [from, before), less the ones that it shares with
  // a neighbour whose turn it is.
  Reach reach_of(const Period& period, sys_seconds from, sys_seconds before) const {
    Reach reach{wall_of(std::max(period.begin, from), period.offset),
                wall_of(std::min(period.end, before), period.offset)};
    if (dst_.repeated == DstPolicy::Repeated::first && period.begin != sys_seconds::min()) {
      reach.from = std::max(reach.from, wall_of(period.begin, zone_.at(period.begin - seconds(1)).offset));
    }
    if (dst_.repeated == DstPolicy::Repeated::last && period.end != sys_seconds::max()) {
      reach.before = std::min(reach.before, wall_of(period.end, zone_.at(period.end).offset));
    }
    return reach;
  }

  // Whether the clock's jump at the begin of a period goes over a match that is to be made up for.
  bool has_skipped_match(const Period& period) const {
    if (dst_.skipped == DstPolicy::Skipped::skip || period.begin == sys_seconds::min()) return false;
    const seconds before = zone_.at(period.begin - seconds(1)).offset;
    return first_match(cron_, wall_of(period.begin, before), wall_of(period.begin, period.offset)).has_value();
  }

  const CronExpression& cron_;
  const TimeZone& zone_;
  DstPolicy dst_;
};

}  // namespace

std::optional<TimePoint> next_match(const CronExpression& cron, const std::string& timezone, DstPolicy dst,
                                    TimePoint at) {
  const auto zone = TimeZone::find(timezone);
  if (!zone || at < first_time || at > last_time) return std::nullopt;
  return Search(cron, **zone, dst).next(std::chrono::floor<seconds>(at) + seconds(1));
}

std::optional<TimePoint> previous_match(const CronExpression& cron, const std::string& timezone, DstPolicy dst,
                                        TimePoint at) {
  const auto zone = TimeZone::find(timezone);
  if (!zone || at < first_time || at > last_time) return std::nullopt;
  return Search(cron, **zone, dst).previous(std::chrono::ceil<seconds>(at) - seconds(1));
}

}  // namespace udon
