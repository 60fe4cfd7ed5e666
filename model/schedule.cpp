#include "model/schedule.h"

#include <algorithm>
#include <functional>

namespace udon {
namespace {

constexpr Duration instant_before(1);  // "at or after" is strictly after this much earlier

template <class Pick>
std::optional<TimePoint> best(const std::optional<TimePoint>& a, const std::optional<TimePoint>& b, Pick pick) {
  if (!a || !b) return a ? a : b;
  return pick(*a, *b);
}

// The times of a schedule, strictly before or after an instant: what cron and every have in common.
class Ticks {
 public:
  virtual ~Ticks() = default;
  virtual std::optional<TimePoint> after(TimePoint at) const = 0;
  virtual std::optional<TimePoint> before(TimePoint at) const = 0;
  std::optional<TimePoint> at_or_after(TimePoint at) const { return after(at - instant_before); }
  std::optional<TimePoint> at_or_before(TimePoint at) const { return before(at + instant_before); }
};

class CronTicks final : public Ticks {
 public:
  CronTicks(const CronSchedule& cron, const std::string& zone) : cron_(cron), zone_(zone) {}
  std::optional<TimePoint> after(TimePoint at) const override {
    std::optional<TimePoint> found;
    for (const CronExpression& cron : cron_.crons) {
      found = best(found, next_match(cron, zone_, cron_.dst, at), [](auto a, auto b) { return std::min(a, b); });
    }
    return found;
  }
  std::optional<TimePoint> before(TimePoint at) const override {
    std::optional<TimePoint> found;
    for (const CronExpression& cron : cron_.crons) {
      found = best(found, previous_match(cron, zone_, cron_.dst, at), [](auto a, auto b) { return std::max(a, b); });
    }
    return found;
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

bool is_too_late(const Schedule& schedule, TimePoint time) { return schedule.end_date && time > *schedule.end_date; }

DueRun run_at(TimePoint time) { return {time, {time, time}, time}; }

// Runs at a tick, about no interval: Airflow's trigger timetables.
std::optional<DueRun> next_at_tick(const Ticks& ticks, const Schedule& schedule, std::optional<TimePoint> last,
                                   TimePoint now) {
  std::optional<TimePoint> time;
  if (last) time = ticks.after(*last);
  if (last && !time) return std::nullopt;
  const auto no_earlier_than = [&](std::optional<TimePoint> bound) {
    time = best(time, bound, [](auto a, auto b) { return std::max(a, b); });
  };
  if (schedule.start_date) {
    const auto first = ticks.at_or_after(*schedule.start_date);
    if (!first) return std::nullopt;
    no_earlier_than(first);
  }
  if (!schedule.catchup || !time) no_earlier_than(ticks.at_or_before(now));
  if (!time) time = ticks.after(now);  // the very first time of all is still ahead
  if (!time || is_too_late(schedule, *time)) return std::nullopt;
  return run_at(*time);
}

// Runs when an interval between two ticks is over: Airflow's data-interval timetables.
std::optional<DueRun> next_interval(const Ticks& ticks, const Schedule& schedule, std::optional<TimePoint> last,
                                    TimePoint now) {
  std::optional<TimePoint> begin;
  if (last) begin = ticks.after(*last);
  if (last && !begin) return std::nullopt;
  const auto no_earlier_than = [&](std::optional<TimePoint> bound) {
    begin = best(begin, bound, [](auto a, auto b) { return std::max(a, b); });
  };
  if (schedule.start_date) {
    const auto first = ticks.at_or_after(*schedule.start_date);
    if (!first) return std::nullopt;
    no_earlier_than(first);
  }
  if (!schedule.catchup || !begin) {
    if (const auto last_end = ticks.at_or_before(now)) no_earlier_than(ticks.before(*last_end));
  }
  if (!begin) begin = ticks.after(now);
  if (!begin || is_too_late(schedule, *begin)) return std::nullopt;
  const auto end = ticks.after(*begin);
  if (!end) return std::nullopt;
  return DueRun{*begin, {*begin, *end}, *end};
}

struct NextDueRun {
  const Schedule& schedule;
  std::optional<TimePoint> last;
  TimePoint now;

  std::optional<DueRun> operator()(const NoSchedule&) const { return std::nullopt; }
  std::optional<DueRun> operator()(const OnceSchedule&) const {
    const TimePoint time = schedule.start_date.value_or(now);
    if (last || is_too_late(schedule, time)) return std::nullopt;
    return run_at(time);
  }
  std::optional<DueRun> operator()(const ContinuousSchedule&) const {
    TimePoint time = std::max(now, schedule.start_date.value_or(now));
    if (last) time = std::max(time, *last + Duration(1));  // the clock went back: still a name of its own
    if (is_too_late(schedule, time)) return std::nullopt;
    return DueRun{time, {last.value_or(time), time}, time};
  }
  std::optional<DueRun> operator()(const CronSchedule& cron) const {
    return next(CronTicks(cron, schedule.timezone), cron.has_interval);
  }
  std::optional<DueRun> operator()(const EverySchedule& every) const {
    return next(EveryTicks(every.every, schedule.start_date.value_or(TimePoint{})), every.has_interval);
  }
  std::optional<DueRun> next(const Ticks& ticks, bool has_interval) const {
    return has_interval ? next_interval(ticks, schedule, last, now) : next_at_tick(ticks, schedule, last, now);
  }
};

struct ManualInterval {
  const Schedule& schedule;
  TimePoint at;

  DataInterval operator()(const NoSchedule&) const { return {at, at}; }
  DataInterval operator()(const OnceSchedule&) const { return {at, at}; }
  DataInterval operator()(const ContinuousSchedule&) const { return {at, at}; }
  DataInterval operator()(const CronSchedule& cron) const {
    return last_complete(CronTicks(cron, schedule.timezone), cron.has_interval);
  }
  DataInterval operator()(const EverySchedule& every) const {
    return last_complete(EveryTicks(every.every, schedule.start_date.value_or(TimePoint{})), every.has_interval);
  }
  DataInterval last_complete(const Ticks& ticks, bool has_interval) const {
    if (!has_interval) return {at, at};
    const auto end = ticks.at_or_before(at);
    const auto begin = end ? ticks.before(*end) : std::nullopt;
    return begin ? DataInterval{*begin, *end} : DataInterval{at, at};
  }
};

// The date at `time`, a tick.
std::optional<DueRun> date_at(const Ticks& ticks, bool has_interval, std::optional<TimePoint> time) {
  if (!time) return std::nullopt;
  if (!has_interval) return run_at(*time);
  const auto end = ticks.after(*time);
  if (!end) return std::nullopt;
  return DueRun{*time, {*time, *end}, *end};
}

// Calls f(ticks, has_interval) if the schedule has a calendar.
struct WithTicks {
  const Schedule& schedule;
  const std::function<std::optional<DueRun>(const Ticks&, bool)>& f;

  std::optional<DueRun> operator()(const NoSchedule&) const { return std::nullopt; }
  std::optional<DueRun> operator()(const OnceSchedule&) const { return std::nullopt; }
  std::optional<DueRun> operator()(const ContinuousSchedule&) const { return std::nullopt; }
  std::optional<DueRun> operator()(const CronSchedule& cron) const {
    return f(CronTicks(cron, schedule.timezone), cron.has_interval);
  }
  std::optional<DueRun> operator()(const EverySchedule& every) const {
    return f(EveryTicks(every.every, schedule.start_date.value_or(TimePoint{})), every.has_interval);
  }
};

}  // namespace

bool has_calendar(const Schedule& schedule) {
  return std::holds_alternative<CronSchedule>(schedule.kind) || std::holds_alternative<EverySchedule>(schedule.kind);
}

std::optional<DueRun> first_date_from(const Schedule& schedule, TimePoint at) {
  return std::visit(
      WithTicks{schedule, [at](const Ticks& ticks,
                               bool has_interval) { return date_at(ticks, has_interval, ticks.at_or_after(at)); }},
      schedule.kind);
}

std::optional<DueRun> last_date_until(const Schedule& schedule, TimePoint at) {
  return std::visit(
      WithTicks{schedule, [at](const Ticks& ticks,
                               bool has_interval) { return date_at(ticks, has_interval, ticks.at_or_before(at)); }},
      schedule.kind);
}

std::optional<DueRun> next_due_run(const Schedule& schedule, std::optional<TimePoint> last, TimePoint now) {
  return std::visit(NextDueRun{schedule, last, now}, schedule.kind);
}

DataInterval interval_of_manual_run(const Schedule& schedule, TimePoint at) {
  return std::visit(ManualInterval{schedule, at}, schedule.kind);
}

std::string format_local_time(TimePoint time, const std::string& timezone) {
  const auto zone = TimeZone::find(timezone);
  return zone ? format_time(time, **zone) : format_time_offset(time);
}

}  // namespace udon
