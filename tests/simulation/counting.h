#pragma once
// Counted from the rows of the task instances alone, for the auditor: none of what the scheduler keeps beside them.
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

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

// Whether its try, which lives, was deferred: then it has no process, whatever its task is.
bool is_deferred(const ActiveRun& run, const TaskInstance& row);
bool has_process(const ActiveRun& run, size_t task, const TaskInstance& row);
template <class F>
int64_t count_processes(const State& state, F&& fits) {
  int64_t count = 0;
  for_each_instance(state, [&](const ActiveRun& run, size_t task, const TaskInstance& row) {
    if (is_live(row.state) && has_process(run, task, row) && fits(run)) ++count;
  });
  return count;
}
int64_t slots_used(const State& state, const Pool& pool);
// Both lie in one mapped group of `dag`: what one says to the other is said index by index.
bool share_indices(const Dag& dag, int before, int after);
// Of a task of a mapped group, by its rows alone: the state at that index; nothing: there is none and will be none.
std::optional<TaskState> state_at_index(const TaskSlot& slot, int map_index);
// What the trigger rule of a task sees at that index (of no mapped group: any), by the upstream that `dag` gives it:
// the run's own, or what it should be.
UpstreamCounts count_upstream(const ActiveRun& run, const Dag& dag, int task, int map_index);
// Those alone that are counted whole.
UpstreamCounts count_outer_upstream(const ActiveRun& run, const Dag& dag, int task);
std::string name(const ActiveRun& run, const TaskInstance& row);

// Its success is that of this try: nobody has cleared and marked it since, which leaves nothing handed on.
bool has_succeeded_by(const TaskInstance& row, Fence fence);

// Which version of its DAG a run had as it was made.
const std::string& first_version(const DagRun& run);

// Which version of its DAG a run had as a row of its history was written.
class VersionHistory {
 public:
  explicit VersionHistory(const std::vector<EventRecord>& events);
  const std::string& at(const DagRun& run, const EventRecord& event) const;

 private:
  std::map<std::pair<std::string, std::string>, std::set<int64_t>> changes_;  // numbers of rows
};

}  // namespace udon::simulation
