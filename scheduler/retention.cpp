#include "scheduler/retention.h"

#include <algorithm>
#include <chrono>

#include "scheduler/history.h"
#include "store/leaving.h"

namespace udon {

namespace {

// Of one step. A transaction that deletes 2,000 task instances with their tries and XComs takes some tens of
// milliseconds; of a run that has more, as many go (store/leaving.h).
constexpr int runs_read_per_step = 200;
constexpr int runs_per_step = 50;
constexpr int64_t instances_per_step = deleted_instances_max;

CommandOutcome told(Cleaned cleaned) {
  CommandOutcome outcome;
  outcome.cleaned = std::move(cleaned);
  return outcome;
}

}  // namespace

Result<CommandOutcome> Retention::step(Turn& turn, const CleanStep& command) {
  kept_.clear();
  Cleaned cleaned;
  cleaned.next = command.after;
  // In order of their ends.
  TRY_ASSIGN(const auto old, reader_.old_runs(command.before, command.after, runs_read_per_step));
  int runs_going = 0;
  int64_t instances_going = 0, events_going = 0;
  for (const OldRun& run : old) {
    TRY_ASSIGN(const bool may_go, this->may_go(command, run.row));
    if (may_go) {
      const int64_t going = std::min(run.instances, deleted_instances_max);
      TRY_ASSIGN(const int64_t events, reader_.events_about(run.row.number, deleted_events_max));
      const bool is_too_much =
          instances_going + going > instances_per_step || events_going + events > deleted_events_max;
      const bool is_full = runs_going >= runs_per_step || (runs_going > 0 && is_too_much);
      if (is_full) return told(std::move(cleaned));
      if (!command.dry_run) turn.apply(Move(DropRun{.run = run.row.number, .user = command.user}));
      ++runs_going;
      instances_going += going;
      events_going += events;
      // A large run is told of once, when its name goes; whoever has asked sees to its rest.
      if (!is_rest(run.row)) {
        cleaned.runs.push_back(run.row.number);
        cleaned.instances += run.instances;
      }
    }
    cleaned.next = {.end_date = *run.row.end_date, .number = run.row.number};
  }
  cleaned.is_done = static_cast<int>(old.size()) < runs_read_per_step;
  return told(std::move(cleaned));
}

Result<bool> Retention::may_go(const CleanStep& command, const DagRun& row) {
  if (is_rest(row)) return !command.dry_run && !state_.is_dropped(row.number);
  if (!command.dag_ids.empty() && std::ranges::find(command.dag_ids, row.dag_id) == command.dag_ids.end()) return false;
  // In memory it is active, or a try of it is still being ended.
  if (state_.find_run(row.number) != nullptr || state_.is_dropped(row.number)) return false;
  if (!kept_.contains(row.dag_id)) {
    TRY_ASSIGN(kept_[row.dag_id], kept_of(row.dag_id));
  }
  return !kept_.at(row.dag_id).contains(row.number);
}

Result<std::set<RunNumber>> Retention::kept_of(const std::string& dag_id) {
  std::set<RunNumber> kept;
  RunFilter filter;
  filter.dag_ids = {dag_id};
  filter.order_by = "-logical_date";
  TRY_ASSIGN(const auto last, reader_.runs(filter, {.limit = 1, .offset = 0}));
  for (const DagRun& row : last.rows) kept.insert(row.number);
  filter.types = {RunType::scheduled, RunType::backfill, RunType::asset_triggered};
  TRY_ASSIGN(const auto untriggered, reader_.runs(filter, {.limit = 1, .offset = 0}));
  for (const DagRun& row : untriggered.rows) kept.insert(row.number);
  filter.types = {RunType::scheduled};
  TRY_ASSIGN(const auto scheduled, reader_.runs(filter, {.limit = 1, .offset = 0}));
  for (const DagRun& row : scheduled.rows) kept.insert(row.number);
  const DagState* dag = state_.find_dag(dag_id);
  if (dag == nullptr) return kept;
  for (const RunNumber number : dag->runs) {
    if (const auto& past = state_.runs().at(number).past) kept.insert(past->number);
  }
  const int failures = dag->shape ? dag->shape->dag->max_consecutive_failed_dag_runs.value_or(0) : 0;
  if (failures > 0) {
    TRY_ASSIGN(const auto newest, last_runs_of(reader_, dag_id, failures));
    for (const DagRun& row : newest) kept.insert(row.number);
  }
  return kept;
}

CleanStep step_for_rest(const DagRun& rest) {
  // Of no DAG: rests go whatever is asked for, and nothing else is to.
  return {.before = *rest.end_date + Duration(1),
          .dag_ids = {""},
          .after = {.end_date = *rest.end_date, .number = rest.number - 1},
          .dry_run = false,
          .user = {}};
}

// ---- without a scheduler

Result<std::unique_ptr<OfflineRetention>> OfflineRetention::make(StoreReader& reader, StoreWriter& writer,
                                                                 StoreSettings& settings, const Clock& clock) {
  TRY_ASSIGN(const Epoch epoch, writer.acquire_epoch(clock.now()));
  TRY_ASSIGN(const Counters counters, writer.counters());
  Shapes shapes;
  History history(reader, shapes);
  std::vector<std::pair<RunNumber, std::string>> problems;  // the scheduler's matter, when there is one
  TRY_ASSIGN(State state, history.load(1, counters, settings, problems));
  return std::unique_ptr<OfflineRetention>(new OfflineRetention(reader, writer, clock, epoch, std::move(state)));
}

Result<CommandOutcome> OfflineRetention::step(const CleanStep& command) {
  Turn turn(state_, clock_.now());
  TRY_ASSIGN(CommandOutcome outcome, Retention(reader_, state_).step(turn, command));
  if (turn.changes_store()) TRY(writer_.commit(turn.take_batch(epoch_)));
  state_.evict_finished();
  return outcome;
}

}  // namespace udon
