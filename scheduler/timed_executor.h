#pragma once
// The tries of a rehearsal: they start at once, take their time and succeed.
#include <climits>
#include <map>
#include <queue>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "executor/executor.h"
#include "scheduler/rehearsal.h"
#include "scheduler/rehearsed_waits.h"

namespace udon {

// What a try of `trigger_dag_run` asks for, as far as its parameters tell without being rendered.
struct Triggering {
  std::string of;  // "dag.task"
  std::string dag_id, run_id;
  Value conf = Value::map();
  bool is_dag_told_by_template() const;
};
// Of a try that ends when something else does.
using Awaited = std::variant<Triggering, AwaitedRun>;

// Owned by the rehearsal, which moves the clock and says how it stands with what tries wait for.
class TimedExecutor final : public Executor {
 public:
  TimedExecutor(const Rehearsal& rehearsal, const Clock& clock);

  std::string name() const override { return "rehearsal"; }
  bool takes(TryKind, const std::string&) const override { return true; }
  bool is_for(TryKind) const override { return true; }
  int free_slots() const override { return INT_MAX / 2; }
  Result<void> start(const TryRequest& request) override;
  std::vector<Report> poll() override;
  void acknowledge(const TryId&) override {}
  void kill(const TryId& id, EndCause why, const std::string& message) override;
  void adopt(const TryRequest& request) override { reports_.push_back({request.try_id, TryUnknown{}}); }
  std::vector<TryId> running() const override { return {running_.begin(), running_.end()}; }

  // Since the last call.
  std::vector<Triggering> take_triggerings() { return std::exchange(triggerings_, {}); }
  // Tries that wait for something: `look(Awaited)` says how it stands.
  template <class F>
  Result<void> look_for_waiting(F look) {
    std::erase_if(waiting_, [&](const Waiting& one) { return !running_.contains(one.id); });
    for (Waiting& one : waiting_) {
      TRY_ASSIGN(Look seen, look(one.what));
      if (seen.is == Look::Is::waiting) {
        if (seen.message == one.message) continue;
        one.message = std::move(seen.message);
        reports_.push_back({one.id, StillWaiting{.at = clock_.now(), .message = one.message}});
        continue;
      }
      const bool is_well = seen.is == Look::Is::over;
      TryEnded end = is_well ? success(one.key, clock_.now()) : failure(clock_.now(), EndCause::error, seen.message);
      running_.erase(one.id);
      reports_.push_back({one.id, std::move(end)});
    }
    return {};
  }
  // Tasks ("dag.task") that are taken to wait as long as they usually do, and why.
  std::map<std::string, std::string> take_usual() { return std::move(usual_); }

  std::optional<TimePoint> next_report() const;

 private:
  struct End {
    TimePoint at;
    int64_t number;
    Report report;
    bool operator<(const End& other) const { return std::tie(other.at, other.number) < std::tie(at, number); }
  };

  struct Waiting {
    TryId id;
    TaskInstanceKey key;
    Awaited what;
    std::string message;  // what was last seen
  };

  void end_later(const TryId& id, TryEnded end);
  // Whether it is known what this one waits for; else it takes its usual time.
  bool waits(const TryRequest& request);
  bool waits_until(const TryRequest& request);
  bool waits_for_task(const TryRequest& request);
  // What nobody can know beforehand takes its usual time; what cannot come fails at once.
  bool is_hopeless(const TryRequest& request, const Error& error);
  void give_up_in_time(const TryRequest& request);
  static TryEnded failure(TimePoint at, EndCause cause, std::string message);
  TryEnded success(const TaskInstanceKey& key, TimePoint at) const;
  // What others go by: lists that they are mapped over, and choices among them.
  void note_values(const Dag& dag);

  const Rehearsal& rehearsal_;
  const Clock& clock_;
  std::map<std::pair<std::string, std::string>, Value> values_;  // that tasks return, where it matters
  std::vector<Report> reports_;
  std::priority_queue<End> ends_;
  std::set<TryId> running_;
  std::map<std::string, const Dag*> dags_;
  std::vector<Triggering> triggerings_;
  std::vector<Waiting> waiting_;
  std::map<std::string, std::string> usual_;
  int64_t started_ = 0;
};

}  // namespace udon
