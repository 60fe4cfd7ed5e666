#pragma once
// What a command means for the state. Pure: the loop brings the run that a command is about into memory before, and
// asks the store whether a new run's names are free after.
#include "base/result.h"
#include "model/command.h"
#include "scheduler/moves.h"
#include "scheduler/run_changes.h"
#include "scheduler/state.h"

namespace udon {

// The run that a command is about, if it is about an existing one: (dag_id, run_id).
std::optional<std::pair<std::string, std::string>> run_of(const Command& command);

// PoolsChanged and ConnectionsChanged give no moves: the loop reads the store itself.
Result<CommandMoves> moves_of(const Command& command, TimePoint now, const State& state);

// A run that ended runs again, all of it; `as`: what its row is to be but for its state and times.
Moves clear_all(TimePoint now, const State& state, RunNumber run, DagRun as, const std::string& user);
// A person lets a run fail: live tries are ended, the rest is skipped.
Moves fail_run(TimePoint now, const State& state, RunNumber run, const std::string& why, const std::string& user);

// The move that gives up on a run whose DAG cannot be read any more: live tries are ended, the rest is skipped.
Moves give_up(TimePoint now, const State& state, RunNumber run, const std::string& why);

}  // namespace udon
