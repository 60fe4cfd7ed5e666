// Limits: pools, parallelism, max_active_runs, max_active_tasks and those of one task, each by what it should be.
#include <algorithm>
#include <set>

#include "tests/simulation/auditor.h"
#include "tests/simulation/counting.h"

namespace udon::simulation {

void Auditor::check_limits(const State& state) {
  bool has_new_try = false;
  std::map<RunNumber, bool> new_in_run;
  std::set<std::string> new_in_pool;  // what a live try takes may become more by another version of its run
  for_each_instance(state, [&](const ActiveRun& run, size_t task, const TaskInstance& row) {
    const auto before = known_.find(row.number);
    const bool is_new = is_live(row.state) && (before == known_.end() || before->second.fence != row.fence);
    has_new_try = has_new_try || is_new;
    if (!is_new) return;
    new_in_run[run.row.number] = true;
    new_in_pool.insert(run.dag().tasks[task].pool);
  });
  const int64_t processes = count_processes(state, [](const ActiveRun&) { return true; });
  if (has_new_try && processes > rules_.parallelism) complain("more processes than parallelism allows");
  const auto pools = must(store_.settings().pools(), "pools");
  if (!pools) return;
  for (const Pool& pool : *pools) {
    if (!new_in_pool.contains(pool.name) || pools_changed_ || pool.slots < 0) continue;
    if (const int64_t used = slots_used(state, pool); used > pool.slots && used > slots_before_[pool.name]) {
      complain("pool " + pool.name + " has " + std::to_string(pool.slots) + " slots, " + std::to_string(used) +
               " are used");
    }
  }
  for (const Pool& pool : *pools) slots_before_[pool.name] = slots_used(state, pool);
  for (const auto& [number, is_new] : new_in_run) {
    const ActiveRun& run = state.runs().at(number);
    const int64_t live = count_processes(state, [&](const ActiveRun& other) { return other.row.number == number; });
    if (live > truth(run).max_active_tasks) complain("run " + run.row.run_id + " has more than max_active_tasks");
    for (size_t i = 0; i < run.slots.size(); ++i) {
      const Task& of = truth(run).tasks[i];
      int most = of.max_active_tis_per_dag.value_or(0);  // runs of other versions may have wider limits
      const auto same = [&](const ActiveRun& other, size_t task) {
        const Task& its = truth(other).tasks[task];
        if (other.row.dag_id != run.row.dag_id || its.task_id != of.task_id) return false;
        most = std::max(most, its.max_active_tis_per_dag.value_or(1000));
        return true;
      };
      const int64_t in_run =
          std::ranges::count_if(run.slots[i].instances, [](const auto& row) { return is_live(row.state); });
      const bool started = std::ranges::any_of(run.slots[i].instances, [&](const TaskInstance& row) {
        const auto before = known_.find(row.number);
        return is_live(row.state) && (before == known_.end() || before->second.fence != row.fence);
      });
      if (!started) continue;
      if (of.max_active_tis_per_dagrun && in_run > *of.max_active_tis_per_dagrun) {
        complain("`" + of.task_id + "` in " + run.row.run_id + " has more than max_active_tis_per_dagrun");
      }
      const int64_t over_dag = count_live(state, same);
      if (of.max_active_tis_per_dag && over_dag > most) {
        complain("`" + of.task_id + "` of " + run.row.dag_id + " has more than max_active_tis_per_dag");
      }
    }
  }
  for (const auto& [id, dag] : state.dags()) {
    int running = 0;
    bool has_started = false;
    for (const auto& [number, run] : state.runs()) {
      if (run.row.dag_id != id || run.row.state != RunState::running || counts_for_backfill(run.row)) continue;
      ++running;
      const auto before = known_runs_.find(number);
      has_started = has_started || before == known_runs_.end() || before->second != RunState::running;
    }
    if (known_runs_.empty() || catalog_changed_ || !has_started || !dag.shape) continue;
    if (running > truth(*dag.shape->dag).max_active_runs) complain("DAG " + id + " has more than max_active_runs");
  }
}

}  // namespace udon::simulation
