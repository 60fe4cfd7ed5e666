#include "model/calendar.h"

#include <algorithm>
#include <array>

#include "base/ensure.h"

namespace udon {
namespace {

const NamedDay* find_day(const std::vector<NamedDay>& days, CivilDay day) {
  const auto found = std::ranges::lower_bound(days, day, {}, &NamedDay::day);
  return found != days.end() && found->day == day ? &*found : nullptr;
}

template <class E>
std::optional<E> parse_word(std::string_view text, std::initializer_list<E> all) {
  for (const E one : all)
    if (to_string(one) == text) return one;
  return std::nullopt;
}

}  // namespace

void put_in_order(std::vector<NamedDay>& days) {
  std::ranges::stable_sort(days, {}, &NamedDay::day);
  days.erase(std::ranges::unique(days, {}, &NamedDay::day).begin(), days.end());
}

std::string_view to_string(Calendar::DayOff day_off) {
  switch (day_off) {
    case Calendar::DayOff::skip: return "skip";
    case Calendar::DayOff::next: return "next";
    case Calendar::DayOff::previous: return "previous";
  }
  ENSURE(false, "a day_off outside its enum");
}

std::string_view to_string(Calendar::DayOf day_of) {
  switch (day_of) {
    case Calendar::DayOf::run: return "run";
    case Calendar::DayOf::data: return "data";
  }
  ENSURE(false, "a day_of outside its enum");
}

std::string_view to_string(Calendar::Gaps gaps) {
  switch (gaps) {
    case Calendar::Gaps::covered: return "covered";
    case Calendar::Gaps::left_out: return "left_out";
  }
  ENSURE(false, "gaps outside their enum");
}

std::optional<Calendar::DayOff> parse_day_off(std::string_view text) {
  return parse_word(text, {Calendar::DayOff::skip, Calendar::DayOff::next, Calendar::DayOff::previous});
}
std::optional<Calendar::DayOf> parse_day_of(std::string_view text) {
  return parse_word(text, {Calendar::DayOf::run, Calendar::DayOf::data});
}
std::optional<Calendar::Gaps> parse_gaps(std::string_view text) {
  return parse_word(text, {Calendar::Gaps::covered, Calendar::Gaps::left_out});
}

bool Calendar::is_working_day(CivilDay day) const {
  const std::chrono::weekday weekday(day);
  if ((weekdays >> weekday.c_encoding() & 1) == 0 || find_day(except, day) != nullptr) return false;
  return only.empty() || find_day(only, day) != nullptr;
}

std::optional<CivilDay> Calendar::working_day_from(CivilDay day, CivilDay limit) const {
  if (only.empty()) {
    for (; day <= limit; day += std::chrono::days(1))
      if (is_working_day(day)) return day;
    return std::nullopt;
  }
  for (auto at = std::ranges::lower_bound(only, day, {}, &NamedDay::day); at != only.end() && at->day <= limit; ++at)
    if (is_working_day(at->day)) return at->day;
  return std::nullopt;
}

std::optional<CivilDay> Calendar::working_day_until(CivilDay day, CivilDay limit) const {
  if (only.empty()) {
    for (; day >= limit; day -= std::chrono::days(1))
      if (is_working_day(day)) return day;
    return std::nullopt;
  }
  auto at = std::ranges::upper_bound(only, day, {}, &NamedDay::day);
  while (at != only.begin() && (--at)->day >= limit)
    if (is_working_day(at->day)) return at->day;
  return std::nullopt;
}

std::string Calendar::why_off(CivilDay day) const {
  static constexpr std::array<const char*, 7> names{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                    "Thursday", "Friday", "Saturday"};
  if (is_working_day(day)) return "";
  if (const NamedDay* holiday = find_day(except, day)) return holiday->name.empty() ? "a holiday" : holiday->name;
  const unsigned weekday = std::chrono::weekday(day).c_encoding();
  if ((weekdays >> weekday & 1) == 0) return std::string("a ") + names[weekday];
  return "not among the days of `only`";
}

}  // namespace udon
