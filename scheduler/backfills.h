#pragma once
// The steps of backfills that ask the store: making one, and taking its next dates. Owned by the loop; its thread only.
// When a run of it may start is plan's matter, as of any run.
#include "base/result.h"
#include "model/command.h"
#include "scheduler/history.h"
#include "scheduler/state.h"
#include "scheduler/turn.h"

namespace udon {

class Backfills {
 public:
  // Both outlive it.
  Backfills(History& history, State& state) : history_(history), state_(state) {}

  Result<CommandOutcome> create(Turn& turn, const CreateBackfill& command);
  Result<CommandOutcome> change(Turn& turn, const ChangeBackfill& command);
  // Makes or clears runs of its next dates until it has as many active ones as it may have, none is left, or
  // `dates_left` have been taken.
  Result<void> take_dates(Turn& turn, BackfillNumber number, int& dates_left);

 private:
  Result<const DagState*> find_dag(const std::string& dag_id) const;
  Result<void> check(const CreateBackfill& command, const Dag& dag, TimePoint now) const;
  // Runs of the range by logical date.
  Result<std::map<TimePoint, DagRun>> runs_there(const CreateBackfill& command);
  Result<void> take(Turn& turn, Backfill& row, const DagState& dag, const DueRun& due);
  Result<void> make_run(Turn& turn, const Backfill& row, const DagState& dag, const DueRun& due);
  Result<bool> clear_run(Turn& turn, const Backfill& row, const DagRun& there);
  Result<std::optional<DagRun>> run_of_date(const std::string& dag_id, TimePoint logical_date);

  History& history_;
  State& state_;
};

}  // namespace udon
