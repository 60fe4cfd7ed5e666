#pragma once
// The only way a state changes. Included by scheduler/ and the store's own tests, nobody else.
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "model/state.h"
#include "store/types.h"

namespace udon {

// A scheduler's term. Each acquire_epoch gives a larger one; commits of an older one are refused.
using Epoch = int64_t;

// A row as it is to be, guarded by what it is believed to be. The store checks the move table, state and fence.
struct ChangeInstance {
  TaskState expected_state = TaskState::none;
  Fence expected_fence = 0;
  TaskInstance row;  // all of it
  MoveCause cause = MoveCause::plan;
  // States between expected_state and row.state that were passed through in this same turn, in order: one row is
  // written, yet the events and the move table see every step.
  std::vector<TaskState> through;
  std::string user;  // commands only
  std::string event_text;
};
struct InsertInstances {
  std::vector<TaskInstance> rows;
};  // state none (or removed), of a run of this or an earlier commit
struct InsertRun {
  DagRun row;
  std::string user;
};
struct ChangeRun {
  RunState expected_state = RunState::queued;
  DagRun row;
  MoveCause cause = MoveCause::plan;
  std::string user;
  std::string event_text;
};
struct DeleteRunRows {
  RunNumber run = 0;
  std::string user;
};  // finished runs only, with all that hangs on them
struct PutTry {
  TryRecord row;
};  // inserts or replaces (instance, try_number)
struct PutXCom {
  XComRecord row;
};
struct DeleteXComs {
  InstanceNumber instance = 0;
};  // of a task instance that is cleared
struct PutDag {
  DagRecord row;
};  // inserts or replaces
struct PutDagVersion {
  DagVersionRecord row;
};  // number is given by the store; an existing version is kept
struct AppendEvent {
  EventRecord row;
};

using Change = std::variant<InsertRun, ChangeRun, DeleteRunRows, InsertInstances, ChangeInstance, PutTry, PutXCom,
                            DeleteXComs, PutDag, PutDagVersion, AppendEvent>;

struct Batch {
  Epoch epoch = 0;
  TimePoint at{};
  std::vector<Change> changes;  // applied in order
};

// Where numbering goes on after a restart.
struct Counters {
  RunNumber last_run = 0;
  InstanceNumber last_instance = 0;
  Fence last_fence = 0;
};

class StoreWriter {
 public:
  virtual ~StoreWriter() = default;

  // Starts a term; everything an older term sends afterwards is refused with conflict.
  virtual Result<Epoch> acquire_epoch(TimePoint at) = 0;
  virtual Result<Counters> counters() = 0;
  // All or nothing, durable when it returns (survives power loss), rows and their event rows in one transaction.
  // conflict: an older epoch, or a row is not what it was believed to be (says which); invalid: a move that the table
  // does not have; io/unavailable: disk full or the like, nothing has changed.
  virtual Result<void> commit(const Batch& batch) = 0;
};

// What the scheduler is given: one object behind the three headers.
class Store {
 public:
  virtual ~Store() = default;
  virtual class StoreReader& reader() = 0;
  virtual class StoreSettings& settings() = 0;
  virtual StoreWriter& writer() = 0;
};

}  // namespace udon
