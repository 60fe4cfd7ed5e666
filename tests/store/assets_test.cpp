// Assets and their events, in every store.
#include "tests/store/scene.h"

using namespace udon;
using namespace udon::test;

namespace {

InsertAssetEvent made(AssetEventNumber number, const std::string& asset, std::vector<std::string> consumers = {}) {
  InsertAssetEvent change;
  change.row.number = number;
  change.row.asset = asset;
  change.row.at = t0 + number * 1s;
  change.row.extra = Value::Map{{"rows", number}, {"이름", "주문"}};
  change.row.source_dag_id = "shop";
  change.row.source_run_id = "r" + std::to_string(number);
  change.row.source_task_id = "load";
  change.row.source_map_index = 3;
  change.consumers = std::move(consumers);
  return change;
}

std::vector<AssetEventNumber> numbers(const std::vector<AssetEvent>& events) {
  std::vector<AssetEventNumber> all;
  for (const AssetEvent& event : events) all.push_back(event.number);
  return all;
}

std::vector<std::pair<std::string, AssetEventNumber>> queued(Scene& scene, const std::string& dag_id = "") {
  std::vector<std::pair<std::string, AssetEventNumber>> all;
  for (const QueuedAssetEvent& row : must(scene.reader().queued_asset_events(dag_id)))
    all.emplace_back(row.dag_id, row.event.number);
  return all;
}

using Queue = std::vector<std::pair<std::string, AssetEventNumber>>;
using Numbers = std::vector<AssetEventNumber>;

}  // namespace

TEST_CASE("an event of an asset is kept as it was, and queued for each that waits for it") {
  Scene scene(EVERY_KIND_OF_STORE);
  const InsertAssetEvent first = made(1, "lake://주문", {"report", "audit"});
  scene.commit({first, made(2, "lake://items", {"report"}), made(3, "nobody://waits")});
  const auto page = must(scene.reader().asset_events({}, {}));
  REQUIRE(page.total == 3);
  CHECK(page.rows[0] == first.row);
  CHECK(queued(scene) == Queue{{"audit", 1}, {"report", 1}, {"report", 2}});
  CHECK(queued(scene, "report") == Queue{{"report", 1}, {"report", 2}});
  CHECK(must(scene.reader().queued_asset_events("audit")).at(0).event == first.row);
  CHECK(must(scene.writer().counters()).last_asset_event == 3);
}

TEST_CASE("a run takes the events that have made it due, each once") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({made(1, "a", {"report"}), made(2, "b", {"report"}), made(3, "a", {"report", "audit"})});
  DagRun run = make_run(1, "report");
  scene.commit({InsertRun{run, ""}, TakeAssetEvents{.dag_id = "report", .events = {1, 2}, .run = 1}});
  CHECK(queued(scene) == Queue{{"audit", 3}, {"report", 3}});
  CHECK(numbers(must(scene.reader().asset_events_of_run(1))) == Numbers{1, 2});
  CHECK(must(scene.reader().runs_of_asset_event(2)) == std::vector<RunNumber>{1});
  CHECK(must(scene.reader().runs_of_asset_event(3)).empty());

  // All or nothing.
  const Error error = scene.refused(
      {InsertRun{make_run(2, "report"), ""}, TakeAssetEvents{.dag_id = "report", .events = {3, 2}, .run = 2}});
  CHECK(error.kind == ErrorKind::conflict);
  CHECK(error.message.find("asset event 2") != std::string::npos);
  CHECK(queued(scene) == Queue{{"audit", 3}, {"report", 3}});
  CHECK(scene.refused({TakeAssetEvents{.dag_id = "nobody", .events = {3}, .run = 0}}).kind == ErrorKind::conflict);
  scene.refused({TakeAssetEvents{.dag_id = "report", .events = {3}, .run = 7}});
  CHECK(queued(scene, "report") == Queue{{"report", 3}});

  // Nobody waits any more.
  scene.commit({TakeAssetEvents{.dag_id = "report", .events = {3}, .run = 0}});
  CHECK(queued(scene) == Queue{{"audit", 3}});
}

TEST_CASE("a refused batch leaves no event, no asset and no number behind") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({made(1, "a", {"report"})});
  CHECK(scene.refused({PutAssets{{"new"}}, made(2, "a", {"report"}), made(3, "b"), made(3, "b")}).kind ==
        ErrorKind::invalid);
  CHECK(must(scene.reader().assets({}, {})).total == 1);
  CHECK(must(scene.reader().asset_events({}, {})).total == 1);
  CHECK(must(scene.reader().asset(1))->last_event == 1);
  CHECK(queued(scene) == Queue{{"report", 1}});
  CHECK(must(scene.writer().counters()).last_asset_event == 1);
  CHECK(scene.refused({made(1, "a")}).kind == ErrorKind::invalid);
  CHECK(scene.refused({made(2, " ")}).kind == ErrorKind::invalid);
  CHECK(scene.refused({PutAssets{{""}}}).kind == ErrorKind::invalid);
  auto listed = made(2, "a");
  listed.row.extra = Value::list();
  CHECK(scene.refused({listed}).kind == ErrorKind::invalid);
  scene.commit({made(2, "a")});
}

TEST_CASE("what a deleted run has made stays, what it was made by is forgotten") {
  Scene scene(EVERY_KIND_OF_STORE);
  DagRun run = make_run(1, "report");
  scene.commit({made(1, "a", {"report"}), InsertRun{run, ""},
                TakeAssetEvents{.dag_id = "report", .events = {1}, .run = 1}, made(2, "a", {"report"})});
  scene.commit({move_to(run, RunState::running)});
  run.state = RunState::running;
  scene.commit({move_to(run, RunState::success)});
  scene.refused({DeleteRunRows{.run = 1, .user = ""}, InsertRun{make_run(1, "report"), ""}, made(2, "a")});
  CHECK(numbers(must(scene.reader().asset_events_of_run(1))) == Numbers{1});
  scene.commit({DeleteRunRows{.run = 1, .user = ""}});
  CHECK(must(scene.reader().asset_events_of_run(1)).empty());
  CHECK(must(scene.reader().runs_of_asset_event(1)).empty());
  CHECK(must(scene.reader().asset_events({}, {})).total == 2);
  CHECK(queued(scene) == Queue{{"report", 2}});
}

TEST_CASE("assets are listed by name and number, with their last event") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit(
      {PutAssets{{"lake://orders", "lake://Items", "s3://x"}}, made(1, "lake://orders"), made(2, "lake://orders")});
  scene.commit({PutAssets{{"lake://orders"}}});
  const auto all = must(scene.reader().assets({}, {}));
  REQUIRE(all.total == 3);
  CHECK(all.rows[0].name == "lake://orders");
  CHECK(all.rows[0].number == 1);
  CHECK(all.rows[0].last_event == 2);
  CHECK(all.rows[0].last_event_at == t0 + 2s);
  CHECK(all.rows[0].created_at == t0);
  CHECK(all.rows[1].last_event == std::nullopt);
  CHECK(must(scene.reader().asset(3))->name == "s3://x");
  CHECK(!must(scene.reader().asset(4)));
  CHECK(must(scene.reader().assets({.name_like = "ITEM"}, {})).rows.at(0).name == "lake://Items");
  CHECK(must(scene.reader().assets({.name_like = "lake"}, {.limit = 1, .offset = 1})).rows.at(0).name ==
        "lake://Items");
  CHECK(must(scene.reader().assets({.names = {"s3://x", "lake://Items"}, .order_by = "-name"}, {})).rows.at(0).name ==
        "s3://x");
  CHECK(scene.reader().assets({.order_by = "size"}, {}).error().kind == ErrorKind::invalid);
}

TEST_CASE("events are found by asset, source and time") {
  Scene scene(EVERY_KIND_OF_STORE);
  auto outside = made(3, "a");
  outside.row.source_dag_id = outside.row.source_run_id = outside.row.source_task_id = "";
  outside.row.source_map_index = -1;
  outside.row.user = "ada";
  scene.commit({made(1, "a"), made(2, "b"), outside});
  const auto found = [&](const AssetEventFilter& filter) {
    const auto page = must(scene.reader().asset_events(filter, {}));
    CHECK(page.total == static_cast<int64_t>(page.rows.size()));
    return numbers(page.rows);
  };
  CHECK(found({.asset = "a"}) == Numbers{1, 3});
  CHECK(found({.asset = "c"}).empty());
  CHECK(found({.source_dag_id = "shop", .order_by = "-number"}) == Numbers{2, 1});
  CHECK(found({.source_dag_id = "shop", .source_task_id = "load", .source_run_id = "r2", .source_map_index = 3}) ==
        Numbers{2});
  CHECK(found({.source_map_index = -1}) == Numbers{3});
  CHECK(found({.at_gte = t0 + 2s, .at_lte = t0 + 2s}) == Numbers{2});
  CHECK(found({.order_by = "-at"}) == Numbers{3, 2, 1});
  CHECK(must(scene.reader().asset_events({}, {.limit = 1, .offset = 1})).total == 3);
  CHECK(scene.reader().asset_events({.order_by = "extra"}, {}).error().kind == ErrorKind::invalid);
}
