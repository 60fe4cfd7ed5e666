// Lists: filters, orders, pages and totals mean the same in every store.
#include <map>

#include "tests/store/scene.h"

using namespace udon;
using namespace udon::test;

namespace {

template <class Rows, class Projection>
auto all_of(const Rows& rows, Projection projection) {
  std::vector<std::decay_t<decltype(std::invoke(projection, rows.front()))>> values;
  for (const auto& row : rows) values.push_back(std::invoke(projection, row));
  return values;
}

using Numbers = std::vector<int64_t>;
using Names = std::vector<std::string>;

// Runs 1-6: orders 1, 2, 3 (success, failed, running), items 4, 5 (queued, success), 주문 6 (queued, without
// dates).
void add_runs(Scene& scene) {
  std::vector<Change> changes;
  for (int i = 1; i <= 6; ++i) {
    DagRun row = make_run(i, i <= 3 ? "orders" : i <= 5 ? "items" : "주문");
    if (i == 2) row.type = RunType::scheduled;
    if (i == 6) row.logical_date.reset();
    changes.emplace_back(InsertRun{row, {}});
    const auto to = [&](RunState state) {
      ChangeRun change = move_to(row, state, state == RunState::running ? MoveCause::plan : MoveCause::command);
      change.row.start_date = t0 - i * 1s;
      if (is_finished(state)) change.row.end_date = t0 + i % 2 * 1s;
      changes.emplace_back(change);
    };
    if (i == 1 || i == 5) to(RunState::success);
    if (i == 2) to(RunState::failed);
    if (i == 3) to(RunState::running);
  }
  scene.commit(changes);
}

}  // namespace

TEST_CASE("runs are listed by each filter") {
  Scene scene(EVERY_KIND_OF_STORE);
  add_runs(scene);
  const auto numbers = [&](const RunFilter& filter) {
    const auto page = must(scene.reader().runs(filter, {.limit = 100}));
    CHECK(page.total == static_cast<int64_t>(page.rows.size()));
    return all_of(page.rows, &DagRun::number);
  };
  CHECK(numbers({}) == Numbers{6, 5, 4, 3, 2, 1});
  CHECK(numbers({.dag_ids = {"orders"}}) == Numbers{3, 2, 1});
  CHECK(numbers({.dag_ids = {"orders", "주문"}}) == Numbers{6, 3, 2, 1});
  CHECK(numbers({.dag_ids = {"none"}}).empty());
  CHECK(numbers({.run_id = "run4"}) == Numbers{4});
  CHECK(numbers({.dag_ids = {"orders"}, .run_id = "run4"}).empty());
  CHECK(numbers({.states = {RunState::queued}}) == Numbers{6, 4});
  CHECK(numbers({.states = {RunState::queued, RunState::running}}) == Numbers{6, 4, 3});
  CHECK(numbers({.states = {RunState::failed}}) == Numbers{2});
  CHECK(numbers({.states = {RunState::failed, RunState::success}}) == Numbers{5, 2, 1});
  CHECK(numbers({.dag_ids = {"orders"}, .states = {RunState::success}}) == Numbers{1});
  CHECK(numbers({.types = {RunType::scheduled}}) == Numbers{2});
  CHECK(numbers({.types = {RunType::scheduled, RunType::manual}}).size() == 6);
  CHECK(numbers({.logical_date_gte = t0 + 72h}) == Numbers{5, 4, 3});
  CHECK(numbers({.logical_date_lte = t0 + 48h}) == Numbers{2, 1});
  CHECK(numbers({.logical_date_gte = t0 + 48h, .logical_date_lte = t0 + 48h}) == Numbers{2});
  CHECK(numbers({.run_after_gte = t0 + 2h, .run_after_lte = t0 + 3h}) == Numbers{3, 2});
  CHECK(numbers({.start_date_gte = t0 - 3s}) == Numbers{3, 2, 1});
  CHECK(numbers({.start_date_lte = t0 - 3s}) == Numbers{5, 3});
  CHECK(numbers({.end_date_gte = t0 + 1s}) == Numbers{5, 1});
  CHECK(numbers({.end_date_lte = t0}) == Numbers{2});
}

TEST_CASE("runs are listed in each order, ties by number") {
  Scene scene(EVERY_KIND_OF_STORE);
  add_runs(scene);
  const auto numbers = [&](const std::string& order) {
    return all_of(must(scene.reader().runs({.order_by = order}, {.limit = 100})).rows, &DagRun::number);
  };
  CHECK(numbers("number") == Numbers{1, 2, 3, 4, 5, 6});
  CHECK(numbers("logical_date") == Numbers{6, 1, 2, 3, 4, 5});
  CHECK(numbers("-logical_date") == Numbers{5, 4, 3, 2, 1, 6});
  CHECK(numbers("run_after") == Numbers{1, 2, 3, 4, 5, 6});
  CHECK(numbers("-run_after") == Numbers{6, 5, 4, 3, 2, 1});
  CHECK(numbers("start_date") == Numbers{4, 6, 5, 3, 2, 1});
  CHECK(numbers("-start_date") == Numbers{1, 2, 3, 5, 6, 4});
  CHECK(numbers("end_date") == Numbers{3, 4, 6, 2, 1, 5});
  CHECK(numbers("-end_date") == Numbers{5, 1, 2, 6, 4, 3});
  CHECK(numbers("state") == Numbers{2, 4, 6, 3, 1, 5});
  CHECK(numbers("-state") == Numbers{5, 1, 3, 6, 4, 2});

  const auto unknown = scene.reader().runs({.order_by = "-start_dat"}, {});
  REQUIRE(!unknown);
  CHECK(unknown.error().kind == ErrorKind::invalid);
  CHECK_THAT(unknown.error().message, Catch::Contains("start_dat`") && Catch::Contains("did you mean `start_date`?"));
  CHECK(!scene.reader().runs({.order_by = "number; drop table dag_run"}, {}));
  CHECK(!scene.reader().runs({.order_by = ""}, {}));
}

TEST_CASE("a page is a window of the whole list, and knows how long that is") {
  Scene scene(EVERY_KIND_OF_STORE);
  add_runs(scene);
  const auto page = [&](int limit, int64_t offset) {
    const auto rows = must(scene.reader().runs({.order_by = "number"}, {.limit = limit, .offset = offset}));
    CHECK(rows.total == 6);
    return all_of(rows.rows, &DagRun::number);
  };
  CHECK(page(2, 0) == Numbers{1, 2});
  CHECK(page(2, 4) == Numbers{5, 6});
  CHECK(page(2, 5) == Numbers{6});
  CHECK(page(2, 6).empty());
  CHECK(page(2, 1'000'000'000'000).empty());
  CHECK(page(0, 0).empty());
  CHECK(scene.reader().runs({}, {.limit = -1}).error().kind == ErrorKind::invalid);
  CHECK(scene.reader().runs({}, {.limit = 1, .offset = -1}).error().kind == ErrorKind::invalid);
  CHECK(scene.reader().instances({}, {.limit = -1}).error().kind == ErrorKind::invalid);
  CHECK(scene.reader().dags({}, {.limit = -1}).error().kind == ErrorKind::invalid);
  CHECK(scene.reader().events("", "", "", {.limit = -1}).error().kind == ErrorKind::invalid);
}

TEST_CASE("a page of DAGs' task instances by number is a window of them all, wherever in the table they lie") {
  Scene scene(EVERY_KIND_OF_STORE);
  // Early: at the beginning alone; often: now and then, all along; late: at the end, in runs that were made first.
  std::map<std::string, Numbers> numbers;
  std::vector<Change> changes;
  for (int i = 1; i <= 60; ++i)
    changes.emplace_back(InsertRun{make_run(i, i % 3 == 0 ? "often" : i <= 30 ? "late" : "early"), {}});
  InsertInstances inserted;
  for (int number = 1; number <= 240; ++number) {
    const int turn = number <= 120 ? 30 + number % 30 + 1 : number % 30 + 1;
    inserted.rows.push_back(make_instance(number, turn, "t" + std::to_string(number)));
    numbers[turn % 3 == 0 ? "often" : turn <= 30 ? "late" : "early"].push_back(number);
  }
  changes.emplace_back(inserted);
  scene.commit(changes);
  for (const auto& [dag_id, ascending] : numbers) {
    for (const char* order : {"number", "-number"}) {
      Numbers all = ascending;
      if (*order == '-') std::ranges::reverse(all);
      for (const int limit : {0, 1, 7, 100}) {
        for (const int64_t offset : {0, 1, 10, 50, 79, 200}) {
          INFO(dag_id << " " << order << " " << limit << " " << offset);
          const auto page = must(
              scene.reader().instances({.dag_ids = {dag_id}, .order_by = order}, {.limit = limit, .offset = offset}));
          const auto from = std::min<int64_t>(offset, std::ssize(all));
          const auto to = std::min<int64_t>(from + limit, std::ssize(all));
          Numbers found;
          for (const InstanceRow& row : page.rows) found.push_back(row.instance.number);
          CHECK(found == Numbers(all.begin() + from, all.begin() + to));
          CHECK(page.total == std::ssize(all));
        }
      }
    }
  }
}

TEST_CASE("active runs are those queued or running, by number, also after they come back") {
  Scene scene(EVERY_KIND_OF_STORE);
  add_runs(scene);
  const auto active = [&] { return all_of(must(scene.reader().active_runs()), &DagRun::number); };
  CHECK(active() == Numbers{3, 4, 6});
  scene.commit({move_to(scene.run(1), RunState::queued, MoveCause::command), move_to(scene.run(3), RunState::success)});
  CHECK(active() == Numbers{1, 4, 6});
}

TEST_CASE("task instances are listed by each filter, over runs and DAGs") {
  Scene scene(EVERY_KIND_OF_STORE);
  add_runs(scene);
  // Numbered against the order of runs, so that no store can take one for the other.
  scene.commit(
      {InsertInstances{{make_instance(9, 1, "load"), make_instance(8, 1, "export", 0), make_instance(7, 1, "export", 1),
                        make_instance(6, 3, "load"), make_instance(5, 4, "load"), make_instance(4, 6, "적재")}}});
  scene.commit({start_try(scene.instance(9), 1), start_try(scene.instance(6), 2)});
  scene.commit({move_to(scene.instance(9), TaskState::success, MoveCause::report, {TaskState::running}),
                move_to(scene.instance(6), TaskState::failed, MoveCause::report, {TaskState::running}),
                move_to(scene.instance(8), TaskState::scheduled)});
  const auto numbers = [&](InstanceFilter filter) {
    const auto page = must(scene.reader().instances(filter, {.limit = 100}));
    CHECK(page.total == static_cast<int64_t>(page.rows.size()));
    Numbers found;
    for (const InstanceRow& row : page.rows) found.push_back(row.instance.number);
    return found;
  };
  CHECK(numbers({}) == Numbers{4, 5, 6, 7, 8, 9});
  CHECK(numbers({.order_by = "-number"}) == Numbers{9, 8, 7, 6, 5, 4});
  CHECK(numbers({.dag_ids = {"orders"}}) == Numbers{6, 7, 8, 9});
  CHECK(numbers({.dag_ids = {"orders", "items"}}) == Numbers{5, 6, 7, 8, 9});
  CHECK(numbers({.dag_ids = {"주문"}}) == Numbers{4});
  CHECK(numbers({.run_ids = {"run1"}}) == Numbers{7, 8, 9});
  CHECK(numbers({.dag_ids = {"orders"}, .run_ids = {"run1", "run3"}}) == Numbers{6, 7, 8, 9});
  CHECK(numbers({.dag_ids = {"items"}, .run_ids = {"run1"}}).empty());
  CHECK(numbers({.task_ids = {"load"}}) == Numbers{5, 6, 9});
  CHECK(numbers({.dag_ids = {"orders"}, .task_ids = {"load", "적재"}}) == Numbers{6, 9});
  CHECK(numbers({.map_index = 1}) == Numbers{7});
  CHECK(numbers({.map_index = -1}) == Numbers{4, 5, 6, 9});
  CHECK(numbers({.dag_ids = {"orders"}, .run_ids = {"run1"}, .task_ids = {"export"}, .map_index = 0}) == Numbers{8});
  CHECK(numbers({.states = {TaskState::none}}) == Numbers{4, 5, 7});
  CHECK(numbers({.states = {TaskState::failed}}) == Numbers{6});
  CHECK(numbers({.states = {TaskState::failed, TaskState::scheduled}}) == Numbers{6, 8});
  CHECK(numbers({.states = {TaskState::failed, TaskState::success}}) == Numbers{6, 9});
  CHECK(numbers({.dag_ids = {"orders"}, .states = {TaskState::failed}}) == Numbers{6});
  CHECK(numbers({.dag_ids = {"items"}, .states = {TaskState::failed}}).empty());
  CHECK(numbers({.run_ids = {"run1"}, .states = {TaskState::scheduled}}) == Numbers{8});

  const auto row = must(scene.reader().instances({.dag_ids = {"주문"}}, {})).rows.at(0);
  CHECK(row.run_id == "run6");
  CHECK(row.dag_id == "주문");
  CHECK(!row.logical_date);

  CHECK(numbers({.order_by = "task_id"}) == Numbers{7, 8, 5, 6, 9, 4});
  CHECK(numbers({.order_by = "-task_id"}) == Numbers{4, 9, 6, 5, 8, 7});
  CHECK(numbers({.order_by = "map_index"}) == Numbers{4, 5, 6, 9, 8, 7});
  CHECK(numbers({.order_by = "state"}) == Numbers{6, 4, 5, 7, 8, 9});
  CHECK(numbers({.order_by = "start_date"}) == Numbers{4, 5, 6, 7, 8, 9});
  CHECK(numbers({.order_by = "-end_date"}) == Numbers{9, 8, 7, 6, 5, 4});
  CHECK(numbers({.dag_ids = {"orders"}, .order_by = "-map_index"}) == Numbers{7, 8, 9, 6});
  CHECK(scene.reader().instances({.order_by = "note"}, {}).error().kind == ErrorKind::invalid);
  const auto window = must(scene.reader().instances({.dag_ids = {"orders"}}, {.limit = 2, .offset = 1}));
  CHECK(window.total == 4);
  CHECK(window.rows.size() == 2);
  CHECK(window.rows.at(0).instance.number == 7);
}

TEST_CASE("a run's task instances come by number, however they went in") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({InsertRun{make_run(1), {}}, InsertRun{make_run(2), {}},
                InsertInstances{{make_instance(3, 1, "b"), make_instance(2, 2, "a"), make_instance(1, 1, "c")}}});
  CHECK(all_of(must(scene.reader().instances_of(1)), &TaskInstance::number) == Numbers{1, 3});
  CHECK(all_of(must(scene.reader().instances_of(2)), &TaskInstance::number) == Numbers{2});
}

TEST_CASE("DAGs are listed by each filter and order") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({PutDag{{.dag_id = "Market_orders", .tags = {"lake", "mysql"}, .next_run_after = t0 + 2h}},
                PutDag{{.dag_id = "market_items", .tags = {"lake"}, .is_paused = true, .next_run_after = t0 + 1h}},
                PutDag{{.dag_id = "우동_주문", .tags = {"한글"}, .last_parsed_at = t0}},
                PutDag{{.dag_id = "gone", .is_stale = true}}});
  const auto names = [&](const DagFilter& filter) {
    const auto page = must(scene.reader().dags(filter, {.limit = 100}));
    CHECK(page.total == static_cast<int64_t>(page.rows.size()));
    return all_of(page.rows, &DagRecord::dag_id);
  };
  CHECK(names({}) == Names{"Market_orders", "market_items", "우동_주문"});
  CHECK(names({.include_stale = true}) == Names{"Market_orders", "gone", "market_items", "우동_주문"});
  CHECK(names({.dag_id_like = "mArKet_"}) == Names{"Market_orders", "market_items"});
  CHECK(names({.dag_id_like = "주"}) == Names{"우동_주문"});
  CHECK(names({.dag_id_like = "%"}).empty());
  CHECK(names({.dag_id_like = ""}).size() == 3);
  CHECK(names({.tags = {"lake"}}) == Names{"Market_orders", "market_items"});
  CHECK(names({.tags = {"mysql", "한글"}}) == Names{"Market_orders", "우동_주문"});
  CHECK(names({.tags = {"lak"}}).empty());
  CHECK(names({.is_paused = true}) == Names{"market_items"});
  CHECK(names({.is_paused = false}) == Names{"Market_orders", "우동_주문"});
  CHECK(names({.order_by = "-dag_id"}) == Names{"우동_주문", "market_items", "Market_orders"});
  CHECK(names({.order_by = "next_run_after"}) == Names{"우동_주문", "market_items", "Market_orders"});
  CHECK(names({.order_by = "-last_parsed_at"}) == Names{"우동_주문", "market_items", "Market_orders"});
  CHECK(scene.reader().dags({.order_by = "tags"}, {}).error().kind == ErrorKind::invalid);
  const auto page = must(scene.reader().dags({}, {.limit = 1, .offset = 1}));
  CHECK(page.total == 3);
  CHECK(page.rows.at(0).dag_id == "market_items");
}

TEST_CASE("the history is read newest first, of all, a DAG, a run or a task") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({InsertRun{make_run(1), "kim"}, InsertRun{make_run(2, "items"), {}},
                InsertInstances{{make_instance(1, 1, "a", 0), make_instance(2, 1, "a", 1), make_instance(3, 1, "b")}}});
  scene.commit({move_to(scene.instance(1), TaskState::scheduled), move_to(scene.instance(2), TaskState::skipped),
                move_to(scene.instance(3), TaskState::scheduled)});
  EventRecord paused{.event = "command", .dag_id = "orders", .from = "", .to = "paused", .user = "lee", .text = "멈춤"};
  EventRecord noted{.event = "command",
                    .dag_id = "orders",
                    .run_id = "run1",
                    .task_id = "a",
                    .map_index = 1,
                    .try_number = 2,
                    .text = "seen"};
  EventRecord login{.event = "audit", .user = "lee", .text = "login"};
  scene.commit({AppendEvent{paused}, AppendEvent{noted}, AppendEvent{login}});

  CHECK(scene.history() == lines({"/ >", "orders/run1 >queued", "items/run2 >queued", "orders/run1/a[0] none>scheduled",
                                  "orders/run1/a[1] none>skipped", "orders/run1/b none>scheduled", "orders/ >paused",
                                  "orders/run1/a[1] >", "/ >"}));
  CHECK(scene.history("orders") ==
        lines({"orders/run1 >queued", "orders/run1/a[0] none>scheduled", "orders/run1/a[1] none>skipped",
               "orders/run1/b none>scheduled", "orders/ >paused", "orders/run1/a[1] >"}));
  CHECK(scene.history("orders", "run1").size() == 5);
  CHECK(scene.history("items", "run1").empty());
  CHECK(scene.history("orders", "run1", "a") ==
        lines({"orders/run1/a[0] none>scheduled", "orders/run1/a[1] none>skipped", "orders/run1/a[1] >"}));
  CHECK(scene.history("orders", "", "b").size() == 1);
  CHECK(scene.history("", "run2").size() == 1);
  CHECK(scene.history("", "", "b").size() == 1);

  const auto page = must(scene.reader().events("", "", "", {.limit = 3}));
  CHECK(page.total == 9);
  REQUIRE(page.rows.size() == 3);
  login.number = page.rows[0].number;
  login.at = t0;
  CHECK(page.rows[0] == login);
  noted.number = login.number - 1;
  noted.at = t0;
  CHECK(page.rows[1] == noted);
  CHECK(page.rows[2].text == "멈춤");
  const auto window = must(scene.reader().events("orders", "", "", {.limit = 2, .offset = 1}));
  CHECK(window.total == 6);
  CHECK(window.rows.at(0).to == "paused");
  CHECK(must(scene.reader().events("orders", "run1", "", {.limit = 10, .offset = 4})).rows.at(0).user == "kim");
}
