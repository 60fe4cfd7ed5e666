#include "plugins/data/text_times.h"

#include <charconv>

namespace udon::data {
namespace {

// Reads from the front of a text; after the first mistake nothing is read any more.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool is_fine() const { return is_fine_; }
  void fail() { is_fine_ = false; }
  bool is_at_end() const { return is_fine_ && rest_.empty(); }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!take(c)) is_fine_ = false;
  }
  void expect_one_of(char a, char b) {
    if (!take(a)) expect(b);
  }
  // Exactly so many digits.
  int number(size_t digits) {
    const std::string_view text = rest_.substr(0, digits);
    int value = 0;
    for (const char c : text) {
      if (c < '0' || c > '9') is_fine_ = false;
      value = value * 10 + (c - '0');
    }
    if (text.size() < digits) is_fine_ = false;
    rest_.remove_prefix(text.size());
    return value;
  }
  int64_t any_number() {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc() || rest_.starts_with('-')) is_fine_ = false;
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return value;
  }
  // ".5" → 500,000; nothing there is 0.
  int64_t fraction() {
    if (!take('.')) return 0;
    int64_t value = 0;
    int digits = 0;
    for (; !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9'; rest_.remove_prefix(1), ++digits)
      value = value * 10 + (rest_[0] - '0');
    if (digits == 0 || digits > 6) is_fine_ = false;
    for (; digits < 6; ++digits) value *= 10;
    return value;
  }

 private:
  std::string_view rest_;
  bool is_fine_ = true;
};

struct Day {
  int year, month, day;
};

Day read_day(Scanner& text) {
  Day parts{};
  parts.year = text.number(4);
  text.expect('-');
  parts.month = text.number(2);
  text.expect('-');
  parts.day = text.number(2);
  return parts;
}

// Hours are read already.
int64_t read_minutes(Scanner& text, int64_t hours) {
  text.expect(':');
  const int minute = text.number(2);
  text.expect(':');
  const int second = text.number(2);
  if (minute > 59 || second > 59) text.fail();
  int64_t us = 0;
  if (__builtin_mul_overflow(hours, int64_t{3'600'000'000}, &us)) text.fail();
  const int64_t fraction = text.fraction();
  if (__builtin_add_overflow(us, (minute * int64_t{60} + second) * 1'000'000 + fraction, &us)) text.fail();
  return us;
}

struct WallParts {
  Day day;
  int64_t us_of_day;
};

WallParts read_wall_clock(Scanner& text) {
  WallParts parts{};
  parts.day = read_day(text);
  text.expect_one_of(' ', 'T');
  const int hour = text.number(2);
  if (hour > 23) text.fail();
  parts.us_of_day = read_minutes(text, hour);
  return parts;
}

TimeProblem to_microseconds(const WallParts& parts, int64_t& us) {
  const auto days = days_of(parts.day.year, parts.day.month, parts.day.day);
  if (!days) return TimeProblem::no_such_day;
  us = *days * microseconds_per_day + parts.us_of_day;
  return TimeProblem::none;
}

}  // namespace

TimeProblem parse_day(std::string_view text, int32_t& days) {
  Scanner scanner(text);
  const Day parts = read_day(scanner);
  if (!scanner.is_at_end()) return TimeProblem::wrong_form;
  const auto found = days_of(parts.year, parts.month, parts.day);
  if (!found) return TimeProblem::no_such_day;
  days = *found;
  return TimeProblem::none;
}

TimeProblem parse_wall_clock(std::string_view text, int64_t& us) {
  Scanner scanner(text);
  const WallParts parts = read_wall_clock(scanner);
  if (!scanner.is_at_end()) return TimeProblem::wrong_form;
  return to_microseconds(parts, us);
}

TimeProblem parse_instant(std::string_view text, int64_t& us) {
  Scanner scanner(text);
  const WallParts parts = read_wall_clock(scanner);
  int64_t offset_minutes = 0;
  if (scanner.is_fine() && !scanner.take('Z')) {
    const bool is_west = scanner.take('-');
    if (!is_west) scanner.expect('+');
    const int hours = scanner.number(2);
    int minutes = 0;
    if (scanner.is_fine() && !scanner.is_at_end()) {
      scanner.take(':');
      minutes = scanner.number(2);
    }
    if (hours > 23 || minutes > 59) scanner.fail();
    offset_minutes = (hours * 60 + minutes) * (is_west ? -1 : 1);
  }
  if (!scanner.is_at_end()) return TimeProblem::wrong_form;
  const TimeProblem problem = to_microseconds(parts, us);
  us -= offset_minutes * 60'000'000;
  return problem;
}

TimeProblem parse_clock_time(std::string_view text, int64_t& us) {
  Scanner scanner(text);
  const bool is_negative = scanner.take('-');
  const int64_t hours = scanner.any_number();
  us = scanner.is_fine() ? read_minutes(scanner, hours) : 0;
  if (!scanner.is_at_end()) return TimeProblem::wrong_form;
  if (is_negative) us = -us;
  return TimeProblem::none;
}

IntervalProblem parse_interval(std::string_view text, int64_t& us) {
  Scanner scanner(text);
  scanner.expect('P');
  bool in_time = false, has_days = false, has_any = false;
  us = 0;
  while (scanner.is_fine() && !scanner.is_at_end()) {
    if (!in_time && scanner.take('T')) {
      in_time = true;
      continue;
    }
    const bool is_negative = scanner.take('-');
    const int64_t number = scanner.any_number();
    const int64_t fraction = scanner.fraction();
    if (!scanner.is_fine()) break;
    has_any = true;
    int64_t unit = 0;
    if (!in_time) {
      if (!scanner.take('Y') && !scanner.take('M') && !scanner.take('W')) scanner.expect('D');
      has_days = has_days || number != 0;
    } else if (scanner.take('H')) {
      unit = 3'600'000'000;
    } else if (scanner.take('M')) {
      unit = 60'000'000;
    } else {
      scanner.expect('S');
      unit = 1'000'000;
    }
    if (fraction != 0 && unit != 1'000'000) return IntervalProblem::wrong_form;
    int64_t part = 0;
    if (__builtin_mul_overflow(number, unit, &part) || __builtin_add_overflow(part, fraction, &part) ||
        (is_negative ? __builtin_sub_overflow(us, part, &us) : __builtin_add_overflow(us, part, &us)))
      return IntervalProblem::wrong_form;
  }
  if (!scanner.is_fine() || !has_any) return IntervalProblem::wrong_form;
  return has_days ? IntervalProblem::has_days : IntervalProblem::none;
}

}  // namespace udon::data
