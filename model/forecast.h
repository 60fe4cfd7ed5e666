#pragma once
// When a run should have ended, and when it will have ended at the usual pace. Arithmetic on what is known; the usual
// pace is that of the DAG's last successes.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/dag.h"
#include "model/notice.h"
#include "model/run.h"

namespace udon {

// Nothing: the run has not got what the deadline counts from (a logical date, a start).
std::optional<TimePoint> deadline_of(const DagRun& run, const Deadline& deadline);

// Of one DAG: how long its tasks took lately, and into how many each was mapped last. The middle of the times, not
// their mean: one night with a stuck replica must not move it.
class Habits {
 public:
  // Successes, newest first.
  void add(const std::string& task_id, const std::string& run_id, int map_index, std::optional<TimePoint> start,
           std::optional<TimePoint> end);

  std::optional<Duration> usual(const std::string& task_id) const;  // nothing: it has no history
  // The middle of those that took longer than `elapsed`; nothing: none has.
  std::optional<Duration> usual_beyond(const std::string& task_id, Duration elapsed) const;
  int64_t mapped(const std::string& task_id) const;  // 0: it has no history

 private:
  struct Habit {
    std::vector<Duration> durations;  // ascending
    std::string last_run;
    int64_t mapped = 0;
  };
  std::map<std::string, Habit, std::less<>> of_;
};

// A task instance on the way to a run's end, as it was or as it will be.
struct ForecastStep {
  std::string task_id;
  int map_index = -1;
  bool is_done = false;
  TimePoint start{};
  TimePoint end{};
  std::optional<Duration> usual;  // how long it usually takes
};
struct Forecast {
  TimePoint end{};
  std::vector<ForecastStep> path;    // each waited for the one before it, and the end for the last
  std::vector<std::string> unknown;  // tasks that are still to run and have no history: taken to need no time
};

// Counts with the run's max_active_tasks and priorities; not with what other runs take of pools. `instances` are all
// that the run has so far.
Forecast forecast(const Dag& dag, const DagRun& run, const std::vector<TaskInstance>& instances, const Habits& habits,
                  TimePoint now);

// Why it ends after `deadline`: the step that took, or takes, so much longer than usual that without that it would be
// in time; else the one of those to come that takes longest. null: the path is empty.
const ForecastStep* step_to_blame(const Forecast& forecast, TimePoint deadline, TimePoint now);

}  // namespace udon
