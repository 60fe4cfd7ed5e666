// Cost follows what is active, never what is in history: counted by SQLite itself.
#include "tests/store/sqlite_world.h"

using namespace udon;
using namespace udon::test;

namespace {

struct Numbering {
  RunNumber run = 0;
  InstanceNumber instance = 0;
  Fence fence = 0;
};

// What a scheduler asks and tells over the life of three runs: its start, a turn that creates, one that hands out, one
// that takes in reports, and the last one. The same work each time it is called.
sqlite::StatementCost cost_of_scheduling(SqliteWorld& world, Numbering& at) {
  StoreReader& reader = world.store().reader();
  StoreWriter& writer = world.store().writer();
  const Epoch epoch = must(writer.acquire_epoch(t0));
  const auto commit = [&](std::vector<Change> changes) {
    must(writer.commit({.epoch = epoch, .at = t0, .changes = std::move(changes)}));
  };
  world.sqlite().take_statement_cost();

  must(writer.counters());
  std::vector<DagRun> runs;
  std::vector<TaskInstance> rows;
  std::vector<Change> changes;
  for (int i = 0; i < 3; ++i) {
    runs.push_back(make_run(++at.run, "orders"));
    InsertInstances inserted;
    for (int j = 0; j < 20; ++j) {
      inserted.rows.push_back(make_instance(++at.instance, at.run, "task" + std::to_string(j)));
    }
    rows.insert(rows.end(), inserted.rows.begin(), inserted.rows.end());
    changes.insert(changes.end(), {InsertRun{runs.back(), {}}, inserted, move_to(runs.back(), RunState::running)});
    runs.back().state = RunState::running;
  }
  commit(changes);
  CHECK(must(reader.active_runs()).size() == 3);
  for (const DagRun& run : runs) CHECK(must(reader.instances_of(run.number)).size() == 20);

  changes.clear();
  for (TaskInstance& row : rows) {
    const ChangeInstance change = start_try(row, ++at.fence);
    row = change.row;
    changes.insert(changes.end(), {change, PutTry{{.instance = row.number, .try_number = 1, .fence = row.fence}}});
  }
  commit(changes);
  CHECK(must(reader.instance_of_fence(at.fence))->instance.number == at.instance);

  changes.clear();
  for (TaskInstance& row : rows) {
    changes.insert(changes.end(),
                   {move_to(row, TaskState::success, MoveCause::report, {TaskState::running}),
                    PutTry{{.instance = row.number, .try_number = 1, .fence = row.fence, .state = TaskState::success}},
                    PutXCom{{.instance = row.number, .key = "return_value", .value = 1, .at = t0}}});
  }
  commit(changes);
  CHECK(must(reader.xcoms_of_task(runs[0].number, "task3", "return_value")).size() == 1);
  changes.clear();
  for (const DagRun& run : runs) changes.emplace_back(move_to(run, RunState::success));
  commit(changes);
  CHECK(must(reader.active_runs()).empty());
  return world.sqlite().take_statement_cost();
}

void add_history(SqliteWorld& world, Numbering& at, int runs, int instances) {
  StoreWriter& writer = world.store().writer();
  const Epoch epoch = must(writer.acquire_epoch(t0));
  std::vector<Change> changes;
  for (int i = 1; i <= runs; ++i) {
    const DagRun run = make_run(++at.run, "orders");
    changes.emplace_back(InsertRun{run, {}});
    InsertInstances rows;
    for (int j = 0; j < instances; ++j) {
      rows.rows.push_back(make_instance(++at.instance, at.run, "task" + std::to_string(j)));
    }
    changes.emplace_back(rows);
    for (const TaskInstance& row : rows.rows) {
      changes.emplace_back(move_to(row, TaskState::success, MoveCause::command));
    }
    changes.emplace_back(move_to(run, RunState::success, MoveCause::command));
    if (i % 100 != 0 && i != runs) continue;
    must(writer.commit({.epoch = epoch, .at = t0, .changes = std::exchange(changes, {})}));
  }
}

}  // namespace

TEST_CASE("scheduling costs the same with 200,000 finished task instances in the store as with none") {
  SqliteWorld world;
  Numbering at;
  cost_of_scheduling(world, at);  // so that no table is empty and every statement is prepared
  const auto before = cost_of_scheduling(world, at);
  add_history(world, at, 2'000, 100);
  CHECK(must(world.store().reader().instances({}, {.limit = 1})).total == 200'120);
  const auto after = cost_of_scheduling(world, at);

  CHECK(before.vm_steps > 1'000);
  CHECK(after.vm_steps == before.vm_steps);
  // The three active runs, one after the other by their own index.
  CHECK(before.full_scan_steps == 2);
  CHECK(after.full_scan_steps == 2);
  CHECK(before.sorts == 0);
  CHECK(after.sorts == 0);
  // Only the trees have grown a level or two, each step down being a page.
  CHECK(after.page_reads < 2 * before.page_reads);
}

TEST_CASE("the counters of cost notice a query that reads history") {
  SqliteWorld world;
  Numbering at;
  add_history(world, at, 10, 10);
  world.sqlite().take_statement_cost();
  must(world.store().reader().runs({.types = {RunType::backfill}, .order_by = "end_date"}, {}));
  const auto cost = world.sqlite().take_statement_cost();
  CHECK(cost.full_scan_steps >= 9);
  CHECK(cost.sorts == 1);
  CHECK(world.sqlite().take_statement_cost().vm_steps == 0);
}

TEST_CASE("the common pages are read in an index's order, whatever the history holds") {
  SqliteWorld world;
  Numbering at;
  add_history(world, at, 300, 3);
  StoreReader& reader = world.store().reader();
  const auto cost_of = [&](auto read) {
    must(read());  // prepares the statements
    world.sqlite().take_statement_cost();
    must(read());
    return world.sqlite().take_statement_cost();
  };
  const PageRequest page{.limit = 20};
  const auto runs = [&](const RunFilter& filter) { return cost_of([&] { return reader.runs(filter, page); }); };
  const auto instances = [&](const InstanceFilter& filter) {
    return cost_of([&] { return reader.instances(filter, page); });
  };
  const auto events = [&](const std::string& dag_id, const std::string& run_id) {
    return cost_of([&] { return reader.events(dag_id, run_id, "", page); });
  };
  // A page and its total: rows of the page are read, the total is counted in an index.
  for (const std::string order : {"number", "-number", "run_after", "-run_after"}) {
    CHECK(runs({.dag_ids = {"orders"}, .order_by = order}).sorts == 0);
    CHECK(runs({.dag_ids = {"orders"}, .order_by = order}).full_scan_steps == 0);
    CHECK(runs({.order_by = order}).sorts == 0);
  }
  // There are none of these among 300 runs and 900 task instances, and nothing is looked at to know that.
  CHECK(runs({.states = {RunState::failed}}).vm_steps < 100);
  CHECK(runs({.states = {RunState::queued, RunState::running}}).vm_steps < 100);
  CHECK(runs({.dag_ids = {"orders"}, .states = {RunState::running}}).vm_steps < 100);
  CHECK(instances({.states = {TaskState::running}}).vm_steps < 150);
  CHECK(instances({.states = {TaskState::failed, TaskState::up_for_retry}}).vm_steps < 150);
  CHECK(instances({.dag_ids = {"orders"}, .states = {TaskState::failed}}).vm_steps < 150);
  CHECK(instances({.dag_ids = {"orders"}, .run_ids = {"run7"}}).vm_steps < 400);
  CHECK(events("", "").vm_steps < 1'500);
  CHECK(events("orders", "run7").vm_steps < 1'500);
}

TEST_CASE("a page of a DAG's task instances by number gathers and sorts no history, if they lie near the table's end") {
  SqliteWorld world;
  Numbering at;
  add_history(world, at, 300, 3);
  StoreReader& reader = world.store().reader();
  const auto cost_of = [&](const InstanceFilter& filter, const PageRequest& page) {
    must(reader.instances(filter, page));  // prepares the statements
    world.sqlite().take_statement_cost();
    const auto found = must(reader.instances(filter, page));
    CHECK(found.total == 900);
    CHECK(found.rows.size() == static_cast<size_t>(page.limit));
    return world.sqlite().take_statement_cost();
  };
  for (const std::string order : {"number", "-number"}) {
    const InstanceFilter of_dag{.dag_ids = {"orders"}, .order_by = order};
    // The sum over 300 runs is the most of it.
    const auto near = cost_of(of_dag, {.limit = 20});
    CHECK(near.vm_steps < 4'000);
    // Too far from the end: from the runs, all of them.
    CHECK(cost_of(of_dag, {.limit = 20, .offset = 400}).vm_steps > 3 * near.vm_steps);
  }
}
