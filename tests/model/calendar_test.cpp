// Calendars: days off, what becomes of them, and what runs are then about.
#include "model/calendar.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "base/random.h"
#include "model/backfill.h"
#include "model/schedule.h"
#include "model/ticks.h"

using namespace udon;
using namespace std::chrono_literals;

namespace {

TimePoint t(const std::string& text) {
  const auto time = parse_time(text);
  if (!time) FAIL(time.error().message);
  return *time;
}
CivilDay day(const std::string& text) {
  return CivilDay(std::chrono::floor<std::chrono::days>(t(text)).time_since_epoch());
}

constexpr uint8_t monday_to_friday = 0x3e;

// February 2026 in Korea: 14 and 15 are a weekend, 16 to 18 설날.
Calendar lunar_new_year() {
  Calendar calendar;
  calendar.weekdays = monday_to_friday;
  calendar.except = {{day("2026-02-16"), "설날 전날"}, {day("2026-02-17"), "설날"}, {day("2026-02-18"), "설날 다음날"}};
  return calendar;
}

Schedule daily_in_seoul(const char* cron, bool has_interval, Calendar calendar) {
  Schedule schedule;
  schedule.kind = CronSchedule{{*parse_cron(cron)}, has_interval, {}};
  schedule.timezone = "Asia/Seoul";
  schedule.catchup = true;
  schedule.calendar = std::move(calendar);
  return schedule;
}

std::string local(const Schedule& schedule, TimePoint time) {
  return format_local_time(time, schedule.timezone).substr(5, 11);
}
std::string show(const Schedule& schedule, const std::optional<DueRun>& run) {
  if (!run) return "none";
  std::string text = local(schedule, run->logical_date);
  if (run->interval.begin != run->interval.end || run->run_after != run->logical_date)
    text += " about " + local(schedule, run->interval.begin) + " to " + local(schedule, run->interval.end);
  if (run->run_after != run->interval.end) text += " after " + local(schedule, run->run_after);
  return text;
}

// Each asked for after the one before, as the scheduler does.
std::vector<std::string> runs(Schedule schedule, const std::string& from, const std::string& to) {
  schedule.start_date = t(from);
  std::vector<std::string> found;
  std::optional<TimePoint> last;
  while (const auto run = next_due_run(schedule, last, t(to))) {
    if (run->run_after > t(to)) break;
    found.push_back(show(schedule, run));
    last = run->logical_date;
  }
  return found;
}
using Lines = std::vector<std::string>;

TEST_CASE("where days off change after a run was made, the next one begins where that one ended") {
  Calendar calendar = lunar_new_year();
  calendar.except.push_back({day("2026-02-13"), "a late one"});
  put_in_order(calendar.except);
  Schedule schedule = daily_in_seoul("0 7 * * *", true, calendar);
  const TimePoint last = t("2026-02-11T22:00:00Z"), ended = t("2026-02-12T22:00:00Z"), now = t("2026-02-13T00:00:00Z");
  CHECK(covers_gaps(schedule));
  CHECK(show(schedule, next_due_run(schedule, last, now, ended)) == "02-13T07:00 about 02-13T07:00 to 02-19T07:00");
  CHECK(show(schedule, next_due_run(schedule, last, now)) == "02-19T07:00 about 02-19T07:00 to 02-20T07:00");
  // Working days again, when a run has covered them.
  schedule.calendar->except.clear();
  CHECK(show(schedule, next_due_run(schedule, ended, now, t("2026-02-18T22:00:00Z"))) ==
        "02-19T07:00 about 02-19T07:00 to 02-20T07:00");
  // Without catchup only the last of what is past is left, as ever.
  schedule.catchup = false;
  CHECK(show(schedule, next_due_run(schedule, last, t("2026-02-20T00:00:00Z"), ended)) ==
        "02-19T07:00 about 02-19T07:00 to 02-20T07:00");
  schedule.calendar->gaps = Calendar::Gaps::left_out;
  CHECK_FALSE(covers_gaps(schedule));
}

TEST_CASE("however days off change, runs that cover gaps follow each other without gap or overlap") {
  Random random(20260213);
  for (int round = 0; round < 200; ++round) {
    TimePoint covered = t("2026-02-01T22:00:00Z");
    TimePoint last = covered - 24h;
    for (int i = 0; i < 12; ++i) {
      Calendar calendar;
      calendar.weekdays = random.one_in(2) ? monday_to_friday : 0x7f;
      if (random.one_in(3)) calendar.day_of = Calendar::DayOf::data;
      for (int d = 0; d < 25; ++d)
        if (random.one_in(4)) calendar.except.push_back({day("2026-02-01") + std::chrono::days(d), ""});
      const Schedule schedule = daily_in_seoul(random.one_in(2) ? "0 7 * * *" : "0 7,19 * * *", true, calendar);
      const auto run = next_due_run(schedule, last, covered + 240h, covered);
      REQUIRE(run);
      REQUIRE(run->interval.begin == covered);
      REQUIRE(run->interval.end > covered);
      REQUIRE(run->run_after == run->interval.end);
      last = run->logical_date;
      covered = run->interval.end;
    }
  }
}

TEST_CASE("a run on a day off is skipped, or moved to the next or the previous working day") {
  Calendar calendar = lunar_new_year();
  const auto of = [&](Calendar::DayOff day_off) {
    calendar.day_off = day_off;
    return runs(daily_in_seoul("30 9 * * *", false, calendar), "2026-02-12T00:00:00Z", "2026-02-20T12:00:00Z");
  };
  CHECK(of(Calendar::DayOff::skip) == Lines{"02-12T09:30", "02-13T09:30", "02-19T09:30", "02-20T09:30"});
  CHECK(of(Calendar::DayOff::next) == Lines{"02-12T09:30", "02-13T09:30", "02-19T09:30", "02-20T09:30"});
  CHECK(of(Calendar::DayOff::previous) == Lines{"02-12T09:30", "02-13T09:30", "02-19T09:30", "02-20T09:30"});
}

TEST_CASE("a weekly run on a holiday is moved, and a run of that time there already is the same one") {
  Calendar calendar = lunar_new_year();
  calendar.day_off = Calendar::DayOff::next;
  const Schedule tuesdays = daily_in_seoul("0 8 * * tue", false, calendar);
  CHECK(runs(tuesdays, "2026-02-09T00:00:00Z", "2026-02-25T00:00:00Z") ==
        Lines{"02-10T08:00", "02-19T08:00", "02-24T08:00"});
  const Schedule two = daily_in_seoul("0 8 * * tue,thu", false, calendar);
  CHECK(runs(two, "2026-02-16T00:00:00Z", "2026-02-22T00:00:00Z") == Lines{"02-19T08:00"});
  calendar.day_off = Calendar::DayOff::previous;
  CHECK(runs(daily_in_seoul("0 8 * * tue", false, calendar), "2026-02-09T00:00:00Z", "2026-02-25T00:00:00Z") ==
        Lines{"02-10T08:00", "02-13T08:00", "02-24T08:00"});
}

TEST_CASE("nothing is moved further than a month: it is skipped") {
  Calendar calendar;
  calendar.only = {{day("2026-01-01"), ""}, {day("2026-02-10"), ""}};
  calendar.day_off = Calendar::DayOff::next;
  Schedule schedule = daily_in_seoul("0 8 5 * *", false, calendar);
  CHECK(runs(schedule, "2025-12-31T15:00:00Z", "2026-04-01T00:00:00Z") ==
        Lines{"01-01T08:00", "02-10T08:00"});               // those of December and February, not that of January
  schedule = daily_in_seoul("0 8 5 1 *", false, calendar);  // 36 days before
  CHECK(runs(schedule, "2025-12-31T15:00:00Z", "2026-04-01T00:00:00Z").empty());
  const auto off = times_on_days_off(schedule, t("2026-01-01T00:00:00Z"), t("2026-12-31T00:00:00Z"), 5);
  REQUIRE(off.size() == 1);
  CHECK_FALSE(off[0].moved_to);
}

TEST_CASE("the data interval of the first run after days off covers them, so that no data is left out") {
  const Schedule schedule = daily_in_seoul("0 0 * * *", true, lunar_new_year());
  CHECK(runs(schedule, "2026-02-12T00:00:00+09:00", "2026-02-20T12:00:00Z") ==
        Lines{"02-12T00:00 about 02-12T00:00 to 02-13T00:00", "02-13T00:00 about 02-13T00:00 to 02-19T00:00",
              "02-19T00:00 about 02-19T00:00 to 02-20T00:00"});
}

TEST_CASE("gaps: left_out keeps each run to its own day") {
  Calendar calendar = lunar_new_year();
  calendar.gaps = Calendar::Gaps::left_out;
  const Schedule schedule = daily_in_seoul("0 0 * * *", true, calendar);
  CHECK(runs(schedule, "2026-02-11T00:00:00+09:00", "2026-02-20T12:00:00Z") ==
        Lines{"02-11T00:00 about 02-11T00:00 to 02-12T00:00", "02-12T00:00 about 02-12T00:00 to 02-13T00:00",
              "02-18T00:00 about 02-18T00:00 to 02-19T00:00", "02-19T00:00 about 02-19T00:00 to 02-20T00:00"});
}

TEST_CASE("day_of: data looks at the day that a run is about, not at the one on which it runs") {
  Calendar calendar = lunar_new_year();
  calendar.day_of = Calendar::DayOf::data;
  calendar.gaps = Calendar::Gaps::left_out;
  Schedule schedule = daily_in_seoul("0 0 * * *", true, calendar);
  CHECK(runs(schedule, "2026-02-12T00:00:00+09:00", "2026-02-20T16:00:00Z") ==
        Lines{"02-12T00:00 about 02-12T00:00 to 02-13T00:00", "02-13T00:00 about 02-13T00:00 to 02-14T00:00",
              "02-19T00:00 about 02-19T00:00 to 02-20T00:00", "02-20T00:00 about 02-20T00:00 to 02-21T00:00"});
  schedule.calendar->gaps = Calendar::Gaps::covered;
  CHECK(runs(schedule, "2026-02-13T00:00:00+09:00", "2026-02-20T16:00:00Z") ==
        Lines{"02-13T00:00 about 02-13T00:00 to 02-14T00:00", "02-14T00:00 about 02-14T00:00 to 02-20T00:00",
              "02-20T00:00 about 02-20T00:00 to 02-21T00:00"});
}

TEST_CASE("without catchup only the latest working day is left, however long the holidays were") {
  Schedule schedule = daily_in_seoul("30 9 * * *", false, lunar_new_year());
  schedule.catchup = false;
  CHECK(show(schedule, next_due_run(schedule, t("2026-02-11T00:30:00Z"), t("2026-02-18T12:00:00Z"))) == "02-13T09:30");
  CHECK(show(schedule, next_due_run(schedule, t("2026-02-13T00:30:00Z"), t("2026-02-18T12:00:00Z"))) == "02-19T09:30");
}

TEST_CASE("a manual run is about the last complete interval that the calendar leaves") {
  const Schedule schedule = daily_in_seoul("0 0 * * *", true, lunar_new_year());
  const DataInterval interval = interval_of_manual_run(schedule, t("2026-02-18T12:00:00Z"));
  CHECK(local(schedule, interval.begin) + " " + local(schedule, interval.end) == "02-12T00:00 02-13T00:00");
}

TEST_CASE("a backfill takes the dates that the calendar leaves, forward and backward") {
  const Schedule schedule = daily_in_seoul("30 9 * * *", false, lunar_new_year());
  Backfill backfill;
  backfill.from = t("2026-02-13T00:00:00Z");
  backfill.to = t("2026-02-19T12:00:00Z");
  backfill.created_at = t("2026-03-01T00:00:00Z");
  for (const bool backwards : {false, true}) {
    backfill.runs_backwards = backwards;
    backfill.last_date.reset();
    Lines found;
    while (const auto due = next_date_of(backfill, schedule)) {
      found.push_back(show(schedule, due));
      backfill.last_date = due->logical_date;
    }
    if (backwards) std::ranges::reverse(found);
    CHECK(found == Lines{"02-13T09:30", "02-19T09:30"});
  }
}

TEST_CASE("what falls on a day off is told with the day's name") {
  Calendar calendar = lunar_new_year();
  calendar.day_off = Calendar::DayOff::next;
  const Schedule schedule = daily_in_seoul("30 9 * * *", false, calendar);
  Lines found;
  for (const DayOffTime& off : times_on_days_off(schedule, t("2026-02-13T12:00:00Z"), t("2026-02-19T12:00:00Z"), 4))
    found.push_back(local(schedule, off.time) + " " + off.why + " → " + local(schedule, off.moved_to.value()));
  CHECK(found == Lines{"02-14T09:30 a Saturday → 02-19T09:30", "02-15T09:30 a Sunday → 02-19T09:30",
                       "02-16T09:30 설날 전날 → 02-19T09:30", "02-17T09:30 설날 → 02-19T09:30"});
  CHECK(times_on_days_off(schedule, t("2026-02-18T12:00:00Z"), t("2026-02-20T12:00:00Z"), 4).empty());
}

TEST_CASE("listed times make a run each, and with an interval one from each to the next") {
  Schedule schedule;
  schedule.kind =
      TimesSchedule{{t("2026-02-01T00:00:00Z"), t("2026-02-03T06:00:00Z"), t("2026-02-10T00:00:00Z")}, false};
  schedule.catchup = true;
  CHECK(runs(schedule, "2026-01-01T00:00:00Z", "2026-02-04T00:00:00Z") == Lines{"02-01T00:00", "02-03T06:00"});
  CHECK(runs(schedule, "2026-02-02T00:00:00Z", "2027-01-01T00:00:00Z") == Lines{"02-03T06:00", "02-10T00:00"});
  CHECK_FALSE(next_due_run(schedule, t("2026-02-10T00:00:00Z"), t("2026-02-04T00:00:00Z")));
  std::get<TimesSchedule>(schedule.kind).has_interval = true;
  CHECK(runs(schedule, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z") ==
        Lines{"02-01T00:00 about 02-01T00:00 to 02-03T06:00", "02-03T06:00 about 02-03T06:00 to 02-10T00:00"});
  schedule.catchup = false;
  schedule.start_date.reset();
  std::get<TimesSchedule>(schedule.kind).has_interval = false;
  CHECK(show(schedule, next_due_run(schedule, std::nullopt, t("2026-02-04T00:00:00Z"))) == "02-03T06:00");
  CHECK(show(schedule, next_due_run(schedule, std::nullopt, t("2026-01-04T00:00:00Z"))) == "02-01T00:00");
}

TEST_CASE("a run of several crons may be about the time since the one before, or so long before its own") {
  Schedule schedule;
  schedule.kind =
      CronSchedule{{*parse_cron("0 6 * * *"), *parse_cron("0 18 * * 1-5"), *parse_cron("0 6 1 * *")}, true, {}};
  schedule.timezone = "Asia/Seoul";
  schedule.catchup = true;
  CHECK(runs(schedule, "2026-01-30T06:00:00+09:00", "2026-02-01T12:00:00+09:00") ==
        Lines{"01-30T06:00 about 01-30T06:00 to 01-30T18:00", "01-30T18:00 about 01-30T18:00 to 01-31T06:00",
              "01-31T06:00 about 01-31T06:00 to 02-01T06:00"});
  std::get<CronSchedule>(schedule.kind).has_interval = false;
  schedule.look_back = 24h;
  // As Airflow's MultipleCronTriggerTimetable(interval=timedelta(days=1)): start_date is about the time of a run.
  CHECK(runs(schedule, "2026-01-31T00:00:00+09:00", "2026-02-01T12:00:00+09:00") ==
        Lines{"01-30T06:00 about 01-30T06:00 to 01-31T06:00", "01-31T06:00 about 01-31T06:00 to 02-01T06:00"});
  CHECK(show(schedule, first_date_from(schedule, t("2026-01-30T06:00:00+09:00"))) ==
        "01-30T06:00 about 01-30T06:00 to 01-31T06:00");
  const DataInterval manual = interval_of_manual_run(schedule, t("2026-02-01T12:00:00Z"));
  CHECK(manual == DataInterval{t("2026-01-31T12:00:00Z"), t("2026-02-01T12:00:00Z")});
}

// The definition, written down plainly: all raw times of some months, each left out, moved or kept.
std::set<TimePoint> plainly(const Schedule& schedule, TimePoint from, TimePoint to) {
  const auto zone = TimeZone::find(schedule.timezone).value();
  const Calendar& calendar = *schedule.calendar;
  const auto raw = raw_ticks(schedule);
  std::set<TimePoint> found;
  std::optional<TimePoint> previous;
  for (auto time = raw->after(from); time && *time < to; previous = time, time = raw->after(*time)) {
    const auto counted = calendar.day_of == Calendar::DayOf::data ? previous : time;
    if (!counted) continue;
    const CivilDay on = day_of(*counted, *zone);
    if (calendar.is_working_day(on))
      found.insert(*time);
    else if (const auto moved = moved_by(calendar, *raw, *time, on, *zone))
      found.insert(*moved);
  }
  return found;
}

TEST_CASE("times under random calendars are those of the plain definition, forward and backward") {
  for (uint64_t seed = 0; seed < 150; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    Schedule schedule;
    const char* zones[] = {"UTC", "Asia/Seoul", "America/New_York", "Australia/Lord_Howe", "America/Santiago"};
    schedule.timezone = zones[random.below(5)];
    const char* crons[] = {"0 0 * * *", "30 2 * * *", "0 9,18 * * 1-5", "15 0 1,15 * *", "0 */5 * * *", "0 3 * * sun"};
    CronSchedule cron{{*parse_cron(crons[random.below(6)])}, false, {}};
    cron.dst = {static_cast<DstPolicy::Skipped>(random.below(2)), static_cast<DstPolicy::Repeated>(random.below(3))};
    if (random.one_in(3)) cron.crons.push_back(*parse_cron(crons[random.below(6)]));
    schedule.kind = cron;
    if (random.one_in(4))
      schedule.kind = EverySchedule{random.one_in(2) ? Duration(7h + 13min) : Duration(90min), false};
    Calendar calendar;
    if (random.one_in(2)) calendar.weekdays = static_cast<uint8_t>(random.below(127) + 1);
    for (uint64_t i = random.below(30); i > 0; --i)
      calendar.except.push_back({day("2026-01-01") + std::chrono::days(random.below(365)), ""});
    if (random.one_in(3))
      for (int i = 0; i < 40; ++i)
        calendar.only.push_back({day("2026-01-01") + std::chrono::days(random.below(365)), ""});
    put_in_order(calendar.except);
    put_in_order(calendar.only);
    calendar.day_off = static_cast<Calendar::DayOff>(random.below(3));
    if (calendar.day_off == Calendar::DayOff::skip && random.one_in(2)) calendar.day_of = Calendar::DayOf::data;
    schedule.calendar = calendar;
    const TimePoint begin = t("2026-03-01T00:00:00Z"), end = t("2026-11-01T00:00:00Z");
    const std::set<TimePoint> all = plainly(schedule, begin - 40 * 24h, end + 40 * 24h);
    const auto raw = raw_ticks(schedule);
    const auto ticks = calendar_ticks(*raw, calendar, schedule.timezone);
    std::vector<TimePoint> wanted;
    std::ranges::copy_if(all, std::back_inserter(wanted), [&](TimePoint time) { return time >= begin && time < end; });
    std::vector<TimePoint> forward, backward;
    for (auto time = ticks->at_or_after(begin); time && *time < end; time = ticks->after(*time))
      forward.push_back(*time);
    for (auto time = ticks->before(end); time && *time >= begin; time = ticks->before(*time)) backward.push_back(*time);
    std::ranges::reverse(backward);
    CHECK(forward == wanted);
    CHECK(backward == wanted);
    for (int i = 0; i < 20; ++i) {  // from anywhere between, too
      const TimePoint at = begin + Duration(random.below(static_cast<uint64_t>((end - begin).count())));
      const auto next = std::ranges::upper_bound(wanted, at);
      const auto found = ticks->after(at);
      if (next != wanted.end()) CHECK((found && *found == *next));
      const auto last = std::ranges::lower_bound(wanted, at);
      const auto earlier = ticks->before(at);
      if (last != wanted.begin()) CHECK((earlier && *earlier == *std::prev(last)));
    }
  }
}

TEST_CASE("a time that daylight saving skips is moved as what it was meant to be") {
  Calendar calendar;
  calendar.weekdays = monday_to_friday;
  calendar.day_off = Calendar::DayOff::next;
  Schedule schedule = daily_in_seoul("30 2 * * *", false, calendar);
  schedule.timezone = "America/New_York";  // on Sunday, the 8th of March, and twice on Sunday, the 1st of November
  CHECK(runs(schedule, "2026-03-06T00:00:00Z", "2026-03-10T12:00:00Z") ==
        Lines{"03-06T02:30", "03-09T02:30", "03-10T02:30"});
  schedule.kind = CronSchedule{{*parse_cron("30 1 * * *")}, false, {.repeated = DstPolicy::Repeated::both}};
  CHECK(runs(schedule, "2026-10-30T00:00:00Z", "2026-11-03T12:00:00Z") ==
        Lines{"10-30T01:30", "11-02T01:30", "11-03T01:30"});
}

TEST_CASE("a time that is moved to where daylight saving repeats or skips it follows the schedule's own word") {
  Calendar calendar;
  calendar.weekdays = monday_to_friday | 1;  // Sundays too: the clocks change
  calendar.day_off = Calendar::DayOff::next;
  Schedule schedule = daily_in_seoul("0 2 * * *", false, calendar);
  schedule.timezone = "Europe/Berlin";
  const auto of = [&](const std::string& cron, DstPolicy dst, const char* from, const char* to) {
    schedule.kind = CronSchedule{{*parse_cron(cron)}, false, dst};
    std::vector<std::string> found;
    std::optional<TimePoint> at = t(from);
    while ((at = calendar_ticks(*raw_ticks(schedule), calendar, schedule.timezone)->after(*at)) && *at < t(to))
      found.push_back(format_time(*at));
    return found;
  };
  using Repeated = DstPolicy::Repeated;
  using Skipped = DstPolicy::Skipped;
  const char *autumn = "2026-10-24T12:00:00Z", *monday = "2026-10-25T12:00:00Z";
  const std::string first = "2026-10-25T00:00:00Z", second = "2026-10-25T01:00:00Z";
  CHECK(of("0 2 * * *", {.repeated = Repeated::first}, autumn, monday) == std::vector{first});
  CHECK(of("0 2 * * *", {.repeated = Repeated::last}, autumn, monday) == std::vector{second});
  CHECK(of("0 2 * * *", {.repeated = Repeated::both}, autumn, monday) == std::vector{first, second});
  CHECK(of("0 2 * * sat", {.repeated = Repeated::last}, autumn, monday) == std::vector{second});
  const char *spring = "2026-03-28T12:00:00Z", *after = "2026-03-29T12:00:00Z";
  CHECK(of("30 2 * * sat", {.skipped = Skipped::run_after}, spring, after) ==
        std::vector<std::string>{"2026-03-29T01:00:00Z"});
  CHECK(of("30 2 * * sat", {.skipped = Skipped::skip}, spring, after).empty());
  // What names every hour knows no policy.
  CHECK(of("30 * * * sat", {.repeated = Repeated::last}, spring, after).size() == 13);  // 00:30 to 13:30, without 02:30
}

TEST_CASE("a calendar that leaves no time ends a schedule, soon") {
  Calendar calendar;
  calendar.weekdays = monday_to_friday;
  const Schedule sundays = daily_in_seoul("0 8 * * sun", false, calendar);
  CHECK_FALSE(first_date_from(sundays, t("2026-01-01")));
  CHECK_FALSE(last_date_until(sundays, t("2026-01-01")));
  calendar.weekdays = 0x7f;
  calendar.only = {{day("2026-01-01"), ""}};
  CHECK_FALSE(first_date_from(daily_in_seoul("* * * * *", false, calendar), t("2026-01-02T00:00:00Z")));
}

}  // namespace
