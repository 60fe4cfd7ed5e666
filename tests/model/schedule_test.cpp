#include "model/schedule.h"

#include <catch2/catch.hpp>

using namespace udon;
using namespace std::chrono_literals;

namespace {

TimePoint t(const char* text) {
  const auto time = parse_time(text);
  if (!time) FAIL(time.error().message);
  return *time;
}

std::optional<TimePoint> maybe(const char* text) { return text == nullptr ? std::nullopt : std::optional(t(text)); }

struct Dates {
  const char* start = nullptr;
  const char* end = nullptr;
  bool catchup = false;
};

Schedule make(ScheduleKind kind, Dates dates, const char* zone = "UTC") {
  return {std::move(kind), std::nullopt, zone, maybe(dates.start), maybe(dates.end), dates.catchup};
}
CronSchedule trigger(const char* cron) { return {{*parse_cron(cron)}, false, {}}; }
CronSchedule interval(const char* cron) { return {{*parse_cron(cron)}, true, {}}; }

// "<logical date> [<begin>, <end>) after <run_after>", shortened where they are one.
std::string show(const std::optional<DueRun>& run) {
  if (!run) return "none";
  if (run->interval == DataInterval{run->logical_date, run->logical_date} && run->run_after == run->logical_date) {
    return format_time(run->logical_date);
  }
  std::string text = format_time(run->interval.begin) + " .. " + format_time(run->interval.end);
  if (run->logical_date != run->interval.begin) text = format_time(run->logical_date) + ": " + text;
  if (run->run_after != run->interval.end) text += " after " + format_time(run->run_after);
  return text;
}

std::string due(const Schedule& schedule, const char* last, const char* now) {
  return show(next_due_run(schedule, maybe(last), t(now)));
}

std::string manual(const Schedule& schedule, const char* at) {
  const DataInterval found = interval_of_manual_run(schedule, t(at));
  return format_time(found.begin) + " .. " + format_time(found.end);
}

// All logical dates that are due at `now`, each asked for after the one before.
std::vector<std::string> all_due(const Schedule& schedule, const char* now) {
  std::vector<std::string> dates;
  std::optional<TimePoint> last;
  while (const auto run = next_due_run(schedule, last, t(now))) {
    if (run->run_after > t(now)) break;
    dates.push_back(format_time(run->logical_date));
    last = run->logical_date;
  }
  return dates;
}

}  // namespace

TEST_CASE("a schedule without times of its own is never due") {
  CHECK(due(make(NoSchedule{}, {}), nullptr, "2026-01-31") == "none");
}

TEST_CASE("with catchup every time since the start date is due, the first at or after it") {
  const auto daily = make(trigger("0 0 * * *"), {.start = "2026-01-28T12:00:00Z", .catchup = true});
  CHECK(all_due(daily, "2026-01-31T08:00:00Z") ==
        std::vector<std::string>{"2026-01-29T00:00:00Z", "2026-01-30T00:00:00Z", "2026-01-31T00:00:00Z"});
  const auto on_the_tick = make(trigger("0 0 * * *"), {.start = "2026-01-30T00:00:00Z", .catchup = true});
  CHECK(all_due(on_the_tick, "2026-01-31T00:00:00Z") ==
        std::vector<std::string>{"2026-01-30T00:00:00Z", "2026-01-31T00:00:00Z"});
  // And the next after them is ahead.
  CHECK(due(daily, "2026-01-31", "2026-01-31T08:00:00Z") == "2026-02-01T00:00:00Z");
}

TEST_CASE("without catchup only the latest time that is past is due") {
  const auto daily = make(trigger("0 0 * * *"), {.start = "2020-01-01"});
  CHECK(all_due(daily, "2026-01-31T08:00:00Z") == std::vector<std::string>{"2026-01-31T00:00:00Z"});
  CHECK(due(daily, "2026-01-28", "2026-01-31T08:00:00Z") == "2026-01-31T00:00:00Z");
  CHECK(due(daily, "2026-01-31", "2026-01-31T08:00:00Z") == "2026-02-01T00:00:00Z");
  // Asked the moment it is due, and a moment before.
  CHECK(due(daily, "2026-01-30", "2026-01-31T00:00:00Z") == "2026-01-31T00:00:00Z");
  CHECK(due(daily, "2026-01-30", "2026-01-30T23:59:59.999999Z") == "2026-01-31T00:00:00Z");
}

TEST_CASE("a start date ahead is waited for") {
  const auto daily = make(trigger("30 2 * * *"), {.start = "2026-02-10T03:00:00Z"});
  CHECK(due(daily, nullptr, "2026-01-31") == "2026-02-11T02:30:00Z");
  const auto intervals = make(interval("30 2 * * *"), {.start = "2026-02-10T03:00:00Z", .catchup = true});
  CHECK(due(intervals, nullptr, "2026-01-31") == "2026-02-11T02:30:00Z .. 2026-02-12T02:30:00Z");
}

TEST_CASE("a start date that was moved ahead counts more than the last run") {
  const auto daily = make(trigger("0 0 * * *"), {.start = "2026-03-01", .catchup = true});
  CHECK(due(daily, "2026-01-30", "2026-01-31T08:00:00Z") == "2026-03-01T00:00:00Z");
}

TEST_CASE("without a start date the latest time that is past is the first") {
  CHECK(due(make(trigger("30 2 * * *"), {}), nullptr, "2026-01-31T08:00:00Z") == "2026-01-31T02:30:00Z");
  CHECK(due(make(trigger("30 2 * * *"), {.catchup = true}), nullptr, "2026-01-31T08:00:00Z") == "2026-01-31T02:30:00Z");
  CHECK(due(make(interval("30 2 * * *"), {.catchup = true}), nullptr, "2026-01-31T08:00:00Z") ==
        "2026-01-30T02:30:00Z .. 2026-01-31T02:30:00Z");
  // Then it goes on from there.
  CHECK(due(make(trigger("30 2 * * *"), {.catchup = true}), "2026-01-28T02:30:00Z", "2026-01-31T08:00:00Z") ==
        "2026-01-29T02:30:00Z");
}

TEST_CASE("a run about an interval is due when the interval is over, and named after its begin") {
  const auto daily = make(interval("0 0 * * *"), {.start = "2026-01-28T12:00:00Z", .catchup = true});
  CHECK(due(daily, nullptr, "2026-01-31T08:00:00Z") == "2026-01-29T00:00:00Z .. 2026-01-30T00:00:00Z");
  CHECK(all_due(daily, "2026-01-31T08:00:00Z") ==
        std::vector<std::string>{"2026-01-29T00:00:00Z", "2026-01-30T00:00:00Z"});
  CHECK(due(daily, "2026-01-30", "2026-01-31T08:00:00Z") == "2026-01-31T00:00:00Z .. 2026-02-01T00:00:00Z");
}

TEST_CASE("without catchup the latest interval that is over is left, also on the very boundary") {
  const auto daily = make(interval("0 0 * * *"), {.start = "2020-01-01"});
  CHECK(due(daily, nullptr, "2026-01-31T08:00:00Z") == "2026-01-30T00:00:00Z .. 2026-01-31T00:00:00Z");
  CHECK(due(daily, "2026-01-02", "2026-01-31T08:00:00Z") == "2026-01-30T00:00:00Z .. 2026-01-31T00:00:00Z");
  CHECK(due(daily, nullptr, "2026-01-31T00:00:00Z") == "2026-01-30T00:00:00Z .. 2026-01-31T00:00:00Z");
  CHECK(due(daily, "2026-01-30", "2026-01-31T08:00:00Z") == "2026-01-31T00:00:00Z .. 2026-02-01T00:00:00Z");
  // The start date came after the begin of that interval: the next whole one is waited for.
  const auto young = make(interval("0 0 * * *"), {.start = "2026-01-30T06:00:00Z"});
  CHECK(due(young, nullptr, "2026-01-31T08:00:00Z") == "2026-01-31T00:00:00Z .. 2026-02-01T00:00:00Z");
}

TEST_CASE("intervals follow each other without a gap through daylight saving") {
  for (const char* cron : {"30 2 * * *", "30 1 * * *", "0 * * * *", "0 0 * * *"}) {
    const auto schedule = make(interval(cron), {.start = "2026-01-01", .catchup = true}, "America/New_York");
    std::optional<DueRun> before;
    for (auto run = next_due_run(schedule, std::nullopt, t("2026-01-01")); run->interval.end < t("2027-01-01");
         run = next_due_run(schedule, run->logical_date, t("2026-01-01"))) {
      INFO(cron << " " << show(run));
      REQUIRE(run->interval.begin < run->interval.end);
      if (before) REQUIRE(before->interval.end == run->interval.begin);
      before = run;
    }
    REQUIRE(before);
  }
  const auto nightly = make(interval("0 0 * * *"), {.start = "2026-03-01"}, "America/New_York");
  CHECK(due(nightly, nullptr, "2026-03-09T12:00:00Z") == "2026-03-08T05:00:00Z .. 2026-03-09T04:00:00Z");
}

TEST_CASE("a night in Seoul is a night in Seoul") {
  const auto nightly = make(interval("0 0 * * *"), {.start = "2025-12-31T15:00:00Z", .catchup = true}, "Asia/Seoul");
  CHECK(due(nightly, nullptr, "2026-01-31") == "2025-12-31T15:00:00Z .. 2026-01-01T15:00:00Z");
}

TEST_CASE("no run begins after the end date") {
  const auto daily = make(trigger("0 0 * * *"), {.start = "2026-01-01", .end = "2026-01-03", .catchup = true});
  CHECK(all_due(daily, "2026-01-31") ==
        std::vector<std::string>{"2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"});
  CHECK(due(daily, "2026-01-03", "2026-01-31") == "none");
  const auto late = make(trigger("0 0 * * *"), {.start = "2026-01-01", .end = "2026-01-03"});
  CHECK(due(late, nullptr, "2026-01-31") == "none");
  const auto intervals = make(interval("0 0 * * *"), {.start = "2026-01-01", .end = "2026-01-03", .catchup = true});
  CHECK(due(intervals, "2026-01-02", "2026-01-31") == "2026-01-03T00:00:00Z .. 2026-01-04T00:00:00Z");
  CHECK(due(intervals, "2026-01-03", "2026-01-31") == "none");
  CHECK(due(make(OnceSchedule{}, {.start = "2026-01-02", .end = "2026-01-01"}), nullptr, "2026-01-31") == "none");
  CHECK(due(make(ContinuousSchedule{}, {.end = "2026-01-01"}), nullptr, "2026-01-31") == "none");
}

TEST_CASE("several crons give a run at each time that any of them names, once") {
  CronSchedule both{{*parse_cron("0 6 * * *"), *parse_cron("0 */12 * * *"), *parse_cron("0 12 * * *")}, false, {}};
  const auto schedule = make(both, {.start = "2026-01-31", .catchup = true});
  CHECK(all_due(schedule, "2026-02-01T06:00:00Z") ==
        std::vector<std::string>{"2026-01-31T00:00:00Z", "2026-01-31T06:00:00Z", "2026-01-31T12:00:00Z",
                                 "2026-02-01T00:00:00Z", "2026-02-01T06:00:00Z"});
  CHECK(due(make(both, {.start = "2026-01-01"}), nullptr, "2026-01-31T11:00:00Z") == "2026-01-31T06:00:00Z");
  CHECK(due(make(CronSchedule{}, {.start = "2026-01-01"}), nullptr, "2026-01-31") == "none");
}

TEST_CASE("every so often counts from the start date, or from 1970") {
  const auto from_start = make(EverySchedule{90min, true}, {.start = "2026-01-31T00:10:00Z", .catchup = true});
  CHECK(due(from_start, nullptr, "2026-01-31T08:00:00Z") == "2026-01-31T00:10:00Z .. 2026-01-31T01:40:00Z");
  CHECK(due(from_start, "2026-01-31T00:10:00Z", "2026-01-31T08:00:00Z") ==
        "2026-01-31T01:40:00Z .. 2026-01-31T03:10:00Z");
  const auto latest = make(EverySchedule{90min, true}, {.start = "2026-01-31T00:10:00Z"});
  CHECK(due(latest, nullptr, "2026-01-31T08:00:00Z") == "2026-01-31T06:10:00Z .. 2026-01-31T07:40:00Z");
  const auto quarter = make(EverySchedule{15min, false}, {});
  CHECK(due(quarter, nullptr, "2026-01-31T08:05:00Z") == "2026-01-31T08:00:00Z");
  CHECK(due(quarter, "2026-01-31T08:00:00Z", "2026-01-31T08:05:00Z") == "2026-01-31T08:15:00Z");
  CHECK(due(quarter, "2026-01-31T08:07:00Z", "2026-01-31T08:05:00Z") == "2026-01-31T08:15:00Z");
  // Before 1970, and before the start.
  CHECK(due(quarter, nullptr, "1969-12-31T23:50:00Z") == "1969-12-31T23:45:00Z");
}

TEST_CASE("an absurd distance between runs ends the schedule instead of overflowing") {
  for (const Duration every : {Duration(0), Duration(-1), Duration::min()}) {
    CHECK(due(make(EverySchedule{every, true}, {}), nullptr, "2026-01-31") == "none");
  }
  CHECK(due(make(EverySchedule{Duration::max(), true}, {.start = "2026-01-01", .catchup = true}), nullptr,
            "2026-01-31") == "none");
  CHECK(due(make(EverySchedule{Duration::max(), false}, {.start = "2026-01-01", .catchup = true}), "2026-01-01",
            "2026-01-31") == "none");
}

TEST_CASE("a cron that never comes is never due") {
  for (const bool has_interval : {false, true}) {
    CronSchedule never{{*parse_cron("0 0 30 2 *")}, has_interval, {}};
    for (const bool catchup : {false, true}) {
      CHECK(due(make(never, {.start = "2026-01-01", .catchup = catchup}), nullptr, "2026-01-31") == "none");
      CHECK(due(make(never, {.catchup = catchup}), nullptr, "2026-01-31") == "none");
      CHECK(due(make(never, {.catchup = catchup}), "2026-01-01", "2026-01-31") == "none");
    }
  }
  CHECK(due(make(trigger("* * * * *"), {}, "Asia/Soul"), nullptr, "2026-01-31") == "none");
}

TEST_CASE("@once is due once, at the start date") {
  CHECK(due(make(OnceSchedule{}, {.start = "2026-01-02"}), nullptr, "2026-01-31") == "2026-01-02T00:00:00Z");
  CHECK(due(make(OnceSchedule{}, {}), nullptr, "2026-01-31") == "2026-01-31T00:00:00Z");
  CHECK(due(make(OnceSchedule{}, {.start = "2026-01-02"}), "2026-01-02", "2026-01-31") == "none");
}

TEST_CASE(
    "a continuous schedule is due a second after the run before at the soonest, each interval going back to that") {
  const auto continuous = make(ContinuousSchedule{}, {.start = "2026-01-30"});
  CHECK(due(continuous, nullptr, "2026-01-29") == "2026-01-30T00:00:00Z");
  CHECK(due(continuous, nullptr, "2026-01-31") == "2026-01-31T00:00:00Z");
  CHECK(due(continuous, "2026-01-31", "2026-01-31T01:00:00Z") ==
        "2026-01-31T01:00:00Z: 2026-01-31T00:00:00Z .. 2026-01-31T01:00:00Z");
  CHECK(due(continuous, "2026-01-31", "2026-01-31") ==
        "2026-01-31T00:00:01Z: 2026-01-31T00:00:00Z .. 2026-01-31T00:00:01Z");
  // The clock went back: still a name of its own.
  CHECK(next_due_run(continuous, t("2026-01-31"), t("2026-01-30"))->logical_date == t("2026-01-31") + 1s);
}

TEST_CASE("a manual run is about the last interval that is over, or about its own moment") {
  CHECK(manual(make(interval("0 0 * * *"), {.start = "2026-01-01"}), "2026-01-31T08:00:00Z") ==
        "2026-01-30T00:00:00Z .. 2026-01-31T00:00:00Z");
  CHECK(manual(make(interval("0 0 * * *"), {.start = "2026-01-01"}), "2026-01-31T00:00:00Z") ==
        "2026-01-30T00:00:00Z .. 2026-01-31T00:00:00Z");
  CHECK(manual(make(interval("0 0 * * *"), {}, "Asia/Seoul"), "2026-01-31T08:00:00Z") ==
        "2026-01-29T15:00:00Z .. 2026-01-30T15:00:00Z");
  CHECK(manual(make(EverySchedule{1h, true}, {}), "2026-01-31T08:20:00Z") ==
        "2026-01-31T07:00:00Z .. 2026-01-31T08:00:00Z");
  const std::string itself = "2026-01-31T08:20:00Z .. 2026-01-31T08:20:00Z";
  CHECK(manual(make(trigger("0 0 * * *"), {}), "2026-01-31T08:20:00Z") == itself);
  CHECK(manual(make(EverySchedule{1h, false}, {}), "2026-01-31T08:20:00Z") == itself);
  CHECK(manual(make(NoSchedule{}, {}), "2026-01-31T08:20:00Z") == itself);
  CHECK(manual(make(interval("0 0 30 2 *"), {}), "2026-01-31T08:20:00Z") == itself);
}

TEST_CASE("a local time is written with its zone's offset, and in UTC if there is no such zone") {
  CHECK(format_local_time(t("2026-01-31"), "Asia/Seoul") == "2026-01-31T09:00:00+09:00");
  CHECK(format_local_time(t("2026-01-31"), "Asia/Soul") == "2026-01-31T00:00:00+00:00");
}
