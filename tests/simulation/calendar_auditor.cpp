#include "tests/simulation/calendar_auditor.h"
#include "tests/simulation/counting.h"

#include "base/timezone.h"

namespace udon::simulation {

using namespace std::chrono_literals;

namespace {

struct Wall {
  std::string date;  // "2026-03-29"
  std::string time;  // "02:30"
  std::string text;  // all of it
};

Wall wall_at(TimePoint at, const std::string& zone) {
  const std::string text = format_local_time(at, zone);
  return {.date = text.substr(0, 10), .time = text.substr(11, 5), .text = text};
}

std::string two_digits(uint64_t number) { return (number < 10 ? "0" : "") + std::to_string(number); }

// "02:30" where the schedule is one time a day, which is the only kind that is looked at.
std::optional<std::string> time_of_day(const CronSchedule& schedule) {
  if (schedule.crons.size() != 1 || schedule.has_interval) return std::nullopt;
  const CronExpression& cron = schedule.crons.front();
  if (__builtin_popcountll(cron.minutes) != 1 || __builtin_popcount(cron.hours) != 1) return std::nullopt;
  if (!cron.any_day || !cron.any_weekday) return std::nullopt;
  return two_digits(static_cast<uint64_t>(__builtin_ctz(cron.hours))) + ":" +
         two_digits(static_cast<uint64_t>(__builtin_ctzll(cron.minutes)));
}

// By the date as it is written.
bool is_day_off(const std::string& date, const Schedule& schedule) {
  if (!schedule.calendar) return false;
  const auto midnight = parse_time(date).value();
  // The 1st of January 1970 was a Thursday.
  const auto weekday = static_cast<unsigned>((midnight.time_since_epoch() / 24h + 4) % 7);
  if ((schedule.calendar->weekdays & (1U << weekday)) == 0) return true;
  for (const NamedDay& day : schedule.calendar->except)
    if (format_time(TimePoint(day.day.time_since_epoch())).substr(0, 10) == date) return true;
  return false;
}

// The clock jumps over that time of day as `at` begins.
bool jumps_over(TimePoint at, const std::string& zone, const std::string& time) {
  const Wall before = wall_at(at - 1s, zone), after = wall_at(at, zone);
  return before.date == after.date && before.time < time && time < after.time;
}

// The times between two instants at which the clock shows it, or jumps over it; minute by minute. Of a day that has it
// twice, one is enough, unless both are asked for.
int times_between(TimePoint begin, TimePoint end, const Schedule& schedule, const std::string& time, DstPolicy dst) {
  const std::string& zone = schedule.timezone;
  int count = 0;
  std::string last_date = wall_at(begin, zone).date;
  const std::string end_date = wall_at(end, zone).date;
  for (TimePoint at = begin + 1min; at < end; at += 1min) {
    const Wall wall = wall_at(at, zone);
    if (is_day_off(wall.date, schedule)) continue;
    const bool is_of_another_day = wall.date != last_date && wall.date != end_date;
    if (wall.time == time && (is_of_another_day || dst.repeated == DstPolicy::Repeated::both)) {
      last_date = wall.date;
      ++count;
    }
    if (dst.skipped == DstPolicy::Skipped::run_after && jumps_over(at, zone, time)) ++count;
  }
  return count;
}

}  // namespace

void CalendarAuditor::see(const DagRun& run, const Dag& dag, const Complain& complain) {
  const auto* schedule = std::get_if<CronSchedule>(&dag.schedule.kind);
  if (schedule == nullptr || run.type != RunType::scheduled || !run.logical_date) return forgive_gaps(run.dag_id);
  const auto time = time_of_day(*schedule);
  if (!time) return;
  const std::string& zone = dag.schedule.timezone;
  const TimePoint at = *run.logical_date;
  const Wall wall = wall_at(at, zone);
  const std::string who = "run " + run.run_id + " of " + run.dag_id + ", meant for " + *time + " in " + zone + ",";
  const bool is_after_gap = schedule->dst.skipped == DstPolicy::Skipped::run_after && jumps_over(at, zone, *time);
  if (wall.time != *time && !is_after_gap) complain(who + " is at another time there: " + wall.text);

  // Where those of days off are moved to, each working day still has its own.
  if (is_day_off(wall.date, dag.schedule)) complain(who + " is on a day off: " + wall.text);

  const auto before = last_.find(run.dag_id);
  const bool follows = before != last_.end() && before->second.version == first_version(run);
  if (follows && before->second.at >= at) complain(who + " comes after one of a later date");
  if (follows && before->second.at < at) {
    const bool same_day = wall_at(before->second.at, zone).date == wall.date;
    if (same_day && schedule->dst.repeated != DstPolicy::Repeated::both) complain(who + " is the second of its day");
    if (before->second.is_gapless && dag.schedule.catchup && at - before->second.at < 96h &&
        times_between(before->second.at, at, dag.schedule, *time, schedule->dst) != 0) {
      complain(who + " leaves out one between it and the one before");
    }
  }
  last_[run.dag_id] = {.version = first_version(run), .at = at, .is_gapless = true};
}

}  // namespace udon::simulation
