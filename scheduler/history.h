#pragma once
// What the loop must know of the store's past before it makes a move: whether a run's names are taken, which run came
// before, a finished run that is to be cleared. Reads only; loads what is active after a start, too.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "scheduler/active_run.h"
#include "scheduler/state.h"
#include "store/reader.h"
#include "store/settings.h"
#include "store/writer.h"

namespace udon {

// One shape a version of a DAG, however many runs have it.
class Shapes {
 public:
  ShapePtr of(const DagPtr& dag);
  ShapePtr find(const std::string& dag_id, const std::string& version) const;

 private:
  std::map<std::pair<std::string, std::string>, std::weak_ptr<const DagShape>> shapes_;
};

struct LoadedRun {
  ActiveRun run;
  std::map<Fence, LiveTry> tries;
  // Its DAG cannot be read any more, and why: it stands for itself, without dependencies, and has to be given up.
  std::string problem;
};

// What a new run has that another one of its DAG has already.
struct Taken {
  enum class Name { run_id, logical_date };
  Name name = Name::run_id;
  std::string problem;  // in words
};

// It is the store that fails: nobody's wish is refused for it, the turn is given up.
bool is_of_store(const Error& error);

// The last runs of a DAG, newest first: as Airflow has it by logical date, and by run_after where there is none.
Result<std::vector<DagRun>> last_runs_of(StoreReader& reader, const std::string& dag_id, int count);

class History {
 public:
  History(StoreReader& reader, Shapes& shapes) : reader_(reader), shapes_(shapes) {}

  // Everything that is active. problems: runs that have to be given up, and why.
  Result<State> load(int parallelism, const Counters& counters, StoreSettings& settings,
                     std::vector<std::pair<RunNumber, std::string>>& problems);
  Result<LoadedRun> load_run(const DagRun& row);
  // A run of the store, if there is one of that name and memory does not have it. conflict: its DAG cannot be read.
  Result<void> bring_into_memory(const std::string& dag_id, const std::string& run_id, State& state);
  // How many task instances that would read.
  Result<int64_t> instances_to_read(const std::string& dag_id, const std::string& run_id, const State& state);

  // What is in the way of a new run, or nothing.
  Result<std::optional<Taken>> taken_by_another(const DagRun& row, const State& state);
  // The run before it, if a task of the DAG looks back.
  // `without`: as if that run were not there.
  Result<std::optional<PastRun>> past_of(const DagRun& row, const DagShape& shape, const State& state,
                                         std::optional<RunNumber> without = {});
  // Who looks back at what is dropped looks back at what was before it.
  Result<void> find_pasts_without(DropRun& drop, const State& state);
  // Whether the last `count` runs of the DAG that have ended all failed, as the state knows them now.
  Result<bool> has_failed_in_a_row(const std::string& dag_id, int count, const State& state);
  // When a sensor was looked at for the first time since it was last cleared.
  Result<std::optional<TimePoint>> first_poke_at(const TaskInstance& instance, int retries);

  StoreReader& reader() { return reader_; }

 private:
  Result<ShapePtr> shape_of(const DagRun& row);
  Result<void> load_outputs(ActiveRun& run, int task);
  Result<void> load_choices(ActiveRun& run, int task);
  Result<void> load_waits(ActiveRun& run, std::map<Fence, LiveTry>& tries);
  Result<void> load_try(const TaskInstance& row, LiveTry& live);

  StoreReader& reader_;
  Shapes& shapes_;
};

}  // namespace udon
