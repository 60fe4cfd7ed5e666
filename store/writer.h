#pragma once
// The only way a state changes. Included by scheduler/ and the store's own tests, nobody else.
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "model/asset.h"
#include "model/deferral.h"
#include "model/notice.h"
#include "model/question.h"
#include "model/state.h"
#include "store/types.h"

namespace udon {

// A scheduler's term. Each acquire_epoch gives a larger one; commits of an older one are refused.
using Epoch = int64_t;

// A row as it is to be, guarded by what it is believed to be. The store checks the move table, state and fence. Its
// run, task id and map index never change. With the same state and nothing in `through` it is no move: the fence must
// stay, and there is an event row only if there is a text. A new fence is larger than all of earlier commits.
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
// State none (or removed), of a run of this or an earlier commit.
struct InsertInstances {
  std::vector<TaskInstance> rows;
};
// State queued. conflict if the number, (dag id, run id) or (dag id, logical date) is taken.
struct InsertRun {
  DagRun row;
  std::string user;
};
// Its dag id and run id never change. With the same state it is no move, and has an event row only with a text.
struct ChangeRun {
  RunState expected_state = RunState::queued;
  DagRun row;
  MoveCause cause = MoveCause::plan;
  std::string user;
  std::string event_text;
};
// Finished runs only, with all that hangs on them, their history too; one event tells of the deletion.
struct DeleteRunRows {
  RunNumber run = 0;
  std::string user;
};
// Inserts or replaces (instance, try_number).
struct PutTry {
  TryRecord row;
};
struct PutXCom {
  XComRecord row;
};
// Of a task instance that is cleared.
struct DeleteXComs {
  InstanceNumber instance = 0;
};
// Inserts or replaces.
struct PutDag {
  DagRecord row;
};
// Inserts or replaces.
struct PutBackfill {
  Backfill row;
};
// The number is given by the store; an existing version is kept.
struct PutDagVersion {
  DagVersionRecord row;
};
// The row's number and time are given by the store.
struct AppendEvent {
  EventRecord row;
};

// Nothing happens if its key is there already: a move is told of once. The number is given by the store.
struct QueueNotification {
  Notification row;
};

// They get a row, and with it a number for the API, unless they have one.
struct PutAssets {
  std::vector<std::string> names;
};
// Its number is larger than all of earlier commits. Queued for each of `consumers`: ids of DAGs.
struct InsertAssetEvent {
  AssetEvent row;
  std::vector<std::string> consumers;
};
// They leave a DAG's queue; conflict unless they are all in it. `run` is the one that they have made due; 0: nobody
// waits for them any more.
struct TakeAssetEvents {
  std::string dag_id;
  std::vector<AssetEventNumber> events;
  RunNumber run = 0;
};

// Inserts or replaces (instance, try_number).
struct PutQuestion {
  AskedQuestion row;
};
// Inserts or replaces that of its task instance.
struct PutDeferral {
  Deferral row;
};
// If it has one.
struct DropDeferral {
  InstanceNumber instance = 0;
};

using Change = std::variant<QueueNotification, PutAssets, InsertAssetEvent, TakeAssetEvents, InsertRun, ChangeRun,
                            DeleteRunRows, InsertInstances, ChangeInstance, PutTry, PutXCom, DeleteXComs, PutDag,
                            PutDagVersion, PutBackfill, PutQuestion, PutDeferral, DropDeferral, AppendEvent>;

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
  AssetEventNumber last_asset_event = 0;
  BackfillNumber last_backfill = 0;
  bool operator==(const Counters&) const = default;
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

// What the scheduler is given: one object behind the four headers.
class Store {
 public:
  virtual ~Store() = default;
  virtual class StoreReader& reader() = 0;
  virtual class StoreSettings& settings() = 0;
  virtual StoreWriter& writer() = 0;
  virtual class StoreOutbox& outbox() = 0;
};

}  // namespace udon
