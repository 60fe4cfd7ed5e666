#pragma once
// Taking away finished runs that are old, a step at a time: each reads and deletes a bounded number of rows, so that no
// turn gets long, and says where the next one begins.
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "model/command.h"
#include "scheduler/state.h"
#include "scheduler/turn.h"
#include "store/reader.h"
#include "store/settings.h"
#include "store/writer.h"

namespace udon {

// Of the loop; its thread only.
class Retention {
 public:
  // Both outlive it.
  Retention(StoreReader& reader, State& state) : reader_(reader), state_(state) {}

  Result<CommandOutcome> step(Turn& turn, const CleanStep& command);

 private:
  Result<bool> may_go(const CleanStep& command, const DagRun& row);
  // What has to stay of a DAG, whatever its age: the last run of its schedule, the one that the next looks back on,
  // those that active ones look back on, those over which failures in a row are counted.
  Result<std::set<RunNumber>> kept_of(const std::string& dag_id);

  StoreReader& reader_;
  State& state_;
  std::map<std::string, std::set<RunNumber>> kept_;  // by DAG id; of this step
};

// What deletes a further part of what is left of a large run (store/leaving.h).
CleanStep step_for_rest(const DagRun& rest);

// The same on a store that no scheduler has; the caller holds the installation's lock.
class OfflineRetention {
 public:
  static Result<std::unique_ptr<OfflineRetention>> make(StoreReader& reader, StoreWriter& writer,
                                                        StoreSettings& settings, const Clock& clock);
  Result<CommandOutcome> step(const CleanStep& command);

 private:
  OfflineRetention(StoreReader& reader, StoreWriter& writer, const Clock& clock, Epoch epoch, State state)
      : reader_(reader), writer_(writer), clock_(clock), epoch_(epoch), state_(std::move(state)) {}

  StoreReader& reader_;
  StoreWriter& writer_;
  const Clock& clock_;
  const Epoch epoch_;
  State state_;
};

}  // namespace udon
