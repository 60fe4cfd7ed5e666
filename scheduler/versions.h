#pragma once
// A run goes on with the newest version of its DAG, because who clears it (or a backfill) wants that. The whole run
// does: what is not cleared stays as it is; what the newest version has no place for is removed; what only that version
// has is added, and runs. docs/versions.md says it for users.
#include "model/command.h"
#include "scheduler/history.h"
#include "scheduler/turn.h"

namespace udon {

class Versions {
 public:
  // Both outlive it.
  Versions(History& history, const State& state) : history_(history), state_(state) {}

  // The run is in memory. conflict: the DAG has no file any more, or a live try is in the way.
  Result<CommandOutcome> clear(Turn& turn, const ClearTasks& command);
  // Only the change of the version: a run that had ended is still to be opened again.
  Result<void> change(Turn& turn, RunNumber run, const std::string& user);

 private:
  enum class Reopen { if_unfinished, no };
  class Changing;
  Result<CommandOutcome> clear(Turn& turn, const ClearTasks& command, Reopen reopen);
  Result<void> what_store_knows(ChangeVersion& change, const ActiveRun& run, const Turn& turn);

  History& history_;
  const State& state_;
};

}  // namespace udon
