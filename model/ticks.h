#pragma once
// The times that a schedule names, one after the other. Used by schedule's own sources only.
#include <memory>
#include <optional>

#include "model/schedule.h"

namespace udon {

class Ticks {
 public:
  virtual ~Ticks() = default;
  // Strictly after, strictly before.
  virtual std::optional<TimePoint> after(TimePoint at) const = 0;
  virtual std::optional<TimePoint> before(TimePoint at) const = 0;
  // What the clock shows then; of a time that the clock jumps over: what it would have shown.
  virtual WallTime wall_of(TimePoint time, const TimeZone& zone) const;
  // When the clock shows that, by the schedule's own word for what comes twice or not at all; nothing: it is left out.
  virtual std::optional<TimePoint> instant_of(WallTime wall, const TimeZone& zone) const;
  std::optional<TimePoint> at_or_after(TimePoint at) const { return after(at - Duration(1)); }
  std::optional<TimePoint> at_or_before(TimePoint at) const { return before(at + Duration(1)); }
};

// As written, whatever the calendar says. null: a schedule without times of its own. `schedule` outlives them.
std::unique_ptr<Ticks> raw_ticks(const Schedule& schedule);
// Those of `raw` that `calendar` lets be, or where it moves them. What is given outlives them.
std::unique_ptr<Ticks> calendar_ticks(const Ticks& raw, const Calendar& calendar, const std::string& timezone);

// Where a time of `raw` on a day off goes to; nothing: it is skipped.
std::optional<TimePoint> moved_by(const Calendar& calendar, const Ticks& raw, TimePoint time, CivilDay day,
                                  const TimeZone& zone);

CivilDay day_of(TimePoint time, const TimeZone& zone);
// The first instant of a day.
TimePoint begin_of(CivilDay day, const TimeZone& zone);

}  // namespace udon
