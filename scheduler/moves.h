#pragma once
// Everything that can happen to the scheduler's state, as values. Plans, reports and commands are turned into moves;
// State applies them to memory, Turn writes them down for the store.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/dag.h"
#include "model/run.h"
#include "scheduler/active_run.h"
#include "store/types.h"

namespace udon {

// A task instance becomes `row`; a step of the move table, or the same state with other columns.
struct MoveInstance {
  InstanceRef at;
  TaskInstance row;
  MoveCause cause = MoveCause::plan;
  std::string user;
  std::string text;
  int executor = -1;  // row.state is queued: who gets the new try
};
// Appended to the task's instances; state none.
struct AddInstances {
  TaskRef task;
  std::vector<TaskInstance> rows;
};
// How many instances a mapped task has has become known, or unknown again because its input was cleared.
struct SetLength {
  TaskRef task;
  std::optional<int64_t> length;
  std::shared_ptr<const MapSpec> bound;
};
// Of a live try; columns of its history, or what it becomes.
struct ChangeTry {
  Fence fence = 0;
  LiveTry row;
  std::string user;
  std::string text;  // an event row, if not empty
};
struct NotePoke {
  Fence fence = 0;
  std::string text;
  TimePoint at{};
};
struct StoreXCom {
  InstanceRef at;
  std::string key;
  Value value;
};
struct ForgetXComs {
  InstanceRef at;
};
struct AddRun {
  DagRun row;
  ShapePtr shape;
  std::optional<PastRun> past;
  std::string user;
  std::vector<AssetEventNumber> events = {};  // of its DAG's queue: they have made it due
};
// An asset was made anew: queued for all that wait for it. Turn gives the number.
struct AddAssetEvent {
  AssetEvent row;
};
// Nobody waits for them any more.
struct DropAssetEvents {
  std::string dag_id;
  std::vector<AssetEventNumber> events;
};
struct MoveRun {
  DagRun row;
  MoveCause cause = MoveCause::plan;
  std::string user;
  std::string text;
};
// The run goes on with another version of its DAG. Task instances that this version has no place for are removed
// already. What comes out of the store: the run before, and what tasks have handed on or chosen that the old version
// had no use for; by index of the task in the new version.
struct ChangeVersion {
  RunNumber run = 0;
  ShapePtr shape;
  std::optional<PastRun> past;
  std::map<int, std::map<int, Value>> outputs = {};
  std::map<int, std::map<int, Value>> choices = {};
  TimePoint at{};
  std::string user;
};
// It was missed: those who want to know are told.
struct TellDeadline {
  RunNumber run = 0;
  int deadline = 0;  // index into Dag::deadlines
  TimePoint at{};    // when it passed
};
// Its failure was one too many, and its DAG is paused: those who want to know are told.
struct TellPaused {
  RunNumber run = 0;
  std::string why;
};
// `pasts`: what the runs in memory that look back at it look back at then.
struct DropRun {
  RunNumber run = 0;
  std::string user;
  std::map<RunNumber, std::optional<PastRun>> pasts = {};
};
// A DAG's row; its calendar is looked at again unless is_due_known.
struct SetDag {
  DagRecord row;
  bool is_due_known = false;
  std::optional<TimePoint> covered_until = std::nullopt;  // by a new run; nothing: as it was
};
// A new version of a DAG, or (null) its file is gone.
struct LoadDag {
  std::string dag_id;
  ShapePtr shape;
};
// A new backfill, or one as it is from now on; completed ones leave memory.
struct SetBackfill {
  Backfill row;
};
// A live try asks people, or they have answered.
struct SetQuestion {
  InstanceRef at;
  QuestionPtr question;
};
// A try was deferred, or what it was deferred for has come. Forgotten with the try.
struct SetDeferral {
  InstanceRef at;
  DeferralPtr deferral;
};
struct NoteEvent {
  EventRecord row;
};

using Move = std::variant<MoveInstance, AddInstances, SetLength, ChangeTry, NotePoke, StoreXCom, ForgetXComs, AddRun,
                          MoveRun, ChangeVersion, TellDeadline, TellPaused, DropRun, SetDag, LoadDag, SetBackfill,
                          SetQuestion, SetDeferral, NoteEvent, AddAssetEvent, DropAssetEvents>;
using Moves = std::vector<Move>;

}  // namespace udon
