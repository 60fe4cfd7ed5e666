#pragma once
// What is active, in memory; the store is its durable twin. A value in all but size: plan and why only read it, and it
// changes by `apply` alone, which keeps every index beside the facts, so that a turn's cost follows what has changed
// and never what waits. Owned by the loop; one thread.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/pool.h"
#include "scheduler/active_run.h"
#include "scheduler/moves.h"
#include "store/types.h"
#include "store/writer.h"

namespace udon {

// A DAG as the scheduler knows it.
struct DagState {
  DagRecord record;
  ShapePtr shape;             // newest good version; null: its file is gone, or the catalog has not been read yet
  bool is_due_known = false;  // record.next_run_after follows from the schedule as it is now
  // Where the interval of its last scheduled run ended; nothing: not known, and not needed (covers_gaps, schedule.h).
  std::optional<TimePoint> covered_until;
  int max_active_runs = 1;  // of its newest version; of the runs in memory where that has not been seen
  std::map<AssetEventNumber, AssetEventPtr> events;  // of record.assets, that no run has heeded yet

  // Derived, over active runs. Those of a backfill that is not completed count as its own, not as the DAG's.
  BackfillNumber backfill = 0;  // the one that is not completed
  std::set<RunNumber> runs;
  std::set<std::pair<TimePoint, RunNumber>> queued;  // by run_after
  int running = 0;
  std::map<std::string, int64_t> live_tasks;  // task id → live task instances, for max_active_tis_per_dag
  std::map<std::string, int64_t> events_of;   // asset → how many of `events`
  std::optional<TimePoint> timer;             // when plan must look at it
  // Whether what has come makes a run due.
  bool is_due_by_assets() const;
  bool operator==(const DagState&) const = default;
};

// A backfill that is not completed.
struct BackfillState {
  Backfill row;

  // Derived, over its active runs.
  std::set<std::pair<int64_t, RunNumber>> queued;  // in the order in which they start
  int running = 0;
  int active() const { return running + static_cast<int>(queued.size()); }
  bool operator==(const BackfillState&) const = default;
};

struct PoolState {
  Pool pool;
  int64_t used = 0;  // slots; derived
  int64_t free() const { return pool.slots < 0 ? INT64_MAX : pool.slots - used; }
  bool operator==(const PoolState&) const = default;
};

// What the loop learns of its executors at the start of each turn.
struct ExecutorState {
  std::string name;
  int free = 0;
  bool operator==(const ExecutorState&) const = default;
};
using QueueKey = std::pair<TryKind, std::string>;

// Which connections there are, by id: all that the scheduler ever learns of them.
struct ConnectionIds {
  std::set<std::string, std::less<>> stored;
  // UDON_CONN_<ID> of the server's environment, <ID> in lower case: it stands for an id however that is written.
  std::set<std::string, std::less<>> of_environment;
  bool has(const std::string& id) const;
  bool operator==(const ConnectionIds&) const = default;
};

// Tasks whose task instances compete for the same things over all runs: full for one is full for all.
struct ReadyGroup {
  TryKind kind = TryKind::process;
  std::string queue;
  std::string pool;
  int pool_slots = 1;
  std::vector<std::string> connections;  // that the DAG file names; they have to be there
  auto operator<=>(const ReadyGroup&) const = default;
};
// Of one run: the first is the one to start first.
using ReadyTasks = std::set<ReadyTask>;

class State {
 public:
  explicit State(int parallelism) : parallelism_(parallelism) {}

  // Facts.
  int parallelism() const { return parallelism_; }
  // So long a wait makes up for one step of priority, and then a task may keep slots of a pool for itself; 0: neither.
  Duration ageing() const { return ageing_; }
  // When a ready task instance is due to start, in steps of ageing: as its wait goes on, others get later turns and it
  // keeps its own. So the order of two that wait never changes, and no index has to be sorted anew.
  int64_t turn_of(const ActiveRun& run, int task, int position) const;
  const Counters& counters() const { return counters_; }
  const std::map<std::string, DagState, std::less<>>& dags() const { return dags_; }
  const std::map<RunNumber, ActiveRun>& runs() const { return runs_; }
  const std::map<BackfillNumber, BackfillState>& backfills() const { return backfills_; }
  // The backfill that this run counts for; null: none, or it is completed.
  const BackfillState* backfill_of(const DagRun& run) const;
  const std::map<Fence, LiveTry>& tries() const { return tries_; }
  const std::map<std::string, PoolState, std::less<>>& pools() const { return pools_; }
  const std::vector<ExecutorState>& executors() const { return executors_; }
  // Executors (by index) that take tries of this kind and queue.
  const std::vector<int>& takers(TryKind kind, const std::string& queue) const;
  // Nothing: they cannot all be known, and none is missed.
  const std::optional<ConnectionIds>& connections() const { return connections_; }
  // The first of the group's connections that is not there.
  std::optional<std::string> missing_connection(const ReadyGroup& group) const;
  // Nothing is started while this says why ("disk full …"); empty: all is well.
  const std::string& stopped() const { return stopped_; }

  const DagState* find_dag(std::string_view dag_id) const;
  const ActiveRun* find_run(RunNumber number) const;
  const ActiveRun* find_run(const std::string& dag_id, const std::string& run_id) const;
  const TaskInstance& instance(InstanceRef at) const { return runs_.at(at.run).instance(at); }
  const TaskSlot& slot(TaskRef task) const { return runs_.at(task.run).slots[static_cast<size_t>(task.task)]; }

  // Indexes: what plan has to look at.
  // What their upstream says may have changed: to all of their instances, or (of mapped groups) at some indices.
  const std::set<TaskRef>& dirty() const { return dirty_; }
  const std::map<TaskRef, std::set<int>>& dirty_indices() const { return dirty_indices_; }
  bool is_dirty(TaskRef task) const { return dirty_.contains(task) || dirty_indices_.contains(task); }
  const std::set<TaskRef>& fillable() const { return fillable_; }        // instances to be created
  const std::set<RunNumber>& finishable() const { return finishable_; }  // nothing of them is unfinished
  const std::set<std::pair<TimePoint, std::string>>& dag_timers() const { return dag_timers_; }
  const std::set<BackfillNumber>& workable_backfills() const { return workable_backfills_; }
  const std::set<std::pair<TimePoint, InstanceRef>>& retry_timers() const { return retry_timers_; }
  const std::set<std::pair<TimePoint, RunNumber>>& run_timers() const { return run_timers_; }
  const std::set<std::pair<TimePoint, RunNumber>>& deadline_timers() const { return deadline_timers_; }
  const std::map<ReadyGroup, std::map<RunNumber, ReadyTasks>>& ready() const { return ready_; }
  const std::set<Fence>& ending() const { return ending_; }  // tries that are to be killed
  int64_t processes() const { return processes_; }           // live tries with a process
  // Whom an event of the asset is queued for: DAGs that are there and not paused. As in Airflow, who is paused misses
  // it.
  std::vector<std::string> consumers_of(const std::string& asset) const;
  // Deleted in this turn: the store has it until the commit.
  bool is_dropped(RunNumber run) const { return dropped_.contains(run); }
  // Those in memory whose tasks look back at that run.
  std::set<RunNumber> successors_of(RunNumber run) const;
  const std::set<RunNumber>& evictable() const { return evictable_; }  // finished, no live try

  // Changes. A move that the table does not have, or that does not fit, is a broken promise of ours.
  void apply(const Move& move);
  void settle(TaskRef task) { dirty_.erase(task), dirty_indices_.erase(task); }

  // From the store or the outside world, not moves.
  void set_ageing(Duration ageing);  // lists anew what is ready
  void set_counters(const Counters& counters) { counters_ = counters; }
  void load_dag(DagRecord record);
  void load_covered_until(const std::string& dag_id, std::optional<TimePoint> covered_until);
  void load_asset_event(const std::string& dag_id, AssetEventPtr event);
  void load_backfill(Backfill row);
  void load_run(ActiveRun run, const std::map<Fence, LiveTry>& tries);  // derived members are not read
  void set_pools(const std::vector<Pool>& pools);
  void set_connections(std::optional<ConnectionIds> ids) { connections_ = std::move(ids); }
  void set_executors(std::vector<ExecutorState> executors);  // forgets the takers
  void set_takers(TryKind kind, const std::string& queue, std::vector<int> executors);
  void set_stopped(std::string why) { stopped_ = std::move(why); }
  // After a commit: finished runs leave memory; those that look back on them keep what became of them.
  void evict_finished();

  // For the auditor: the same facts with every index made anew, and the comparison of all but `dirty`.
  State rebuilt() const;
  // Names the first that differs.
  std::optional<std::string> first_difference(const State& other) const;

 private:
  void apply_move(const MoveInstance& move);
  void apply_move(const AddInstances& move);
  void apply_move(const SetLength& move);
  void apply_move(const ChangeTry& move);
  void apply_move(const NotePoke& move);
  void apply_move(const StoreXCom& move);
  void apply_move(const ForgetXComs& move);
  void apply_move(const AddRun& move);
  void apply_move(const MoveRun& move);
  void apply_move(const ChangeVersion& move);
  void apply_move(const TellDeadline& move);
  void apply_move(const TellPaused&) {}
  void apply_move(const DropRun& move);
  void apply_move(const SetDag& move);
  void apply_move(const LoadDag& move);
  void apply_move(const SetBackfill& move);
  void apply_move(const SetQuestion& move);
  void apply_move(const SetDeferral& move);
  void apply_move(const NoteEvent&) {}
  void apply_move(const AddAssetEvent& move);
  void apply_move(const DropAssetEvents& move);

  ActiveRun& run_at(RunNumber number);
  // Adds (+1) or takes away (-1) all that a row, a slot's length or a run contributes to the indexes.
  void count_instance(ActiveRun& run, InstanceRef at, int sign);
  void count_missing(ActiveRun& run, int task, int sign);
  void count_run(const ActiveRun& run, int sign);
  void count_try(const ActiveRun& run, const LiveTry& live, int sign);
  void update_ready(ActiveRun& run, int task);
  int64_t ending_teardowns(const ActiveRun& run) const;
  void update_run_index(const ActiveRun& run);
  void forget_timers(RunNumber number);
  void update_dag_timer(DagState& dag);
  void index_assets(const DagRecord& record, int sign);
  void queue_event(DagState& dag, AssetEventPtr event);
  AssetEventPtr take_event(DagState& dag, AssetEventNumber number);
  void update_backfill(BackfillNumber number);
  void mark_dirty(TaskRef task) { dirty_.insert(task); }
  void mark_all_dirty(const ActiveRun& run);
  void mark_dirty(const ActiveRun& run, int task, int map_index);
  void mark_after(const ActiveRun& run, int task, int map_index, int after);
  void mark_chosen_over(const ActiveRun& run, int task, int map_index);
  void mark_successors(const ActiveRun& run, int task);
  void look_back_at(ActiveRun& run, std::optional<PastRun> past);
  void forget_past(ActiveRun& run);
  void insert_run(ActiveRun run);
  void take_out_run(RunNumber number);  // with its tries' places in the indexes; they stay
  void erase_run(RunNumber number);

  int parallelism_;
  Duration ageing_{};
  Counters counters_;
  std::map<std::string, DagState, std::less<>> dags_;
  std::map<RunNumber, ActiveRun> runs_;
  std::map<BackfillNumber, BackfillState> backfills_;
  std::map<Fence, LiveTry> tries_;
  std::map<std::string, PoolState, std::less<>> pools_;
  std::vector<ExecutorState> executors_;
  std::map<QueueKey, std::vector<int>> takers_;
  std::optional<ConnectionIds> connections_;
  std::string stopped_;

  std::map<std::pair<std::string, std::string>, RunNumber> runs_by_id_;
  std::map<RunNumber, std::set<RunNumber>> successors_;     // runs that look back at it
  std::map<std::string, std::set<std::string>> consumers_;  // asset → DAGs with a file that wait for it
  std::set<BackfillNumber> workable_backfills_;
  std::set<TaskRef> dirty_;
  std::map<TaskRef, std::set<int>> dirty_indices_;
  std::set<TaskRef> fillable_;
  std::set<RunNumber> finishable_;
  std::set<RunNumber> evictable_;
  std::set<std::pair<TimePoint, std::string>> dag_timers_;
  std::set<std::pair<TimePoint, InstanceRef>> retry_timers_;
  std::set<std::pair<TimePoint, RunNumber>> run_timers_;
  std::map<RunNumber, TimePoint> run_timer_of_;
  std::set<std::pair<TimePoint, RunNumber>> deadline_timers_;
  std::map<RunNumber, TimePoint> deadline_timer_of_;
  std::map<ReadyGroup, std::map<RunNumber, ReadyTasks>> ready_;
  std::set<Fence> ending_;
  int64_t processes_ = 0;
  std::set<RunNumber> dropped_;
};

ReadyGroup group_of(const Task& task);

}  // namespace udon
