#pragma once
// The world of the simulation outside the scheduler: processes and the executors that carry tries out. It outlives
// every crash of the scheduler, knows what really happened, and can lose, delay and double what it says about it.
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "executor/executor.h"

namespace udon::simulation {

// The scheduler dies here: thrown out of whatever it called.
struct Crash {};

// How unkind the world is; all zero: it only takes its time. Each is "once in n"; 0: never.
struct Unkindness {
  uint64_t slow_start = 0;
  uint64_t lost_report = 0;
  uint64_t doubled_report = 0;
  uint64_t late_report = 0;
  uint64_t refused_start = 0;
  uint64_t hangs = 0;
  uint64_t failures = 0;
  uint64_t dies = 0;  // without a result
};

// A try as it really is.
struct Process {
  enum class Phase { starting, running, ended };
  TryRequest request;
  int executor = 0;
  Phase phase = Phase::starting;
  TimePoint begins_at{};
  TimePoint ends_at{};
  TimePoint next_poke{};
  TryEnded end;  // what it will end with
  bool is_killed = false;
  bool is_reported = false;      // its end has been put on the way at least once
  std::optional<Question> asks;  // of a probe: instead of being looked at
};

// Faults of the simulation's own making, to see that the auditor notices.
enum class Planted {
  nothing,
  lies_that_a_try_is_unknown,   // executor
  swaps_results,                // executor: the end of one try told as another's
  never_ends_what_is_killed,    // executor
  swallows_a_commit,            // store
  forgets_a_run_after_restart,  // store
  drops_xcoms,                  // store
  forgets_what_a_try_becomes,   // store
  wider_pools,                  // store
  forgets_an_edge,              // the DAGs that the scheduler is given are not what they should be
  forgets_edges_at_an_index,    // … what holds index by index in mapped groups does not hold
  waits_for_all_indices,        // … holds for all indices at once
  wider_max_active_runs,
  wider_max_active_tasks,
  wider_limits_of_a_task,
  wider_parallelism,
  narrower_max_active_tasks,
  tries_for_empty_tasks,
  chooses_nothing,                    // a branch is taken for any other task
  forgets_choices_after_restart,      // store
  hides_ends_of_adopted_tries,        // executor: the scheduler cannot know them for its own
  tells_old_ends_of_the_current_try,  // executor
  takes_more_than_it_has_room_for,    // executor
  hands_a_try_to_two,                 // executor: what one was given, another is given too
  overwrites_a_running_state,         // store: somebody writes `failed` over it without a look at what is there
  says_committed_before_it_is,        // store: a commit takes effect with the next one
  forgets_a_task,                     // the DAG that the scheduler is given has one task less
  forgets_the_calendar,               // … runs on days off
  forgets_daylight_saving,            // … goes by the zone's winter time all year
  leaves_out_skipped_times,           // … has no run where the clock jumps over its time
  runs_twice_in_repeated_hours,       // … has two where it shows its time twice
  sleeps_too_long,                    // the clock wakes the scheduler later than it asked for
  marks_in_secret,                    // somebody turns successes into failures, and nobody has asked for it
  drops_notifications,                // store
  tells_twice,                        // store
  queues_no_asset_events,             // store: nobody hears of them
  forgets_an_asset,                   // the DAG that the scheduler is given waits for one asset less
  forgets_backfills_after_restart,    // store
  hides_schedules_from_cleaning,      // store: no run is a scheduled one, and none is the last
  forgets_answers,                    // store: what people have said
  forgets_deferrals,                  // store: what tries wait for
  takes_dates_of_backfills_twice,     // store: how far they have come is not kept
};

class Outside {
 public:
  Outside(FakeClock& clock, Random& random) : clock_(clock), random_(random) {}

  Unkindness unkindness;
  Planted planted = Planted::nothing;
  // Asked before and after every call from the scheduler; may throw Crash.
  std::function<void()> step = [] {};
  // Called when a try begins that has not begun before.
  std::function<void(const TryRequest&)> on_begin;
  // Called when the scheduler says that it has committed the end of a try.
  std::function<void(const TryId&, const Process*)> on_acknowledge;
  // What broke a promise of the executors' side, in words.
  std::function<void(std::string)> complain;

  FakeClock& clock() { return clock_; }
  Random& random() { return random_; }
  std::map<Fence, Process>& processes() { return processes_; }

  Process* find(const TryId& id);
  void begin(const TryRequest& request, int executor);
  bool end(const TryId& id, EndCause why, const std::string& message);
  void acknowledged(const TryId& id);
  // Lets time pass for the processes: starts and ends those that are due.
  void advance();
  // When something happens next.
  std::optional<TimePoint> next_event() const;
  // The scheduler has died: tries that were handed over but not begun may never begin; reports on the way are gone.
  void scheduler_died();
  // Everything that was ever told about a try may come once more, much later.
  void remember(int executor, const Report& report) { told_.emplace_back(executor, report); }
  std::optional<std::pair<int, Report>> old_report();
  // Ends that the scheduler has been told of since the last call.
  std::vector<TryId> take_told_ends() { return std::exchange(told_ends_, {}); }
  int live_of(InstanceNumber instance) const;

 private:
  TryEnded plan_end(const TryRequest& request);
  void defer_or_go_on(const TryRequest& request, TryEnded& end);
  void check_deferral(const TryRequest& request);
  void choose(const TryRequest& request, Value& xcom);
  bool happens(uint64_t once_in) { return once_in != 0 && random_.one_in(once_in); }

  FakeClock& clock_;
  Random& random_;
  std::map<Fence, Process> processes_;  // until acknowledged
  std::deque<std::pair<int, Report>> told_;
  std::vector<TryId> told_ends_;
  std::map<Fence, InstanceNumber> instance_of_;
  std::map<std::pair<InstanceNumber, int>, Value>
      deferred_;  // by try: what it left last, and the event that it was given
  std::map<std::pair<InstanceNumber, int>, Value> events_;
  friend class SimulatedExecutor;
};

// What the scheduler holds; made anew with each of its lives.
class SimulatedExecutor final : public Executor {
 public:
  SimulatedExecutor(Outside& outside, int index, std::string name, TryKind kind, std::vector<std::string> queues,
                    int slots)
      : outside_(outside),
        index_(index),
        name_(std::move(name)),
        kind_(kind),
        queues_(std::move(queues)),
        slots_(slots) {}

  std::string name() const override { return name_; }
  bool takes(TryKind kind, const std::string& queue) const override;
  bool is_for(TryKind kind) const override { return kind == kind_; }
  int free_slots() const override;
  Result<void> start(const TryRequest& request) override;
  std::vector<Report> poll() override;
  void acknowledge(const TryId& id) override;
  void kill(const TryId& id, EndCause why, const std::string& message) override;
  void adopt(const TryRequest& request) override;
  std::vector<TryId> leftovers() override;
  std::vector<TryId> running() const override;

  // Looks at what has happened and puts reports on their way.
  void notice();
  std::optional<TimePoint> next_report() const;
  // A stray report of long ago.
  void receive_again(Report report);
  int live() const;

 private:
  int started() const;  // live, without what was deferred
  void send(const TryId& id, decltype(Report::what) what);

  Outside& outside_;
  int index_;
  std::string name_;
  TryKind kind_;
  std::vector<std::string> queues_;
  int slots_;
  std::map<Fence, bool> held_;  // fence → its start has been reported
  std::set<Fence> adopted_;
  std::vector<std::pair<TimePoint, Report>> coming_;
};

}  // namespace udon::simulation
