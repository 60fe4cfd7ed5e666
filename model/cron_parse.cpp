// Reading a cron expression as croniter reads it, which is what Airflow's users know. Where croniter is odd, this is
// odd in the same way (and says so), because a schedule that means something else here is worse than an odd one.
#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <string>

#include "base/text.h"
#include "model/schedule.h"

namespace udon {
namespace {

constexpr std::array<std::string_view, 12> month_names{"jan", "feb", "mar", "apr", "may", "jun",
                                                       "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> weekday_names{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct FieldKind {
  std::string_view name;
  int min;
  int max;
  std::span<const std::string_view> names;  // of min, min + 1, …
};
constexpr FieldKind minute_kind{"minute", 0, 59, {}};
constexpr FieldKind hour_kind{"hour", 0, 23, {}};
constexpr FieldKind day_kind{"day of month", 1, 31, {}};
constexpr FieldKind month_kind{"month", 1, 12, month_names};
constexpr FieldKind weekday_kind{"day of week", 0, 6, weekday_names};

struct Alias {
  std::string_view name;
  std::string_view cron;
};
constexpr std::array aliases{
    Alias{"@hourly", "0 * * * *"}, Alias{"@daily", "0 0 * * *"},    Alias{"@midnight", "0 0 * * *"},
    Alias{"@weekly", "0 0 * * 0"}, Alias{"@monthly", "0 0 1 * *"},  Alias{"@quarterly", "0 0 1 */3 *"},
    Alias{"@yearly", "0 0 1 1 *"}, Alias{"@annually", "0 0 1 1 *"},
};

struct Field {
  uint64_t bits = 0;
  bool is_any = false;  // an item is * or ?
  bool has_last = false;
  std::vector<std::pair<int, int>> nth;
};

class FieldParser {
 public:
  FieldParser(const FieldKind& kind, std::string_view text) : kind_(kind), text_(text) {}

  Result<Field> parse() {
    if (text_ == "?") {
      if (&kind_ != &day_kind && &kind_ != &weekday_kind) return wrong("`?` belongs to the day of month or of week");
      add_all();
      field_.is_any = true;
      return field_;
    }
    if (&kind_ == &day_kind && text_.size() > 1 && (text_.front() == 'w' || text_.back() == 'w'))
      return parse_nearest_working_day();
    for (const std::string& item : split(text_, ',')) TRY(parse_item(item));
    if (!field_.nth.empty() && field_.bits != 0) {
      return wrong("days of the week with and without `#` or `L` cannot stand in one list");
    }
    std::ranges::sort(field_.nth);
    const auto twice = std::ranges::unique(field_.nth);
    field_.nth.erase(twice.begin(), twice.end());
    return field_;
  }

 private:
  Error wrong(std::string_view what) const {
    return Error{ErrorKind::invalid, std::string(kind_.name) + " `" + std::string(text_) + "`: " + std::string(what)};
  }

  void add_all() {
    for (int i = kind_.min; i <= kind_.max; ++i) add(i);
  }
  void add(int64_t value) { field_.bits |= uint64_t{1} << value; }

  Result<void> parse_item(std::string_view item) {
    if (item.empty()) return wrong("an item of the list is empty");
    if (item == "*") {
      add_all();
      field_.is_any = true;
      return {};
    }
    if (&kind_ == &day_kind && item == "l") {
      field_.has_last = true;
      return {};
    }
    if (&kind_ == &weekday_kind) {
      if (item.size() > 1 && item.front() == 'l') return parse_last_weekday(item.substr(1));
      if (const size_t hash = item.find('#'); hash != item.npos) {
        return parse_nth_weekday(item.substr(0, hash), item.substr(hash + 1));
      }
    }
    int64_t step = 1;
    const size_t slash = item.find('/');
    if (slash != item.npos) {
      const auto number = parse_number(item.substr(slash + 1));
      if (!number || *number == 0) {
        return wrong("the step after `/` has to be a number from 1, found `" + std::string(item.substr(slash + 1)) +
                     "`");
      }
      step = *number;
      item = item.substr(0, slash);
    }
    if (item == "*") {
      add_range(kind_.min, kind_.max, step);
      return {};
    }
    const size_t dash = item.find('-');
    TRY_ASSIGN(const int64_t low, parse_value(item.substr(0, dash)));
    if (dash == item.npos) {
      add_range(low, slash == item.npos ? low : kind_.max, step);
      return {};
    }
    std::string_view until = item.substr(dash + 1);
    if (&kind_ == &day_kind && until == "l") until = "31";
    TRY_ASSIGN(const int64_t high, parse_value(until));
    if (low == high) {
      add_range(kind_.min, kind_.max, step);  // croniter: "sun-sun" goes once around
    } else if (low < high) {
      add_range(low, high, step);
    } else {
      add_wrapped(low, high, step);
    }
    return {};
  }

  void add_range(int64_t low, int64_t high, int64_t step) {
    for (int64_t i = low; i <= high; i += step) add(i);
  }

  // "fri-mon", "22-2": up to the end of the field and on from its start. Over the seam croniter counts a step one value
  // longer than it is ("jun-may/5" is June, November, May).
  void add_wrapped(int64_t low, int64_t high, int64_t step) {
    add_range(low, kind_.max, step);
    const int64_t size = kind_.max - kind_.min + 1;
    const int64_t last = low + (kind_.max - low) / step * step - kind_.min;
    const int64_t skipped = last + step > size ? step - (size - 1 - last) : 0;
    add_range(kind_.min + skipped, high, step);
  }

  // "15w", and in croniter "w15" too.
  Result<Field> parse_nearest_working_day() {
    const std::string_view day = text_.front() == 'w' ? text_.substr(1) : text_.substr(0, text_.size() - 1);
    if (!parse_number(day))
      return wrong("beside `W` stands one day and nothing else: `15W` is the working day nearest to it");
    TRY_ASSIGN(const int64_t value, parse_value(day));
    add(0);
    add(value);
    return field_;
  }

  Result<void> parse_last_weekday(std::string_view text) {
    const auto number = parse_number(text);
    if (!number || *number > 7) return wrong("after `L` comes a day of the week from 0 to 7: `L5` is the last Friday");
    field_.nth.emplace_back(static_cast<int>(*number % 7), -1);
    return {};
  }

  Result<void> parse_nth_weekday(std::string_view days, std::string_view nth_text) {
    const auto nth = parse_number(nth_text);
    if (!nth || *nth < 1 || *nth > 5) {
      return wrong("after `#` comes a number from 1 to 5: `fri#2` is the second Friday");
    }
    const size_t dash = days.find('-');
    TRY_ASSIGN(const int64_t low, parse_value(days.substr(0, dash)));
    int64_t high = low;
    if (dash != days.npos) {
      TRY_ASSIGN(high, parse_value(days.substr(dash + 1)));
      if (low == high) high = low + 6;
    }
    if (high < low) high += 7;
    for (int64_t day = low; day <= high; ++day)
      field_.nth.emplace_back(static_cast<int>(day % 7), static_cast<int>(*nth));
    return {};
  }

  // A number too large for 64 bits is as good as any other that is too large.
  static std::optional<int64_t> parse_number(std::string_view text) {
    if (text.empty() || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    constexpr int64_t too_large = 1'000'000;
    return error == std::errc{} ? std::min(number, too_large) : too_large;
  }

  Result<int64_t> parse_value(std::string_view text) const {
    if (const auto name = std::ranges::find(kind_.names, text); name != kind_.names.end()) {
      return kind_.min + (name - kind_.names.begin());
    }
    const auto number = parse_number(text);
    if (!number) {
      std::string what = "`" + std::string(text) + "` is no " + std::string(kind_.name);
      const std::vector<std::string> candidates(kind_.names.begin(), kind_.names.end());
      if (text == "l") what += "; `L` alone is a day of month, the last";
      if (&kind_ == &day_kind && text.ends_with('w')) what += "; a day with `W` stands alone";
      return wrong(what + did_you_mean(text, candidates));
    }
    if (&kind_ == &weekday_kind && *number == 7) return int64_t{0};
    if (*number < kind_.min || *number > kind_.max) {
      return wrong(std::string(text) + " is out of range: " + std::to_string(kind_.min) + " to " +
                   std::to_string(&kind_ == &weekday_kind ? 7 : kind_.max));
    }
    return *number;
  }

  const FieldKind& kind_;
  std::string_view text_;
  Field field_;
};

std::vector<std::string> split_fields(std::string_view text) {
  std::vector<std::string> fields;
  std::string field;
  for (const char c : text) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      if (!field.empty()) fields.push_back(std::exchange(field, {}));
    } else {
      field += c;
    }
  }
  if (!field.empty()) fields.push_back(std::move(field));
  return fields;
}

Result<CronExpression> parse_fields(std::string_view written) {
  std::string text = lower_ascii(trim(written));
  if (text.starts_with('@')) {
    const auto alias = std::ranges::find(aliases, text, &Alias::name);
    if (alias == aliases.end()) {
      std::vector<std::string> names;
      for (const Alias& known : aliases) names.emplace_back(known.name);
      return Error{ErrorKind::invalid, "there is no such short form" + did_you_mean(text, names)};
    }
    text = alias->cron;
  }
  const std::vector<std::string> fields = split_fields(text);
  if (fields.size() != 5) {
    return Error{ErrorKind::invalid, "has " + std::to_string(fields.size()) +
                                         (fields.size() == 1 ? " field" : " fields") +
                                         ", needs 5: minute, hour, day of month, month, day of week"};
  }
  CronExpression cron;
  cron.text = written;
  TRY_ASSIGN(const Field minute, FieldParser(minute_kind, fields[0]).parse());
  TRY_ASSIGN(const Field hour, FieldParser(hour_kind, fields[1]).parse());
  TRY_ASSIGN(const Field day, FieldParser(day_kind, fields[2]).parse());
  TRY_ASSIGN(const Field month, FieldParser(month_kind, fields[3]).parse());
  TRY_ASSIGN(const Field weekday, FieldParser(weekday_kind, fields[4]).parse());
  cron.minutes = minute.bits;
  cron.hours = static_cast<uint32_t>(hour.bits);
  cron.days = static_cast<uint32_t>(day.bits);
  cron.months = static_cast<uint16_t>(month.bits);
  cron.weekdays = static_cast<uint8_t>(weekday.bits);
  cron.last_day = day.has_last;
  cron.nth_weekdays = weekday.nth;
  // A field that lists every day is as good as * if the other has a * anywhere; else it is a restriction, and "or"
  // makes every day match. That is croniter's reading of "1-31" beside "*/2" and beside "mon".
  constexpr uint64_t every_day = 0xfffffffe;
  constexpr uint64_t every_weekday = 0x7f;
  const auto has_star = [](const std::string& field) { return field.find('*') != field.npos; };
  cron.any_day = day.is_any || (day.bits == every_day && has_star(fields[4]));
  cron.any_weekday = weekday.is_any || (weekday.bits == every_weekday && has_star(fields[2]));
  return cron;
}

}  // namespace

Result<CronExpression> parse_cron(std::string_view text) {
  Result<CronExpression> parsed = parse_fields(text);
  if (!parsed) return parsed.error().within("cron `" + std::string(text) + "`");
  return parsed;
}

}  // namespace udon
