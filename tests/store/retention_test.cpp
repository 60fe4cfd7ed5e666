// What is old is found in order of its end, in every store alike.
#include "store/leaving.h"
#include "tests/store/scene.h"

using namespace udon;
using namespace udon::test;

namespace {

// Run `number` has ended at t0 + `minutes`, with as many task instances as its number.
std::vector<Change> ended(RunNumber number, int minutes) {
  DagRun row = make_run(number);
  ChangeRun end = move_to(row, number % 2 == 0 ? RunState::success : RunState::failed, MoveCause::command);
  end.row.end_date = t0 + minutes * 1min;
  InsertInstances instances;
  for (int i = 0; i < number; ++i) instances.rows.push_back(make_instance(number * 100 + i, number, "task", i));
  return {InsertRun{row, {}}, instances, end};
}

std::vector<RunNumber> numbers(const std::vector<OldRun>& runs) {
  std::vector<RunNumber> found;
  for (const OldRun& run : runs) found.push_back(run.row.number);
  return found;
}

using Numbers = std::vector<RunNumber>;

}  // namespace

TEST_CASE("old runs are those that have ended, oldest end first, a page behind the other") {
  Scene scene(EVERY_KIND_OF_STORE);
  CHECK(must(scene.reader().old_runs(t0 + 1h, {}, 10)).empty());
  for (const auto& [number, minutes] : {std::pair(1, 30), {2, 10}, {3, 20}, {4, 20}, {5, 61}})
    scene.commit(ended(number, minutes));
  DagRun active = make_run(6);
  scene.commit({InsertRun{active, {}}, move_to(active, RunState::running)});
  const auto all = must(scene.reader().old_runs(t0 + 1h, {}, 10));
  CHECK(numbers(all) == Numbers{2, 3, 4, 1});
  CHECK(all[2].instances == 4);
  CHECK(all[2].row == scene.run(4));
  CHECK(must(scene.reader().instances_in("orders", "run4")) == 4);
  CHECK(must(scene.reader().instances_in("orders", "run7")) == 0);
  // An end at that very moment is not before it.
  CHECK(numbers(must(scene.reader().old_runs(t0 + 20min, {}, 10))) == Numbers{2});
  const auto page = must(scene.reader().old_runs(t0 + 1h, {}, 2));
  CHECK(numbers(page) == Numbers{2, 3});
  const RunCursor behind{.end_date = *page[1].row.end_date, .number = 3};
  CHECK(numbers(must(scene.reader().old_runs(t0 + 1h, behind, 2))) == Numbers{4, 1});
  // One that is run again is not old any more.
  ChangeRun again = move_to(scene.run(2), RunState::queued, MoveCause::command);
  again.row.end_date.reset();
  scene.commit({again, DeleteRunRows{.run = 3}});
  CHECK(numbers(must(scene.reader().old_runs(t0 + 1h, {}, 10))) == Numbers{4, 1});
}

TEST_CASE("a run of few task instances and very many events goes in parts, too") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit(ended(2, 10));
  const auto left = [&] { return must(scene.reader().events_about(2, INT64_MAX)); };
  CHECK(left() == 2);
  std::vector<Change> changes;
  EventRecord row;
  row.event = "command";
  row.dag_id = "orders";
  row.run_id = "run2";
  for (int64_t i = left(); i < 2 * deleted_events_max + 7; ++i) changes.emplace_back(AppendEvent{row});
  scene.commit(std::move(changes));
  CHECK(must(scene.reader().events_about(2, 100)) == 100);
  CHECK(must(scene.reader().events_about(9, 100)) == 0);
  scene.refused({DeleteRunRows{.run = 2}, DeleteRunRows{.run = 9}});
  CHECK(left() == 2 * deleted_events_max + 7);
  CHECK(must(scene.reader().instances_of(2)).size() == 2);

  scene.commit({DeleteRunRows{.run = 2, .user = "ada"}});
  CHECK(left() == deleted_events_max + 7);
  CHECK(must(scene.reader().instances_of(2)).empty());
  CHECK(is_rest(scene.run(2)));
  CHECK(!must(scene.reader().run("orders", "run2")));
  scene.commit({DeleteRunRows{.run = 2}});
  CHECK(left() == 7);
  scene.commit({DeleteRunRows{.run = 2}});
  CHECK(left() == 0);
  CHECK(!must(scene.reader().run_by_number(2)));
  CHECK(scene.history("orders", "run2") == lines({"orders/run2 success>deleted"}));
}

TEST_CASE("a run that is too large for one commit loses its name at once and its task instances in parts") {
  Scene scene(EVERY_KIND_OF_STORE);
  constexpr int instances = 2 * deleted_instances_max + 500;
  DagRun row = make_run(1);
  row.backfill = 3;
  InsertInstances rows;
  for (int i = 0; i < instances; ++i) rows.rows.push_back(make_instance(i + 1, 1, i < 10 ? "first" : "many", i));
  ChangeRun end = move_to(row, RunState::success, MoveCause::command);
  end.row.end_date = t0;
  scene.commit({PutBackfill{{.number = 3, .dag_id = "orders"}}, InsertRun{row, {}}, rows, end,
                PutXCom{{.instance = 7, .key = "k", .value = 1, .at = t0}}});
  const auto left = [&] { return static_cast<int64_t>(must(scene.reader().instances_of(1)).size()); };
  // A batch that is refused takes nothing away.
  scene.refused({DeleteRunRows{.run = 1}, DeleteRunRows{.run = 9}});
  CHECK(left() == instances);
  CHECK(scene.run(1) == end.row);
  CHECK(must(scene.reader().rests(0, 10)).empty());

  scene.commit({DeleteRunRows{.run = 1, .user = "ada"}});
  CHECK(left() == instances - deleted_instances_max);
  CHECK(is_rest(scene.run(1)));
  CHECK(must(scene.reader().rests(0, 10)) == std::vector{scene.run(1)});
  CHECK(must(scene.reader().rests(1, 10)).empty());
  CHECK(!must(scene.reader().run("orders", "run1")));
  CHECK(!must(scene.reader().instance_by_number(7)));
  CHECK(must(scene.reader().backfill_runs(3)) == BackfillRuns());
  CHECK(scene.history("orders", "run1") == lines({"orders/run1 success>deleted"}));
  const auto old = must(scene.reader().old_runs(t0 + 1h, {}, 10));
  REQUIRE(old.size() == 1);
  CHECK(old[0].instances == left());
  // Its name and its date are free.
  DagRun other = make_run(2);
  other.run_id = row.run_id;
  other.logical_date = row.logical_date;
  scene.commit({InsertRun{other, {}}});

  scene.refused({DeleteRunRows{.run = 1}, DeleteRunRows{.run = 9}});
  CHECK(left() == instances - deleted_instances_max);
  scene.commit({DeleteRunRows{.run = 1}});
  CHECK(left() == 500);
  scene.commit({DeleteRunRows{.run = 1}});
  CHECK(!must(scene.reader().run_by_number(1)));
  CHECK(must(scene.reader().rests(0, 10)).empty());
  CHECK(left() == 0);
  CHECK(must(scene.reader().run("orders", "run1"))->number == 2);
  // It was told of once.
  size_t told = 0;
  for (const std::string& line : scene.history())
    if (line == "orders/run1 success>deleted") ++told;
  CHECK(told == 1);
  CHECK(scene.refused({DeleteRunRows{.run = 1}}).kind == ErrorKind::conflict);
}
