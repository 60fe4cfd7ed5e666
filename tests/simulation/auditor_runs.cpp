// Whole runs: that each begins when the calendar means it, ends only when all of it has ended, and starts nothing that
// the store does not know of.
#include <algorithm>

#include "tests/simulation/auditor.h"
#include "tests/simulation/counting.h"

namespace udon::simulation {

void Auditor::forget_run(const std::string& dag_id, const std::string& run_id) {
  std::erase_if(expected_, [&](const auto& one) { return one.first.dag_id == dag_id && one.first.run_id == run_id; });
  helped_runs_.insert({dag_id, run_id});
}

// A process is about to begin. What a crash leaves has to be found again by what the store says, so its hand-out is
// there first.
void Auditor::begins(const TryRequest& request) {
  const auto row = must(store_.reader().instance_by_number(request.instance), "instance_by_number");
  if (!row) return;
  const bool is_known = *row && (*row)->instance.fence == request.try_id.fence && is_live((*row)->instance.state);
  if (!is_known) {
    complain("try " + to_string(request.try_id) + " of " + to_string(request.key) +
             " begins before its hand-out is in the store");
  }
}

void Auditor::check_new_runs(const State& state) {
  for (; last_run_ < state.counters().last_run; ++last_run_) {
    const auto run = must(store_.reader().run_by_number(last_run_ + 1), "run_by_number");
    if (!run || !*run) continue;  // it is gone already
    const auto dag = dags_.find(first_version(**run));
    if (dag == dags_.end()) continue;
    calendar_.see(**run, *dag->second, [this](std::string what) { complain(std::move(what)); });
  }
}

// By the store, as a run leaves memory with its end. Who marks a run, or some of it, may leave out what he likes.
void Auditor::check_ends() {
  helped_runs_.insert(touched_runs_.begin(), touched_runs_.end());
  for (const TaskInstanceKey& key : touched_) helped_runs_.insert({key.dag_id, key.run_id});
  for (const auto& [number, before] : known_runs_) {
    if (is_finished(before)) continue;
    const auto run = must(store_.reader().run_by_number(number), "run_by_number");
    if (!run || !*run || (*run)->state != RunState::success) continue;
    if (helped_runs_.contains({(*run)->dag_id, (*run)->run_id})) continue;
    const auto dag = dags_.find((*run)->dag_version);
    const auto rows = must(store_.reader().instances_of(number), "instances_of");
    if (!rows || dag == dags_.end()) continue;
    for (const Task& task : dag->second->tasks) {
      const auto is_its = [&](const TaskInstance& row) { return row.task_id == task.task_id; };
      const auto is_open = [&](const TaskInstance& row) { return is_its(row) && !is_finished(row.state); };
      if (std::ranges::none_of(*rows, is_its) || std::ranges::any_of(*rows, is_open)) {
        complain("run " + (*run)->run_id + " is a success, and `" + task.task_id + "` has not ended");
      }
    }
  }
}

}  // namespace udon::simulation
