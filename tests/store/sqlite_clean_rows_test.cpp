// Old rows go if nothing refers to them, a bounded number in a step; what somebody needs stays, however old.
#include "tests/store/sqlite_world.h"

using namespace udon;
using namespace udon::test;

namespace {

// All tests clean what is older than this.
const TimePoint before = t0 + 24h;

struct Kitchen {
  // One batch, at a time.
  void commit(std::vector<Change> changes, TimePoint at = t0) {
    must(world.store().writer().commit({.epoch = epoch, .at = at, .changes = std::move(changes)}));
  }
  void finish_run(RunNumber number, const std::string& dag_id = "orders", std::optional<BackfillNumber> backfill = {},
                  std::vector<EarlierVersion> earlier = {}) {
    DagRun row = make_run(number, dag_id);
    row.backfill = backfill;
    row.earlier_versions = std::move(earlier);
    ChangeRun end = move_to(row, RunState::failed, MoveCause::command);
    end.row.end_date = t0;
    commit({InsertRun{row, {}}, end});
  }
  // How many rows went, over all steps; each step is bounded.
  int64_t clean(RowTable table, std::vector<std::string> dag_ids = {}, bool dry_run = false) {
    RowsStep step{.table = table, .before = before, .dag_ids = std::move(dag_ids), .dry_run = dry_run};
    int64_t rows = 0;
    for (steps = 1;; ++steps) {
      const RowsCleaned cleaned = must(world.sqlite().clean_rows(step));
      CHECK(cleaned.rows <= 500);
      rows += cleaned.rows;
      if (cleaned.is_done) return rows;
      REQUIRE(cleaned.next > step.after);
      step.after = cleaned.next;
    }
  }
  StoreReader& reader() { return world.store().reader(); }
  SqliteWorld world;
  Epoch epoch = must(world.store().writer().acquire_epoch(t0));
  int steps = 0;
};

AssetEvent made(AssetEventNumber number, const std::string& asset, TimePoint at = t0, RunNumber source = 0) {
  AssetEvent row{.number = number, .asset = asset, .at = at};
  if (source != 0) {
    row.source_dag_id = "orders";
    row.source_run_id = "run" + std::to_string(source);
    row.source_task_id = "load";
  }
  return row;
}

std::vector<int64_t> numbers_of_events(StoreReader& reader) {
  std::vector<int64_t> numbers;
  for (const AssetEvent& row : must(reader.asset_events({}, {.limit = 10'000})).rows) numbers.push_back(row.number);
  std::ranges::sort(numbers);
  return numbers;
}

using Numbers = std::vector<int64_t>;

}  // namespace

TEST_CASE("an asset event goes when no DAG waits for it, no run is of it, and it is not the last of its asset") {
  Kitchen kitchen;
  kitchen.finish_run(1);
  kitchen.finish_run(2);
  kitchen.commit({InsertAssetEvent{.row = made(1, "a")},                           // goes
                  InsertAssetEvent{.row = made(2, "a"), .consumers = {"report"}},  // somebody waits for it
                  InsertAssetEvent{.row = made(3, "a"), .consumers = {"items"}},   // has made run 1 due
                  InsertAssetEvent{.row = made(4, "a", t0, 2)},                    // comes from run 2
                  InsertAssetEvent{.row = made(5, "a", t0, 9)},                    // comes from one that is gone
                  InsertAssetEvent{.row = made(6, "b")},                           // the last of its asset
                  InsertAssetEvent{.row = made(7, "a", t0 + 24h)},                 // young
                  InsertAssetEvent{.row = made(8, "a", t0 + 25h)},
                  TakeAssetEvents{.dag_id = "items", .events = {3}, .run = 1}});
  CHECK(kitchen.clean(RowTable::asset_event, {}, true) == 2);
  CHECK(numbers_of_events(kitchen.reader()) == Numbers{1, 2, 3, 4, 5, 6, 7, 8});
  CHECK(kitchen.clean(RowTable::asset_event, {"orders"}) == 1);
  CHECK(numbers_of_events(kitchen.reader()) == Numbers{1, 2, 3, 4, 6, 7, 8});
  CHECK(kitchen.clean(RowTable::asset_event) == 1);
  CHECK(numbers_of_events(kitchen.reader()) == Numbers{2, 3, 4, 6, 7, 8});
  // With their runs, they belong to nothing.
  kitchen.commit({DeleteRunRows{.run = 1}, DeleteRunRows{.run = 2}});
  CHECK(kitchen.clean(RowTable::asset_event) == 2);
  CHECK(numbers_of_events(kitchen.reader()) == Numbers{2, 6, 7, 8});
  kitchen.commit({TakeAssetEvents{.dag_id = "report", .events = {2}}});
  CHECK(kitchen.clean(RowTable::asset_event) == 1);
  CHECK(must(kitchen.reader().assets({}, {})).total == 2);
  CHECK(must(kitchen.world.store().writer().counters()).last_asset_event == 8);
}

TEST_CASE("a backfill goes when it was over long ago and none of its runs is there") {
  Kitchen kitchen;
  const auto put = [&](BackfillNumber number, std::optional<TimePoint> completed) {
    kitchen.commit({PutBackfill{{.number = number, .dag_id = "orders", .completed_at = completed}}});
  };
  put(1, t0);
  put(2, t0);
  put(3, t0 + 24h);
  put(4, std::nullopt);
  kitchen.finish_run(7, "orders", 2);
  CHECK(kitchen.clean(RowTable::backfill, {"items"}) == 0);
  CHECK(kitchen.clean(RowTable::backfill) == 1);
  const auto left = [&] { return must(kitchen.reader().backfills({}, {})).total; };
  CHECK(left() == 3);
  CHECK(!must(kitchen.reader().backfill(1)));
  kitchen.commit({DeleteRunRows{.run = 7}});
  CHECK(kitchen.clean(RowTable::backfill) == 1);
  CHECK(left() == 2);
  CHECK(must(kitchen.world.store().writer().counters()).last_backfill == 4);
}

TEST_CASE("a version goes when no run has or had it, and it is neither the newest nor the one in use") {
  Kitchen kitchen;
  const auto put = [&](const std::string& version, TimePoint at = t0, const std::string& dag_id = "orders") {
    kitchen.commit({PutDagVersion{{.dag_id = dag_id, .version = version, .created_at = at}}});
  };
  const auto versions = [&](const std::string& dag_id = "orders") {
    std::vector<std::string> names;
    for (const DagVersionRecord& row : must(kitchen.reader().dag_versions(dag_id))) names.push_back(row.version);
    std::ranges::sort(names);
    return names;
  };
  using Names = std::vector<std::string>;
  for (const char* version : {"a1", "a2", "v1", "a3", "a4"}) put(version);
  put("young", t0 + 24h);
  put("z9");
  put("a1", t0, "items");
  // It has gone back to what it was.
  kitchen.commit({PutDag{{.dag_id = "orders", .version = "a2"}}});
  kitchen.finish_run(1, "orders", {}, {{.version = "a3", .until = t0}});
  CHECK(kitchen.clean(RowTable::dag_version, {}, true) == 2);
  CHECK(kitchen.clean(RowTable::dag_version) == 2);
  CHECK(versions() == Names{"a2", "a3", "v1", "young", "z9"});
  CHECK(versions("items") == Names{"a1"});
  kitchen.commit({DeleteRunRows{.run = 1}});
  CHECK(kitchen.clean(RowTable::dag_version) == 2);
  CHECK(versions() == Names{"a2", "young", "z9"});
  // The numbers of those that are gone are given to no other.
  put("next");
  CHECK(must(kitchen.reader().dag_version("orders", "next"))->number == 8);
}

TEST_CASE("what was told goes with its run; what is still to be told stays") {
  Kitchen kitchen;
  kitchen.finish_run(1);
  const auto queue = [&](RunNumber run, int index) {
    Notification row{.key = {.run = run, .index = index, .at = t0}, .dag_id = "orders", .run_id = "run", .next_at = t0};
    kitchen.commit({QueueNotification{row}});
    const auto claimed = must(kitchen.world.store().outbox().claim(t0));
    REQUIRE(claimed);
    return claimed->number;
  };
  const auto send = [&](int64_t number) {
    must(kitchen.world.store().outbox().finish(number, 1, NotificationState::sent, {}, t0, ""));
  };
  send(queue(1, 0));  // of a run that is there
  send(queue(9, 0));  // goes
  queue(9, 1);        // is being sent
  CHECK(kitchen.clean(RowTable::notification) == 1);
  const auto left = must(kitchen.world.store().outbox().notifications({}, {}));
  REQUIRE(left.total == 2);
  CHECK(left.rows.back().key.run + left.rows.front().key.run == 10);
}

TEST_CASE("the history of what is there stays, the rest goes with time, in steps") {
  Kitchen kitchen;
  kitchen.finish_run(1);
  kitchen.finish_run(2);
  kitchen.commit({DeleteRunRows{.run = 2}});
  std::vector<Change> changes;
  EventRecord row;
  row.event = "audit";
  row.dag_id = "orders";
  for (int i = 0; i < 1'200; ++i) changes.push_back(AppendEvent{row});
  row.run_id = "run1";  // about a run that is there
  changes.push_back(AppendEvent{row});
  kitchen.commit(std::move(changes));
  kitchen.commit({AppendEvent{row}}, t0 + 24h);
  const auto total = [&] { return must(kitchen.reader().events({}, {}, {}, {})).total; };
  const int64_t all = total();
  const int64_t of_run = must(kitchen.reader().events("orders", "run1", {}, {})).total;
  const int64_t gone = kitchen.clean(RowTable::log);
  CHECK(gone == 1'202);  // 1,200, the start of the scheduler, and the end of run 2
  CHECK(kitchen.steps == 3);
  CHECK(total() == all - gone);
  CHECK(must(kitchen.reader().events("orders", "run1", {}, {})).total == of_run);
}

TEST_CASE("of a DAG that is paused it stays known why, however long ago that was") {
  Kitchen kitchen;
  const auto put = [&](const std::string& dag_id, bool is_paused) {
    kitchen.commit({PutDag{{.dag_id = dag_id, .version = "v1", .is_paused = is_paused}}});
  };
  const auto tell = [&](const std::string& dag_id, const std::string& text, TimePoint at = t0) {
    EventRecord row;
    row.event = "scheduler";
    row.dag_id = dag_id;
    row.text = text;
    kitchen.commit({AppendEvent{row}}, at);
  };
  const auto why = [&](const std::string& dag_id) {
    const auto pause = must(kitchen.reader().last_pause(dag_id));
    return pause ? pause->text : "unknown";
  };
  put("orders", true);
  tell("orders", "paused");    // goes: not the last
  tell("orders", "unpaused");  // likewise
  tell("orders", "paused: its last 3 runs failed (max_consecutive_failed_dag_runs)");
  tell("orders", "5 queued asset events forgotten");
  put("items", false);
  tell("items", "paused");  // goes: it is not paused any more
  put("report", true);
  tell("report", "paused");  // goes: a younger one says why
  tell("gone", "paused");    // goes: there is no such DAG
  tell("report", "paused: its last 2 runs failed (max_consecutive_failed_dag_runs)", t0 + 25h);
  CHECK(kitchen.clean(RowTable::log, {}, true) == 7);
  CHECK(kitchen.clean(RowTable::log) == 7);  // the start of the scheduler too
  CHECK(why("orders") == "paused: its last 3 runs failed (max_consecutive_failed_dag_runs)");
  CHECK(why("report") == "paused: its last 2 runs failed (max_consecutive_failed_dag_runs)");
  CHECK(why("items") == "unknown");
  CHECK(kitchen.clean(RowTable::log) == 0);
  // Nobody asks any more.
  put("orders", false);
  CHECK(kitchen.clean(RowTable::log) == 1);
}

TEST_CASE("nothing is lost where a step cannot be written") {
  Kitchen kitchen;
  kitchen.commit({PutBackfill{{.number = 1, .dag_id = "orders", .completed_at = t0}}});
  const auto other = must(sqlite::Database::open(kitchen.world.file(), sqlite::Database::Access::read_write, 0s));
  kitchen.world.reopen({.busy_wait = 1ms});
  must(other->execute("BEGIN IMMEDIATE"));
  const auto failed = kitchen.world.sqlite().clean_rows({.table = RowTable::backfill, .before = before});
  REQUIRE(!failed);
  CHECK(failed.error().kind == ErrorKind::unavailable);
  must(other->execute("ROLLBACK"));
  CHECK(must(kitchen.reader().backfill(1)));
  CHECK(kitchen.clean(RowTable::backfill) == 1);
}

TEST_CASE("tables are known by their names") {
  for (const RowTable table : all_row_tables()) CHECK(parse_row_table(to_string(table)) == table);
  CHECK(!parse_row_table("dag_run"));
  CHECK(all_row_tables().size() == 5);
}
