#include "model/cron.h"

#include <algorithm>
#include <bit>

namespace udon {
namespace {

using std::chrono::days;
using std::chrono::local_days;
using std::chrono::minutes;
using std::chrono::year_month_day;

constexpr int minutes_per_day = 24 * 60;

bool has(uint64_t bits, unsigned index) { return (bits >> index & 1) != 0; }

// The working day nearest to the one day of `days`, and of that same month; a day after the month's last stands for it.
int nearest_working_day(const CronExpression& cron, const year_month_day& date) {
  constexpr uint32_t all_days = 0xfffffffe;
  const auto last = static_cast<int>(static_cast<unsigned>((date.year() / date.month() / std::chrono::last).day()));
  const int day = std::min(std::countr_zero(cron.days & all_days), last);
  const std::chrono::weekday weekday(local_days(date.year() / date.month() / day));
  if (weekday == std::chrono::Saturday) return day > 1 ? day - 1 : day + 2;
  if (weekday == std::chrono::Sunday) return day < last ? day + 1 : day - 2;
  return day;
}

bool matches_month(const CronExpression& cron, const year_month_day& date) {
  return has(cron.months, static_cast<unsigned>(date.month()));
}

// The first minute of a day at or after `from` (0-1439) that matches, or -1.
int first_minute(const CronExpression& cron, int from) {
  for (int hour = from / 60; hour < 24; ++hour) {
    if (!has(cron.hours, static_cast<unsigned>(hour))) continue;
    const int start = hour == from / 60 ? from % 60 : 0;
    const uint64_t rest = cron.minutes >> start;
    if (rest != 0) return hour * 60 + start + std::countr_zero(rest);
  }
  return -1;
}

// The last minute of a day at or before `until` that matches, or -1.
int last_minute(const CronExpression& cron, int until) {
  for (int hour = until / 60; hour >= 0; --hour) {
    if (!has(cron.hours, static_cast<unsigned>(hour))) continue;
    const int end = hour == until / 60 ? until % 60 : 59;
    const uint64_t rest = cron.minutes << (63 - end);
    if (rest != 0) return hour * 60 + end - std::countl_zero(rest);
  }
  return -1;
}

}  // namespace

bool matches_day(const CronExpression& cron, local_days day) {
  const year_month_day date(day);
  if (!matches_month(cron, date)) return false;
  const auto of_month = static_cast<int>(static_cast<unsigned>(date.day()));
  const auto last = static_cast<int>(static_cast<unsigned>((date.year() / date.month() / std::chrono::last).day()));
  const auto weekday = static_cast<int>(std::chrono::weekday(day).c_encoding());
  // croniter's meaning, kept so that a schedule means here what it means in Airflow: beside a nearest working day, days
  // of the week are of no effect (unless no working day is among them: then nothing matches), `#` and `L` narrow it,
  // and beside these any other day of month is of no effect.
  if (has(cron.days, 0)) {
    constexpr uint8_t working_days = 0b0111110;
    if (of_month != nearest_working_day(cron, date)) return false;
    if (cron.nth_weekdays.empty()) return (cron.weekdays & working_days) != 0;
  }
  if (!cron.nth_weekdays.empty()) {
    for (const auto& [nth_weekday, nth] : cron.nth_weekdays) {
      if (nth_weekday != weekday) continue;
      if (nth == -1 ? of_month + 7 > last : (of_month - 1) / 7 + 1 == nth) return true;
    }
    return false;
  }
  const bool is_day = has(cron.days, static_cast<unsigned>(of_month)) || (cron.last_day && of_month == last);
  const bool is_weekday = has(cron.weekdays, static_cast<unsigned>(weekday));
  if (cron.any_day && cron.any_weekday) return true;
  if (cron.any_day) return is_weekday;
  if (cron.any_weekday) return is_day;
  return is_day || is_weekday;
}

// Both walk day by day, but month by month where the month does not match: a century takes microseconds.
std::optional<WallTime> first_match(const CronExpression& cron, WallTime from, WallTime before) {
  const auto start = std::chrono::ceil<minutes>(from);
  local_days day = std::chrono::floor<days>(start);
  auto minute = static_cast<int>((start - day).count());
  while (day < before) {
    const year_month_day date(day);
    if (!matches_month(cron, date)) {
      day = local_days((date.year() / date.month() + std::chrono::months(1)) / 1);
      minute = 0;
      continue;
    }
    if (matches_day(cron, day)) {
      if (const int found = first_minute(cron, minute); found >= 0) {
        const WallTime time = day + minutes(found);
        return time < before ? std::optional(time) : std::nullopt;
      }
    }
    day += days(1);
    minute = 0;
  }
  return std::nullopt;
}

std::optional<WallTime> last_match(const CronExpression& cron, WallTime from, WallTime before) {
  const auto start = std::chrono::ceil<minutes>(before) - minutes(1);
  local_days day = std::chrono::floor<days>(start);
  auto minute = static_cast<int>((start - day).count());
  while (day + days(1) > from) {
    const year_month_day date(day);
    if (!matches_month(cron, date)) {
      day = local_days(date.year() / date.month() / 1) - days(1);
      minute = minutes_per_day - 1;
      continue;
    }
    if (matches_day(cron, day)) {
      if (const int found = last_minute(cron, minute); found >= 0) {
        const WallTime time = day + minutes(found);
        return time >= from ? std::optional(time) : std::nullopt;
      }
    }
    day -= days(1);
    minute = minutes_per_day - 1;
  }
  return std::nullopt;
}

}  // namespace udon
