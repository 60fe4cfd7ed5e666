// Backfills mean the same in every store.
#include "tests/store/scene.h"

using namespace udon;
using namespace udon::test;

namespace {

Backfill make_backfill(BackfillNumber number, const std::string& dag_id = "orders") {
  Backfill row;
  row.number = number;
  row.dag_id = dag_id;
  row.from = t0 - 48h;
  row.to = t0;
  row.reprocess = ReprocessBehavior::completed;
  row.runs_backwards = true;
  row.on_latest_version = true;
  row.max_active_runs = 7;
  row.conf = Value::Map{{"이름", "주문"}, {"size", 3}};
  row.user = "ada";
  row.created_at = t0 + number * 1s;
  row.updated_at = t0 + 2min;
  row.dates = 3;
  row.created = 1;
  row.cleared = 2;
  row.skipped = 4;
  return row;
}

std::vector<BackfillNumber> numbers(Scene& scene, const BackfillFilter& filter, PageRequest page = {.limit = 100}) {
  std::vector<BackfillNumber> found;
  for (const Backfill& row : must(scene.reader().backfills(filter, page)).rows) found.push_back(row.number);
  return found;
}

using Numbers = std::vector<BackfillNumber>;

}  // namespace

TEST_CASE("a backfill is read as it was written, and written over as a whole") {
  Scene scene(EVERY_KIND_OF_STORE);
  CHECK(!must(scene.reader().backfill(1)));
  Backfill row = make_backfill(1);
  scene.commit({PutBackfill{row}});
  CHECK(must(scene.reader().backfill(1)) == row);
  CHECK(must(scene.writer().counters()).last_backfill == 1);
  row.is_paused = row.is_cancelled = row.has_all_dates = true;
  row.last_date = t0 - 24h;
  row.completed_at = t0 + 1h;
  row.conf = Value::map();
  row.runs_backwards = false;
  row.reprocess = ReprocessBehavior::none;
  scene.commit({PutBackfill{row}});
  CHECK(must(scene.reader().backfill(1)) == row);
  CHECK(must(scene.writer().counters()).last_backfill == 1);
}

TEST_CASE("a commit that is refused leaves a backfill as it was") {
  Scene scene(EVERY_KIND_OF_STORE);
  const Backfill row = make_backfill(1);
  scene.commit({PutBackfill{row}, InsertRun{make_run(1), {}}});
  Backfill other = row;
  other.created = 9;
  scene.refused({PutBackfill{other}, PutBackfill{make_backfill(2)}, InsertRun{make_run(1), {}}});
  CHECK(must(scene.reader().backfill(1)) == row);
  CHECK(!must(scene.reader().backfill(2)));
  CHECK(must(scene.writer().counters()).last_backfill == 1);
}

TEST_CASE("backfills are listed by DAG, by what is active, in order and in pages") {
  Scene scene(EVERY_KIND_OF_STORE);
  Backfill over = make_backfill(2);
  over.completed_at = t0 + 1h;
  over.created_at = t0;
  scene.commit({PutBackfill{make_backfill(1)}, PutBackfill{over}, PutBackfill{make_backfill(3, "주문")},
                PutBackfill{make_backfill(4)}});
  CHECK(numbers(scene, {}) == Numbers{1, 2, 3, 4});
  CHECK(numbers(scene, {.dag_id = "orders"}) == Numbers{1, 2, 4});
  CHECK(numbers(scene, {.only_active = true}) == Numbers{1, 3, 4});
  CHECK(numbers(scene, {.dag_id = "주문", .only_active = true}) == Numbers{3});
  CHECK(numbers(scene, {.dag_id = "none"}).empty());
  CHECK(numbers(scene, {.order_by = "-number"}) == Numbers{4, 3, 2, 1});
  CHECK(numbers(scene, {.order_by = "created_at"}) == Numbers{2, 1, 3, 4});
  CHECK(numbers(scene, {}, {.limit = 2, .offset = 1}) == Numbers{2, 3});
  CHECK(must(scene.reader().backfills({}, {.limit = 1, .offset = 0})).total == 4);
  CHECK(scene.reader().backfills({.order_by = "user"}, {}).error().kind == ErrorKind::invalid);
  CHECK(scene.reader().backfills({}, {.limit = -1}).error().kind == ErrorKind::invalid);
}

TEST_CASE("a run knows its backfill, and a backfill how its runs stand") {
  Scene scene(EVERY_KIND_OF_STORE);
  std::vector<Change> changes = {PutBackfill{make_backfill(5)}};
  std::vector<DagRun> rows;
  for (RunNumber number = 1; number <= 6; ++number) {
    DagRun row = make_run(number);
    row.type = RunType::backfill;
    if (number != 6) row.backfill = 5;
    changes.emplace_back(InsertRun{row, {}});
    rows.push_back(row);
  }
  scene.commit(changes);
  CHECK(scene.run(1).backfill == 5);
  CHECK(scene.run(6) == rows[5]);
  CHECK(must(scene.reader().backfill_runs(5)) == BackfillRuns{.queued = 5});
  CHECK(must(scene.reader().backfill_runs(4)) == BackfillRuns{});
  scene.commit({move_to(rows[0], RunState::running), move_to(rows[1], RunState::running),
                move_to(rows[2], RunState::success, MoveCause::command),
                move_to(rows[3], RunState::failed, MoveCause::command)});
  CHECK(must(scene.reader().backfill_runs(5)) == BackfillRuns{.queued = 1, .running = 2, .success = 1, .failed = 1});
  // One that had none is run again by it.
  ChangeRun again = move_to(rows[5], RunState::failed, MoveCause::command);
  scene.commit({again});
  again = move_to(again.row, RunState::queued, MoveCause::command);
  again.row.backfill = 5;
  scene.commit({again, DeleteRunRows{.run = 3}});
  CHECK(scene.run(6).backfill == 5);
  CHECK(must(scene.reader().backfill_runs(5)) == BackfillRuns{.queued = 2, .running = 2, .failed = 1});
}
