#include "model/cron.h"

#include <catch2/catch.hpp>
#include <set>

#include "base/random.h"

using namespace udon;
using namespace std::chrono_literals;

namespace {

using Skipped = DstPolicy::Skipped;
using Repeated = DstPolicy::Repeated;

CronExpression cron(const char* text) {
  const auto parsed = parse_cron(text);
  if (!parsed) FAIL(parsed.error().message);
  return *parsed;
}

// The next `count` times after `at`, on the zone's wall clock.
std::vector<std::string> times(const char* text, const char* zone, const char* at, int count, DstPolicy dst = {}) {
  std::vector<std::string> found;
  std::optional<TimePoint> time = parse_time(at).value();
  while (count-- > 0 && (time = next_match(cron(text), zone, dst, *time))) {
    found.push_back(format_local_time(*time, zone));
  }
  return found;
}

std::string next(const char* text, const char* at) {
  const auto found = next_match(cron(text), "UTC", {}, parse_time(at).value());
  return found ? format_time(*found) : "none";
}
std::string previous(const char* text, const char* at) {
  const auto found = previous_match(cron(text), "UTC", {}, parse_time(at).value());
  return found ? format_time(*found) : "none";
}

std::string complaint(const char* text) {
  const auto parsed = parse_cron(text);
  return parsed ? "accepted" : parsed.error().message;
}

// "0,15,30" of a field's bits.
std::string list(uint64_t bits) {
  std::string text;
  for (int i = 0; i < 64; ++i) {
    if (bits >> i & 1) text += (text.empty() ? "" : ",") + std::to_string(i);
  }
  return text;
}

}  // namespace

TEST_CASE("each form of a field names its values") {
  CHECK(list(cron("*/15 * * * *").minutes) == "0,15,30,45");
  CHECK(list(cron("5/20 * * * *").minutes) == "5,25,45");
  CHECK(list(cron("59/15 * * * *").minutes) == "59");
  CHECK(list(cron("10-30/10,7 * * * *").minutes) == "7,10,20,30");
  CHECK(list(cron("0 22-2 * * *").hours) == "0,1,2,22,23");
  CHECK(list(cron("0 0 1-L/10 * *").days) == "1,11,21,31");
  CHECK(list(cron("0 0 1 jan,Jun-AUG,12 *").months) == "1,6,7,8,12");
  CHECK(list(cron("0 0 1 nov-feb *").months) == "1,2,11,12");
  CHECK(list(cron("0 0 * * 7").weekdays) == "0");
  CHECK(list(cron("0 0 * * MON-fri").weekdays) == "1,2,3,4,5");
  CHECK(list(cron("0 0 * * fri-mon").weekdays) == "0,1,5,6");
  CHECK(list(cron("0 0 * * 5-7").weekdays) == "0,5,6");
  CHECK(list(cron("0 0 * * sun-sun").weekdays) == "0,1,2,3,4,5,6");
  CHECK(list(cron("0 0 1 apr-jan/3 *").months) == "1,4,7,10");
  CHECK(cron("0 0 L * *").last_day);
  CHECK(cron("0 0 * * fri#2,L1,mon-tue#1").nth_weekdays ==
        std::vector<std::pair<int, int>>{{1, -1}, {1, 1}, {2, 1}, {5, 2}});
  CHECK(cron(" 0\t0 * * * ").text == " 0\t0 * * * ");
  CHECK(cron("0 0 ? * mon").any_day);
  CHECK_FALSE(cron("0 0 ? * mon").any_weekday);
}

TEST_CASE("short forms stand for their five fields") {
  const std::pair<const char*, const char*> forms[] = {
      {"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},       {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
      {"@monthly", "0 0 1 * *"}, {"@quarterly", "0 0 1 */3 *"}, {"@yearly", "0 0 1 1 *"},   {"@Annually", "0 0 1 1 *"},
  };
  for (const auto& [form, meaning] : forms) {
    CronExpression expected = cron(meaning);
    expected.text = form;
    INFO(form);
    CHECK(cron(form) == expected);
  }
}

TEST_CASE("a wrong cron is refused with the field, what is wrong and what it may be") {
  CHECK(complaint("") == "cron ``: has 0 fields, needs 5: minute, hour, day of month, month, day of week");
  CHECK(complaint("daily") == "cron `daily`: has 1 field, needs 5: minute, hour, day of month, month, day of week");
  CHECK(complaint("0 0 * * * *") ==
        "cron `0 0 * * * *`: has 6 fields, needs 5: minute, hour, day of month, month, day of week");
  CHECK(complaint("@dayly") == "cron `@dayly`: there is no such short form; did you mean `@daily`?");
  CHECK(complaint("60 * * * *") == "cron `60 * * * *`: minute `60`: 60 is out of range: 0 to 59");
  CHECK(complaint("0 24 * * *") == "cron `0 24 * * *`: hour `24`: 24 is out of range: 0 to 23");
  CHECK(complaint("0 0 0 * *") == "cron `0 0 0 * *`: day of month `0`: 0 is out of range: 1 to 31");
  CHECK(complaint("0 0 * 13 *") == "cron `0 0 * 13 *`: month `13`: 13 is out of range: 1 to 12");
  CHECK(complaint("0 0 * * 8") == "cron `0 0 * * 8`: day of week `8`: 8 is out of range: 0 to 7");
  CHECK(complaint("0 0 * juni *") == "cron `0 0 * juni *`: month `juni`: `juni` is no month; did you mean `jun`?");
  CHECK(complaint("*/0 * * * *") ==
        "cron `*/0 * * * *`: minute `*/0`: the step after `/` has to be a number from 1, found `0`");
  CHECK(complaint("1,,2 * * * *") == "cron `1,,2 * * * *`: minute `1,,2`: an item of the list is empty");
  CHECK(complaint("? * * * *") == "cron `? * * * *`: minute `?`: `?` belongs to the day of month or of week");
  CHECK(complaint("0 0 LW * *") ==
        "cron `0 0 LW * *`: day of month `lw`: beside `W` stands one day and nothing else: `15W` is the working day "
        "nearest to it");
  CHECK(complaint("0 0 15W,3 * *") ==
        "cron `0 0 15W,3 * *`: day of month `15w,3`: `15w` is no day of month; a day with `W` stands alone");
  CHECK(complaint("0 0 32W * *") == "cron `0 0 32W * *`: day of month `32w`: 32 is out of range: 1 to 31");
  CHECK(complaint("0 0 * * 5W") == "cron `0 0 * * 5W`: day of week `5w`: `5w` is no day of week");
  CHECK(complaint("0 0 * L *") ==
        "cron `0 0 * L *`: month `l`: `l` is no month; `L` alone is a day of month, the last");
  CHECK(
      complaint("0 0 * * fri#6") ==
      "cron `0 0 * * fri#6`: day of week `fri#6`: after `#` comes a number from 1 to 5: `fri#2` is the second Friday");
  CHECK(complaint("0 0 * * L8") ==
        "cron `0 0 * * L8`: day of week `l8`: after `L` comes a day of the week from 0 to 7: `L5` is the last Friday");
  CHECK(complaint("0 0 * * mon,fri#2").ends_with("with and without `#` or `L` cannot stand in one list"));
  for (const char* text : {"- * * * *",      "1- * * * *",
                           "-1 * * * *",     "1-2-3 * * * *",
                           "*/ * * * *",     "/5 * * * *",
                           "** * * * *",     "1/2/3 * * * *",
                           "*-5 * * * *",    "1.5 * * * *",
                           "+1 * * * *",     "mon * * * *",
                           "0 0 L-3 * *",    "0 0 * * L",
                           "0 0 * * monday", "0 0 *\xC2\xA0* *",
                           "영 0 * * *",     "99999999999999999999 * * * *",
                           "0 0 * * #2",     "0 0 * * fri#",
                           "0 0 ?,1 * *",    "@",
                           "@reboot"}) {
    INFO(text);
    CHECK(complaint(text) != "accepted");
  }
  CHECK(parse_cron(std::string_view("0 0 *\0* *", 9)).has_value() == false);
  // A step beyond every range is no mistake to croniter.
  CHECK(list(cron("*/99999999999999999999 * * * *").minutes) == "0");
}

TEST_CASE("a day matches the day of month or the day of week where both are restricted, else the one that is") {
  CHECK(next("0 0 13 * fri", "2026-02-01T00:00:00Z") == "2026-02-06T00:00:00Z");
  CHECK(next("0 0 13 * *", "2026-02-01T00:00:00Z") == "2026-02-13T00:00:00Z");
  CHECK(next("0 0 ? * fri", "2026-02-07T00:00:00Z") == "2026-02-13T00:00:00Z");
  CHECK(next("0 0 31 * *", "2026-02-01T00:00:00Z") == "2026-03-31T00:00:00Z");
  // croniter: a list of all days beside a star is no restriction.
  CHECK(next("0 0 1-31 * */2", "2026-02-02T00:00:00Z") == "2026-02-03T00:00:00Z");
  CHECK(next("0 0 */1 * 1", "2026-02-02T00:00:00Z") == "2026-02-03T00:00:00Z");
}

TEST_CASE("L is the last day of any month, # the nth and L5 the last of a weekday") {
  CHECK(next("0 0 L * *", "2028-02-01T00:00:00Z") == "2028-02-29T00:00:00Z");
  CHECK(next("0 0 L * *", "2028-02-29T00:00:00Z") == "2028-03-31T00:00:00Z");
  CHECK(next("0 9 * * fri#2", "2026-01-01T00:00:00Z") == "2026-01-09T09:00:00Z");
  CHECK(next("0 9 * * L5", "2026-01-01T00:00:00Z") == "2026-01-30T09:00:00Z");
  CHECK(next("0 9 * * mon#5", "2026-01-01T00:00:00Z") == "2026-03-30T09:00:00Z");
  CHECK(previous("0 9 * * L5", "2026-01-30T09:00:00Z") == "2025-12-26T09:00:00Z");
}

TEST_CASE("15W is the working day nearest to the 15th, of the same month") {
  CHECK(times("0 9 15W * *", "UTC", "2026-01-01T00:00:00Z", 4) ==
        std::vector<std::string>{"2026-01-15T09:00:00+00:00", "2026-02-16T09:00:00+00:00", "2026-03-16T09:00:00+00:00",
                                 "2026-04-15T09:00:00+00:00"});
  CHECK(next("0 0 15W * *", "2026-08-01T00:00:00Z") == "2026-08-14T00:00:00Z");
  CHECK(next("0 0 1W * *", "2026-07-15T00:00:00Z") == "2026-08-03T00:00:00Z");
  CHECK(next("0 0 w31 * *", "2026-05-15T00:00:00Z") == "2026-05-29T00:00:00Z");
  CHECK(next("0 0 31W * *", "2026-02-01T00:00:00Z") == "2026-02-27T00:00:00Z");
  CHECK(previous("0 0 15W * *", "2026-03-16T00:00:00Z") == "2026-02-16T00:00:00Z");
  // As croniter has it: other days are of no effect beside it, unless none of them is a working day.
  CHECK(next("0 0 15W * mon", "2026-01-01T00:00:00Z") == "2026-01-15T00:00:00Z");
  CHECK(next("0 0 15W * sat,sun", "2026-01-01T00:00:00Z") == "none");
  CHECK(next("0 0 15W * mon#3", "2026-01-01T00:00:00Z") == "2026-02-16T00:00:00Z");
}

TEST_CASE("next and previous are strictly after and before") {
  CHECK(next("0 0 * * *", "2026-01-31T00:00:00Z") == "2026-02-01T00:00:00Z");
  CHECK(next("0 0 * * *", "2026-01-30T23:59:59.999999Z") == "2026-01-31T00:00:00Z");
  CHECK(next("0 0 * * *", "2026-01-31T00:00:00.000001Z") == "2026-02-01T00:00:00Z");
  CHECK(previous("0 0 * * *", "2026-01-31T00:00:00Z") == "2026-01-30T00:00:00Z");
  CHECK(previous("0 0 * * *", "2026-01-31T00:00:00.000001Z") == "2026-01-31T00:00:00Z");
  CHECK(next("* * * * *", "1969-12-31T23:59:30Z") == "1970-01-01T00:00:00Z");
  CHECK(previous("59 23 31 12 *", "1970-01-01T00:00:00Z") == "1969-12-31T23:59:00Z");
}

TEST_CASE("rare days are found, and days that never come are found not to") {
  CHECK(next("0 0 29 2 *", "2026-01-01T00:00:00Z") == "2028-02-29T00:00:00Z");
  CHECK(next("0 0 29 2 *", "2096-02-29T00:00:00Z") == "2104-02-29T00:00:00Z");
  CHECK(previous("0 0 29 2 *", "2104-01-01T00:00:00Z") == "2096-02-29T00:00:00Z");
  CHECK(next("0 0 * 2 fri#5", "2008-03-01T00:00:00Z") == "2036-02-29T00:00:00Z");
  for (const char* never : {"0 0 30 2 *", "* * 31 2,4,6,9,11 *", "0 0 31 feb ?"}) {
    INFO(never);
    CHECK(next(never, "2026-01-01T00:00:00Z") == "none");
    CHECK(previous(never, "2026-01-01T00:00:00Z") == "none");
    CHECK(next_match(cron(never), "America/New_York", {}, *parse_time("2026-01-01T00:00:00Z")) == std::nullopt);
  }
}

TEST_CASE("far beyond the calendar there is nothing, and no zone has no times") {
  for (const TimePoint at : {TimePoint::min(), TimePoint::max()}) {
    CHECK(next_match(cron("* * * * *"), "America/New_York", {}, at) == std::nullopt);
    CHECK(previous_match(cron("* * * * *"), "America/New_York", {}, at) == std::nullopt);
  }
  CHECK(next_match(cron("* * * * *"), "Asia/Soul", {}, TimePoint{}) == std::nullopt);
  CHECK(previous_match(cron("* * * * *"), "", {}, TimePoint{}) == std::nullopt);
}

TEST_CASE("a cron goes by the zone's wall clock") {
  CHECK(times("30 2 * * *", "Asia/Seoul", "2026-03-07T00:00:00Z", 2) ==
        std::vector<std::string>{"2026-03-08T02:30:00+09:00", "2026-03-09T02:30:00+09:00"});
  CHECK(
      times("0 9 * * *", "America/New_York", "2026-03-07T00:00:00Z", 3) ==
      std::vector<std::string>{"2026-03-07T09:00:00-05:00", "2026-03-08T09:00:00-04:00", "2026-03-09T09:00:00-04:00"});
  CHECK(times("0 9 1 7 *", "America/New_York", "2050-01-01T00:00:00Z", 1) ==
        std::vector<std::string>{"2050-07-01T09:00:00-04:00"});
}

TEST_CASE("a time that spring skips is run as the clock jumps, or left out") {
  const DstPolicy skip{Skipped::skip, Repeated::first};
  struct Row {
    const char* cron;
    const char* zone;
    const char* after;
    DstPolicy dst;
    std::vector<std::string> expected;
  };
  const std::vector<Row> rows{
      {"30 2 * * *",
       "America/New_York",
       "2026-03-07T12:00:00Z",
       {},
       {"2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"}},
      {"30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", skip, {"2026-03-09T02:30:00-04:00"}},
      {"30 2 8 3 *", "America/New_York", "2026-03-07T12:00:00Z", skip, {"2027-03-08T02:30:00-05:00"}},
      // Several skipped times are one run, and one with the time that is there anyway.
      {"0,15,30 2-3 * * *",
       "America/New_York",
       "2026-03-07T12:00:00Z",
       {},
       {"2026-03-08T03:00:00-04:00", "2026-03-08T03:15:00-04:00", "2026-03-08T03:30:00-04:00",
        "2026-03-09T02:00:00-04:00"}},
      // A cron for every hour misses none.
      {"30 * * * *",
       "America/New_York",
       "2026-03-08T06:00:00Z",
       {},
       {"2026-03-08T01:30:00-05:00", "2026-03-08T03:30:00-04:00"}},
      {"*/20 * * * *",
       "America/New_York",
       "2026-03-08T06:30:00Z",
       {},
       {"2026-03-08T01:40:00-05:00", "2026-03-08T03:00:00-04:00", "2026-03-08T03:20:00-04:00"}},
      {"0 2 * * *",
       "Europe/Berlin",
       "2026-03-28T12:00:00Z",
       {},
       {"2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"}},
      {"15 2 * * *",
       "Australia/Lord_Howe",
       "2026-10-03T00:00:00Z",
       {},
       {"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"}},
      {"45 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", {}, {"2026-10-04T02:45:00+11:00"}},
      // A whole day that was not.
      {"0 12 * * *",
       "Pacific/Apia",
       "2011-12-29T12:00:00Z",
       {},
       {"2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"}},
      {"0 12 * * *",
       "Pacific/Apia",
       "2011-12-29T12:00:00Z",
       skip,
       {"2011-12-29T12:00:00-10:00", "2011-12-31T12:00:00+14:00"}},
      // Midnight itself is skipped.
      {"0 0 * * *",
       "America/Sao_Paulo",
       "2018-11-03T12:00:00Z",
       {},
       {"2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"}},
  };
  for (const Row& row : rows) {
    INFO(row.cron << " in " << row.zone);
    CHECK(times(row.cron, row.zone, row.after, static_cast<int>(row.expected.size()), row.dst) == row.expected);
  }
}

TEST_CASE("a time that autumn repeats is run the first time, the last, or both") {
  const auto dst = [](Repeated repeated) { return DstPolicy{Skipped::run_after, repeated}; };
  struct Row {
    const char* cron;
    const char* zone;
    const char* after;
    DstPolicy dst;
    std::vector<std::string> expected;
  };
  const std::vector<Row> rows{
      {"30 1 * * *",
       "America/New_York",
       "2026-10-31T12:00:00Z",
       dst(Repeated::first),
       {"2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"}},
      {"30 1 * * *",
       "America/New_York",
       "2026-10-31T12:00:00Z",
       dst(Repeated::last),
       {"2026-11-01T01:30:00-05:00", "2026-11-02T01:30:00-05:00"}},
      {"30 1 * * *",
       "America/New_York",
       "2026-10-31T12:00:00Z",
       dst(Repeated::both),
       {"2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00", "2026-11-02T01:30:00-05:00"}},
      // Asked in between: the second time of one whose first is past is over, too.
      {"30 1 * * *", "America/New_York", "2026-11-01T05:45:00Z", dst(Repeated::first), {"2026-11-02T01:30:00-05:00"}},
      {"30 1 * * *", "America/New_York", "2026-11-01T05:45:00Z", dst(Repeated::last), {"2026-11-01T01:30:00-05:00"}},
      // The edges: 01:00 comes twice, 02:00 once.
      {"0 1,2 * * *",
       "America/New_York",
       "2026-10-31T12:00:00Z",
       dst(Repeated::first),
       {"2026-11-01T01:00:00-04:00", "2026-11-01T02:00:00-05:00"}},
      {"0 1,2 * * *",
       "America/New_York",
       "2026-10-31T12:00:00Z",
       dst(Repeated::last),
       {"2026-11-01T01:00:00-05:00", "2026-11-01T02:00:00-05:00"}},
      // A cron for every hour goes on by elapsed time.
      {"30 * * * *",
       "America/New_York",
       "2026-11-01T05:00:00Z",
       dst(Repeated::first),
       {"2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00", "2026-11-01T02:30:00-05:00"}},
      {"30 2 * * *",
       "Europe/Berlin",
       "2026-10-24T12:00:00Z",
       dst(Repeated::first),
       {"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
      {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", dst(Repeated::last), {"2026-10-25T02:30:00+01:00"}},
      {"45 1 * * *",
       "Australia/Lord_Howe",
       "2026-04-04T00:00:00Z",
       dst(Repeated::both),
       {"2026-04-05T01:45:00+11:00", "2026-04-05T01:45:00+10:30", "2026-04-06T01:45:00+10:30"}},
      {"15 1 * * *",
       "Australia/Lord_Howe",
       "2026-04-04T00:00:00Z",
       dst(Repeated::both),
       {"2026-04-05T01:15:00+11:00", "2026-04-06T01:15:00+10:30"}},
  };
  for (const Row& row : rows) {
    INFO(row.cron << " in " << row.zone);
    CHECK(times(row.cron, row.zone, row.after, static_cast<int>(row.expected.size()), row.dst) == row.expected);
  }
}

TEST_CASE("next and previous walk the same times as a minute by minute reading of the policies") {
  struct Seam {
    const char* zone;
    const char* around;
  };
  const Seam seams[] = {
      {"America/New_York", "2026-03-08T07:00:00Z"},    {"America/New_York", "2026-11-01T06:00:00Z"},
      {"Europe/Berlin", "2026-03-29T01:00:00Z"},       {"Europe/Berlin", "2026-10-25T01:00:00Z"},
      {"Europe/Dublin", "2045-10-29T01:00:00Z"},       {"Australia/Lord_Howe", "2026-04-04T15:00:00Z"},
      {"Australia/Lord_Howe", "2026-10-03T15:30:00Z"}, {"America/Sao_Paulo", "2018-11-04T03:00:00Z"},
      {"Pacific/Apia", "2011-12-30T10:00:00Z"},        {"Asia/Seoul", "2026-03-08T00:00:00Z"},
      {"Asia/Seoul", "1988-05-07T15:00:00Z"},
  };
  Random random(20260308);
  for (const Seam& seam : seams) {
    const TimeZone& zone = **TimeZone::find(seam.zone);
    const TimePoint around = *parse_time(seam.around);
    const TimePoint begin = around - 30h;
    const TimePoint end = around + 30h;
    for (int round = 0; round < 25; ++round) {
      CronExpression expression = cron("0 0 * * *");
      expression.minutes = random.next() & random.next() & random.next() & ((uint64_t{1} << 60) - 1);
      if (random.one_in(3)) expression.minutes |= 1;
      expression.hours = static_cast<uint32_t>(random.next() & random.next() & 0xffffff);
      if (random.one_in(4)) expression.hours = 0xffffff;
      const DstPolicy dst{static_cast<Skipped>(random.below(2)), static_cast<Repeated>(random.below(3))};
      const bool is_hourly = expression.hours == 0xffffff;

      std::set<TimePoint> expected;
      const auto first_minute = WallTime(std::chrono::floor<std::chrono::minutes>(begin - 48h).time_since_epoch());
      for (int i = 0; i < 60 * (60 + 96); ++i) {
        const WallTime minute = first_minute + std::chrono::minutes(i);
        if (!first_match(expression, minute, minute + 1min)) continue;
        const TimeZone::Instants instants = zone.instants_of(minute);
        if (instants.kind == TimeZone::Kind::skipped) {
          if (!is_hourly && dst.skipped == Skipped::run_after) expected.insert(instants.first);
          continue;
        }
        const bool is_one = instants.kind == TimeZone::Kind::unique || is_hourly || dst.repeated == Repeated::both;
        if (is_one || dst.repeated == Repeated::first) expected.insert(instants.first);
        if (is_one || dst.repeated == Repeated::last) expected.insert(instants.second);
      }
      std::erase_if(expected, [&](TimePoint time) { return time <= begin || time >= end; });

      std::set<TimePoint> forward;
      for (auto at = next_match(expression, seam.zone, dst, begin); at && *at < end;
           at = next_match(expression, seam.zone, dst, *at)) {
        forward.insert(*at);
      }
      std::set<TimePoint> backward;
      for (auto at = previous_match(expression, seam.zone, dst, end); at && *at > begin;
           at = previous_match(expression, seam.zone, dst, *at)) {
        backward.insert(*at);
      }
      INFO(seam.zone << " around " << seam.around << ", round " << round);
      REQUIRE(forward == expected);
      REQUIRE(backward == expected);
    }
  }
}
