// Backfills: each date is dealt with once and in order, as many runs at a time as it may have, none after its end.
#include <algorithm>

#include "tests/simulation/auditor.h"

namespace udon::simulation {

namespace {
std::string name(const Backfill& row) { return "backfill " + std::to_string(row.number) + " of " + row.dag_id; }
}  // namespace

void Auditor::check_backfills(const State& state) {
  const auto rows = must(store_.reader().backfills({}, {.limit = 100'000, .offset = 0}), "backfills");
  if (!rows) return;
  std::map<std::string, int> active_of_dag;
  for (const Backfill& row : rows->rows) {
    const auto there = state.backfills().find(row.number);
    const bool is_active = !row.completed_at;
    if (is_active != (there != state.backfills().end())) {
      return complain(name(row) + " is active in " + (is_active ? "the store" : "memory") + " only");
    }
    if (is_active && there->second.row != row) return complain(name(row) + " differs between memory and store");
    if (is_active && ++active_of_dag[row.dag_id] > 1) return complain(row.dag_id + " has two active backfills");
    check_progress(state, row);
    check_dates(row);
    check_room(state, row);
    known_backfills_[row.number] = row;
  }
  paused_dags_.clear();
  for (const auto& [id, dag] : state.dags()) {
    if (dag.record.is_paused) paused_dags_.insert(id);
  }
  if (rows->rows.size() < state.backfills().size()) complain("a backfill is in memory only");
}

void Auditor::check_progress(const State& state, const Backfill& row) {
  const auto begun_as = backfill_versions_.try_emplace(row.number, version_of(state, row.dag_id)).first;
  if (begun_as->second != version_of(state, row.dag_id)) begun_as->second = "several";
  if (row.handled() > row.dates && begun_as->second != "several") complain(name(row) + " has too many dates");
  const bool is_whole = row.completed_at && !row.is_cancelled && begun_as->second != "several";
  if (is_whole && row.handled() != row.dates) {
    complain(name(row) + " is completed with " + std::to_string(row.handled()) + " of " + std::to_string(row.dates) +
             " dates");
  }
  const auto before = known_backfills_.find(row.number);
  if (before == known_backfills_.end()) return;
  const Backfill& was = before->second;
  if (was.completed_at && was != row) complain(name(row) + " was completed for good and has changed");
  if (row.created < was.created || row.cleared < was.cleared || row.skipped < was.skipped) {
    complain(name(row) + " has lost some of its progress");
  }
  if (row.last_date != was.last_date && row.last_date && was.last_date &&
      (*row.last_date < *was.last_date) != row.runs_backwards) {
    complain(name(row) + " goes the wrong way");
  }
  if (row.handled() == was.handled()) return;
  if (row.is_cancelled) complain(name(row) + " goes on and is cancelled");
  // Failures can pause its DAG within the turn.
  if (row.is_paused || (paused_dags_.contains(row.dag_id) && state.find_dag(row.dag_id)->record.is_paused))
    complain(name(row) + " goes on while it is paused");
}

// By the store's runs: those that bear its number have a date of it each, and have come by it in this turn or before.
void Auditor::check_dates(const Backfill& row) {
  const auto before = known_backfills_.find(row.number);
  if (before != known_backfills_.end() && before->second.handled() == row.handled()) return;
  if (row.created + row.cleared == 0) return;
  RunFilter filter{.dag_ids = {row.dag_id}};
  filter.logical_date_gte = row.from;
  filter.logical_date_lte = row.to;
  const auto runs = must(store_.reader().runs(filter, {.limit = 100'000, .offset = 0}), "runs");
  int64_t taken = 0;
  for (const DagRun& run : runs ? runs->rows : std::vector<DagRun>{}) {
    if (run.backfill != row.number) continue;
    ++taken;
    if (run.type != RunType::backfill) complain("run " + run.run_id + " bears a backfill and is none");
    if (!run_of_backfill_.insert({row.number, run.number}).second) continue;
    if (run.number <= last_run_) touch_all(run);
    if (!dates_of_backfill_.insert({row.number, *run.logical_date}).second) {
      complain(name(row) + " has two runs of " + format_time(*run.logical_date));
    }
    const bool is_dealt_with = row.last_date && (row.runs_backwards ? *run.logical_date >= *row.last_date
                                                                    : *run.logical_date <= *row.last_date);
    if (!is_dealt_with) complain(name(row) + " has a run of a date that it has not come to: " + run.run_id);
    if (run.run_after > row.created_at) complain(name(row) + " has a run that was not due yet: " + run.run_id);
  }
  if (taken > row.created + row.cleared) complain(name(row) + " has more runs than it says");
}

// A run that was there before has been cleared: all of it may leave its final states.
void Auditor::touch_all(const DagRun& run) {
  touched_runs_.insert({run.dag_id, run.run_id});
  const auto instances = must(store_.reader().instances_of(run.number), "instances_of");
  for (const TaskInstance& one : instances ? *instances : std::vector<TaskInstance>{}) {
    touched_.insert({run.dag_id, run.run_id, one.task_id, one.map_index});
    forget({run.dag_id, run.run_id, one.task_id, one.map_index});  // it has begun anew, whatever was wished before
  }
}

void Auditor::check_room(const State& state, const Backfill& row) {
  if (row.completed_at) return;
  const auto running = std::ranges::count_if(state.runs(), [&](const auto& entry) {
    return entry.second.row.backfill == row.number && entry.second.row.state == RunState::running;
  });
  if (running > row.max_active_runs) {
    complain(name(row) + " has " + std::to_string(running) + " running, more than its own max_active_runs");
  }
}

bool Auditor::counts_for_backfill(const DagRun& run) const {
  if (!run.backfill) return false;
  const auto row = known_backfills_.find(*run.backfill);
  return row != known_backfills_.end() && !row->second.completed_at;
}

std::string Auditor::version_of(const State& state, const std::string& dag_id) const {
  const DagState* dag = state.find_dag(dag_id);
  return dag == nullptr || !dag->shape ? "none" : dag->shape->dag->version;
}

// Where its DAG has no file, it waits for one.
void Auditor::check_backfills_at_rest(const State& state) {
  for (const auto& [number, backfill] : state.backfills()) {
    if (state.find_dag(backfill.row.dag_id)->shape) complain(name(backfill.row) + " never ends");
  }
}

}  // namespace udon::simulation
