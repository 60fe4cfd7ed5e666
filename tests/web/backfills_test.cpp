#include "tests/web/api_scene.h"

namespace udon::test {
namespace {

const std::string url = "/api/v2/backfills";

Backfill make_backfill(BackfillNumber number, const std::string& dag_id = "orders") {
  Backfill row;
  row.number = number;
  row.dag_id = dag_id;
  row.from = t0;
  row.to = t0 + 48h;
  row.reprocess = ReprocessBehavior::failed;
  row.max_active_runs = 3;
  row.conf = Value::Map{{"lake", "s3://호수"}};
  row.user = "ada";
  row.created_at = row.updated_at = t0 + 72h;
  row.last_date = t0 + 24h;
  row.dates = 3;
  row.created = 1;
  row.skipped = 1;
  return row;
}

TEST_CASE("a backfill is shown in Airflow's form, with its progress") {
  ApiScene scene;
  DagRun run = make_run(1);
  run.type = RunType::backfill;
  run.backfill = 1;
  scene.commit({PutBackfill{make_backfill(1)}, PutBackfill{make_backfill(2, "items")}, InsertRun{run, ""}});
  const Value shown = scene.json(200, "GET", url + "/1", "", "viewer");
  check_model("BackfillResponse", shown, {"run_backwards", "user", "status", "progress"});
  CHECK(shown.text("reprocess_behavior") == "failed");
  CHECK(shown.text("status") == "active");
  CHECK(shown.get("dag_run_conf").text("lake") == "s3://호수");
  CHECK(shown.get("progress").integer("dates") == 3);
  CHECK(shown.get("progress").integer("skipped") == 1);
  CHECK(shown.get("progress").get("runs").integer("queued") == 1);
  CHECK(shown.get("progress").get("runs").integer("success") == 0);
  const Value all = scene.json(200, "GET", url + "?order_by=-id");
  check_model("BackfillCollectionResponse", all);
  CHECK(all.integer("total_entries") == 2);
  CHECK(all.get("backfills").as_list().at(0).integer("id") == 2);
  const Value of_orders = scene.json(200, "GET", url + "?dag_id=orders");
  REQUIRE(of_orders.integer("total_entries") == 1);
  CHECK(of_orders.get("backfills").as_list().at(0) == shown);
  CHECK(scene.json(404, "GET", url + "/7").text("detail") == "Backfill not found");
  CHECK(scene.ask("GET", url + "/x").status == 422);
  CHECK(scene.ask("GET", url + "?order_by=dag_run_conf").status == 400);
  CHECK(scene.ask("GET", url, "", "").status == 401);
}

TEST_CASE("a backfill is made of what Airflow's clients send") {
  ApiScene scene;
  scene.control.answer = [](const Command& command) -> Result<CommandOutcome> {
    const auto& create = std::get<CreateBackfill>(command);
    CommandOutcome outcome;
    outcome.backfill = make_backfill(9, create.dag_id);
    return outcome;
  };
  const Value made = scene.json(200, "POST", url,
                                R"({"dag_id": "orders", "from_date": "2026-01-01T00:00:00Z",
                                    "to_date": "2026-01-05T09:00:00+09:00", "run_backwards": true,
                                    "dag_run_conf": {"lake": "s3://x"}, "reprocess_behavior": "completed",
                                    "max_active_runs": 4, "run_on_latest_version": null})",
                                "user");
  CHECK(made.integer("id") == 9);
  const auto& command = scene.control.last<CreateBackfill>();
  CHECK(command.from == *parse_time("2026-01-01T00:00:00Z"));
  CHECK(command.to == *parse_time("2026-01-05T00:00:00Z"));
  CHECK(command.runs_backwards);
  CHECK(command.reprocess == ReprocessBehavior::completed);
  CHECK(command.max_active_runs == 4);
  CHECK(command.conf.text("lake") == "s3://x");
  CHECK(command.user == "user");
  CHECK(!command.dry_run);
  // What is not said is as in Airflow.
  scene.json(200, "POST", url, R"({"dag_id": "orders", "from_date": "2026-01-01T00:00:00Z",
                                   "to_date": "2026-01-05T00:00:00Z", "run_on_latest_version": true})");
  CHECK(scene.control.last<CreateBackfill>().max_active_runs == 10);
  CHECK(scene.control.last<CreateBackfill>().reprocess == ReprocessBehavior::none);
  CHECK(!scene.control.last<CreateBackfill>().runs_backwards);
  CHECK(scene.control.last<CreateBackfill>().on_latest_version);
}

TEST_CASE("a backfill that makes no sense is refused as Airflow refuses it") {
  ApiScene scene;
  const std::string range = R"("from_date": "2026-01-01T00:00:00Z", "to_date": "2026-01-05T00:00:00Z")";
  const auto status = [&](const std::string& body) { return scene.ask("POST", url, "{" + body + "}").status; };
  CHECK(status(range) == 422);
  CHECK(status(R"("dag_id": "orders", "from_date": "2026-01-01T00:00:00Z")") == 422);
  CHECK(status(R"("dag_id": "orders", "from_date": null, "to_date": "2026-01-05T00:00:00Z")") == 422);
  CHECK(status(R"("dag_id": "orders", "from_date": "soon", "to_date": "2026-01-05T00:00:00Z")") == 422);
  const std::string orders = R"("dag_id": "orders", )" + range;
  CHECK(status(orders + R"(, "max_active_runs": 0)") == 422);
  CHECK(status(orders + R"(, "reprocess_behavior": "some")") == 422);
  CHECK(status(orders + R"(, "dag_run_conf": [1])") == 422);
  CHECK(status(orders + R"(, "max_active_rums": 2)") == 422);
  CHECK(scene.control.commands.empty());
  // What the scheduler says of it.
  const auto answers = [&](ErrorKind kind, const char* message) {
    scene.control.answer = [=](const Command&) -> Result<CommandOutcome> { return Error{kind, message}; };
  };
  answers(ErrorKind::invalid, "DAG `orders` has no schedule");
  CHECK(scene.json(422, "POST", url, "{" + orders + "}").text("detail") == "DAG `orders` has no schedule");
  CHECK(scene.json(422, "POST", url + "/dry_run", "{" + orders + "}").text("detail") == "DAG `orders` has no schedule");
  answers(ErrorKind::conflict, "there is already an active backfill of DAG `orders`: backfill 1");
  CHECK(status(orders) == 409);
  answers(ErrorKind::not_found, "no DAG `orders`");
  CHECK(status(orders) == 404);
  CHECK(scene.ask("POST", url, "{" + orders + "}", "viewer").status == 403);
  CHECK(scene.ask("POST", url + "/dry_run", "{" + orders + "}", "viewer").status == 403);
}

TEST_CASE("a dry run says what would become of each date") {
  ApiScene scene;
  scene.control.answer = [](const Command& command) -> Result<CommandOutcome> {
    CHECK(std::get<CreateBackfill>(command).dry_run);
    CommandOutcome outcome;
    outcome.dates = {{.due = {.logical_date = t0, .interval = {t0, t0 + 24h}, .run_after = t0 + 24h},
                      .action = BackfillAction::skip_existing,
                      .run_id = "well"}};
    return outcome;
  };
  const Value dates = scene.json(200, "POST", url + "/dry_run",
                                 R"({"dag_id": "orders", "from_date": "2026-01-01T00:00:00Z",
                                     "to_date": "2026-01-05T00:00:00Z"})");
  check_model("DryRunBackfillCollectionResponse", dates);
  CHECK(dates.integer("total_entries") == 1);
  const Value& date = dates.get("backfills").as_list().at(0);
  check_model("DryRunBackfillResponse", date, {"data_interval_start", "data_interval_end", "action", "dag_run_id"});
  CHECK(date.text("logical_date") == "2026-01-31T00:00:00Z");
  CHECK(date.text("action") == "already exists");
  CHECK(date.text("dag_run_id") == "well");
}

TEST_CASE("a backfill is paused, unpaused and cancelled by PUT, and by POST") {
  ApiScene scene;
  scene.control.answer = [](const Command& command) -> Result<CommandOutcome> {
    const auto& change = std::get<ChangeBackfill>(command);
    if (change.number == 7) return Error{ErrorKind::not_found, "there is no backfill 7"};
    if (change.number == 8) return Error{ErrorKind::conflict, "backfill 8 is already completed"};
    CommandOutcome outcome;
    outcome.backfill = make_backfill(change.number);
    outcome.backfill->is_paused = change.change == ChangeBackfill::Change::pause;
    return outcome;
  };
  using Change = ChangeBackfill::Change;
  for (const char* method : {"PUT", "POST"}) {
    for (const auto& [word, change] : {std::pair("pause", Change::pause), std::pair("unpause", Change::unpause),
                                       std::pair("cancel", Change::cancel)}) {
      const Value shown = scene.json(200, method, url + "/3/" + word, "", "user");
      CHECK(shown.flag("is_paused") == (change == Change::pause));
      CHECK(scene.control.last<ChangeBackfill>().change == change);
      CHECK(scene.control.last<ChangeBackfill>().number == 3);
      CHECK(scene.control.last<ChangeBackfill>().user == "user");
      CHECK(scene.ask(method, url + "/3/" + word, "", "viewer").status == 403);
      CHECK(scene.ask(method, url + "/7/" + word).status == 404);
      CHECK(scene.ask(method, url + "/8/" + word).status == 409);
      CHECK(scene.ask(method, url + "/many/" + word).status == 422);
    }
  }
}

}  // namespace
}  // namespace udon::test
