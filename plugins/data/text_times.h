#pragma once
// Days, times and lengths of time as databases print them, read strictly: a text that says anything else beside its
// value is none.
#include <cstdint>
#include <optional>
#include <string_view>

namespace udon::data {

inline constexpr int32_t gregorian_days = -141'427;  // 1582-10-15: days before it, Spark and Hive count otherwise
inline constexpr int64_t microseconds_per_day = 86'400'000'000;

// Days since 1970-01-01 of a day of the Gregorian calendar, extended backwards; nothing if there is no such day.
inline std::optional<int32_t> days_of(int year, int month, int day) {
  static constexpr int days_of_month[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12 || day < 1) return std::nullopt;
  const bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  if (day > days_of_month[month - 1] + (month == 2 && is_leap ? 1 : 0)) return std::nullopt;
  // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years from March, eras of 400 years.
  const int y = year - (month <= 2 ? 1 : 0);
  const int era = (y >= 0 ? y : y - 399) / 400;
  const int year_of_era = y - era * 400;
  const int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

enum class TimeProblem {
  none,
  wrong_form,
  no_such_day,  // 0000-00-00, 2024-02-31
};
// "2026-01-31".
TimeProblem parse_day(std::string_view text, int32_t& days);
// "2026-01-31 09:00:00" with up to six digits behind the second's point; T for the blank is fine.
TimeProblem parse_wall_clock(std::string_view text, int64_t& us);
// A wall clock with its offset: Z, +09, +09:00, +0900.
TimeProblem parse_instant(std::string_view text, int64_t& us);
// "-838:59:59.000000": microseconds; hours without bound.
TimeProblem parse_clock_time(std::string_view text, int64_t& us);

// An interval in ISO 8601 as PostgreSQL prints it, "P1Y2M-3DT-4H5M-6.789S".
enum class IntervalProblem {
  none,
  wrong_form,
  has_days,  // or months, years: their length is not fixed
};
IntervalProblem parse_interval(std::string_view text, int64_t& us);

}  // namespace udon::data
