#pragma once
// When dag runs are due. Values and arithmetic on the civil calendar of a zone; a target of its own
// (udon_schedule), because only the control plane needs the time-zone library.
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace udon {

// [begin, end) of the data that a run is about; begin == end for schedules without intervals.
struct DataInterval {
  TimePoint begin;
  TimePoint end;
  bool operator==(const DataInterval&) const = default;
};

// What to do with a cron time that daylight saving skips or repeats on the zone's wall clock.
struct DstPolicy {
  enum class Skipped { run_after, skip };
  enum class Repeated { first, last, both };
  Skipped skipped = Skipped::run_after;
  Repeated repeated = Repeated::first;
  bool operator==(const DstPolicy&) const = default;
};

// A parsed cron expression: five fields, names, ranges, steps, lists, L, #, and @hourly… (croniter's meaning:
// day of month or day of week when both are restricted).
struct CronExpression {
  std::string text;                               // as written
  uint64_t minutes = 0;                           // bit n: minute n
  uint32_t hours = 0;                             // bit n: hour n
  uint32_t days = 0;                              // bit n: day of month n (1-31)
  uint16_t months = 0;                            // bit n: month n (1-12)
  uint8_t weekdays = 0;                           // bit n: 0 = Sunday … 6
  bool last_day = false;                          // L in the day of month
  std::vector<std::pair<int, int>> nth_weekdays;  // (weekday, n) of "fri#2"; n = -1 for "L5", the last
  bool any_day = true;                            // day of month is *
  bool any_weekday = true;                        // day of week is *
  bool operator==(const CronExpression&) const = default;
};
Result<CronExpression> parse_cron(
    std::string_view text);  // @hourly, @daily, @weekly, @monthly, @quarterly, @yearly too

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
  bool has_interval = false;          // true: a run is about [previous time, this time); one cron only
  DstPolicy dst;
  bool operator==(const CronSchedule&) const = default;
};
struct EverySchedule {
  Duration every{};
  bool has_interval = true;
  bool operator==(const EverySchedule&) const = default;
};
struct AssetSchedule {
  std::vector<std::string> assets;  // all of them
  bool operator==(const AssetSchedule&) const = default;
};
using ScheduleKind =
    std::variant<NoSchedule, OnceSchedule, ContinuousSchedule, CronSchedule, EverySchedule, AssetSchedule>;

struct Schedule {
  ScheduleKind kind;
  std::string timezone = "UTC";  // IANA name
  std::optional<TimePoint> start_date;
  std::optional<TimePoint> end_date;
  bool catchup = false;
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

// The next run after the one with logical date `last` (none: the first). Without catchup, what is already
// past by more than one period at `now` is passed over, as Airflow does: only the latest due one remains.
// Nothing: no more.
std::optional<DueRun> next_due_run(const Schedule& schedule, std::optional<TimePoint> last, TimePoint now);
// The interval of a manual run that is started at `at`: the last complete one for schedules with intervals,
// else [at, at].
DataInterval interval_of_manual_run(const Schedule& schedule, TimePoint at);

bool is_known_timezone(const std::string& name);
std::vector<std::string> known_timezones();
// Wall-clock text of an instant in a zone: "2026-01-31T09:00:00+09:00".
std::string format_local_time(TimePoint time, const std::string& timezone);

// Next/previous instant strictly after/before `at` whose wall clock in the zone matches. Nothing within 8
// years: no such.
std::optional<TimePoint> next_match(const CronExpression& cron, const std::string& timezone, DstPolicy dst,
                                    TimePoint at);
std::optional<TimePoint> previous_match(const CronExpression& cron, const std::string& timezone, DstPolicy dst,
                                        TimePoint at);

}  // namespace udon
