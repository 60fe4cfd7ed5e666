#pragma once
// The civil time of a zone, from the system's tz database (TZif files, RFC 8536), with the rule in each file's footer:
// the usual libraries stop at a file's last listed transition, so that summer time ends in 2037 (or in 2007 where
// the files are "slim"), silently an hour off.
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace udon {

// The clock on the wall, as seconds since 1970-01-01 00:00 of the same calendar.
using WallTime = std::chrono::local_seconds;

// Immutable; safe from any thread.
class TimeZone {
 public:
  // A stretch of time with one offset: [begin, end). The first begins and the last ends with the whole of time.
  struct Period {
    std::chrono::sys_seconds begin;
    std::chrono::sys_seconds end;
    std::chrono::seconds offset;  // wall clock minus UTC
    bool operator==(const Period&) const = default;
  };

  // By IANA name ("Asia/Seoul"), case as there. Read once and kept for the life of the process. "UTC" is always there,
  // also without a database. not_found names the folder that was looked into ($TZDIR or /usr/share/zoneinfo).
  static Result<std::shared_ptr<const TimeZone>> find(const std::string& name);
  // From the bytes of a TZif file.
  static Result<TimeZone> parse(std::string_view tzif);

  Period at(std::chrono::sys_seconds time) const;

  enum class Kind { unique, skipped, repeated };
  struct Instants {
    Kind kind;
    // unique: both the same; repeated: its first and second time; skipped: both the end of the gap.
    std::chrono::sys_seconds first;
    std::chrono::sys_seconds second;
  };
  Instants instants_of(WallTime wall) const;

 private:
  // "Mm.w.d", "Jn" or "n" of a POSIX TZ rule, with its time of day.
  struct YearlyRule {
    enum class Form { month_week_day, day_without_leap, day_with_leap };
    Form form = Form::month_week_day;
    int month = 0, week = 0, weekday = 0, day = 0;
    std::chrono::seconds time{0};
    bool operator==(const YearlyRule&) const = default;
    WallTime in(std::chrono::year year) const;
  };
  struct Footer {
    std::chrono::seconds standard{0};
    struct Summer {
      std::chrono::seconds offset{0};
      YearlyRule start, end;
    };
    std::optional<Summer> summer;
  };
  struct Transition {
    std::chrono::sys_seconds at;
    std::chrono::seconds offset;  // from then on
  };
  class RuleText;

  Period by_footer(std::chrono::sys_seconds time, std::chrono::sys_seconds from) const;

  std::chrono::seconds first_offset_{0};
  std::vector<Transition> transitions_;  // ascending
  std::optional<Footer> footer_;         // rules after the last of them
};

// "2026-01-31T09:00:00+09:00", with microseconds only if there are any.
std::string format_time(TimePoint time, const TimeZone& zone);

bool is_known_timezone(const std::string& name);
std::vector<std::string> known_timezones();  // sorted; walks the database's folder

}  // namespace udon
