#include "base/timezone.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <mutex>

#include "base/file.h"
#include "base/text.h"

namespace udon {
namespace {

using std::chrono::days;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_seconds;
using std::chrono::year;

constexpr int64_t zone_file_bytes_max = 1 << 20;

Path database() {
  const char* folder = std::getenv("TZDIR");
  return folder != nullptr && *folder != '\0' ? Path(folder) : Path("/usr/share/zoneinfo");
}

// What a name may be: it becomes a path. The machine's own zone and the database's internals are no zones of a
// schedule.
bool is_zone_name(const std::string& name) {
  if (name.empty() || name == "localtime" || name == "posixrules" || name == "Factory") return false;
  if (name.starts_with("posix/") || name.starts_with("right/")) return false;
  for (const std::string& part : split(name, '/')) {
    if (part.empty() || part.front() == '.') return false;
    for (const char c : part) {
      const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      if (!is_plain && c != '_' && c != '-' && c != '+') return false;
    }
  }
  return true;
}

Error malformed(std::string_view what) { return Error{ErrorKind::data, "TZif: " + std::string(what)}; }

// Big-endian numbers one after the other. Reading past the end gives zeros and is remembered.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  int64_t number(size_t width) {
    if (!has(width)) return 0;
    uint64_t value = 0;
    for (size_t i = 0; i < width; ++i) value = value << 8 | static_cast<unsigned char>(rest_[i]);
    rest_.remove_prefix(width);
    if (width == 4) return static_cast<int32_t>(static_cast<uint32_t>(value));
    return static_cast<int64_t>(value);
  }
  std::string_view take(size_t count) {
    if (!has(count)) return {};
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::string_view rest() const { return rest_; }
  bool is_exhausted() const { return is_exhausted_; }

 private:
  bool has(size_t count) {
    if (rest_.size() < count) is_exhausted_ = true;
    return !is_exhausted_;
  }
  std::string_view rest_;
  bool is_exhausted_ = false;
};

struct Header {
  char version = 0;
  size_t isutc = 0, isstd = 0, leap = 0, time = 0, type = 0, character = 0;
  size_t block_bytes(size_t time_bytes) const {
    return time * (time_bytes + 1) + type * 6 + character + leap * (time_bytes + 4) + isstd + isutc;
  }
};

Result<Header> read_header(Reader& reader) {
  if (reader.take(4) != "TZif") return malformed("does not begin with its magic number");
  Header header;
  header.version = static_cast<char>(reader.number(1));
  reader.take(15);
  for (size_t* count : {&header.isutc, &header.isstd, &header.leap, &header.time, &header.type, &header.character}) {
    const int64_t number = reader.number(4);
    if (number < 0 || number > zone_file_bytes_max) return malformed("a count is out of range");
    *count = static_cast<size_t>(number);
  }
  if (reader.is_exhausted()) return malformed("ends within its header");
  return header;
}

}  // namespace

// The text of a POSIX TZ rule: "EST5EDT,M3.2.0,M11.1.0", "<+0330>-3:30".
class TimeZone::RuleText {
 public:
  explicit RuleText(std::string_view text) : rest_(text) {}

  std::optional<Footer> read() {
    Footer footer;
    if (!name()) return std::nullopt;
    const auto standard = time();
    if (!standard) return std::nullopt;
    footer.standard = -*standard;  // POSIX counts west of Greenwich
    if (rest_.empty()) return footer;
    Footer::Summer summer;
    if (!name()) return std::nullopt;
    summer.offset = footer.standard + std::chrono::hours(1);
    if (!rest_.empty() && rest_.front() != ',') {
      const auto offset = time();
      if (!offset) return std::nullopt;
      summer.offset = -*offset;
    }
    if (!rule(summer.start) || !rule(summer.end) || !rest_.empty()) return std::nullopt;
    footer.summer = summer;
    return footer;
  }

 private:
  bool eat(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool name() {
    if (eat('<')) {
      const size_t end = rest_.find('>');
      if (end == std::string_view::npos) return false;
      rest_.remove_prefix(end + 1);
      return true;
    }
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    const auto end = std::ranges::find_if_not(rest_, is_letter);
    const auto length = static_cast<size_t>(end - rest_.begin());
    rest_.remove_prefix(length);
    return length >= 3;
  }
  std::optional<int> number() {
    int value = 0;
    size_t digits = 0;
    for (; digits < rest_.size() && digits < 4 && rest_[digits] >= '0' && rest_[digits] <= '9'; ++digits) {
      value = value * 10 + (rest_[digits] - '0');
    }
    rest_.remove_prefix(digits);
    return digits > 0 ? std::optional(value) : std::nullopt;
  }
  // [+-]hh[:mm[:ss]], also beyond a day.
  std::optional<seconds> time() {
    const bool is_negative = eat('-');
    if (!is_negative) eat('+');
    int64_t total = 0;
    int64_t unit = 3600;
    do {
      const auto part = number();
      if (!part) return std::nullopt;
      total += *part * unit;
      unit /= 60;
    } while (unit > 0 && eat(':'));
    return seconds(is_negative ? -total : total);
  }
  bool rule(YearlyRule& rule) {
    if (!eat(',')) return false;
    const auto set = [](int& target, std::optional<int> value) { return value ? (target = *value, true) : false; };
    if (eat('M')) {
      rule.form = YearlyRule::Form::month_week_day;
      if (!set(rule.month, number()) || !eat('.') || !set(rule.week, number()) || !eat('.') ||
          !set(rule.weekday, number())) {
        return false;
      }
      if (rule.month < 1 || rule.month > 12 || rule.week < 1 || rule.week > 5 || rule.weekday > 6) return false;
    } else {
      rule.form = eat('J') ? YearlyRule::Form::day_without_leap : YearlyRule::Form::day_with_leap;
      if (!set(rule.day, number()) || rule.day > 365) return false;
      if (rule.form == YearlyRule::Form::day_without_leap && rule.day < 1) return false;
    }
    rule.time = std::chrono::hours(2);
    if (!eat('/')) return true;
    const auto at = time();
    if (at) rule.time = *at;
    return at.has_value();
  }

  std::string_view rest_;
};

WallTime TimeZone::YearlyRule::in(year in_year) const {
  using namespace std::chrono;
  local_days date;
  switch (form) {
    case Form::month_week_day: {
      const auto in_month = in_year / std::chrono::month(static_cast<unsigned>(month));
      const std::chrono::weekday on(static_cast<unsigned>(weekday));
      date = week == 5 ? local_days(in_month / on[last]) : local_days(in_month / on[static_cast<unsigned>(week)]);
      break;
    }
    case Form::day_without_leap: {
      // 29 February is never counted: day 60 is 1 March.
      const bool is_after_february = in_year.is_leap() && day >= 60;
      date = local_days(in_year / January / 1) + days(day - 1 + (is_after_february ? 1 : 0));
      break;
    }
    case Form::day_with_leap: date = local_days(in_year / January / 1) + days(day); break;
  }
  return date + time;
}

Result<TimeZone> TimeZone::parse(std::string_view tzif) {
  Reader reader(tzif);
  TRY_ASSIGN(Header header, read_header(reader));
  size_t time_bytes = 4;
  if (header.version >= '2') {
    reader.take(header.block_bytes(4));
    TRY_ASSIGN(header, read_header(reader));
    time_bytes = 8;
  }
  if (header.leap > 0) return malformed("counts leap seconds, which the clock does not");
  if (header.type == 0) return malformed("has no type of local time");

  std::vector<sys_seconds> times;
  for (size_t i = 0; i < header.time; ++i) times.emplace_back(seconds(reader.number(time_bytes)));
  const std::string_view types = reader.take(header.time);
  std::vector<seconds> offsets;
  for (size_t i = 0; i < header.type; ++i) {
    offsets.emplace_back(reader.number(4));
    reader.take(2);
  }
  reader.take(header.character + header.isstd + header.isutc);
  if (reader.is_exhausted()) return malformed("ends within its data");

  TimeZone zone;
  zone.first_offset_ = offsets.front();
  for (size_t i = 0; i < times.size(); ++i) {
    const auto type = static_cast<unsigned char>(types[i]);
    if (type >= offsets.size()) return malformed("names a type of local time that it does not have");
    if (i > 0 && times[i] <= times[i - 1]) return malformed("has transitions out of order");
    zone.transitions_.push_back({times[i], offsets[type]});
  }
  if (time_bytes == 8) {
    std::string_view footer = reader.rest();
    if (footer.size() < 2 || footer.front() != '\n') return malformed("has no footer");
    footer.remove_prefix(1);
    footer = footer.substr(0, footer.find('\n'));
    if (!footer.empty()) {
      zone.footer_ = RuleText(footer).read();
      if (!zone.footer_) return malformed("its footer `" + std::string(footer) + "` is no POSIX rule");
    }
  }
  return zone;
}

TimeZone::Period TimeZone::at(sys_seconds time) const {
  const auto next = std::ranges::upper_bound(transitions_, time, {}, &Transition::at);
  if (next == transitions_.end() && footer_) {
    return by_footer(time, transitions_.empty() ? sys_seconds::min() : transitions_.back().at);
  }
  Period period{sys_seconds::min(), sys_seconds::max(), first_offset_};
  if (next != transitions_.begin()) {
    period.begin = std::prev(next)->at;
    period.offset = std::prev(next)->offset;
  }
  if (next != transitions_.end()) period.end = next->at;
  return period;
}

TimeZone::Period TimeZone::by_footer(sys_seconds time, sys_seconds from) const {
  Period period{from, sys_seconds::max(), footer_->standard};
  if (!footer_->summer) return period;
  // Outside the years that the calendar has: the last year's rule would overflow, and nobody plans there.
  constexpr auto first_year = year(-9'998), last_year = year(32'000);
  constexpr auto first = sys_days(first_year / 1 / 1), last = sys_days(last_year / 1 / 1);
  if (time < first || time >= last) return period;
  const year at_year = std::chrono::year_month_day(std::chrono::floor<days>(time)).year();
  std::vector<Transition> changes;
  for (const year y : {at_year - std::chrono::years(1), at_year, at_year + std::chrono::years(1)}) {
    const Footer::Summer& summer = *footer_->summer;
    const seconds start = summer.start.in(y).time_since_epoch() - footer_->standard;
    const seconds end = summer.end.in(y).time_since_epoch() - summer.offset;
    changes.push_back({sys_seconds(end), footer_->standard});
    changes.push_back({sys_seconds(start), summer.offset});
  }
  // Where one summer ends as the next begins (a zone on summer time all year) the begin comes second and stands.
  std::ranges::stable_sort(changes, {}, &Transition::at);
  for (const Transition& change : changes) {
    if (change.at > time) {
      period.end = change.at;
      break;
    }
    period.begin = std::max(from, change.at);
    period.offset = change.offset;
  }
  return period;
}

TimeZone::Instants TimeZone::instants_of(WallTime wall) const {
  // No offset is as large as a day, so the periods around the same reading of UTC are all that can hold it.
  const sys_seconds near(wall.time_since_epoch());
  std::optional<sys_seconds> first;
  std::optional<sys_seconds> second;
  sys_seconds gap_end = near;
  for (Period period = at(near - days(1));; period = at(period.end)) {
    const sys_seconds candidate = near - period.offset;
    if (candidate >= period.begin && candidate < period.end) {
      if (!first) first = candidate;
      second = candidate;
    } else if (candidate < period.begin && !first) {
      gap_end = period.begin;
      break;
    }
    if (period.end > near + days(1)) break;
  }
  if (!first) return {Kind::skipped, gap_end, gap_end};
  return {*first == *second ? Kind::unique : Kind::repeated, *first, *second};
}

Result<std::shared_ptr<const TimeZone>> TimeZone::find(const std::string& name) {
  // A memo of what never changes, not state: two tests that share it see the same.
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const TimeZone>> known;
  const std::lock_guard lock(mutex);
  if (const auto found = known.find(name); found != known.end()) return found->second;
  const Path folder = database();
  Result<TimeZone> zone = Error{ErrorKind::not_found, "there is no time zone `" + name + "` in " + folder.string()};
  if (is_zone_name(name)) {
    if (const Result<std::string> bytes = read_file(folder / name, zone_file_bytes_max)) {
      zone = parse(*bytes);
    } else if (bytes.error().kind != ErrorKind::not_found) {
      zone = bytes.error().within("time zone `" + name + "`");
    }
  }
  if (!zone && name == "UTC") zone = TimeZone();
  if (!zone) return zone.error();
  return known.emplace(name, std::make_shared<const TimeZone>(std::move(*zone))).first->second;
}

std::string format_time(TimePoint time, const TimeZone& zone) {
  const seconds offset = zone.at(std::chrono::floor<seconds>(time)).offset;
  std::string text = format_time(time + offset);
  text.pop_back();  // Z
  const int64_t total = std::abs(offset.count());
  const auto two = [](int64_t number) { return (number < 10 ? "0" : "") + std::to_string(number); };
  text += offset.count() < 0 ? '-' : '+';
  text += two(total / 3600) + ":" + two(total / 60 % 60);
  if (total % 60 != 0) text += ":" + two(total % 60);  // before standard time; as Python writes it
  return text;
}

bool is_known_timezone(const std::string& name) { return TimeZone::find(name).has_value(); }

std::vector<std::string> known_timezones() {
  std::vector<std::string> names{"UTC"};
  const Path folder = database();
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().lexically_relative(folder).string();
    if (at->is_directory(error)) {
      if (name == "posix" || name == "right") at.disable_recursion_pending();
    } else if (name != "UTC" && is_zone_name(name)) {
      const Result<std::string> bytes = read_file(at->path(), zone_file_bytes_max);
      if (bytes && bytes->starts_with("TZif")) names.push_back(name);
    }
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace udon
