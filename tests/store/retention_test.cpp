// What is old is found in order of its end, in every store alike.
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
