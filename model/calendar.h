#pragma once
// The days on which a schedule's runs may be, and what becomes of those that fall on others.
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace udon {

using CivilDay = std::chrono::local_days;  // of the schedule's time zone

struct NamedDay {
  CivilDay day;
  std::string name;  // "설날"; may be empty
  bool operator==(const NamedDay&) const = default;
};

// A working day is one of `weekdays` that is not in `except`, and is in `only` unless that is empty.
struct Calendar {
  // What becomes of a time on a day off: nothing, or it is moved to the same time of the next or previous working day,
  // where two that meet are one. Nothing is moved further than moved_days_max: it is skipped.
  enum class DayOff { skip, next, previous };
  // Whose day it is that counts: that on which the run is due, or that on which its data interval begins (skip only).
  enum class DayOf { run, data };
  // What becomes of the time that a skipped run would have been about: the next run's data interval covers it, too; or
  // each run keeps the interval that it has without a calendar (skip only).
  enum class Gaps { covered, left_out };

  static constexpr int moved_days_max = 31;

  uint8_t weekdays = 0x7f;       // bit n: 0 = Sunday … 6
  std::vector<NamedDay> except;  // ascending, each day once
  std::vector<NamedDay> only;    // the same
  DayOff day_off = DayOff::skip;
  DayOf day_of = DayOf::run;
  Gaps gaps = Gaps::covered;
  bool operator==(const Calendar&) const = default;

  bool is_working_day(CivilDay day) const;
  // The first at or after `day`, the last at or before it, if there is one up to and with `limit`.
  std::optional<CivilDay> working_day_from(CivilDay day, CivilDay limit) const;
  std::optional<CivilDay> working_day_until(CivilDay day, CivilDay limit) const;
  // Why a day is off, for people: its name in `except`, "a Sunday", "not among the days of `only`".
  std::string why_off(CivilDay day) const;
};

std::string_view to_string(Calendar::DayOff day_off);
std::string_view to_string(Calendar::DayOf day_of);
std::string_view to_string(Calendar::Gaps gaps);
std::optional<Calendar::DayOff> parse_day_off(std::string_view text);
std::optional<Calendar::DayOf> parse_day_of(std::string_view text);
std::optional<Calendar::Gaps> parse_gaps(std::string_view text);

// Sorted, of equal days the first.
void put_in_order(std::vector<NamedDay>& days);

}  // namespace udon
