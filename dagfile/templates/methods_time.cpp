// Methods of moments (datetime's and pendulum's), and Airflow's macros, which are about time too.
#include <algorithm>
#include <cmath>

#include "dagfile/templates/instant.h"
#include "dagfile/templates/methods.h"

namespace udon::templates {
namespace {

constexpr std::string_view instant_methods[] = {
    "strftime",          "isoformat", "date",   "timestamp", "weekday",        "isoweekday",     "add",
    "subtract",          "start_of",  "end_of", "replace",   "to_date_string", "to_time_string", "to_datetime_string",
    "to_iso8601_string", "format"};
constexpr std::string_view macros[] = {"ds_add", "ds_format", "timedelta"};

int days_in_month(int year, int month) {
  const auto last = std::chrono::year(year) / std::chrono::month(static_cast<unsigned>(month)) / std::chrono::last;
  return static_cast<int>(static_cast<unsigned>(last.day()));
}

Result<Datum> instant_datum(Result<Instant> instant) {
  if (!instant) return Error(instant.error());
  return Datum(Datum::Data(*instant));
}

// pendulum's add: years and months on the calendar (the day clamped to its month), then the rest as time.
Result<Datum> added(const Instant& instant, const Arguments& arguments, const std::string& name) {
  TRY_ASSIGN(const Parameters given,
             Parameters::bind(name, arguments,
                              {"years", "months", "weeks", "days", "hours", "minutes", "seconds", "microseconds"}));
  const int64_t sign = name == "subtract" ? -1 : 1;
  int64_t parts[8];
  for (size_t i = 0; i < 8; ++i) {
    TRY_ASSIGN(parts[i], given.integer(i, 0));
    if (std::llabs(parts[i]) > 1'000'000'000'000) return failure("`" + name + "`: a number is too large");
    parts[i] *= sign;
  }
  CivilTime time = civil(instant);
  const int64_t months = int64_t{time.year} * 12 + (time.month - 1) + parts[0] * 12 + parts[1];
  if (months < 12 || months >= 120'000) return failure("a moment outside of the years 1 to 9999");
  time.year = static_cast<int>(months / 12);
  time.month = static_cast<int>(months % 12) + 1;
  time.day = std::min(time.day, days_in_month(time.year, time.month));
  TRY_ASSIGN(const Instant moved, from_civil(time, instant.offset_seconds));
  static constexpr int64_t units[] = {604'800'000'000, 86'400'000'000, 3'600'000'000, 60'000'000, 1'000'000, 1};
  int64_t total = 0;
  for (size_t i = 0; i < 6; ++i) {
    int64_t part = 0;
    if (__builtin_mul_overflow(parts[i + 2], units[i], &part) || __builtin_add_overflow(total, part, &total))
      return failure("a moment outside of the years 1 to 9999");
  }
  return instant_datum(shifted(moved, Duration(total)));
}

Result<Datum> edge(const Instant& instant, const std::string& unit, bool is_start) {
  CivilTime time = civil(instant);
  const auto whole_day = [&] {
    time.hour = is_start ? 0 : 23;
    time.minute = is_start ? 0 : 59;
    time.second = is_start ? 0 : 59;
    time.microsecond = is_start ? 0 : 999'999;
  };
  if (unit == "hour" || unit == "minute" || unit == "second") {
    if (unit == "hour") time.minute = is_start ? 0 : 59;
    if (unit != "second") time.second = is_start ? 0 : 59;
    time.microsecond = is_start ? 0 : 999'999;
  } else if (unit == "day") {
    whole_day();
  } else if (unit == "week") {
    whole_day();
    TRY_ASSIGN(const Instant day, from_civil(time, instant.offset_seconds));
    return instant_datum(shifted(day, std::chrono::days(is_start ? -time.weekday : 6 - time.weekday)));
  } else if (unit == "month" || unit == "year") {
    whole_day();
    if (unit == "year") time.month = is_start ? 1 : 12;
    time.day = is_start ? 1 : days_in_month(time.year, time.month);
  } else {
    return failure("`start_of` and `end_of` take second, minute, hour, day, week, month or year, not `" + unit + "`");
  }
  return instant_datum(from_civil(time, instant.offset_seconds));
}

Result<Datum> with_parts(const Instant& instant, const Arguments& arguments) {
  TRY_ASSIGN(
      const Parameters given,
      Parameters::bind("replace", arguments, {"year", "month", "day", "hour", "minute", "second", "microsecond"}));
  CivilTime time = civil(instant);
  int* const parts[] = {&time.year, &time.month, &time.day, &time.hour, &time.minute, &time.second, &time.microsecond};
  static constexpr int64_t limits[] = {10'000, 13, 32, 24, 60, 60, 1'000'000};
  for (size_t i = 0; i < 7; ++i) {
    TRY_ASSIGN(const int64_t value, given.integer(i, *parts[i]));
    if (value < 0 || value >= limits[i]) return failure("`replace`: a part of the moment is out of its range");
    *parts[i] = static_cast<int>(value);
  }
  return instant_datum(from_civil(time, instant.offset_seconds));
}

}  // namespace

bool has_instant_method(std::string_view name) {
  return std::find(std::begin(instant_methods), std::end(instant_methods), name) != std::end(instant_methods);
}

Result<Datum> call_instant_method(const Instant& instant, const std::string& name, const Arguments& arguments,
                                  Budget& budget) {
  if (name == "add" || name == "subtract") return added(instant, arguments, name);
  if (name == "replace") return with_parts(instant, arguments);
  if (name == "strftime") {
    TRY_ASSIGN(const Parameters given, Parameters::bind(name, arguments, {"format"}, 1));
    TRY_ASSIGN(const std::string format, given.text(0, ""));
    TRY_ASSIGN(std::string text, strftime(instant, format));
    return budget.text(std::move(text));
  }
  if (name == "format") return failure("write `.strftime('%Y-%m-%d')` instead of `.format(…)`");
  if (name == "start_of" || name == "end_of") {
    TRY_ASSIGN(const Parameters given, Parameters::bind(name, arguments, {"unit"}, 1));
    TRY_ASSIGN(const std::string unit, given.text(0, ""));
    return edge(instant, unit, name == "start_of");
  }
  if (name == "isoformat") {
    TRY_ASSIGN(const Parameters given, Parameters::bind(name, arguments, {"sep"}));
    TRY_ASSIGN(const std::string separator, given.text(0, "T"));
    if (separator.size() != 1) return failure("`isoformat` takes one character");
    return Datum(iso_format(instant, separator[0]));
  }
  TRY(Parameters::bind(name, arguments, {}));
  const CivilTime time = civil(instant);
  if (name == "timestamp") return Datum(static_cast<double>(instant.time.time_since_epoch().count()) / 1e6);
  if (name == "weekday") return Datum(static_cast<int64_t>(time.weekday));
  if (name == "isoweekday") return Datum(static_cast<int64_t>(time.weekday + 1));
  const std::string iso = iso_format(instant, 'T');
  if (name == "to_iso8601_string") {
    return Datum(instant.offset_seconds == 0 ? iso.substr(0, iso.size() - 6) + "Z" : iso);
  }
  if (name == "to_time_string") return Datum(iso.substr(11, 8));
  if (name == "to_datetime_string") return Datum(iso.substr(0, 10) + " " + iso.substr(11, 8));
  return Datum(iso.substr(0, 10));  // date, to_date_string
}

bool has_macro(std::string_view name) {
  return std::find(std::begin(macros), std::end(macros), name) != std::end(macros);
}

Result<Datum> call_macro(const std::string& name, const Arguments& arguments, Budget& budget) {
  if (name == "ds_add") {
    TRY_ASSIGN(const Parameters given, Parameters::bind("macros.ds_add", arguments, {"ds", "days"}, 2));
    TRY_ASSIGN(const std::string ds, given.text(0, ""));
    TRY_ASSIGN(const int64_t days, given.integer(1, 0));
    if (std::llabs(days) > 4'000'000) return failure("`macros.ds_add`: too many days");
    TRY_ASSIGN(const CivilTime time, strptime(ds, "%Y-%m-%d"));
    TRY_ASSIGN(const Instant date, from_civil(time, 0));
    TRY_ASSIGN(const Instant moved, shifted(date, std::chrono::days(days)));
    return Datum(iso_format(moved, 'T').substr(0, 10));
  }
  if (name == "ds_format") {
    TRY_ASSIGN(const Parameters given,
               Parameters::bind("macros.ds_format", arguments, {"ds", "input_format", "output_format"}, 3));
    TRY_ASSIGN(const std::string ds, given.text(0, ""));
    TRY_ASSIGN(const std::string input, given.text(1, ""));
    TRY_ASSIGN(const std::string output, given.text(2, ""));
    TRY_ASSIGN(const CivilTime time, strptime(ds, input));
    TRY_ASSIGN(const Instant date, from_civil(time, 0));
    TRY_ASSIGN(std::string text, strftime(date, output));
    return budget.text(std::move(text));
  }
  // timedelta(days=0, seconds=0, microseconds=0, milliseconds=0, minutes=0, hours=0, weeks=0)
  TRY_ASSIGN(const Parameters given,
             Parameters::bind("macros.timedelta", arguments,
                              {"days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks"}));
  static constexpr double units[] = {86.4e9, 1e6, 1, 1e3, 60e6, 3.6e9, 604.8e9};
  double total = 0;
  for (size_t i = 0; i < 7; ++i) {
    if (!given.has(i)) continue;
    TRY(require_defined(given.at(i)));
    if (!given.at(i).is_number()) return failure("`macros.timedelta` takes numbers");
    total += given.at(i).real() * units[i];
  }
  if (!(std::fabs(total) < 9e17)) return failure("`macros.timedelta`: too long");
  return Datum(Datum::Data(Span{Duration(std::llround(total))}));
}

}  // namespace udon::templates
