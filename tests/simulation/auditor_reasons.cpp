// Whatever waits has a reason, and the reason is true.
#include <algorithm>

#include "model/reason.h"
#include "scheduler/plan.h"
#include "scheduler/why.h"
#include "tests/simulation/auditor.h"
#include "tests/simulation/counting.h"

namespace udon::simulation {

void Auditor::check_reasons(const State& state, std::optional<TimePoint> wake_at) {
  for (const auto& [number, run] : state.runs()) {
    for (size_t i = 0; i < run.slots.size(); ++i) {
      const auto task = static_cast<int>(i);
      const std::string& id = run.dag().tasks[i].task_id;
      if (run.slots[i].instances.empty()) {
        const auto reason = why(outside_.clock().now(), state, {run.row.dag_id, run.row.run_id, id, -1});
        if (!reason) return complain("nobody knows why `" + id + "` of " + run.row.run_id + " is not there");
        check_reason(state, run, task, nullptr, *reason, wake_at);
      }
      for (size_t k = 0; k < run.slots[i].instances.size(); ++k) {
        const InstanceRef at{number, task, static_cast<int>(k)};
        check_reason(state, run, task, &run.slots[i].instances[k], why(outside_.clock().now(), state, at), wake_at);
      }
    }
  }
}

void Auditor::check_reason(const State& state, const ActiveRun& run, int task, const TaskInstance* row,
                           const Reason& reason, std::optional<TimePoint> wake_at) {
  const TimePoint now = outside_.clock().now();
  const Task& of = truth(run).tasks[static_cast<size_t>(task)];
  const std::string who = run.row.dag_id + "/" + run.row.run_id + "/" + of.task_id;
  reasons_[reason.kind] += 1;
  const auto wrong = [&](const std::string& why_wrong) {
    complain(who + " says " + std::string(to_string(reason.kind)) + " (" + reason.text + "), but " + why_wrong);
  };
  if (reason.text.empty()) return wrong("without words");
  // Where something else holds it back as well, that moment changes nothing.
  const DagState& dag = *state.find_dag(run.row.dag_id);
  const bool is_held = reason.kind == ReasonKind::not_yet_due && dag.running >= dag.max_active_runs;
  if (reason.until && *reason.until > now && !is_held && (!wake_at || *wake_at > *reason.until)) {
    return wrong("the next turn is later than that");
  }
  const TaskState there = row == nullptr ? TaskState::none : row->state;
  const bool is_waiting = there == TaskState::none || there == TaskState::scheduled;
  const auto holds = [&](bool condition, const char* otherwise) {
    if (!condition) wrong(otherwise);
  };
  const auto pool_of = [&]() -> std::optional<Pool> {
    const auto pools = must(store_.settings().pools(), "pools");
    for (const Pool& pool : pools ? *pools : std::vector<Pool>{}) {
      if (pool.name == of.pool) return pool;
    }
    return std::nullopt;
  };
  switch (reason.kind) {
    case ReasonKind::finished:
      return holds(is_finished(there) || (there == TaskState::none && is_finished(run.row.state)), "it is not");
    case ReasonKind::running: return holds(there == TaskState::running, "it does not run");
    case ReasonKind::source_bounds: return wrong("nothing is read here");
    case ReasonKind::handed_out: return holds(there == TaskState::queued, "it is not queued");
    case ReasonKind::sensor: return holds(there == TaskState::deferred, "it is not deferred");
    case ReasonKind::answer: return holds(there == TaskState::deferred && is_asked(*row), "nobody is asked");
    case ReasonKind::ending_old_try: return holds(is_live(there), "it has no try");
    case ReasonKind::retry_delay:
      return holds(there == TaskState::up_for_retry && row->next_try_at > now, "its time has come");
    case ReasonKind::upstream: {
      const bool waits =
          evaluate(of.trigger_rule, count_upstream(run, truth(run), task, row == nullptr ? -1 : row->map_index)) ==
          TriggerVerdict::wait;
      return holds(there == TaskState::none &&
                       (waits || lacks_setup(run, static_cast<size_t>(task), row == nullptr ? -1 : row->map_index) ||
                        held_by_past(state, run, task) || (of.expand && of.mapped_group.empty()) ||
                        (of.expand && !run.slots[static_cast<size_t>(task)].length)),
                   "its upstream is done");
    }
    case ReasonKind::dag_paused:
      return holds(is_waiting && state.find_dag(run.row.dag_id)->record.is_paused, "its DAG is not paused");
    case ReasonKind::not_yet_due:
      return holds(run.row.state == RunState::queued && run.row.run_after > now, "its run is due");
    case ReasonKind::run_queued: {
      const bool is_backfilled = counts_for_backfill(run.row);
      int running = 0;
      for (const auto& [number, other] : state.runs()) {
        const bool shares = is_backfilled ? other.row.backfill == run.row.backfill : !counts_for_backfill(other.row);
        if (other.row.dag_id == run.row.dag_id && other.row.state == RunState::running && shares) ++running;
      }
      const int most = is_backfilled ? known_backfills_.at(*run.row.backfill).max_active_runs : dag.max_active_runs;
      return holds(run.row.state == RunState::queued && running >= most, "there is room for its run");
    }
    case ReasonKind::backfill_paused:
      return holds(is_waiting && counts_for_backfill(run.row) && known_backfills_.at(*run.row.backfill).is_paused,
                   "its backfill is not paused");
    case ReasonKind::pool_unknown: return holds(there == TaskState::scheduled && !pool_of(), "its pool is there");
    case ReasonKind::pool_full: {
      const auto pool = pool_of();
      const auto lacks_room = [&](const Task& its) { return slots_used(state, *pool) + its.pool_slots > pool->slots; };
      // Or another one has waited long for more slots than are free.
      bool is_kept = false;
      for_each_instance(state, [&](const ActiveRun& other, size_t index, const TaskInstance& its) {
        const Task& wide = truth(other).tasks[index];
        is_kept = is_kept || (pool && its.state == TaskState::scheduled && its.scheduled_at && wide.pool == of.pool &&
                              now - *its.scheduled_at >= rules_.priority_ageing && wide.pool_slots <= pool->slots &&
                              lacks_room(wide));
      });
      return holds(there == TaskState::scheduled && pool && (is_kept || lacks_room(of)), "its pool has room");
    }
    case ReasonKind::connection_unknown: return wrong("connections are not listed");
    case ReasonKind::max_active_tasks:
      return holds(there == TaskState::scheduled && count_processes(state,
                                                                    [&](const ActiveRun& other) {
                                                                      return other.row.number == run.row.number;
                                                                    }) >= truth(run).max_active_tasks,
                   "its run has room");
    case ReasonKind::max_active_tis: {
      const auto is_same = [&](const ActiveRun& other, size_t index) {
        return other.row.dag_id == run.row.dag_id && other.dag().tasks[index].task_id == of.task_id;
      };
      const auto is_of_run = [&](const ActiveRun& other, size_t index) {
        return other.row.number == run.row.number && is_same(other, index);
      };
      const bool is_full =
          (of.max_active_tis_per_dag && count_live(state, is_same) >= *of.max_active_tis_per_dag) ||
          (of.max_active_tis_per_dagrun && count_live(state, is_of_run) >= *of.max_active_tis_per_dagrun);
      return holds(there == TaskState::scheduled && is_full, "there is room for one more of it");
    }
    case ReasonKind::parallelism: {
      const bool is_full = count_processes(state, [](const ActiveRun&) { return true; }) >= rules_.parallelism;
      const auto& takers = state.takers(try_kind_of(of), of.queue);
      const bool are_busy =
          std::ranges::all_of(takers, [&](int e) { return state.executors()[static_cast<size_t>(e)].free <= 0; });
      return holds(there == TaskState::scheduled && (is_full || are_busy), "there are free slots");
    }
    case ReasonKind::no_worker:
      return holds(there == TaskState::scheduled && of.queue == "far", "somebody takes its queue");
    case ReasonKind::dispatch_stopped: return wrong("the store works");
    case ReasonKind::ready: return holds(wake_at && *wake_at <= now, "the turn is over and nothing holds it back");
  }
}

}  // namespace udon::simulation
