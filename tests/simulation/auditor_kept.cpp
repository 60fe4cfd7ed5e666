// What is cleaned has ended; what somebody needs is kept.
#include <algorithm>

#include "tests/simulation/auditor.h"

namespace udon::simulation {

void Auditor::cleaned(const CleanStep& step, const Cleaned& what) {
  for (const RunNumber number : what.runs) {
    const auto run = must(store_.reader().run_by_number(number), "run_by_number");
    if (!run) return;
    if (step.dry_run != run->has_value()) {
      complain("run " + std::to_string(number) +
               (step.dry_run ? " is gone after a dry run" : " was cleaned and is there"));
    }
    const auto before = known_runs_.find(number);
    if (before != known_runs_.end() && !is_finished(before->second)) {
      complain("run " + std::to_string(number) + " was cleaned while it was active");
    }
  }
}

// The last run of a schedule goes only when somebody deletes it; so does what an active run looks back on.
void Auditor::check_kept(const State& state) {
  for (auto& [dag_id, last] : last_scheduled_) {
    const auto run = must(store_.reader().run_by_number(last.number), "run_by_number");
    if (run && !*run && !helped_runs_.contains({last.dag_id, last.run_id})) {
      complain("the last scheduled run of " + dag_id + " is gone: " + last.run_id);
    }
  }
  last_scheduled_.clear();
  for (const auto& [id, dag] : state.dags()) {
    RunFilter filter;
    filter.dag_ids = {id};
    filter.types = {RunType::scheduled};
    filter.order_by = "-logical_date";
    const auto last = must(store_.reader().runs(filter, {.limit = 1, .offset = 0}), "runs");
    if (last && !last->rows.empty()) last_scheduled_.emplace(id, last->rows[0]);
  }
  for (const auto& [number, run] : state.runs()) {
    if (!run.past || is_finished(run.row.state)) continue;
    const auto past = must(store_.reader().run_by_number(run.past->number), "run_by_number");
    if (past && !*past && !helped_runs_.contains({run.row.dag_id, run.past->run_id})) {
      complain("run " + run.row.run_id + " looks back on " + run.past->run_id + ", which is gone");
    }
  }
}

}  // namespace udon::simulation
