#include "model/ticks.h"

#include <algorithm>

#include "model/cron.h"

namespace udon {
namespace {

using std::chrono::days;

// Cron finds nothing further away either.
constexpr days horizon(50 * 366);

bool names_every_hour(const CronExpression& cron) { return cron.hours == 0xffffff; }

class CronTicks final : public Ticks {
 public:
  CronTicks(const CronSchedule& cron, const std::string& zone) : cron_(cron), zone_(zone) {}
  std::optional<TimePoint> after(TimePoint at) const override {
    std::optional<TimePoint> found;
    for (const CronExpression& cron : cron_.crons) {
      const auto next = next_match(cron, zone_, cron_.dst, at);
      if (next && (!found || *next < *found)) found = next;
    }
    return found;
  }
  std::optional<TimePoint> before(TimePoint at) const override {
    std::optional<TimePoint> found;
    for (const CronExpression& cron : cron_.crons) {
      const auto previous = previous_match(cron, zone_, cron_.dst, at);
      if (previous && (!found || *previous > *found)) found = previous;
    }
    return found;
  }
  WallTime wall_of(TimePoint time, const TimeZone& zone) const override {
    const WallTime shown = Ticks::wall_of(time, zone);
    const auto at = std::chrono::floor<std::chrono::seconds>(time);
    if (zone.at(at).begin != at || cron_.dst.skipped == DstPolicy::Skipped::skip) return shown;
    const WallTime jumped_from((at - std::chrono::seconds(1)).time_since_epoch() +
                               zone.at(at - std::chrono::seconds(1)).offset + std::chrono::seconds(1));
    std::optional<WallTime> first;
    for (const CronExpression& cron : cron_.crons) {
      const auto meant = jumped_from < shown ? first_match(cron, jumped_from, shown) : std::nullopt;
      if (meant && (!first || *meant < *first)) first = meant;
    }
    return first.value_or(shown);
  }
  std::optional<TimePoint> instant_of(WallTime wall, const TimeZone& zone) const override {
    const TimeZone::Instants instants = zone.instants_of(wall);
    const bool goes_by_elapsed_time = std::ranges::all_of(cron_.crons, names_every_hour);
    const bool skips = cron_.dst.skipped == DstPolicy::Skipped::skip || goes_by_elapsed_time;
    if (instants.kind == TimeZone::Kind::skipped && skips) return std::nullopt;
    const bool is_last = cron_.dst.repeated == DstPolicy::Repeated::last && !goes_by_elapsed_time;
    return is_last ? instants.second : instants.first;
  }

 private:
  const CronSchedule& cron_;
  const std::string& zone_;
};

class EveryTicks final : public Ticks {
 public:
  EveryTicks(Duration every, TimePoint anchor) : every_(every.count()), anchor_(anchor.time_since_epoch().count()) {}
  std::optional<TimePoint> after(TimePoint at) const override { return tick(at, 1); }
  std::optional<TimePoint> before(TimePoint at) const override { return tick(at - Duration(1), 0); }

 private:
  // The last tick at or before `at`, and `more` further on; nothing beyond what a TimePoint can hold.
  std::optional<TimePoint> tick(TimePoint at, int64_t more) const {
    if (every_ <= 0) return std::nullopt;
    int64_t distance = 0;
    if (__builtin_sub_overflow(at.time_since_epoch().count(), anchor_, &distance)) return std::nullopt;
    int64_t count = distance / every_;
    if (distance % every_ < 0) --count;
    int64_t offset = 0;
    int64_t time = 0;
    if (__builtin_mul_overflow(count + more, every_, &offset)) return std::nullopt;
    if (__builtin_add_overflow(anchor_, offset, &time)) return std::nullopt;
    return TimePoint(Duration(time));
  }

  int64_t every_;
  int64_t anchor_;
};

class ListedTicks final : public Ticks {
 public:
  explicit ListedTicks(const std::vector<TimePoint>& times) : times_(times) {}
  std::optional<TimePoint> after(TimePoint at) const override {
    const auto found = std::ranges::upper_bound(times_, at);
    return found != times_.end() ? std::optional(*found) : std::nullopt;
  }
  std::optional<TimePoint> before(TimePoint at) const override {
    const auto found = std::ranges::lower_bound(times_, at);
    return found != times_.begin() ? std::optional(*std::prev(found)) : std::nullopt;
  }

 private:
  const std::vector<TimePoint>& times_;  // ascending
};

// A run is left out if its own time, or with DayOf::data the time before it, is on a day off. `counted` is that time.
class SkippingTicks final : public Ticks {
 public:
  SkippingTicks(const Ticks& raw, const Calendar& calendar, std::shared_ptr<const TimeZone> zone)
      : raw_(raw), calendar_(calendar), zone_(std::move(zone)) {}

  std::optional<TimePoint> after(TimePoint at) const override {
    const auto first = raw_.after(at);
    auto counted = first && is_of_data() ? raw_.before(*first) : first;
    if (first && !counted) counted = first;  // the first time of all closes no interval
    while (counted) {
      const CivilDay day = day_of(*counted, *zone_);
      if (calendar_.is_working_day(day)) {
        const auto time = is_of_data() ? raw_.after(*counted) : counted;
        if (!time || *time > at) return time;
      }
      const auto next = calendar_.working_day_from(day + days(1), day_of(at, *zone_) + horizon);
      if (!next) return std::nullopt;
      counted = raw_.at_or_after(begin_of(*next, *zone_));
    }
    return std::nullopt;
  }
  std::optional<TimePoint> before(TimePoint at) const override {
    auto counted = raw_.before(at);
    if (counted && is_of_data()) counted = raw_.before(*counted);
    while (counted) {
      const CivilDay day = day_of(*counted, *zone_);
      if (calendar_.is_working_day(day)) return is_of_data() ? raw_.after(*counted) : counted;
      const auto last = calendar_.working_day_until(day - days(1), day_of(at, *zone_) - horizon);
      if (!last) return std::nullopt;
      counted = raw_.before(begin_of(*last + days(1), *zone_));
    }
    return std::nullopt;
  }

 private:
  bool is_of_data() const { return calendar_.day_of == Calendar::DayOf::data; }

  const Ticks& raw_;
  const Calendar& calendar_;
  std::shared_ptr<const TimeZone> zone_;
};

// The same time of day on another day, if it has that.
std::optional<TimePoint> on_day(const Ticks& raw, TimePoint time, CivilDay from, CivilDay to, const TimeZone& zone) {
  if (from == to) return time;
  const WallTime there(raw.wall_of(time, zone).time_since_epoch() + (to - from));
  const auto instant = raw.instant_of(there, zone);
  if (!instant) return std::nullopt;
  return *instant + (time - std::chrono::floor<std::chrono::seconds>(time));
}

// Working day by working day: its own times, and those of the days off that it takes over.
class MovingTicks final : public Ticks {
 public:
  MovingTicks(const Ticks& raw, const Calendar& calendar, std::shared_ptr<const TimeZone> zone)
      : raw_(raw), calendar_(calendar), zone_(std::move(zone)) {}

  std::optional<TimePoint> after(TimePoint at) const override {
    const CivilDay today = day_of(at, *zone_);
    auto day = calendar_.working_day_from(today, today + horizon);
    while (day) {
      std::optional<TimePoint> found;
      const Taken taken = taken_by(*day);
      for (CivilDay from = taken.first; from <= taken.last; from += days(1)) {
        const auto time = first_on(from, *day, at);
        if (time && (!found || *time < *found)) found = time;
      }
      if (found) return found;
      if (!raw_.after(begin_of(taken.first, *zone_))) return std::nullopt;
      day = calendar_.working_day_from(*day + days(1), today + horizon);
    }
    return std::nullopt;
  }
  std::optional<TimePoint> before(TimePoint at) const override {
    const CivilDay today = day_of(at, *zone_);
    auto day = calendar_.working_day_until(today, today - horizon);
    while (day) {
      std::optional<TimePoint> found;
      const Taken taken = taken_by(*day);
      for (CivilDay from = taken.first; from <= taken.last; from += days(1)) {
        const auto time = last_on(from, *day, at);
        if (time && (!found || *time > *found)) found = time;
      }
      if (found) return found;
      if (!raw_.before(begin_of(taken.last + days(1), *zone_))) return std::nullopt;
      day = calendar_.working_day_until(*day - days(1), today - horizon);
    }
    return std::nullopt;
  }

 private:
  struct Taken {
    CivilDay first, last;
  };
  // The days whose times come to be on the working day `day`: itself, and the days off beside it.
  Taken taken_by(CivilDay day) const {
    Taken taken{day, day};
    for (int i = 0; i < Calendar::moved_days_max; ++i) {
      if (calendar_.day_off == Calendar::DayOff::next && !calendar_.is_working_day(taken.first - days(1)))
        taken.first -= days(1);
      else if (calendar_.day_off == Calendar::DayOff::previous && !calendar_.is_working_day(taken.last + days(1)))
        taken.last += days(1);
      else
        break;
    }
    return taken;
  }
  std::optional<TimePoint> moved(TimePoint time, CivilDay from, CivilDay to) const {
    return on_day(raw_, time, from, to, *zone_);
  }
  // The same time of day as `at` is; a little earlier, as a clock may be changed on one of the days.
  std::optional<TimePoint> like(TimePoint at, CivilDay from, CivilDay to, std::chrono::hours shift) const {
    if (day_of(at, *zone_) != to) return std::nullopt;
    const WallTime there(raw_.wall_of(at, *zone_).time_since_epoch() + (from - to));
    return TimePoint(zone_->instants_of(there).first) + shift;
  }
  // The first of the times of `from` that come, on `to`, after `at`.
  std::optional<TimePoint> first_on(CivilDay from, CivilDay to, TimePoint at) const {
    const TimePoint begin = begin_of(from, *zone_), end = begin_of(from + days(1), *zone_);
    auto time = raw_.at_or_after(std::max(begin, like(at, from, to, std::chrono::hours(-3)).value_or(begin)));
    for (; time && *time < end; time = raw_.after(*time)) {
      const auto there = moved(*time, from, to);
      if (there && *there > at) return there;
    }
    return std::nullopt;
  }
  std::optional<TimePoint> last_on(CivilDay from, CivilDay to, TimePoint at) const {
    const TimePoint begin = begin_of(from, *zone_), end = begin_of(from + days(1), *zone_);
    auto time = raw_.before(std::min(end, like(at, from, to, std::chrono::hours(3)).value_or(end)));
    for (; time && *time >= begin; time = raw_.before(*time)) {
      const auto there = moved(*time, from, to);
      if (there && *there < at) return there;
    }
    return std::nullopt;
  }

  const Ticks& raw_;
  const Calendar& calendar_;
  std::shared_ptr<const TimeZone> zone_;
};

class NoTicks final : public Ticks {
 public:
  std::optional<TimePoint> after(TimePoint) const override { return std::nullopt; }
  std::optional<TimePoint> before(TimePoint) const override { return std::nullopt; }
};

}  // namespace

WallTime Ticks::wall_of(TimePoint time, const TimeZone& zone) const {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return WallTime(seconds.time_since_epoch() + zone.at(seconds).offset);
}

std::optional<TimePoint> Ticks::instant_of(WallTime wall, const TimeZone& zone) const {
  return zone.instants_of(wall).first;
}

CivilDay day_of(TimePoint time, const TimeZone& zone) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return std::chrono::floor<days>(WallTime(seconds.time_since_epoch() + zone.at(seconds).offset));
}

TimePoint begin_of(CivilDay day, const TimeZone& zone) { return zone.instants_of(WallTime(day)).first; }

std::optional<TimePoint> moved_by(const Calendar& calendar, const Ticks& raw, TimePoint time, CivilDay day,
                                  const TimeZone& zone) {
  constexpr days most(Calendar::moved_days_max);
  std::optional<CivilDay> to;
  switch (calendar.day_off) {
    case Calendar::DayOff::skip: break;
    case Calendar::DayOff::next: to = calendar.working_day_from(day, day + most); break;
    case Calendar::DayOff::previous: to = calendar.working_day_until(day, day - most); break;
  }
  if (!to) return std::nullopt;
  return on_day(raw, time, day, *to, zone);
}

std::unique_ptr<Ticks> raw_ticks(const Schedule& schedule) {
  if (const auto* cron = std::get_if<CronSchedule>(&schedule.kind))
    return std::make_unique<CronTicks>(*cron, schedule.timezone);
  if (const auto* every = std::get_if<EverySchedule>(&schedule.kind))
    return std::make_unique<EveryTicks>(every->every, schedule.start_date.value_or(TimePoint{}));
  if (const auto* listed = std::get_if<TimesSchedule>(&schedule.kind))
    return std::make_unique<ListedTicks>(listed->times);
  return nullptr;
}

std::unique_ptr<Ticks> calendar_ticks(const Ticks& raw, const Calendar& calendar, const std::string& timezone) {
  auto zone = TimeZone::find(timezone);
  if (!zone) return std::make_unique<NoTicks>();
  if (calendar.day_off == Calendar::DayOff::skip) return std::make_unique<SkippingTicks>(raw, calendar, *zone);
  return std::make_unique<MovingTicks>(raw, calendar, *zone);
}

}  // namespace udon
