// calendar: the days on which the schedule's runs may be.
#include <algorithm>

#include "base/text.h"
#include "dagfile/loader/document.h"
#include "model/cron.h"

namespace udon {
namespace {

constexpr int problems_of_file_max = 10;

// "2026-02-16" alone.
std::optional<CivilDay> parse_day(std::string_view text) {
  if (text.size() != 10) return std::nullopt;
  const Result<TimePoint> time = parse_time(text);
  if (!time) return std::nullopt;
  return CivilDay(std::chrono::floor<std::chrono::days>(*time).time_since_epoch());
}

// A line is a date, and after a comma, blanks or a tab its name; '#' begins a remark; a first line may be the header of
// a CSV file. `wrong(line, message)` is called for what is none.
template <class Wrong>
std::vector<NamedDay> days_in_text(std::string_view text, Wrong wrong) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<NamedDay> days;
  std::map<CivilDay, int> line_of;
  int number = 0;
  for (const std::string& whole : split(text, '\n')) {
    ++number;
    const std::string_view line = trim(whole);
    if (line.empty() || line[0] == '#') continue;
    const size_t end = std::min(line.find_first_of(", \t;"), line.size());
    std::string_view name = trim(line.substr(end));
    if (!name.empty() && (name[0] == ',' || name[0] == ';')) name = trim(name.substr(1));
    if (const size_t remark = name.find(" #"); remark != std::string_view::npos) name = trim(name.substr(0, remark));
    if (name.starts_with('#')) name = {};
    if (name.size() >= 2 && name.front() == '"' && name.back() == '"') name = name.substr(1, name.size() - 2);
    const std::string_view date = line.substr(0, end);
    if (days.empty() && line_of.empty() && (date == "date" || date == "day")) continue;
    const auto day = parse_day(date);
    if (!day) {
      wrong(number, "expected a date such as 2026-01-31 and its name, found `" +
                        std::string(date.substr(0, std::min<size_t>(date.size(), 40))) + "`");
      continue;
    }
    const auto [known, is_new] = line_of.emplace(*day, number);
    if (!is_new) {
      wrong(number, "`" + std::string(date) + "` stands in line " + std::to_string(known->second) + " already");
      continue;
    }
    days.push_back({*day, std::string(name)});
  }
  return days;
}

class CalendarReader {
 public:
  explicit CalendarReader(const DocumentContext& context) : context_(context), problems_(context.problems) {}

  std::optional<Calendar> read(const YamlNode& node) {
    if (!node.is_map()) {
      problems_.error(
          node,
          "`calendar`: " + expected("a map such as {weekdays: [mon, tue, wed, thu, fri], skip: holidays.txt}", node));
      return std::nullopt;
    }
    const int errors_before = problems_.errors();
    Calendar calendar;
    for (const YamlMember& member : node.members) read(member, calendar);
    if (problems_.errors() != errors_before) return std::nullopt;
    return calendar;
  }

 private:
  void read(const YamlMember& member, Calendar& calendar) {
    const std::string& key = member.key;
    if (key == "weekdays")
      read_weekdays(member.value, calendar);
    else if (key == "skip")
      calendar.except = read_days("skip", member.value);
    else if (key == "only")
      calendar.only = read_days("only", member.value);
    else if (key == "day_off")
      calendar.day_off = word(key, member.value, {"skip", "next", "previous"}, calendar.day_off);
    else if (key == "day_of")
      calendar.day_of = word(key, member.value, {"run", "data"}, calendar.day_of);
    else if (key == "gaps")
      calendar.gaps = word(key, member.value, {"covered", "left_out"}, calendar.gaps);
    else
      problems_.error(member.offset, "`calendar`: unknown key `" + key + "`" + did_you_mean(key, calendar_keys()) +
                                         "; there are " + join(calendar_keys(), ", "));
  }

  // `words` in the order of the enum's values.
  template <class E>
  E word(const std::string& key, const YamlNode& node, const std::vector<std::string>& words, E otherwise) {
    const auto read = read_field({FieldType::Kind::word, 0, 0, words}, "calendar." + key, node, problems_);
    return read ? static_cast<E>(std::ranges::find(words, read->text) - words.begin()) : otherwise;
  }

  void read_weekdays(const YamlNode& node, Calendar& calendar) {
    static const std::vector<std::string> names{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
    const auto texts = read_texts("calendar.weekdays", node, problems_);
    if (!texts) return;
    calendar.weekdays = 0;
    for (size_t i = 0; i < texts->size(); ++i) {
      const YamlNode& at = node.is_list() ? node.items[i] : node;
      const std::string wanted = lower_ascii((*texts)[i]);
      const auto found = std::ranges::find(names, wanted);
      if (found != names.end())
        calendar.weekdays |= static_cast<uint8_t>(1U << (found - names.begin()));
      else
        problems_.error(at, "`calendar.weekdays`: unknown day `" + wanted + "`" + did_you_mean(wanted, names) +
                                "; there are " + join(names, ", "));
    }
    if (texts->empty()) problems_.error(node, "`calendar.weekdays`: expected at least one day: there would be no run");
  }

  // A file, a date, or a list of such.
  std::vector<NamedDay> read_days(const char* key, const YamlNode& node) {
    std::vector<NamedDay> days;
    if (node.is_list())
      for (const YamlNode& item : node.items) add_days(key, item, days);
    else
      add_days(key, node, days);
    put_in_order(days);
    if (days.empty() && std::string_view(key) == "only")
      problems_.error(node, "`calendar.only` names no day: there would be no run");
    return days;
  }

  void add_days(const char* key, const YamlNode& node, std::vector<NamedDay>& days) {
    const std::string what = "`calendar." + std::string(key) + "`: ";
    if (!node.is_text()) {
      problems_.error(node, what + expected("a date such as 2026-01-31 or a file of them beside the DAG file", node));
      return;
    }
    if (const auto day = parse_day(node.text)) {
      days.push_back({*day, ""});
      return;
    }
    if (!node.text.empty() && node.text.find_first_not_of("0123456789-") == std::string::npos) {
      problems_.error(node, what + "`" + node.text + "` is no date such as 2026-01-31");
      return;
    }
    Result<IncludedFile> file = read_included(context_.folder, context_.relative, node.text);
    if (!file) {
      // What is not there yet is looked for again at each change of the folder: name it all the same.
      context_.included.push_back({(context_.relative.parent_path() / node.text).lexically_normal(), ""});
      problems_.error(node,
                      what + "file `" + node.text + "`: " +
                          (file.error().kind == ErrorKind::not_found ? "there is no such file" : file.error().message));
      return;
    }
    if (!is_valid_utf8(file->content)) {
      problems_.error(node, what + "file `" + node.text + "`: it is no valid UTF-8");
    } else {
      int wrong = 0;
      const auto found = days_in_text(file->content, [&](int line, const std::string& message) {
        if (++wrong <= problems_of_file_max)
          problems_.error(node, what + node.text + ":" + std::to_string(line) + ": " + message);
      });
      if (wrong > problems_of_file_max)
        problems_.error(node, what + node.text + ": " + std::to_string(wrong) + " lines are wrong; the first " +
                                  std::to_string(problems_of_file_max) + " are shown");
      if (found.empty() && wrong == 0) problems_.warning(node.offset, what + "file `" + node.text + "` names no day");
      days.insert(days.end(), found.begin(), found.end());
    }
    context_.included.push_back(std::move(*file));
  }

  const DocumentContext& context_;
  Problems& problems_;
};

}  // namespace

const std::vector<std::string>& calendar_keys() {
  static const std::vector<std::string> keys{"weekdays", "skip", "only", "day_off", "day_of", "gaps"};
  return keys;
}

void read_calendar(const YamlNode& node, Dag& dag, const DocumentContext& context) {
  Problems& problems = context.problems;
  auto calendar = CalendarReader(context).read(node);
  if (!calendar) return;
  Schedule& schedule = dag.schedule;
  const auto key = [&](const char* name) -> const YamlNode& {
    const YamlNode* found = node.find(name);
    return found != nullptr ? *found : node;
  };
  if (!has_calendar(schedule)) {
    problems.error(node, "`calendar` is about `cron`, `every` and `times`, and the schedule has none");
    return;
  }
  const bool is_interval = has_intervals(schedule) && schedule.look_back == Duration(0);
  if (!is_interval && calendar->day_of == Calendar::DayOf::data)
    problems.error(key("day_of"), "`calendar.day_of: data` needs a schedule with `interval: true`");
  else if (calendar->day_off != Calendar::DayOff::skip && calendar->day_of == Calendar::DayOf::data)
    problems.error(key("day_of"), "`calendar.day_of: data` goes with `day_off: skip` only: what is moved is the run");
  if (!is_interval && calendar->gaps == Calendar::Gaps::left_out)
    problems.error(key("gaps"), "`calendar.gaps: left_out` needs a schedule with `interval: true`");
  else if (calendar->day_off != Calendar::DayOff::skip && calendar->gaps == Calendar::Gaps::left_out)
    problems.error(key("gaps"), "`calendar.gaps: left_out` goes with `day_off: skip` only");
  // Years before any that somebody schedules for: what finds no time from here on will find none.
  constexpr TimePoint long_ago = std::chrono::sys_days(std::chrono::year(2000) / 1 / 1);
  schedule.calendar = std::move(calendar);
  if (!first_date_from(schedule, long_ago))
    problems.error(node, "`calendar`: the schedule has no time on any of its days: there would be no run");
}

}  // namespace udon
