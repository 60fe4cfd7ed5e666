#include "base/clock.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace udon {
namespace {

using namespace std::chrono;

struct Unit {
  std::string_view name;
  int64_t microseconds;
};
constexpr std::array units{Unit{"d", 86'400'000'000}, Unit{"h", 3'600'000'000}, Unit{"m", 60'000'000},
                           Unit{"s", 1'000'000},      Unit{"ms", 1'000},        Unit{"us", 1}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string format_with_zone(TimePoint time, std::string_view zone) {
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{time - day};
  const auto fraction = static_cast<int>(clock.subseconds().count());
  char buffer[80];
  int length = std::snprintf(buffer, sizeof buffer, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                             static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                             static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                             static_cast<int>(clock.seconds().count()));
  std::string text(buffer, static_cast<size_t>(length));
  if (fraction != 0) {
    length = std::snprintf(buffer, sizeof buffer, ".%06d", fraction);
    text.append(buffer, static_cast<size_t>(length));
  }
  return text.append(zone);
}

// Reads a text from left to right; every step says whether it found what it looked for.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}
  bool at_end() const { return rest_.empty(); }
  bool take(std::string_view any_of) {
    if (rest_.empty() || any_of.find(rest_[0]) == any_of.npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take_number(size_t digits, int& number) {
    if (rest_.size() < digits) return false;
    number = 0;
    for (char c : rest_.substr(0, digits)) {
      if (!is_digit(c)) return false;
      number = number * 10 + (c - '0');
    }
    rest_.remove_prefix(digits);
    return true;
  }
  // Digits after the point, cut to microseconds.
  bool take_fraction(Duration& fraction) {
    int64_t value = 0;
    size_t count = 0;
    for (; count < rest_.size() && is_digit(rest_[count]); ++count) {
      if (count < 6) value = value * 10 + (rest_[count] - '0');
    }
    if (count == 0 || count > 9) return false;
    for (size_t i = count; i < 6; ++i) value *= 10;
    rest_.remove_prefix(count);
    fraction = Duration(value);
    return true;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

bool take_date(Scanner& scanner, sys_days& day) {
  int y = 0, m = 0, d = 0;
  if (!scanner.take_number(4, y) || !scanner.take("-") || !scanner.take_number(2, m) || !scanner.take("-") ||
      !scanner.take_number(2, d)) {
    return false;
  }
  const year_month_day date{year(y), month(static_cast<unsigned>(m)), std::chrono::day(static_cast<unsigned>(d))};
  if (!date.ok()) return false;
  day = date;
  return true;
}

bool take_time_of_day(Scanner& scanner, Duration& since_midnight) {
  int h = 0, m = 0, s = 0;
  Duration fraction{0};
  if (!scanner.take_number(2, h) || !scanner.take(":") || !scanner.take_number(2, m) || !scanner.take(":") ||
      !scanner.take_number(2, s) || (scanner.take(".") && !scanner.take_fraction(fraction))) {
    return false;
  }
  if (h > 23 || m > 59 || s > 59) return false;
  since_midnight = hours(h) + minutes(m) + seconds(s) + fraction;
  return true;
}

// Z, or "+09:00"; "+0900" and "+09" too, as PostgreSQL and strftime write them.
bool take_offset(Scanner& scanner, minutes& offset) {
  offset = minutes(0);
  if (scanner.take("Zz")) return true;
  const bool is_behind = !scanner.rest().empty() && scanner.rest()[0] == '-';
  int h = 0, m = 0;
  if (!scanner.take("+-") || !scanner.take_number(2, h)) return false;
  if (!scanner.at_end()) {
    scanner.take(":");
    if (!scanner.take_number(2, m)) return false;
  }
  if (h > 23 || m > 59) return false;
  offset = hours(h) + minutes(m);
  if (is_behind) offset = -offset;
  return true;
}

Error bad_time(std::string_view text, std::string_view why) {
  return {ErrorKind::invalid, "`" + std::string(text) + "` is not a time: " + std::string(why)};
}

Error bad_duration(std::string_view text, std::string_view why) {
  return {ErrorKind::invalid,
          "`" + std::string(text) + "` is not a duration such as 90s, 1h30m or 250ms: " + std::string(why)};
}

}  // namespace

TimePoint SystemClock::now() const { return floor<Duration>(system_clock::now()); }

Duration SystemClock::monotonic() const { return floor<Duration>(steady_clock::now().time_since_epoch()); }

std::string format_time(TimePoint time) { return format_with_zone(time, "Z"); }

std::string format_time_offset(TimePoint time) { return format_with_zone(time, "+00:00"); }

Result<TimePoint> parse_time(std::string_view text) {
  constexpr std::string_view expected_form = "expected the form 2026-01-31T09:30:00Z or 2026-01-31";
  Scanner scanner(text);
  sys_days day;
  if (!take_date(scanner, day)) return bad_time(text, expected_form);
  if (scanner.at_end()) return TimePoint(day);
  Duration since_midnight{0};
  if (!scanner.take("Tt ") || !take_time_of_day(scanner, since_midnight)) return bad_time(text, expected_form);
  if (scanner.at_end()) return bad_time(text, "it has no offset; add Z for UTC, or one such as +09:00");
  minutes offset{0};
  if (!take_offset(scanner, offset) || !scanner.at_end()) return bad_time(text, expected_form);
  return TimePoint(day) + since_midnight - offset;
}

Result<Duration> parse_duration(std::string_view text) {
  if (text.empty()) return bad_duration(text, "it is empty");
  int64_t total = 0;
  for (std::string_view rest = text; !rest.empty();) {
    int64_t amount = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), amount);
    if (error == std::errc::result_out_of_range) return bad_duration(text, "it is too long");
    if (error != std::errc() || rest[0] == '-') return bad_duration(text, "a number is missing");
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    size_t name_length = 0;
    while (name_length < rest.size() && !is_digit(rest[name_length])) ++name_length;
    const std::string_view name = rest.substr(0, name_length);
    rest.remove_prefix(name_length);
    if (name.empty()) return bad_duration(text, "a unit (d, h, m, s, ms, us) is missing");
    const Unit* found = nullptr;
    for (const Unit& unit : units) {
      if (unit.name == name) found = &unit;
    }
    if (!found) return bad_duration(text, "unknown unit `" + std::string(name) + "`; there are d, h, m, s, ms, us");
    if (__builtin_mul_overflow(amount, found->microseconds, &amount) || __builtin_add_overflow(total, amount, &total)) {
      return bad_duration(text, "it is too long");
    }
  }
  return Duration(total);
}

std::string format_duration(Duration duration) {
  // Unsigned, as the smallest negative value has no positive twin.
  const int64_t count = duration.count();
  uint64_t left = count < 0 ? 0 - static_cast<uint64_t>(count) : static_cast<uint64_t>(count);
  if (left == 0) return "0s";
  std::string text = count < 0 ? "-" : "";
  for (const Unit& unit : units) {
    const auto size = static_cast<uint64_t>(unit.microseconds);
    if (left >= size) text.append(std::to_string(left / size)).append(unit.name);
    left %= size;
  }
  return text;
}

}  // namespace udon
