#pragma once
// What the store's tests share: a store of each kind, and short ways to say what is committed.
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "store/outbox.h"
#include "store/reader.h"
#include "store/settings.h"
#include "store/writer.h"

namespace udon::test {

using namespace std::chrono_literals;

// A store of some kind and what it stands on.
class World {
 public:
  virtual ~World() = default;
  virtual Store& store() = 0;
};
// "memory", "sqlite"
std::unique_ptr<World> make_world(const std::string& kind);
#define EVERY_KIND_OF_STORE GENERATE(as<std::string>{}, "memory", "sqlite")

inline const TimePoint t0 = *parse_time("2026-01-31T00:00:00Z");

inline DagRun make_run(RunNumber number, const std::string& dag_id = "orders") {
  DagRun row;
  row.number = number;
  row.dag_id = dag_id;
  row.run_id = "run" + std::to_string(number);
  row.run_after = t0 + number * 1h;
  row.queued_at = t0 + number * 1h;
  row.logical_date = t0 + number * 24h;
  row.data_interval = DataInterval{*row.logical_date, *row.logical_date + 24h};
  row.dag_version = "v1";
  row.triggered_by = "timetable";
  return row;
}

inline TaskInstance make_instance(InstanceNumber number, RunNumber run, const std::string& task_id,
                                  int map_index = -1) {
  TaskInstance row;
  row.number = number;
  row.run = run;
  row.task_id = task_id;
  row.map_index = map_index;
  row.max_tries = 1;
  return row;
}

// The change that moves `row` (as it is stored) to `to`.
inline ChangeInstance move_to(const TaskInstance& row, TaskState to, MoveCause cause = MoveCause::plan,
                              std::vector<TaskState> through = {}) {
  ChangeInstance change;
  change.expected_state = row.state;
  change.expected_fence = row.fence;
  change.row = row;
  change.row.state = to;
  change.cause = cause;
  change.through = std::move(through);
  return change;
}
inline ChangeInstance start_try(const TaskInstance& row, Fence fence) {
  ChangeInstance change = move_to(row, TaskState::queued, MoveCause::plan, {TaskState::scheduled});
  change.row.fence = fence;
  change.row.try_number = row.try_number + 1;
  return change;
}
inline ChangeRun move_to(const DagRun& row, RunState to, MoveCause cause = MoveCause::plan) {
  ChangeRun change;
  change.expected_state = row.state;
  change.row = row;
  change.row.state = to;
  change.cause = cause;
  return change;
}

// What the test asserts about the value of a result that has one.
template <class T>
T must(Result<T> result) {
  if (!result) FAIL(result.error().message);
  return std::move(*result);
}
inline void must(Result<void> result) {
  if (!result) FAIL(result.error().message);
}

struct Scene {
  explicit Scene(const std::string& kind) : world(make_world(kind)), epoch(must(writer().acquire_epoch(t0))) {}

  StoreReader& reader() { return world->store().reader(); }
  StoreSettings& settings() { return world->store().settings(); }
  StoreWriter& writer() { return world->store().writer(); }
  StoreOutbox& outbox() { return world->store().outbox(); }

  Result<void> try_commit(std::vector<Change> changes) {
    return writer().commit(Batch{.epoch = epoch, .at = t0, .changes = std::move(changes)});
  }
  void commit(std::vector<Change> changes) { must(try_commit(std::move(changes))); }
  // Must be refused.
  Error refused(std::vector<Change> changes) {
    const Result<void> done = try_commit(std::move(changes));
    if (done) FAIL("the commit was not refused");
    return done.error();
  }

  TaskInstance instance(InstanceNumber number) {
    const auto row = must(reader().instance_by_number(number));
    REQUIRE(row);
    return row->instance;
  }
  DagRun run(RunNumber number) {
    const auto row = must(reader().run_by_number(number));
    REQUIRE(row);
    return *row;
  }
  // The history, oldest first: "orders/run1/load[2] scheduled>queued".
  std::vector<std::string> history(const std::string& dag_id = {}, const std::string& run_id = {},
                                   const std::string& task_id = {}) {
    std::vector<std::string> lines;
    for (const EventRecord& e : must(reader().events(dag_id, run_id, task_id, {.limit = 1'000'000})).rows) {
      std::string name = e.dag_id + "/" + e.run_id;
      if (!e.task_id.empty()) name += "/" + e.task_id;
      if (e.map_index >= 0) name += "[" + std::to_string(e.map_index) + "]";
      lines.insert(lines.begin(), name + " " + e.from + ">" + e.to);
    }
    return lines;
  }

  std::unique_ptr<World> world;
  Epoch epoch;
};

inline std::vector<std::string> lines(std::initializer_list<const char*> texts) { return {texts.begin(), texts.end()}; }

}  // namespace udon::test
