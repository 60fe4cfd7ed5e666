#include "dagfile/templates/instant.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "base/clock.h"
#include "base/text.h"

namespace udon::templates {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::seconds;
using std::chrono::sys_days;

constexpr std::array<std::string_view, 7> weekdays{"Monday", "Tuesday",  "Wednesday", "Thursday",
                                                   "Friday", "Saturday", "Sunday"};
constexpr std::array<std::string_view, 12> months{"January",   "February", "March",    "April",
                                                  "May",       "June",     "July",     "August",
                                                  "September", "October",  "November", "December"};

std::string padded(int64_t number, int width) {
  std::string digits = std::to_string(number);
  if (static_cast<int>(digits.size()) < width) digits.insert(0, static_cast<size_t>(width) - digits.size(), '0');
  return digits;
}

std::string offset_text(int offset_seconds, std::string_view separator) {
  const int size = std::abs(offset_seconds);
  return (offset_seconds < 0 ? "-" : "+") + padded(size / 3600, 2) + std::string(separator) + padded(size / 60 % 60, 2);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The local midnight of Monday's week count that %U (from Sunday) and %W (from Monday) name.
int week_of_year(const CivilTime& time, bool from_monday) {
  const int day = from_monday ? time.weekday : (time.weekday + 1) % 7;
  return (time.day_of_year - 1 + 7 - day) / 7;
}

// ISO 8601's year and week.
std::pair<int, int> iso_week(const CivilTime& time) {
  const auto weeks_of = [](int year) {
    const auto january = std::chrono::weekday(sys_days(std::chrono::year(year) / 1 / 1));
    const bool is_leap = std::chrono::year(year).is_leap();
    return january == std::chrono::Thursday || (is_leap && january == std::chrono::Wednesday) ? 53 : 52;
  };
  const int week = (time.day_of_year - 1 - time.weekday + 10) / 7;
  if (week < 1) return {time.year - 1, weeks_of(time.year - 1)};
  if (week > weeks_of(time.year)) return {time.year + 1, 1};
  return {time.year, week};
}

Duration microseconds_of(const CivilTime& time) {
  return std::chrono::hours(time.hour) + std::chrono::minutes(time.minute) + seconds(time.second) +
         std::chrono::microseconds(time.microsecond);
}

}  // namespace

std::optional<Instant> parse_instant(std::string_view text) {
  // Only what is plainly a moment: a date alone or a number must stay the text that it is.
  if (text.size() < 20 || (text[10] != 'T' && text[10] != ' ')) return std::nullopt;
  const Result<TimePoint> time = parse_time(text);
  if (!time) return std::nullopt;
  Instant instant{.time = *time};
  if (text.back() != 'Z' && text.back() != 'z' && text.size() >= 6) {
    const std::string_view offset = text.substr(text.size() - 6);
    if ((offset[0] == '+' || offset[0] == '-') && is_digit(offset[1]) && is_digit(offset[2]) && is_digit(offset[4]) &&
        is_digit(offset[5])) {
      const int hours = (offset[1] - '0') * 10 + (offset[2] - '0'),
                minutes = (offset[4] - '0') * 10 + (offset[5] - '0');
      instant.offset_seconds = (offset[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    }
  }
  return instant;
}

Result<Instant> require_instant(const Datum& datum) {
  TRY(require_defined(datum));
  if (datum.is<Instant>()) return datum.as<Instant>();
  if (datum.is_text()) {
    if (const auto instant = parse_instant(datum.text())) return *instant;
    if (const Result<TimePoint> date = parse_time(datum.text())) return Instant{.time = *date};
    return failure("`" + datum.text() + "` is no moment such as 2026-01-31T00:00:00+00:00 or 2026-01-31");
  }
  return failure("expected a moment such as data_interval_start, got " + std::string(type_of(datum)));
}

CivilTime civil(const Instant& instant) {
  const TimePoint local = instant.time + seconds(instant.offset_seconds);
  const sys_days day = floor<days>(local);
  const std::chrono::year_month_day date(day);
  const Duration of_day = local - day;
  CivilTime time;
  time.year = static_cast<int>(date.year());
  time.month = static_cast<int>(static_cast<unsigned>(date.month()));
  time.day = static_cast<int>(static_cast<unsigned>(date.day()));
  const int64_t total = of_day.count() / 1'000'000;
  time.hour = static_cast<int>(total / 3600);
  time.minute = static_cast<int>(total / 60 % 60);
  time.second = static_cast<int>(total % 60);
  time.microsecond = static_cast<int>(of_day.count() % 1'000'000);
  time.weekday = static_cast<int>(std::chrono::weekday(day).iso_encoding()) - 1;
  time.day_of_year = static_cast<int>((day - sys_days(date.year() / 1 / 1)).count()) + 1;
  return time;
}

Result<Instant> from_civil(const CivilTime& time, int offset_seconds) {
  const std::chrono::year_month_day date = std::chrono::year(time.year) /
                                           std::chrono::month(static_cast<unsigned>(time.month)) /
                                           std::chrono::day(static_cast<unsigned>(time.day));
  if (!date.ok() || time.year < 1 || time.year > 9999)
    return failure("there is no day " + std::to_string(time.year) + "-" + padded(time.month, 2) + "-" +
                   padded(time.day, 2));
  return Instant{.time = sys_days(date) + microseconds_of(time) - seconds(offset_seconds),
                 .offset_seconds = offset_seconds};
}

std::string iso_format(const Instant& instant, char separator) {
  const CivilTime time = civil(instant);
  std::string text = padded(time.year, 4) + "-" + padded(time.month, 2) + "-" + padded(time.day, 2) + separator +
                     padded(time.hour, 2) + ":" + padded(time.minute, 2) + ":" + padded(time.second, 2);
  if (time.microsecond != 0) text += "." + padded(time.microsecond, 6);
  return text + offset_text(instant.offset_seconds, ":");
}

Result<std::string> strftime(const Instant& instant, std::string_view format) {
  const CivilTime time = civil(instant);
  const std::string_view weekday = weekdays[static_cast<size_t>(time.weekday)];
  const std::string_view month = months[static_cast<size_t>(time.month - 1)];
  const int hour12 = time.hour % 12 == 0 ? 12 : time.hour % 12;
  std::string text;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      text += format[i];
      continue;
    }
    if (++i == format.size()) return failure("a date format ends in a lone %");
    // "%-d": without padding, as glibc has it and people use it.
    const bool plain = format[i] == '-' && i + 1 < format.size();
    if (plain) ++i;
    const auto number = [&](int value, int width) { text += plain ? std::to_string(value) : padded(value, width); };
    switch (format[i]) {
      case 'Y': number(time.year, 4); break;
      case 'm': number(time.month, 2); break;
      case 'd': number(time.day, 2); break;
      case 'H': number(time.hour, 2); break;
      case 'I': number(hour12, 2); break;
      case 'M': number(time.minute, 2); break;
      case 'S': number(time.second, 2); break;
      case 'f': text += padded(time.microsecond, 6); break;
      case 'y': number(time.year % 100, 2); break;
      case 'j': number(time.day_of_year, 3); break;
      case 'U': number(week_of_year(time, false), 2); break;
      case 'W': number(week_of_year(time, true), 2); break;
      case 'V': number(iso_week(time).second, 2); break;
      case 'G': text += std::to_string(iso_week(time).first); break;
      case 'u': text += std::to_string(time.weekday + 1); break;
      case 'w': text += std::to_string((time.weekday + 1) % 7); break;
      case 'a': text += weekday.substr(0, 3); break;
      case 'A': text += weekday; break;
      case 'b':
      case 'h': text += month.substr(0, 3); break;
      case 'B': text += month; break;
      case 'p': text += time.hour < 12 ? "AM" : "PM"; break;
      case 'z': text += offset_text(instant.offset_seconds, ""); break;
      case 'Z': text += instant.offset_seconds == 0 ? "UTC" : offset_text(instant.offset_seconds, ":"); break;
      case 's': text += std::to_string(floor<seconds>(instant.time).time_since_epoch().count()); break;
      case 'F': text += padded(time.year, 4) + "-" + padded(time.month, 2) + "-" + padded(time.day, 2); break;
      case 'T': text += padded(time.hour, 2) + ":" + padded(time.minute, 2) + ":" + padded(time.second, 2); break;
      case 'R': text += padded(time.hour, 2) + ":" + padded(time.minute, 2); break;
      case 'D': text += padded(time.month, 2) + "/" + padded(time.day, 2) + "/" + padded(time.year % 100, 2); break;
      case '%': text += '%'; break;
      default: return failure(std::string("unknown date format %") + format[i]);
    }
  }
  return text;
}

Result<CivilTime> strptime(std::string_view text, std::string_view format) {
  const std::string whole(text);
  CivilTime time{.year = 1900};
  const auto wrong = [&] { return failure("`" + whole + "` does not look like `" + std::string(format) + "`"); };
  const auto digits = [&](size_t count_max, int& out) {
    size_t count = 0;
    int number = 0;
    while (count < count_max && count < text.size() && is_digit(text[count]))
      number = number * 10 + (text[count++] - '0');
    text.remove_prefix(count);
    out = number;
    return count > 0;
  };
  const auto name_of = [&](const auto& names, bool may_be_short, int& out) {
    const std::string rest = lower_ascii(text);
    for (size_t i = 0; i < names.size(); ++i) {
      for (const std::string_view name : {names[i], names[i].substr(0, may_be_short ? 3 : names[i].size())}) {
        if (rest.rfind(lower_ascii(name), 0) != 0) continue;
        text.remove_prefix(name.size());
        out = static_cast<int>(i);
        return true;
      }
    }
    return false;
  };
  bool is_afternoon = false, has_half = false;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] == '%' && i + 1 < format.size()) {
      bool ok = true;
      int ignored = 0;
      switch (format[++i]) {
        case 'Y': ok = digits(4, time.year); break;
        case 'm': ok = digits(2, time.month) && time.month >= 1 && time.month <= 12; break;
        case 'd': ok = digits(2, time.day) && time.day >= 1 && time.day <= 31; break;
        case 'H': ok = digits(2, time.hour) && time.hour < 24; break;
        case 'I': ok = digits(2, time.hour) && time.hour >= 1 && time.hour <= 12; break;
        case 'M': ok = digits(2, time.minute) && time.minute < 60; break;
        case 'S': ok = digits(2, time.second) && time.second < 60; break;
        case 'y':
          ok = digits(2, time.year);
          time.year += time.year < 69 ? 2000 : 1900;
          break;
        case 'f': {
          const size_t before = text.size();
          ok = digits(6, time.microsecond);
          for (size_t n = before - text.size(); n < 6; ++n) time.microsecond *= 10;
          break;
        }
        case 'b':
        case 'h':
        case 'B':
          ok = name_of(months, true, time.month);
          ++time.month;
          break;
        case 'a':
        case 'A': ok = name_of(weekdays, true, ignored); break;
        case 'p': {
          const std::string half = lower_ascii(text.substr(0, 2));
          ok = half == "am" || half == "pm";
          is_afternoon = half == "pm";
          has_half = true;
          if (ok) text.remove_prefix(2);
          break;
        }
        case '%':
          ok = !text.empty() && text[0] == '%';
          if (ok) text.remove_prefix(1);
          break;
        default: return failure(std::string("date format %") + format[i] + " cannot be read");
      }
      if (!ok) return wrong();
      continue;
    }
    if (text.empty() || text[0] != format[i]) return wrong();
    text.remove_prefix(1);
  }
  if (!text.empty()) return wrong();
  if (has_half) time.hour = time.hour % 12 + (is_afternoon ? 12 : 0);
  return time;
}

std::string text_of(const Span& span) {
  const int64_t total = span.length.count();
  int64_t whole_days = total / 86'400'000'000;
  if (total % 86'400'000'000 < 0) --whole_days;
  const int64_t rest = total - whole_days * 86'400'000'000;
  std::string text;
  if (whole_days != 0) text = std::to_string(whole_days) + (whole_days == 1 || whole_days == -1 ? " day, " : " days, ");
  const int64_t whole_seconds = rest / 1'000'000;
  text += std::to_string(whole_seconds / 3600) + ":" + padded(whole_seconds / 60 % 60, 2) + ":" +
          padded(whole_seconds % 60, 2);
  if (rest % 1'000'000 != 0) text += "." + padded(rest % 1'000'000, 6);
  return text;
}

Result<Instant> shifted(const Instant& instant, Duration by) {
  static constexpr Duration first = std::chrono::seconds(-62'135'596'800), last = std::chrono::seconds(253'402'300'800);
  const Duration at = instant.time.time_since_epoch();
  // Compared by differences: the sum itself could leave the range of int64.
  if ((by.count() < 0 && at.count() - first.count() < -by.count()) ||
      (by.count() > 0 && by.count() >= last.count() - at.count()))
    return failure("a moment outside of the years 1 to 9999");
  return Instant{.time = instant.time + by, .offset_seconds = instant.offset_seconds};
}

Result<Datum> attribute_of(const Instant& instant, std::string_view name) {
  const CivilTime time = civil(instant);
  const auto number = [](int64_t value) { return Datum(value); };
  if (name == "year") return number(time.year);
  if (name == "month") return number(time.month);
  if (name == "day") return number(time.day);
  if (name == "hour") return number(time.hour);
  if (name == "minute") return number(time.minute);
  if (name == "second") return number(time.second);
  if (name == "microsecond") return number(time.microsecond);
  if (name == "day_of_week") return number(time.weekday);  // pendulum 3: Monday is 0
  if (name == "day_of_year") return number(time.day_of_year);
  if (name == "week_of_year") return number(iso_week(time).second);
  if (name == "quarter") return number((time.month - 1) / 3 + 1);
  if (name == "int_timestamp") return number(floor<seconds>(instant.time).time_since_epoch().count());
  if (name == "float_timestamp") return Datum(static_cast<double>(instant.time.time_since_epoch().count()) / 1e6);
  return undefined("a moment has no attribute `" + std::string(name) + "`");
}

}  // namespace udon::templates
