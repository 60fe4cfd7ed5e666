#pragma once
// When dag runs are due. Values, and arithmetic on the civil calendar of a zone: a target of its own (udon_schedule),
// as only the control plane asks the calendar.
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/timezone.h"
#include "model/asset.h"
#include "model/calendar.h"

namespace udon {

// [begin, end) of the data that a run is about; begin == end for schedules without intervals.
struct DataInterval {
  TimePoint begin;
  TimePoint end;
  bool operator==(const DataInterval&) const = default;
};

// What to do with a cron time that daylight saving skips or repeats on the zone's wall clock. run_after: once, as the
// clock jumps over it. Of no effect on a cron that names every hour ("*/10 * * * *"): it goes by elapsed time, missing
// nothing and running in both of two equal hours.
struct DstPolicy {
  enum class Skipped { run_after, skip };
  enum class Repeated { first, last, both };
  Skipped skipped = Skipped::run_after;
  Repeated repeated = Repeated::first;
  bool operator==(const DstPolicy&) const = default;
};

// A parsed cron expression: five fields, names, ranges, steps, lists, L, #, L5, ? and @hourly… (croniter's meaning:
// day of month or day of week when both are restricted).
struct CronExpression {
  std::string text;                               // as written
  uint64_t minutes = 0;                           // bit n: minute n
  uint32_t hours = 0;                             // bit n: hour n
  uint32_t days = 0;                              // bit n: day of month n (1-31); bit 0: nearest working day
  uint16_t months = 0;                            // bit n: month n (1-12)
  uint8_t weekdays = 0;                           // bit n: 0 = Sunday … 6
  bool last_day = false;                          // L in the day of month
  std::vector<std::pair<int, int>> nth_weekdays;  // (weekday, n) of "fri#2"; n = -1 for "L5", the last
  bool any_day = true;                            // day of month is *
  bool any_weekday = true;                        // day of week is *
  bool operator==(const CronExpression&) const = default;
};
// @hourly, @daily, @midnight, @weekly, @monthly, @quarterly, @yearly, @annually too. The error quotes the text, the
// field and what it may be.
Result<CronExpression> parse_cron(std::string_view text);

struct NoSchedule {
  bool operator==(const NoSchedule&) const = default;
};  // manual runs only
struct OnceSchedule {
  bool operator==(const OnceSchedule&) const = default;
};  // @once
struct ContinuousSchedule {
  bool operator==(const ContinuousSchedule&) const = default;
};
struct CronSchedule {
  std::vector<CronExpression> crons;  // a run at each time that any of them names
  bool has_interval = false;          // true: a run is about [previous time, this time)
  DstPolicy dst;
  bool operator==(const CronSchedule&) const = default;
};
struct EverySchedule {
  Duration every{};
  bool has_interval = true;
  bool operator==(const EverySchedule&) const = default;
};
struct TimesSchedule {
  std::vector<TimePoint> times;  // ascending, each once
  bool has_interval = false;
  bool operator==(const TimesSchedule&) const = default;
};
using ScheduleKind =
    std::variant<NoSchedule, OnceSchedule, ContinuousSchedule, CronSchedule, EverySchedule, TimesSchedule>;

struct Schedule {
  ScheduleKind kind;
  // Runs are due when events of these have come, too; beside NoSchedule: only then.
  std::optional<AssetCondition> assets;
  std::string timezone = "UTC";  // IANA name
  std::optional<TimePoint> start_date;
  std::optional<TimePoint> end_date;
  bool catchup = false;
  // With times but not has_interval: a run is about so long before its time; its beginning is the logical date.
  Duration look_back{};
  std::optional<Calendar> calendar;
  bool operator==(const Schedule&) const = default;
};

// A run that the calendar asks for. run_after: not before; logical_date: what names it (interval begin, or
// run_after).
struct DueRun {
  TimePoint logical_date;
  DataInterval interval;
  TimePoint run_after;
  bool operator==(const DueRun&) const = default;
};

// The next run after the one with logical date `last` (none: the first), due or still ahead. As in Airflow, the first
// is at the first time at or after start_date; end_date is the last that a run may begin at. Without catchup, of what
// is past at `now` only the latest is left. Without start_date, the first is the latest that is past, with catchup too.
// Ticks of an EverySchedule count from start_date, else from 1970. A continuous one is due at once, or a second
// after `last`; its interval goes back to it. Nothing: no more (also: no such time, no such zone).
// covered_until: where the interval of the run of `last` ended. Of a calendar that covers gaps the next interval begins
// there, also where the days off have changed since.
std::optional<DueRun> next_due_run(const Schedule& schedule, std::optional<TimePoint> last, TimePoint now,
                                   std::optional<TimePoint> covered_until = std::nullopt);
// Whether it is one that asks for covered_until.
bool covers_gaps(const Schedule& schedule);
// The interval of a manual run that is started at `at`: the last complete one for schedules with intervals,
// else [at, at].
DataInterval interval_of_manual_run(const Schedule& schedule, TimePoint at);

// Whether its dates follow from the calendar alone, so that those of any past range can be named.
bool has_calendar(const Schedule& schedule);
// Whether its runs are about stretches of time.
bool has_intervals(const Schedule& schedule);
// The schedule's first date at or after `at`, or last one at or before it, whatever start_date, end_date, catchup and
// today say. Nothing: no such, or no calendar.
std::optional<DueRun> first_date_from(const Schedule& schedule, TimePoint at);
std::optional<DueRun> last_date_until(const Schedule& schedule, TimePoint at);

// A time that the schedule names and the calendar does not let be.
struct DayOffTime {
  TimePoint time;
  std::string why;                    // "설날", "a Sunday"
  std::optional<TimePoint> moved_to;  // nothing: it is skipped
  bool operator==(const DayOffTime&) const = default;
};
// Those in (after, until], at most so many.
std::vector<DayOffTime> times_on_days_off(const Schedule& schedule, TimePoint after, TimePoint until, size_t most);

// Wall-clock text of an instant in a zone: "2026-01-31T09:00:00+09:00"; UTC if there is no such zone.
std::string format_local_time(TimePoint time, const std::string& timezone);

// Next/previous instant strictly after/before `at` whose wall clock in the zone matches. Nothing within 50 years (as
// croniter: the fifth Friday of February comes every 28, or 40): no such.
std::optional<TimePoint> next_match(const CronExpression& cron, const std::string& timezone, DstPolicy dst,
                                    TimePoint at);
std::optional<TimePoint> previous_match(const CronExpression& cron, const std::string& timezone, DstPolicy dst,
                                        TimePoint at);

}  // namespace udon
