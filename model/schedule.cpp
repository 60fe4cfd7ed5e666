#include "model/schedule.h"

#include <algorithm>

#include "model/ticks.h"

namespace udon {
namespace {

// From one continuous run to the next. Runs that end at once would follow each other as fast as the store commits:
// hundreds a second, each kept for ever.
constexpr Duration continuous_gap = std::chrono::seconds(1);

std::optional<TimePoint> later(const std::optional<TimePoint>& a, const std::optional<TimePoint>& b) {
  if (!a || !b) return a ? a : b;
  return std::max(*a, *b);
}

enum class Shape { instants, looking_back, intervals };

// Where the intervals of runs begin, if each keeps the one that it has without a calendar: one tick of `raw` before
// each of `ends`.
class KeptBegins final : public Ticks {
 public:
  KeptBegins(const Ticks& raw, const Ticks& ends) : raw_(raw), ends_(ends) {}
  std::optional<TimePoint> after(TimePoint at) const override {
    const auto first = raw_.after(at);
    const auto end = first ? ends_.after(*first) : std::nullopt;
    return end ? raw_.before(*end) : std::nullopt;
  }
  std::optional<TimePoint> before(TimePoint at) const override {
    const auto last = raw_.before(at);
    const auto end_of_last = last ? raw_.after(*last) : std::nullopt;
    const auto end = !last ? std::nullopt : end_of_last ? ends_.at_or_before(*end_of_last) : ends_.at_or_before(*last);
    return end ? raw_.before(*end) : std::nullopt;
  }

 private:
  const Ticks& raw_;
  const Ticks& ends_;
};

// The times of a schedule under its calendar, and the runs that they make.
class Dates {
 public:
  explicit Dates(const Schedule& schedule) : schedule_(schedule), raw_(raw_ticks(schedule)) {
    if (!raw_) return;
    if (schedule.calendar) allowed_ = calendar_ticks(*raw_, *schedule.calendar, schedule.timezone);
    if (const auto* cron = std::get_if<CronSchedule>(&schedule.kind)) is_interval_ = cron->has_interval;
    if (const auto* every = std::get_if<EverySchedule>(&schedule.kind)) is_interval_ = every->has_interval;
    if (const auto* listed = std::get_if<TimesSchedule>(&schedule.kind)) is_interval_ = listed->has_interval;
    if (is_interval_ && schedule.calendar && schedule.calendar->gaps == Calendar::Gaps::left_out)
      kept_ = std::make_unique<KeptBegins>(*raw_, *allowed_);
  }
  Dates(const Dates&) = delete;
  Dates& operator=(const Dates&) = delete;

  explicit operator bool() const { return raw_ != nullptr; }
  Shape shape() const {
    return is_interval_ ? Shape::intervals : schedule_.look_back > Duration(0) ? Shape::looking_back : Shape::instants;
  }
  // Of runs; with intervals: of their beginnings.
  const Ticks& ticks() const { return kept_ ? *kept_ : allowed_ ? *allowed_ : *raw_; }
  const Ticks& raw() const { return *raw_; }
  // The run of a tick; nothing: it has no end.
  std::optional<DueRun> run_at(TimePoint tick) const {
    switch (shape()) {
      case Shape::instants: return DueRun{tick, {tick, tick}, tick};
      case Shape::looking_back: {
        const TimePoint begin = tick - schedule_.look_back;
        return DueRun{begin, {begin, tick}, tick};
      }
      case Shape::intervals: break;
    }
    const auto end = kept_ ? raw_->after(tick) : ticks().after(tick);
    if (!end) return std::nullopt;
    return DueRun{tick, {tick, *end}, *end};
  }
  // Each interval begins where the one before it ended, whatever lies between.
  bool covers_gaps() const { return allowed_ && !kept_ && shape() == Shape::intervals; }
  // The tick of the run with that logical date.
  TimePoint tick_of(TimePoint logical_date) const {
    return shape() == Shape::looking_back ? logical_date + schedule_.look_back : logical_date;
  }
  // The last whose run is due at `now`.
  std::optional<TimePoint> last_due(TimePoint now) const {
    auto tick = ticks().at_or_before(now);
    if (shape() != Shape::intervals) return tick;
    for (; tick; tick = ticks().before(*tick)) {
      const auto run = run_at(*tick);
      if (run && run->run_after <= now) break;
    }
    return tick;
  }

 private:
  const Schedule& schedule_;
  std::unique_ptr<Ticks> raw_;      // null: no times
  std::unique_ptr<Ticks> allowed_;  // null: no calendar
  std::unique_ptr<Ticks> kept_;     // null: an interval goes from one allowed time to the next
  bool is_interval_ = false;
};

bool is_too_late(const Schedule& schedule, TimePoint time) { return schedule.end_date && time > *schedule.end_date; }

// At a tick, about no interval: Airflow's trigger timetables; when an interval between two ticks is over: its
// data-interval timetables.
std::optional<DueRun> next_of(const Dates& dates, const Schedule& schedule, std::optional<TimePoint> last,
                              TimePoint now, std::optional<TimePoint> covered_until) {
  const Ticks& ticks = dates.ticks();
  std::optional<TimePoint> tick;
  if (last && covered_until && dates.covers_gaps() && *covered_until > *last) {
    tick = covered_until;  // perhaps on a day off by now
  } else if (last) {
    tick = ticks.after(dates.tick_of(*last));
  }
  if (last && !tick) return std::nullopt;
  if (schedule.start_date) {
    const auto first = ticks.at_or_after(*schedule.start_date);
    if (!first) return std::nullopt;
    tick = later(tick, first);
  }
  if (!schedule.catchup || !tick) tick = later(tick, dates.last_due(now));
  if (!tick) tick = ticks.after(now);  // the very first time of all is still ahead
  if (!tick || is_too_late(schedule, *tick)) return std::nullopt;
  return dates.run_at(*tick);
}

DueRun run_at(TimePoint time) { return {time, {time, time}, time}; }

struct NextDueRun {
  const Schedule& schedule;
  std::optional<TimePoint> last;
  TimePoint now;
  std::optional<TimePoint> covered_until;

  std::optional<DueRun> operator()(const NoSchedule&) const { return std::nullopt; }
  std::optional<DueRun> operator()(const OnceSchedule&) const {
    const TimePoint time = schedule.start_date.value_or(now);
    if (last || is_too_late(schedule, time)) return std::nullopt;
    return run_at(time);
  }
  std::optional<DueRun> operator()(const ContinuousSchedule&) const {
    TimePoint time = std::max(now, schedule.start_date.value_or(now));
    if (last) time = std::max(time, *last + continuous_gap);  // also if the clock went back: a name of its own
    if (is_too_late(schedule, time)) return std::nullopt;
    return DueRun{time, {last.value_or(time), time}, time};
  }
  template <class Timed>
  std::optional<DueRun> operator()(const Timed&) const {
    return next_of(Dates(schedule), schedule, last, now, covered_until);
  }
};

// The date at `tick`.
std::optional<DueRun> date_at(const Dates& dates, std::optional<TimePoint> tick) {
  return tick ? dates.run_at(*tick) : std::nullopt;
}

}  // namespace

bool has_calendar(const Schedule& schedule) { return raw_ticks(schedule) != nullptr; }

std::optional<DueRun> first_date_from(const Schedule& schedule, TimePoint at) {
  const Dates dates(schedule);
  if (!dates) return std::nullopt;
  return date_at(dates, dates.ticks().at_or_after(dates.tick_of(at)));
}

std::optional<DueRun> last_date_until(const Schedule& schedule, TimePoint at) {
  const Dates dates(schedule);
  if (!dates) return std::nullopt;
  return date_at(dates, dates.ticks().at_or_before(dates.tick_of(at)));
}

std::optional<DueRun> next_due_run(const Schedule& schedule, std::optional<TimePoint> last, TimePoint now,
                                   std::optional<TimePoint> covered_until) {
  return std::visit(NextDueRun{schedule, last, now, covered_until}, schedule.kind);
}

bool covers_gaps(const Schedule& schedule) { return schedule.calendar && Dates(schedule).covers_gaps(); }

DataInterval interval_of_manual_run(const Schedule& schedule, TimePoint at) {
  const Dates dates(schedule);
  if (!dates) return {at, at};
  switch (dates.shape()) {
    case Shape::instants: return {at, at};
    case Shape::looking_back: return {at - schedule.look_back, at};
    case Shape::intervals: break;
  }
  const auto run = date_at(dates, dates.last_due(at));
  return run ? run->interval : DataInterval{at, at};
}

bool has_intervals(const Schedule& schedule) {
  const Dates dates(schedule);
  return dates && dates.shape() != Shape::instants;
}

std::vector<DayOffTime> times_on_days_off(const Schedule& schedule, TimePoint after, TimePoint until, size_t most) {
  std::vector<DayOffTime> found;
  const Dates dates(schedule);
  const auto zone = TimeZone::find(schedule.timezone);
  if (!dates || !schedule.calendar || !zone) return found;
  const Calendar& calendar = *schedule.calendar;
  // A time that is moved forward is found on the working day that takes it.
  for (auto time = dates.raw().after(after); time && *time <= until && found.size() < most;
       time = dates.raw().after(*time)) {
    std::optional<TimePoint> counted = time;
    if (calendar.day_of == Calendar::DayOf::data) counted = dates.raw().before(*time);
    if (!counted) continue;
    const CivilDay day = day_of(*counted, **zone);
    if (calendar.is_working_day(day)) continue;
    found.push_back({*time, calendar.why_off(day), moved_by(calendar, dates.raw(), *time, day, **zone)});
  }
  return found;
}

std::string format_local_time(TimePoint time, const std::string& timezone) {
  const auto zone = TimeZone::find(timezone);
  return zone ? format_time(time, **zone) : format_time_offset(time);
}

}  // namespace udon
