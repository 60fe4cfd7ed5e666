// Which of the ready task instances start now. Ready ones stand in groups that compete for the same pool and workers,
// in each group by run, in each run by priority; so a full pool, a busy executor or a run at its limit is passed over
// as a whole, and a turn costs what it starts, not what waits. Who has waited long for several slots of a pool has it
// kept for itself: docs/adr/0018-waiting-counts.md.
#include <bit>
#include <queue>
#include <tuple>

#include "scheduler/plan.h"

namespace udon {

namespace {

// The head of one run's ready tasks within one group, in the order in which heads compete.
struct Head {
  std::tuple<int64_t, int64_t, TimePoint, RunNumber, int> order;  // (turn, -priority, run_after, run, task)
  const ReadyGroup* group = nullptr;
  const ReadyTasks* tasks = nullptr;
  ReadyTasks::const_iterator at;
  std::set<int>::const_iterator position;
  bool operator>(const Head& other) const { return order > other.order; }
};

class Starting {
 public:
  Starting(TimePoint now, const State& state, int moves_max)
      : now_(now),
        state_(state),
        moves_max_(moves_max),
        processes_(state.processes()),
        fence_(state.counters().last_fence) {
    for (const ExecutorState& executor : state.executors()) free_.push_back(executor.free);
    for (const auto& [name, pool] : state.pools()) pool_free_[name] = pool.free();
  }

  void go() {
    for (const auto& [group, runs] : state_.ready()) {
      if (fit(group) == Fit::no || state_.missing_connection(group)) continue;
      for (const auto& [number, tasks] : runs) {
        const ActiveRun& run = state_.runs().at(number);
        if (is_full(run, group.kind)) continue;
        push(run, group, tasks, tasks.begin());
      }
    }
    while (!heads_.empty() && static_cast<int>(moves_.size()) < moves_max_) {
      Head head = heads_.top();
      heads_.pop();
      const ActiveRun& run = state_.runs().at(std::get<3>(head.order));
      const Fit fits = fit(*head.group);
      if (fits == Fit::no || is_full(run, head.group->kind)) continue;
      const int task = head.at->task;
      if (has_enough(run, task)) {
        push(run, *head.group, *head.tasks, std::next(head.at));
        continue;
      }
      if (fits == Fit::lacks_slots) {
        keep_pool(run, {run.row.number, task, *head.position}, *head.group);
        continue;
      }
      start(run, task, *head.position, *head.group);
      if (++head.position != run.slots[static_cast<size_t>(task)].ready.end()) {
        std::get<0>(head.order) = state_.turn_of(run, task, *head.position);
        heads_.push(head);
      } else {
        push(run, *head.group, *head.tasks, std::next(head.at));
      }
    }
  }

  Starts result() { return {std::move(moves_), std::move(kept_)}; }

 private:
  enum class Fit { fits, lacks_slots, no };

  void push(const ActiveRun& run, const ReadyGroup& group, const ReadyTasks& tasks, ReadyTasks::const_iterator at) {
    if (at == tasks.end()) return;
    heads_.push({.order = {at->turn, at->minus_priority, run.row.run_after, run.row.number, at->task},
                 .group = &group,
                 .tasks = &tasks,
                 .at = at,
                 .position = run.slots[static_cast<size_t>(at->task)].ready.begin()});
  }

  int executor_for(const ReadyGroup& group) const {
    for (const int executor : state_.takers(group.kind, group.queue)) {
      if (free_[static_cast<size_t>(executor)] > 0) return executor;
    }
    return -1;
  }

  bool takes_slots(const ReadyGroup& group) const {
    if (group.kind == TryKind::process) return true;
    const auto pool = state_.pools().find(group.pool);
    return pool != state_.pools().end() && pool->second.pool.include_deferred;
  }

  // lacks_slots: nothing but these, and one day its pool can have them.
  Fit fit(const ReadyGroup& group) const {
    if (group.kind == TryKind::process && processes_ >= state_.parallelism()) return Fit::no;
    const auto free = pool_free_.find(group.pool);
    if (free == pool_free_.end() || executor_for(group) < 0) return Fit::no;
    if (!takes_slots(group)) return Fit::fits;
    if (kept_.contains(group.pool)) return Fit::no;
    if (free->second >= group.pool_slots) return Fit::fits;
    // Where none is free there is nothing to be kept: a full pool stays passed over as a whole.
    const bool can_wait = state_.ageing() > Duration::zero() && free->second > 0 &&
                          group.pool_slots <= state_.pools().find(group.pool)->second.pool.slots;
    return can_wait ? Fit::lacks_slots : Fit::no;
  }

  // From one step of ageing to two, from four to eight, and so on: each time for longer, so that all who hold slots
  // come to their ends in one of them; after each the others have twice as long.
  void keep_pool(const ActiveRun& run, InstanceRef at, const ReadyGroup& group) {
    const TimePoint since = run.instance(at).scheduled_at.value_or(now_);
    if (since > now_) return;
    const int doubled = std::bit_width(static_cast<uint64_t>((now_ - since) / state_.ageing()));
    if (doubled % 2 == 0) return;
    kept_.emplace(group.pool, KeptPool{.holder = at, .until = since + state_.ageing() * (int64_t{1} << doubled)});
  }

  bool is_full(const ActiveRun& run, TryKind kind) const {
    if (kind != TryKind::process) return false;
    return run.occupying + started(started_of_run_, run.row.number) >= run.dag().max_active_tasks;
  }

  // max_active_tis_per_dag and max_active_tis_per_dagrun.
  bool has_enough(const ActiveRun& run, int task) const {
    const Task& of = run.dag().tasks[static_cast<size_t>(task)];
    if (of.max_active_tis_per_dagrun) {
      const int64_t live =
          run.slots[static_cast<size_t>(task)].live() + started(started_of_task_, TaskRef{run.row.number, task});
      if (live >= *of.max_active_tis_per_dagrun) return true;
    }
    if (!of.max_active_tis_per_dag) return false;
    const auto& live = state_.find_dag(run.row.dag_id)->live_tasks;
    const auto found = live.find(of.task_id);
    const int64_t over_dag =
        (found == live.end() ? 0 : found->second) + started(started_of_dag_, std::pair(run.row.dag_id, of.task_id));
    return over_dag >= *of.max_active_tis_per_dag;
  }

  template <class Map, class Key>
  static int64_t started(const Map& counts, const Key& key) {
    const auto found = counts.find(key);
    return found == counts.end() ? 0 : found->second;
  }

  void start(const ActiveRun& run, int task, int position, const ReadyGroup& group) {
    const Task& of = run.dag().tasks[static_cast<size_t>(task)];
    MoveInstance move;
    move.at = {run.row.number, task, position};
    move.row = run.instance(move.at);
    move.row.state = TaskState::queued;
    move.row.fence = ++fence_;
    if (!run.deferral_of(move.at)) move.row.try_number += 1;  // else it is the same try that goes on
    move.row.queued_at = now_;
    move.row.start_date = move.row.end_date = move.row.next_try_at = std::nullopt;
    move.row.note.clear();
    move.executor = executor_for(group);
    free_[static_cast<size_t>(move.executor)] -= 1;
    if (takes_slots(group)) pool_free_.find(group.pool)->second -= group.pool_slots;
    if (group.kind == TryKind::process) {
      processes_ += 1;
      started_of_run_[run.row.number] += 1;
    }
    if (of.max_active_tis_per_dagrun) started_of_task_[{run.row.number, task}] += 1;
    if (of.max_active_tis_per_dag) started_of_dag_[{run.row.dag_id, of.task_id}] += 1;
    moves_.push_back(std::move(move));
  }

  TimePoint now_;
  const State& state_;
  int moves_max_;
  int64_t processes_;
  Fence fence_;
  std::vector<int> free_;  // by executor
  std::map<std::string, int64_t, std::less<>> pool_free_;
  std::map<std::string, KeptPool> kept_;
  std::map<RunNumber, int64_t> started_of_run_;
  std::map<TaskRef, int64_t> started_of_task_;
  std::map<std::pair<std::string, std::string>, int64_t> started_of_dag_;
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads_;
  Moves moves_;
};

}  // namespace

Starts start_ready(TimePoint now, const State& state, int moves_max) {
  Starting starting(now, state, moves_max);
  starting.go();
  return starting.result();
}

}  // namespace udon
