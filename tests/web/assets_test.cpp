#include "tests/web/api_scene.h"

namespace udon::test {
namespace {

InsertAssetEvent made(AssetEventNumber number, const std::string& asset, std::vector<std::string> consumers = {}) {
  InsertAssetEvent change;
  change.row.number = number;
  change.row.asset = asset;
  change.row.at = t0 + number * 1s;
  change.row.extra = Value::Map{{"rows", number}};
  change.row.source_dag_id = "shop";
  change.row.source_run_id = "r1";
  change.row.source_task_id = "load";
  change.consumers = std::move(consumers);
  return change;
}

// "orders" waits for both, and makes one of them itself.
void add_catalog(ApiScene& scene) {
  Dag dag = *make_dag();
  dag.schedule.kind = NoSchedule{};
  dag.schedule.assets = AssetCondition{
      .is = AssetCondition::Is::all, .asset = {}, .parts = {{.asset = "lake://items"}, {.asset = "lake://주문"}}};
  dag.tasks[0].inlets = {"lake://items"};
  dag.tasks[1].outlets = {"lake://주문"};
  auto snapshot = std::make_shared<CatalogSnapshot>();
  snapshot->dags.emplace("orders", std::make_shared<const Dag>(std::move(dag)));
  scene.catalog = snapshot;
  scene.commit({PutAssets{{"lake://items", "lake://주문"}}, PutDag{{.dag_id = "orders",
                                                                    .file = "orders.yaml",
                                                                    .version = "v1",
                                                                    .last_parsed_at = t0,
                                                                    .assets = {"lake://items", "lake://주문"}}}});
}

const Value& first(const Value& list, const char* plural) { return list.get(plural).as_list().at(0); }

}  // namespace

TEST_CASE("assets are shown with who makes them and who waits for them, as Airflow's client demands") {
  ApiScene scene;
  add_catalog(scene);
  scene.commit({made(1, "lake://주문")});
  const Value all = scene.json(200, "GET", "/api/v2/assets", "", "viewer");
  REQUIRE(all.integer("total_entries") == 2);
  check_model("AssetResponse", first(all, "assets"));
  const Value orders = scene.json(200, "GET", "/api/v2/assets/2");
  check_model("AssetResponse", orders);
  CHECK(orders.text("name") == "lake://주문");
  CHECK(orders.get("last_asset_event").integer("id") == 1);
  CHECK(first(orders, "scheduled_dags").text("dag_id") == "orders");
  CHECK(first(orders, "producing_tasks").text("task_id") == "load");
  CHECK(first(all, "assets").get("consuming_tasks").as_list().at(0).text("task_id") == "fetch");
  CHECK(scene.json(200, "GET", "/api/v2/assets?name_pattern=%25ITEM%25").integer("total_entries") == 1);
  CHECK(scene.json(200, "GET", "/api/v2/assets?dag_ids=orders").integer("total_entries") == 2);
  CHECK(scene.json(200, "GET", "/api/v2/assets?dag_ids=nobody").integer("total_entries") == 0);
  CHECK(scene.ask("GET", "/api/v2/assets/9").status == 404);
  CHECK(scene.json(200, "GET", "/api/v2/assets/aliases").integer("total_entries") == 0);
  CHECK(scene.ask("GET", "/api/v2/assets", "", "").status == 401);
  const Value dag = scene.json(200, "GET", "/api/v2/dags/orders/details");
  CHECK(to_json(dag.get("asset_expression")).find("lake://items") != std::string::npos);
}

TEST_CASE("events of assets are shown with the runs that they made due") {
  ApiScene scene;
  add_catalog(scene);
  DagRun run = make_run(7);
  run.type = RunType::asset_triggered;
  run.logical_date.reset();
  run.data_interval.reset();
  scene.commit({made(1, "lake://items", {"orders"}), made(2, "lake://주문", {"orders"}), InsertRun{run, ""},
                TakeAssetEvents{.dag_id = "orders", .events = {1, 2}, .run = 7}, made(3, "lake://items", {"orders"})});
  const Value all = scene.json(200, "GET", "/api/v2/assets/events", "", "viewer");
  REQUIRE(all.integer("total_entries") == 3);
  const Value& one = first(all, "asset_events");
  check_model("AssetEventResponse", one);
  CHECK(one.text("source_dag_id") == "shop");
  CHECK(one.get("extra").integer("rows") == 1);
  REQUIRE(one.get("created_dagruns").size() == 1);
  check_model("DagRunAssetReference", first(one, "created_dagruns"));
  CHECK_FALSE(first(one, "created_dagruns").flag("triggering"));
  const Value upstream = scene.json(200, "GET", "/api/v2/dags/orders/dagRuns/run7/upstreamAssetEvents");
  REQUIRE(upstream.integer("total_entries") == 2);
  CHECK(upstream.get("asset_events").as_list()[1].get("created_dagruns").as_list()[0].flag("triggering"));
  CHECK(scene.json(200, "GET", "/api/v2/assets/events?asset_id=1").integer("total_entries") == 2);
  CHECK(scene.json(200, "GET", "/api/v2/assets/events?asset_id=9").integer("total_entries") == 0);
  CHECK(scene.json(200, "GET", "/api/v2/assets/events?source_dag_id=nobody").integer("total_entries") == 0);
  const Value queued = scene.json(200, "GET", "/api/v2/dags/orders/assets/queuedEvents");
  REQUIRE(queued.integer("total_entries") == 1);
  check_model("QueuedEventResponse", first(queued, "queued_events"));
  CHECK(scene.json(200, "GET", "/api/v2/assets/1/queuedEvents").integer("total_entries") == 1);
  CHECK(scene.json(200, "GET", "/api/v2/dags/orders/assets/1/queuedEvents").integer("asset_id") == 1);
  CHECK(scene.ask("GET", "/api/v2/dags/orders/assets/2/queuedEvents").status == 404);
  const Value waits = scene.json(200, "GET", "/api/udon/dags/orders/assets");
  CHECK(waits.text("text") == "waits for `lake://주문`; has 1 of 2");
}

TEST_CASE("telling of an asset, forgetting what is queued and materializing are commands") {
  ApiScene scene;
  add_catalog(scene);
  scene.control.answer = [](const Command& command) -> Result<CommandOutcome> {
    CommandOutcome outcome;
    if (const auto* create = std::get_if<CreateAssetEvent>(&command)) {
      AssetEvent event;
      event.number = 1;
      event.asset = create->asset;
      event.extra = create->extra;
      event.at = t0;
      outcome.asset_events = {event};
    }
    if (std::holds_alternative<TriggerRun>(command)) outcome.run = make_run(1);
    return outcome;
  };
  const Value event = scene.json(200, "POST", "/api/v2/assets/events", R"({"asset_id": 1, "extra": {"a": 1}})", "user");
  check_model("AssetEventResponse", event);
  CHECK(event.text("name") == "lake://items");
  CHECK(scene.control.last<CreateAssetEvent>().extra == Value(Value::Map{{"a", 1}, {"from_rest_api", true}}));
  CHECK(scene.control.last<CreateAssetEvent>().user == "user");
  scene.json(200, "POST", "/api/v2/assets/events", R"({"name": "new://one"})");
  CHECK(scene.control.last<CreateAssetEvent>().asset == "new://one");
  CHECK(scene.ask("POST", "/api/v2/assets/events", R"({"asset_id": 9})").status == 404);
  CHECK(scene.ask("POST", "/api/v2/assets/events", R"({"extra": {}})").status == 422);
  CHECK(scene.ask("POST", "/api/v2/assets/events", R"({"asset_id": 1, "extras": {}})").status == 422);
  CHECK(scene.ask("POST", "/api/v2/assets/events", R"({"asset_id": 1})", "viewer").status == 403);

  scene.json(200, "POST", "/api/v2/assets/2/materialize", "", "user");
  CHECK(scene.control.last<TriggerRun>().dag_id == "orders");
  CHECK_FALSE(scene.control.last<TriggerRun>().has_logical_date);
  CHECK(scene.ask("POST", "/api/v2/assets/1/materialize").status == 404);

  CHECK(scene.ask("DELETE", "/api/v2/dags/orders/assets/queuedEvents", "", "viewer").status == 403);
  CHECK(scene.ask("DELETE", "/api/v2/dags/orders/assets/queuedEvents").status == 204);
  CHECK_FALSE(scene.control.last<ForgetAssetEvents>().asset);
  CHECK(scene.ask("DELETE", "/api/v2/dags/orders/assets/1/queuedEvents").status == 204);
  CHECK(scene.control.last<ForgetAssetEvents>().asset == "lake://items");
  scene.commit({made(1, "lake://items", {"orders"})});
  CHECK(scene.ask("DELETE", "/api/v2/assets/1/queuedEvents").status == 204);
  CHECK(scene.control.last<ForgetAssetEvents>().dag_id == "orders");
}

TEST_CASE("a run with a deadline says whether it will be late, and which task is why") {
  ApiScene scene;
  Dag dag = *make_dag();
  dag.deadlines = {{.of = Deadline::Of::run_after, .after = std::chrono::minutes(90), .notices = {}}};
  auto snapshot = std::make_shared<CatalogSnapshot>();
  snapshot->dags.emplace("orders", std::make_shared<const Dag>(std::move(dag)));
  scene.catalog = snapshot;
  scene.add_run();
  const Value all = scene.json(200, "GET", "/api/udon/deadlines", "", "viewer");
  REQUIRE(all.integer("total_entries") == 1);
  const Value& row = first(all, "deadlines");
  CHECK(row.text("deadline_time") == format_time(t0 + 1h + 90min));
  CHECK_FALSE(row.flag("missed"));
  CHECK_FALSE(row.flag("will_be_late"));
  CHECK(row.text("text").find("in time") != std::string::npos);
  scene.clock.advance(3h);
  const Value late = first(scene.json(200, "GET", "/api/udon/deadlines?dag_id=orders"), "deadlines");
  CHECK(late.flag("missed"));
  CHECK(late.text("why") == "load[1]");
  CHECK(late.text("text").find("it is late since 2026-01-31T11:30:00+09:00") != std::string::npos);
  CHECK(scene.json(200, "GET", "/api/udon/deadlines?dag_id=orders&dag_run_id=scheduled__2026-01-31T00:00:00%2B00:00")
            .integer("total_entries") == 1);
  CHECK(scene.ask("GET", "/api/udon/deadlines?dag_id=nobody").status == 404);
  CHECK(scene.ask("GET", "/api/udon/deadlines?dag_id=orders&dag_run_id=r9").status == 404);
}

}  // namespace udon::test
