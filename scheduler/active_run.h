#pragma once
// A dag run as it lives in the scheduler's memory: its rows, and beside them what follows from the rows and is asked
// for in every turn (counts, which positions are ready), kept up to date by State so that a turn costs what has
// changed.
#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model/asset.h"
#include "model/choice.h"
#include "model/dag.h"
#include "model/deferral.h"
#include "model/question.h"
#include "model/run.h"
#include "model/trigger_rule.h"
#include "model/wire.h"

namespace udon {

struct TaskRef {
  RunNumber run = 0;
  int task = 0;  // index into Dag::tasks
  auto operator<=>(const TaskRef&) const = default;
};

struct InstanceRef {
  RunNumber run = 0;
  int task = 0;
  int position = 0;  // index into TaskSlot::instances
  auto operator<=>(const InstanceRef&) const = default;
  TaskRef task_ref() const { return {run, task}; }
};

// What follows from a Dag alone, computed once for each of its versions.
struct DagShape {
  DagPtr dag;
  std::vector<int64_t> priorities;
  std::vector<bool>
      decides;  // its end decides the run's: a leaf once teardowns that it does not fail with are left out
  std::vector<bool> feeds_map;                // another task expands over its return value
  std::vector<bool> maps_over_xcom;           // how many instances it has is known only when its upstream is done
  std::vector<std::vector<int>> choosers;     // the tasks that may skip it: those that choose and come before it
  std::vector<std::vector<int>> chosen_over;  // the other way round
  // The setups that a task needs beside those directly before it: those whose teardowns are after it, or that have
  // none. Airflow's get_upstreams_only_setups.
  std::vector<std::vector<int>> setups;
  std::vector<std::vector<int>> set_up_by;  // the other way round: the tasks that need it so
  std::vector<int> teardowns;               // tasks
  bool looks_back = false;                  // a task of it depends on the run before
  // Of each task: the mapped group that it lies in, by a number (-1: none), and those directly before it that lie in
  // the same one.
  std::vector<int> mapped_group;
  std::vector<std::vector<int>> inner_upstream;
  // Tasks of mapped groups that are mapped over what this one returns: not all of them are directly after it, and to
  // those that are its counts may say nothing new when its list is there.
  std::vector<std::vector<int>> mapped_over;
};
using ShapePtr = std::shared_ptr<const DagShape>;
ShapePtr make_shape(DagPtr dag);

inline constexpr size_t task_state_count = 13;
inline size_t index_of(TaskState state) { return static_cast<size_t>(state); }

// Where a task with ready instances stands among those of its run that compete for the same things: by its first one.
struct ReadyTask {
  int64_t turn = 0;  // lower goes first: State::turn_of
  int64_t minus_priority = 0;
  int task = 0;  // index into Dag::tasks
  auto operator<=>(const ReadyTask&) const = default;
};

// One task of a run with its task instances: one, or one a map index.
struct TaskSlot {
  std::vector<TaskInstance> instances;
  // How many there are to be; nothing: an XCom will tell. Instances come in pieces, so there may be fewer.
  std::optional<int64_t> length;
  // `expand` with every input replaced by its list; null: not mapped, or not known yet.
  std::shared_ptr<const MapSpec> bound;
  // Position of the instance with map index -1 that a mapped task has if it is mapped over nothing, or if it never came
  // to be mapped because of its upstream.
  std::optional<int> placeholder;
  // Return values by map index, of a task that feeds a map.
  std::map<int, Value> outputs;
  // Of a task that chooses: by map index, which tasks (indices, ascending) it skips.
  std::map<int, std::vector<int>> choices;

  // Derived.
  UpstreamCounts upstream;  // those of its own mapped group are left out: they count index by index (upstream.h)
  std::array<int64_t, task_state_count> in_state{};
  std::set<int> undecided;          // positions in state none
  std::set<int> ready;              // positions in state scheduled
  std::optional<ReadyTask> listed;  // as what it stands in State::ready()

  // Instances that are to be there and are not yet; 1 where nothing is known: somebody has to wait for it.
  int64_t missing() const;
  int64_t expected() const { return static_cast<int64_t>(instances.size()) + missing(); }
  std::optional<int> position_of(int map_index, bool is_mapped) const;
  int64_t count(TaskState state) const { return in_state[index_of(state)]; }
  int64_t live() const;
  int64_t finished() const;
  bool operator==(const TaskSlot&) const = default;
};

// What became of the run before, for tasks that depend on it.
struct PastRun {
  RunNumber number = 0;
  std::string run_id;
  TimePoint logical_date{};
  // By task id, as the run was when it left memory. If it is (again) active, that counts instead.
  std::map<std::string, std::vector<TaskState>, std::less<>> states;
  bool operator==(const PastRun&) const = default;
};

// Whether `later`, whose tasks look back, may look back at `earlier`: as in Airflow, a DAG that catches up does not
// look at runs that somebody has triggered.
bool may_look_back(const DagShape& shape, const DagRun& later, const DagRun& earlier);

struct ActiveRun {
  DagRun row;
  ShapePtr shape;
  std::vector<TaskSlot> slots;  // as shape->dag->tasks
  // Of tasks that this version does not have, or has in another form (mapped or not): all are removed.
  std::vector<TaskInstance> outside;
  std::optional<PastRun> past;
  std::vector<AssetEventPtr> events;  // that made it due, by number
  // By (task, position): what people are asked by a try that lives; what a try was deferred for that has not ended.
  std::map<std::pair<int, int>, QuestionPtr> questions;
  std::map<std::pair<int, int>, DeferralPtr> deferrals;
  // By index into Dag::deadlines: for which time it was told that it was missed. Forgotten with a restart; see
  // deadlines.h.
  std::map<int, TimePoint> told_deadlines;

  // Derived.
  int64_t unfinished = 0;  // task instances, those not yet there included
  int64_t live = 0;        // with a try that may still act
  int64_t occupying = 0;   // of these: with a process, so counted against max_active_tasks
  int64_t ending = 0;      // of the live ones: whose try is being ended

  const Dag& dag() const { return *shape->dag; }
  const TaskInstance& instance(InstanceRef at) const {
    return slots[static_cast<size_t>(at.task)].instances[static_cast<size_t>(at.position)];
  }
  QuestionPtr question_of(InstanceRef at) const;  // null: it asks nobody
  DeferralPtr deferral_of(InstanceRef at) const;  // null: it was not deferred
  bool operator==(const ActiveRun&) const = default;
};

// Whether a deferred try may go on from this state of its task instance.
bool keeps_deferral(TaskState state);
// The row of a run that goes on with another version of its DAG from then on.
DagRun with_version(DagRun row, const std::string& version, TimePoint at);
// Whether a task instance of that index has a place in the task: mapped or not.
bool fits_task(const Task& task, const TaskInstance& row);

// A try that was handed out, or will be right after the commit, and has not ended.
struct LiveTry {
  InstanceRef at;
  TryKind kind = TryKind::process;
  int executor = -1;  // index into State::executors(); -1: not known after a restart
  // It is being ended: what its task instance becomes then (none: it starts anew), and the words for it.
  std::optional<TaskState> becomes;
  EndCause kill_cause = EndCause::killed;
  std::string note;
  std::string hostname;
  int64_t pid = 0;
  // What the last poke saw. In memory only: a look that finds nothing writes nothing.
  std::string poke;
  std::optional<TimePoint> poked_at;
  bool operator==(const LiveTry&) const = default;
};

// Of an unmapped task, or one mapped over lists that stand in the DAG: the slot's length and bound values.
void set_known_length(TaskSlot& slot, const ShapePtr& shape, int task);

TryKind try_kind_of(const Task& task);
TaskInstanceKey key_of(const ActiveRun& run, const TaskInstance& instance);

}  // namespace udon
