#pragma once
// Counted from the rows of the task instances alone, for the auditor: none of what the scheduler keeps beside them.
#include <string>
#include <utility>

#include "model/pool.h"
#include "scheduler/state.h"

namespace udon::simulation {

template <class F>
void for_each_instance(const State& state, F&& f) {
  for (const auto& [number, run] : state.runs()) {
    for (size_t i = 0; i < run.slots.size(); ++i) {
      for (const TaskInstance& row : run.slots[i].instances) f(run, i, row);
    }
  }
}

// Live task instances that fit, over everything.
template <class F>
int64_t count_live(const State& state, F&& fits) {
  int64_t count = 0;
  for_each_instance(state, [&](const ActiveRun& run, size_t task, const TaskInstance& row) {
    if (is_live(row.state) && fits(run, task)) ++count;
  });
  return count;
}

bool has_process(const ActiveRun& run, size_t task);
int64_t slots_used(const State& state, const Pool& pool);
// What the trigger rule of a task sees, by the upstream that `dag` gives it: the run's own, or what it should be.
UpstreamCounts count_upstream(const ActiveRun& run, const Dag& dag, int task);
std::string name(const ActiveRun& run, const TaskInstance& row);

}  // namespace udon::simulation
