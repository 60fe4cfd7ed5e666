#pragma once
// Looks at everything after every turn and trusts nothing: counts again from the rows what the scheduler keeps
// incrementally, compares its memory with the store, and the store with what really happened outside.
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model/command.h"
#include "model/reason.h"
#include "scheduler/state.h"
#include "store/memory_store.h"
#include "tests/simulation/calendar_auditor.h"
#include "tests/simulation/outside.h"

namespace udon::simulation {

// What holds outside of any DAG.
struct Rules {
  int parallelism = 4;
  Duration priority_ageing = std::chrono::minutes(5);
};

class Auditor {
 public:
  Auditor(MemoryStore& store, Outside& outside, Rules rules) : store_(store), outside_(outside), rules_(rules) {}

  // A DAG as it is meant. The scheduler may have been given another one under that version: a planted fault.
  void know(DagPtr dag) { dags_[dag->version] = std::move(dag); }

  // What a command that was answered well has touched: those may leave a final state.
  void allow(const CommandOutcome& outcome);
  // A person's answer was taken.
  void answered(const AskedQuestion& asked);
  // Killed or marked while live: when the try is over, the task instance is that.
  void expect(const TaskInstanceKey& key, TaskState state) { expected_[key] = state; }
  void forget(const TaskInstanceKey& key) { expected_.erase(key); }
  void forget_run(const std::string& dag_id, const std::string& run_id);
  // Some old runs are said to be gone.
  void cleaned(const CleanStep& step, const Cleaned& what);
  void allow_fewer_pool_slots() { pools_changed_ = true; }
  void allow_catalog_change() { catalog_changed_ = true; }

  // After a turn that committed. wake_at: what the turn asked for.
  void after_turn(const State& state, std::optional<TimePoint> wake_at);
  // The scheduler is about to live again: what it knew is gone, what the store says stays.
  void after_restart() {
    known_.clear(), known_runs_.clear(), dags_before_.clear(), known_backfills_.clear(), last_scheduled_.clear();
    was_restarted_ = true;
  }
  void begins(const TryRequest& request);
  void acknowledged(const TryId& id, const Process* process);
  // When everything has come to rest.
  void at_rest(const State& state);
  // The other side has taken it in. What is sent again on purpose may arrive twice.
  void delivered(const Notification& row);
  void complain(std::string what) { problem_ = problem_ ? *problem_ + "; " + what : std::move(what); }
  // All of the first turn that went wrong.
  const std::optional<std::string>& problem() const { return problem_; }
  // How often each reason was given; to see that the simulation reaches all of them.
  const std::map<ReasonKind, int64_t>& reasons() const { return reasons_; }

 private:
  void compare_with_store(const State& state);
  void check_past(const ActiveRun& run);
  void check_indexes(const State& state);
  void check_limits(const State& state);
  void check_new_runs(const State& state);
  void check_kept(const State& state);
  void check_backfills(const State& state);
  void check_progress(const State& state, const Backfill& row);
  void check_dates(const Backfill& row);
  void touch_all(const DagRun& run);
  void check_room(const State& state, const Backfill& row);
  void check_backfills_at_rest(const State& state);
  // The run has its place in a backfill that is not over, and none of its DAG's own.
  bool counts_for_backfill(const DagRun& run) const;
  std::string version_of(const State& state, const std::string& dag_id) const;
  void check_ends();
  void check_starts(const State& state);
  void check_upstream(const State& state, const ActiveRun& run, size_t task, const TaskInstance& row);
  // By the XComs in the store: who has chosen not to have it.
  std::optional<std::string> not_chosen(const ActiveRun& run, size_t task, int map_index);
  // A setup further up that it needs and that has not succeeded; not asked of the scheduler's own tables.
  std::optional<std::string> lacks_setup(const ActiveRun& run, size_t task, int map_index) const;
  void check_choices(const State& state);
  void check_same_index(const ActiveRun& run, size_t task, const TaskInstance& row);
  void check_choice(const TryId& id, const Process& process, const std::string& what);
  void check_obedience();
  void check_finality(const State& state);
  void check_wishes();
  void check_processes(const State& state);
  void check_reasons(const State& state, std::optional<TimePoint> wake_at);
  void check_reason(const State& state, const ActiveRun& run, int task, const TaskInstance* row, const Reason& reason,
                    std::optional<TimePoint> wake_at);
  void check_told();
  // auditor_waits.cpp.
  void check_waits(const State& state);
  bool is_asked(const TaskInstance& row);
  void check_assets(const State& state);
  void see_runs_of_assets(const State& state);
  void see_new_asset_events(const State& state,
                            const std::map<std::pair<std::string, AssetEventNumber>, AssetEvent>& queue);
  void check_asset_sources();
  void remember(const State& state);
  const Dag& truth(const Dag& told) const;
  const Dag& truth(const ActiveRun& run) const { return truth(run.dag()); }

  template <class T>
  std::optional<T> must(Result<T> result, const char* what) {
    if (result) return std::move(*result);
    complain(std::string(what) + ": " + result.error().message);
    return std::nullopt;
  }

  MemoryStore& store_;
  Outside& outside_;
  Rules rules_;
  std::map<std::string, DagPtr> dags_;  // by version
  std::map<InstanceNumber, TaskInstance> known_;
  std::map<RunNumber, RunState> known_runs_;
  std::set<TaskInstanceKey> touched_;
  std::set<std::pair<std::string, std::string>> touched_runs_;
  std::map<TaskInstanceKey, TaskState> expected_;
  std::set<std::pair<std::string, std::string>> helped_runs_;  // somebody has had a hand in them
  RunNumber last_run_ = 0;
  std::map<BackfillNumber, Backfill> known_backfills_;
  std::map<std::string, DagRun> last_scheduled_;             // of each DAG, with the turn before
  std::set<std::string> paused_dags_;                        // since the turn before
  std::map<BackfillNumber, std::string> backfill_versions_;  // of its DAG: since it was first seen, or "several"
  std::set<std::pair<BackfillNumber, RunNumber>> run_of_backfill_;
  std::set<std::pair<BackfillNumber, TimePoint>> dates_of_backfill_;
  CalendarAuditor calendar_;
  std::set<NotificationKey> delivered_;
  // For whom, which event → its asset: queued, and heeded by a run.
  std::map<std::pair<std::string, AssetEventNumber>, std::string> waiting_events_;
  std::set<std::pair<std::string, AssetEventNumber>> taken_events_;
  AssetEventNumber last_asset_event_ = 0;
  RunNumber last_run_of_assets_ = 0;
  std::map<std::pair<InstanceNumber, int>, Answer> answers_;  // by try
  std::map<std::string, DagRecord> dags_before_;              // as the turn before left them
  bool was_restarted_ = true;
  std::map<std::string, int64_t> slots_before_;
  bool pools_changed_ = false;
  bool catalog_changed_ = false;
  std::map<ReasonKind, int64_t> reasons_;
  std::optional<std::string> problem_;
};

}  // namespace udon::simulation
