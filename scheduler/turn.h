#pragma once
// What one turn of the loop changes: applies moves to memory and writes each down for the store, so that both say the
// same. One row is written once however many states it passed through, yet every step is in the history.
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/moves.h"
#include "scheduler/state.h"
#include "store/writer.h"

namespace udon {

class Turn {
 public:
  // `state` outlives the turn.
  Turn(State& state, TimePoint now) : state_(state), now_(now) {}

  void apply(const Move& move);
  void apply(const Moves& moves) {
    for (const Move& move : moves) apply(move);
  }

  TimePoint now() const { return now_; }
  int moves() const { return moves_; }
  // What this turn has made of an XCom: a value, or null as it is gone; nothing: it has not touched it.
  std::optional<std::optional<Value>> xcom_of(InstanceNumber instance, const std::string& key) const;
  bool changes_store() const { return !changes_.empty(); }
  Batch take_batch(Epoch epoch);
  // Tries created in this turn and live at its end; to be handed out after the commit.
  std::vector<Fence> started() const;
  // Whether somebody is to be told of a move.
  bool has_notifications() const { return has_notifications_; }
  const std::vector<RunNumber>& dropped() const { return dropped_; }  // runs that are deleted
  // How many task instances ended in which state, for the metrics.
  const std::map<TaskState, int64_t>& ended() const { return ended_; }

 private:
  void write(const MoveInstance& move);
  void write(const AddInstances& move);
  void write(const SetLength&) {}
  void write(const ChangeTry& move);
  void write(const NotePoke&) {}
  void write(const StoreXCom& move);
  void write(const ForgetXComs& move);
  void write(const AddRun& move);
  void write(const MoveRun& move);
  void write(const ChangeVersion& move);
  void write(const TellDeadline& move);
  void write(const TellPaused& move);
  void write(const DropRun& move);
  void write(const SetDag& move);
  void write(const LoadDag& move);
  void write(const SetBackfill& move);
  void write(const SetQuestion& move);
  void write(const SetDeferral& move);
  void write(const NoteEvent& move);
  void write(const AddAssetEvent& move);
  void write(const DropAssetEvents& move);
  void queue(std::vector<Notification> notifications);
  void put_try(const TaskInstance& row, const LiveTry& live, TaskState state);

  State& state_;
  TimePoint now_;
  int moves_ = 0;
  bool has_notifications_ = false;
  std::vector<Change> changes_;
  // Where in changes_ the last write of a task instance, a try, a DAG, a backfill stands.
  std::map<InstanceNumber, size_t> instance_at_;
  std::map<std::pair<InstanceNumber, int>, size_t> try_at_;
  std::map<std::string, size_t> dag_at_;
  std::map<BackfillNumber, size_t> backfill_at_;
  std::set<Fence> started_;
  std::vector<RunNumber> dropped_;
  std::map<TaskState, int64_t> ended_;
};

}  // namespace udon
