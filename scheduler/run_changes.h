#pragma once
// What a person's wish changes in a run: task instances cleared or marked, the run reopened or ended. Gathers moves and
// what they affect. Pure; `state` outlives it and is not changed meanwhile.
#include <set>
#include <string>

#include "model/command.h"
#include "scheduler/moves.h"
#include "scheduler/selection.h"
#include "scheduler/state.h"

namespace udon {

struct CommandMoves {
  Moves moves;
  CommandOutcome outcome;
};

class RunChanges {
 public:
  RunChanges(TimePoint now, const State& state) : now_(now), state_(state) {}
  CommandMoves take() { return std::move(result_); }
  CommandOutcome& outcome() { return result_.outcome; }

  void add(Move move) { result_.moves.push_back(std::move(move)); }
  void add_all(Moves moves);
  void drop_moves() { result_.moves.clear(); }

  // Task instances.
  void clear(const ActiveRun& run, InstanceRef at, const std::string& user);
  void mark(const ActiveRun& run, InstanceRef at, TaskState to, const std::string& note, const std::string& user,
            MoveCause cause = MoveCause::command);
  // Of a mapped task that has no instance yet: one that stands for all.
  void mark_unexpanded(const ActiveRun& run, TaskRef task, TaskState to, const std::string& note,
                       const std::string& user);
  // What had failed behind those that are now marked well gets its chance again, as in Airflow.
  void resume_after(const ActiveRun& run, const std::set<Place>& places, const Selected& selected,
                    const std::string& user);

  // Runs; `as`: what the row is to be but for its state and times.
  void clear_all(const ActiveRun& run, DagRun as, const std::string& user);
  void reopen(const ActiveRun& run, const std::string& user) { reopen(run, user, run.row); }
  void reopen(const ActiveRun& run, const std::string& user, DagRun as);
  void mark_run(const ActiveRun& run, RunState to, const std::string& note, MoveCause cause, const std::string& user);
  // The run goes on until they have cleared away; what is marked here decides how it ends then.
  void mark_before_teardowns(const ActiveRun& run, RunState to, const std::string& note, const std::string& user);

 private:
  void end(const ActiveRun& run, InstanceRef at, TaskState becomes, const std::string& note, const std::string& user);

  TimePoint now_;
  const State& state_;
  int64_t added_ = 0;
  CommandMoves result_;
};

}  // namespace udon
