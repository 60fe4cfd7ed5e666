#include "dagfile/serialize.h"
#include "tests/web/api_scene.h"

using namespace udon;
using namespace udon::test;

TEST_CASE("health is told to anybody, and is bad until the first load of the catalog") {
  ApiScene scene;
  scene.control.ready = false;
  Value health = scene.json(200, "GET", "/api/v2/monitor/health", "", "");
  check_model("HealthInfoResponse", health);
  CHECK(health.get("scheduler").text("status") == "unhealthy");
  CHECK(health.get("metadatabase").text("status") == "healthy");
  scene.control.ready = true;
  CHECK(scene.json(200, "GET", "/api/v2/monitor/health", "", "").get("scheduler").text("status") == "healthy");
  const std::string home = scene.world.spool.home().string();
  scene.control.why_stopped = home + "/udon.db: no space left";
  health = scene.json(200, "GET", "/api/v2/monitor/health", "", "");
  check_model("HealthInfoResponse", health);
  CHECK(health.get("metadatabase").text("status") == "unhealthy");
  CHECK(health.get("metadatabase").text("problem") == "nothing is started: $UDON_HOME/udon.db: no space left");
  check_model("VersionInfo", scene.json(200, "GET", "/api/v2/version", "", ""));
}

TEST_CASE("DAGs are shown with all that Airflow's client demands") {
  ApiScene scene;
  const Value list = scene.json(200, "GET", "/api/v2/dags", "", "viewer");
  REQUIRE(list.integer("total_entries") == 1);
  const Value& dag = list.get("dags").as_list()[0];
  check_model("DAGResponse", dag, {"paused_reason"});
  check_model("DagTagResponse", dag.get("tags").as_list()[0]);
  CHECK(dag.text("description") == "주문을 호수로");
  CHECK(dag.text("fileloc") == "/srv/dags/orders.yaml");
  CHECK(dag.flag("timetable_periodic"));
  CHECK(dag == scene.json(200, "GET", "/api/v2/dags/orders"));
  const Value details = scene.json(200, "GET", "/api/v2/dags/orders/details");
  check_model("DAGDetailsResponse", details, {"paused_reason"});
  check_model("DagVersionResponse", details.get("latest_dag_version"));
  CHECK(details.text("dag_run_timeout") == "PT1H30M");
  CHECK(details.get("params").get("lake").text("value") == "s3://lake");
  const Value tasks = scene.json(200, "GET", "/api/v2/dags/orders/tasks");
  CHECK(tasks.integer("total_entries") == 3);
  for (const Value& task : tasks.get("tasks").as_list()) check_model("TaskResponse", task, {"task_group_id"});
  CHECK(scene.json(200, "GET", "/api/v2/dags/orders/tasks/load").flag("is_mapped"));
  scene.json(404, "GET", "/api/v2/dags/orders/tasks/nope");
  check_model("DAGSourceResponse", scene.json(200, "GET", "/api/v2/dagSources/orders"));
  CHECK(scene.ask("GET", "/api/v2/dagSources/orders", "", "viewer", "text/plain").body == "dag: orders\n");
  check_model("DagVersionResponse", scene.json(200, "GET", "/api/v2/dags/orders/dagVersions/1"));
  scene.json(404, "GET", "/api/v2/dags/orders/dagVersions/2");
  scene.json(422, "GET", "/api/v2/dags/orders/dagVersions/x");
  CHECK(to_json(scene.json(200, "GET", "/api/v2/dagTags").get("tags")) == R"(["lake","mysql"])");
  scene.add_run();
  const Value stats = scene.json(200, "GET", "/api/v2/dagStats?dag_ids=orders").get("dags").as_list()[0];
  check_model("DagStatsResponse", stats);
  CHECK(to_json(stats.get("stats").as_list()[1]) == R"({"state":"running","count":1})");
}

TEST_CASE("filters of lists filter, and one that is not supported is refused rather than passed over") {
  ApiScene scene;
  const auto count = [&](const std::string& query) {
    return scene.json(200, "GET", "/api/v2/dags" + query).integer("total_entries");
  };
  CHECK(count("?tags=lake&tags=nope") == 1);
  CHECK(count("?tags=nope") == 0);
  CHECK(count("?dag_id_pattern=rder") == 1);
  CHECK(count("?paused=true") == 0);
  CHECK(count("?paused=False&limit=0") == 1);
  scene.json(422, "GET", "/api/v2/dags?limit=-1");
  scene.json(422, "GET", "/api/v2/dags?limit=many&offset=x&paused=perhaps");
  const Value problems = scene.json(422, "GET", "/api/v2/dags?limit=many&paused=perhaps").get("detail");
  REQUIRE(problems.size() == 2);
  CHECK(
      to_json(problems.as_list()[1]) ==
      R"({"type":"int_parsing","loc":["query","limit"],"msg":"Input should be a valid integer, unable to parse string as an integer","input":"many"})");
  scene.json(400, "GET", "/api/v2/dags?order_by=password");
  scene.json(400, "GET", "/api/v2/dags?has_import_errors=true");
  scene.json(422, "GET", "/api/v2/dags/orders/dagRuns?logical_date_gte=yesterday");
}

TEST_CASE("pausing is a command to the loop") {
  ApiScene scene;
  scene.json(200, "PATCH", "/api/v2/dags/orders?update_mask=is_paused", R"({"is_paused": true})", "user");
  CHECK(scene.control.last<SetPaused>().paused);
  CHECK(scene.control.last<SetPaused>().user == "user");
  scene.json(422, "PATCH", "/api/v2/dags/orders", R"({"is_paused": "yes"})");
  scene.json(422, "PATCH", "/api/v2/dags/orders", R"({"paused": true})");
  scene.json(404, "PATCH", "/api/v2/dags/nope", R"({"is_paused": true})");
  CHECK(scene.control.commands.size() == 1);
}

TEST_CASE("a trigger is handed to the loop as it was meant, and the run comes back in Airflow's form") {
  ApiScene scene;
  scene.control.answer = [](const Command& command) -> Result<CommandOutcome> {
    const auto& trigger = std::get<TriggerRun>(command);
    DagRun run = make_run(7);
    run.run_id = trigger.run_id.value_or("manual__2026-01-31T00:00:00+00:00");
    run.logical_date = trigger.logical_date;
    run.conf = trigger.conf;
    run.triggered_by = trigger.triggered_by;
    run.triggering_user = trigger.user;
    run.note = trigger.note;
    return CommandOutcome{run, {}};
  };
  const Value run = scene.json(
      200, "POST", "/api/v2/dags/orders/dagRuns",
      R"({"dag_run_id":null,"data_interval_start":null,"data_interval_end":null,"logical_date":"2025-10-25T09:02:00+09:00",)"
      R"("run_after":"2025-10-25T00:02:00Z","conf":{"호수":"s3://x"},"note":"다시","partition_key":null})",
      "user");
  check_model("DAGRunResponse", run);
  CHECK(run.text("logical_date") == "2025-10-25T00:02:00Z");
  CHECK(run.text("triggered_by") == "rest_api");
  CHECK(run.text("triggering_user_name") == "user");
  CHECK(run.get("conf").text("호수") == "s3://x");
  const auto& command = scene.control.last<TriggerRun>();
  CHECK(!command.run_id);
  CHECK(command.run_after == parse_time("2025-10-25T00:02:00Z").value());
  CHECK(command.has_logical_date);
  // Null is a run without a logical date; leaving it out is a mistake.
  scene.json(200, "POST", "/api/v2/dags/orders/dagRuns", R"({"logical_date": null, "dag_run_id": "my.run:1"})");
  CHECK(!scene.control.last<TriggerRun>().has_logical_date);
  CHECK(scene.control.last<TriggerRun>().run_id == "my.run:1");
  const size_t before = scene.control.commands.size();
  for (const char* body :
       {"", "[]", "{", "5", R"({"conf": {}})", R"({"logical_date": "soon"})", R"({"logical_date": null, "conf": []})",
        R"({"logical_date": null, "confg": {}})", R"({"logical_date": null, "dag_run_id": "../../etc"})",
        R"({"logical_date": null, "dag_run_id": ""})", R"({"logical_date": null, "dag_run_id": "내 실행"})",
        R"({"logical_date": null, "data_interval_start": "2026-01-01T00:00:00Z"})",
        "{\"logical_date\": null, \"note\": \"\xff\"}"})
    scene.json(422, "POST", "/api/v2/dags/orders/dagRuns", body);
  CHECK(scene.control.commands.size() == before);
  CHECK_THAT(scene.json(422, "POST", "/api/v2/dags/orders/dagRuns", R"({"logical_date": null, "dag_run_id": "a b"})")
                 .get("detail")
                 .as_list()[0]
                 .text("msg"),
             Catch::Contains("run id `a b`: expected 1 to 250 ASCII letters, digits or any of _ . ~ : + -"));
}

TEST_CASE("a DAG that is not there is looked for in files with errors") {
  ApiScene scene;
  scene.world.dags_folder = scene.folder.path();
  const auto diagnose = [&](const std::vector<std::string>& files) {
    auto snapshot = std::make_shared<CatalogSnapshot>();
    for (const std::string& file : files)
      snapshot->diagnostics.push_back({Diagnostic::Severity::error, file, 3, 7, "unknown operator `bahs`", ""});
    snapshot->diagnostics.push_back({Diagnostic::Severity::warning, "lost.yaml", 1, 1, "fine but for this", ""});
    scene.catalog = std::move(snapshot);
  };
  const auto told = [&](const std::string& dag_id) {
    return scene.json(404, "GET", "/api/v2/dags/" + dag_id).text("detail");
  };
  REQUIRE(write_file_atomically(scene.folder.path() / "many.yaml",
                                "dag: first\ntasks: {a: {operator: bahs}}\n---\ndag: 'second'  # the other\n",
                                Durability::survives_kill));
  const std::string soon = "; a file that was just saved is read within 1s, thousands within 30s";
  diagnose({});
  CHECK(told("order") == "The Dag with ID: `order` was not found; did you mean `orders`?");
  CHECK_THAT(scene.json(404, "GET", "/api/v2/dags/oders/dagRuns").text("detail"),
             Catch::Contains("did you mean `orders`?"));
  CHECK(told("lost") == "The Dag with ID: `lost` was not found" + soon);
  {
    // What is loaded is what may have been meant; the store is not read for it.
    auto loaded = std::make_shared<CatalogSnapshot>();
    loaded->dags.emplace("refunds", make_dag());
    scene.catalog = std::move(loaded);
    CHECK(told("refund") == "The Dag with ID: `refund` was not found; did you mean `refunds`?");
    CHECK(told("order") == "The Dag with ID: `order` was not found" + soon);
  }
  diagnose({"fail.yaml", "gone.yaml", "many.yaml"});
  CHECK(told("fail") == "The Dag with ID: `fail` was not found; fail.yaml has errors: see `udon dags check`");
  CHECK_THAT(told("first"), Catch::EndsWith("; many.yaml has errors: see `udon dags check`"));
  CHECK_THAT(told("second"), Catch::EndsWith("; many.yaml has errors: see `udon dags check`"));
  CHECK_THAT(told("bahs"), Catch::EndsWith("; 3 DAG files have errors: see `udon dags check`" + soon));
  // The commit in use is another, if there is any: nothing on this machine could check these files.
  diagnose({"@shop", "fail.yaml", "@etl/orders2.yaml"});
  CHECK_THAT(told("orders2"), Catch::EndsWith("; @etl/orders2.yaml has errors: see `udon bundles list`"));
  CHECK_THAT(told("bahs"), Catch::Contains("; 1 DAG file has errors: see `udon dags check`; there are errors in git "
                                           "repositories: see `udon bundles list`"));
  diagnose({"fail.yaml", "gone.yaml", "many.yaml"});
  const auto triggered = [&](const std::string& dag_id, const std::string& refusal) {
    scene.control.answer = [&](const Command&) -> Result<CommandOutcome> {
      return Error{ErrorKind::not_found, refusal};
    };
    return scene.json(404, "POST", "/api/v2/dags/" + dag_id + "/dagRuns", R"({"logical_date": null})").text("detail");
  };
  CHECK(triggered("fail", "no DAG `fail`; did you mean `mail`?") ==
        "no DAG `fail`; did you mean `mail`?; fail.yaml has errors: see `udon dags check`");
  CHECK(triggered("mall", "no DAG `mall`; did you mean `mail`?") == "no DAG `mall`; did you mean `mail`?");
  CHECK(triggered("mall", "DAG `mall` has no file any more") == "DAG `mall` has no file any more");
}

TEST_CASE("who triggers a DAG that is not there has its file looked for, once") {
  ApiScene scene;
  int looks = 0;
  bool is_there = false;
  scene.control.answer = [&](const Command& command) -> Result<CommandOutcome> {
    const std::string& dag_id = std::get<TriggerRun>(command).dag_id;
    if (dag_id == "new" && !is_there) return Error{ErrorKind::not_found, "no DAG `new`"};
    if (dag_id == "stale") return Error{ErrorKind::not_found, "DAG `stale` has no file any more"};
    CommandOutcome outcome;
    outcome.run = make_run(7);
    return outcome;
  };
  const auto trigger = [&](int status, const std::string& dag_id) {
    return scene.json(status, "POST", "/api/v2/dags/" + dag_id + "/dagRuns", R"({"logical_date": null})")
        .text("detail");
  };
  CHECK_THAT(trigger(404, "new"), Catch::Contains("errors: see `udon dags check`; a file that was just saved"));
  scene.world.look_at_files = [&] { return ++looks, true; };
  CHECK(trigger(404, "new") == "no DAG `new`; 1 DAG file has errors: see `udon dags check`");
  CHECK(looks == 1);
  scene.world.look_at_files = [&] { return ++looks, is_there = true; };
  trigger(200, "new");
  trigger(200, "orders");
  CHECK(trigger(404, "stale") == "DAG `stale` has no file any more");
  CHECK(looks == 2);
  is_there = false;
  scene.world.look_at_files = [&] { return false; };  // too many look
  CHECK_THAT(trigger(404, "new"), Catch::Contains("errors: see `udon dags check`; a file that was just saved"));
}

TEST_CASE("who clears a run may ask for the newest version of its DAG") {
  ApiScene scene;
  scene.add_run();
  const std::string body = R"("dry_run": false, "run_on_latest_version": true})";
  scene.json(200, "POST", run_url + "/clear", "{" + body);
  CHECK(scene.control.last<ClearTasks>().on_latest_version);
  CHECK(!scene.control.last<ClearTasks>().only_new);
  scene.json(200, "POST", run_url + "/clear", R"({"dry_run": false, "only_new": true})");
  CHECK(scene.control.last<ClearTasks>().on_latest_version);
  CHECK(scene.control.last<ClearTasks>().only_new);
  scene.json(200, "POST", "/api/v2/dags/orders/clearTaskInstances",
             R"({"dag_run_id": "scheduled__2026-01-31T00:00:00+00:00", "only_failed": false, )" + body);
  CHECK(scene.control.last<ClearTasks>().on_latest_version);
  scene.json(200, "POST", run_url + "/clear", R"({"dry_run": false})");
  CHECK(!scene.control.last<ClearTasks>().on_latest_version);
}

TEST_CASE("a run tells of all versions that it has had, and a task instance of the one that it ran with") {
  ApiScene scene;
  scene.add_run();
  scene.commit({PutDagVersion{{.dag_id = "orders",
                               .version = "v2",
                               .created_at = t0,
                               .bundle = "etl",
                               .bundle_version = "0123456789abcdef0123456789abcdef01234567",
                               .serialized = serialize(*make_dag()),
                               .source = "dag: orders\n"}}});
  DagRun run = scene.store.reader().run("orders", "scheduled__2026-01-31T00:00:00+00:00").value().value();
  const std::string before = run.dag_version;
  run.earlier_versions = {{before, t0 + std::chrono::hours(24 * 365 * 50)}};
  run.dag_version = "v2";
  scene.commit({ChangeRun{.expected_state = run.state, .row = run, .event_text = "another version"}});
  const Value shown = scene.json(200, "GET", run_url);
  REQUIRE(shown.get("dag_versions").size() == 2);
  CHECK(shown.get("dag_versions").as_list()[0].integer("version_number") == 1);
  CHECK(shown.get("dag_versions").as_list()[0].text("bundle_name") == "dags-folder");
  CHECK(shown.get("dag_versions").as_list()[1].integer("version_number") == 2);
  CHECK(shown.get("dag_versions").as_list()[1].text("bundle_name") == "etl");
  CHECK(shown.text("bundle_version") == "0123456789abcdef0123456789abcdef01234567");
  // What has a time of its own was before that; what has none is still to come.
  const Value instances = scene.json(200, "GET", run_url + "/taskInstances");
  for (const Value& row : instances.get("task_instances").as_list()) {
    const bool has_begun = !row.get("queued_when").is_null() || !row.get("end_date").is_null();
    CHECK(row.get("dag_version").integer("version_number") == (has_begun ? 1 : 2));
  }
}

TEST_CASE("what the loop refuses has the status that Airflow gives it") {
  ApiScene scene;
  const auto status_for = [&](ErrorKind kind) {
    scene.control.answer = [kind](const Command&) -> Result<CommandOutcome> { return Error{kind, "so it is"}; };
    const web::Response response = scene.ask("POST", "/api/v2/dags/orders/dagRuns", R"({"logical_date": null})");
    CHECK(response.body == R"({"detail":"so it is"})");
    return response.status;
  };
  CHECK(status_for(ErrorKind::not_found) == 404);
  CHECK(status_for(ErrorKind::conflict) == 409);
  CHECK(status_for(ErrorKind::invalid) == 400);
  CHECK(status_for(ErrorKind::unavailable) == 503);
}

TEST_CASE("runs are listed, filtered and shown") {
  ApiScene scene;
  scene.add_run();
  const Value list = scene.json(200, "GET", "/api/v2/dags/~/dagRuns?order_by=-id&state=running&run_type=scheduled");
  CHECK(list.integer("total_entries") == 1);
  for (const char* key : {"next_cursor", "previous_cursor", "total_entries_limit"}) CHECK(list.find(key) != nullptr);
  check_model("DAGRunResponse", list.get("dag_runs").as_list()[0]);
  CHECK(list.get("dag_runs").as_list()[0] == scene.json(200, "GET", run_url));
  const auto count = [&](const std::string& query) {
    return scene.json(200, "GET", "/api/v2/dags/orders/dagRuns?" + query).integer("total_entries");
  };
  CHECK(count("state=success") == 0);
  CHECK(count("run_type=backfill") == 0);
  // make_run(1): logical date 2026-02-01.
  CHECK(count("logical_date_gte=2026-02-01T00:00:00Z") == 1);
  CHECK(count("logical_date_gt=2026-02-01T00:00:00Z") == 0);
  CHECK(count("logical_date_lte=2026-02-01T09:00:00%2B09:00") == 1);
  CHECK(count("logical_date_lt=2026-02-01T09:00:00+09:00") == 0);
  scene.json(422, "GET", "/api/v2/dags/orders/dagRuns?state=happy");
  scene.json(404, "GET", "/api/v2/dags/nope/dagRuns");
  scene.json(404, "GET", "/api/v2/dags/orders/dagRuns/nope");
}

TEST_CASE("marking, noting, clearing and deleting a run are commands") {
  ApiScene scene;
  scene.add_run();
  scene.json(200, "PATCH", run_url, R"({"state": "failed", "note": null})");
  CHECK(scene.control.last<MarkRun>().state == RunState::failed);
  scene.json(200, "PATCH", run_url + "?update_mask=note", R"({"state": "failed", "note": "왜"})");
  CHECK(scene.control.last<SetRunNote>().note == "왜");
  scene.json(422, "PATCH", run_url, R"({"state": "running"})");
  scene.json(409, "DELETE", run_url);
  scene.control.answer = [](const Command&) {
    return CommandOutcome{.instances = {{"orders", "scheduled__2026-01-31T00:00:00+00:00", "load", 0}}};
  };
  const Value dry = scene.json(200, "POST", run_url + "/clear", R"({"only_failed": true})");
  CHECK(scene.control.last<ClearTasks>().dry_run);
  CHECK(scene.control.last<ClearTasks>().selection.only_failed);
  CHECK(dry.get("task_instances").as_list()[0].text("task_id") == "load");
  check_model("DAGRunResponse", scene.json(200, "POST", run_url + "/clear", R"({"dry_run": false})"));
  CHECK(!scene.control.last<ClearTasks>().dry_run);
}

TEST_CASE("task instances are shown with all that Airflow's client demands") {
  ApiScene scene;
  scene.add_run();
  const Value list = scene.json(200, "GET", run_url + "/taskInstances");
  REQUIRE(list.integer("total_entries") == 4);
  for (const Value& instance : list.get("task_instances").as_list()) check_model("TaskInstanceResponse", instance);
  const Value fetch = scene.json(200, "GET", run_url + "/taskInstances/fetch");
  CHECK(fetch.text("state") == "success");
  CHECK(fetch.get("duration") == Value(1.5));
  CHECK(fetch.text("hostname") == "here");
  CHECK(fetch.integer("pid") == 99);
  CHECK(fetch.text("operator") == "bash");
  CHECK(fetch.integer("priority_weight") == 3);  // itself and what follows
  CHECK(low_of_uuid7(fetch.text("id")) == 1);
  const Value waiting = scene.json(200, "GET", run_url + "/taskInstances/tell");
  CHECK(waiting.get("state").is_null());
  CHECK(waiting.integer("try_number") == 0);
  scene.json(404, "GET", run_url + "/taskInstances/nope");
  CHECK_THAT(scene.json(404, "GET", run_url + "/taskInstances/load").text("detail"), Catch::Contains("mapped"));
  CHECK(scene.json(200, "GET", run_url + "/taskInstances/load/1").integer("map_index") == 1);
  scene.json(404, "GET", run_url + "/taskInstances/load/2");
  scene.json(422, "GET", run_url + "/taskInstances/load/two");
  CHECK(scene.json(200, "GET", run_url + "/taskInstances/load/listMapped").integer("total_entries") == 2);
  scene.json(404, "GET", run_url + "/taskInstances/fetch/listMapped");
  CHECK(scene.json(200, "GET", run_url + "/taskInstances?state=failed&state=none").integer("total_entries") == 2);
  scene.json(422, "GET", run_url + "/taskInstances?state=sad");
  CHECK(scene.json(200, "GET", "/api/v2/dags/~/dagRuns/~/taskInstances?task_id=load&limit=1")
            .get("task_instances")
            .size() == 1);
  const Value tries = scene.json(200, "GET", run_url + "/taskInstances/load/1/tries");
  REQUIRE(tries.integer("total_entries") == 1);
  check_model("TaskInstanceHistoryResponse", tries.get("task_instances").as_list()[0], {"note"});
  check_model("TaskInstanceHistoryResponse", scene.json(200, "GET", run_url + "/taskInstances/fetch/tries/1"),
              {"note"});
  scene.json(404, "GET", run_url + "/taskInstances/fetch/tries/2");
}

TEST_CASE("a task that is not mapped yet is one task instance without a state") {
  ApiScene scene;
  Dag dag = *make_dag();
  dag.version = "v2";
  dag.tasks[1].expand = MapSpec{.inputs = {{"item", std::string("fetch")}}};
  auto snapshot = std::make_shared<CatalogSnapshot>();
  snapshot->dags.emplace("orders", std::make_shared<const Dag>(dag));
  scene.catalog = snapshot;
  DagRun run = make_run(2);
  run.run_id = "r";
  run.dag_version = "v2";
  scene.commit({PutDagVersion{{.dag_id = "orders",
                               .version = "v2",
                               .created_at = t0,
                               .serialized = serialize(dag),
                               .source = "dag: orders\n"}},
                InsertRun{run, ""}, InsertInstances{{make_instance(7, 2, "fetch"), make_instance(8, 2, "tell")}}});
  const std::string instances = "/api/v2/dags/orders/dagRuns/r/taskInstances";
  const auto listed = [&](const std::string& query) {
    std::string names;
    const Value list = scene.json(200, "GET", instances + query);
    for (const Value& row : list.get("task_instances").as_list()) names += row.text("task_id") + " ";
    return names + std::to_string(list.integer("total_entries"));
  };
  CHECK(listed("") == "fetch tell load 3");
  CHECK(listed("?state=none&map_index=-1") == "fetch tell load 3");
  CHECK(listed("?limit=2") == "fetch tell 3");
  CHECK(listed("?limit=2&offset=2") == "load 3");
  CHECK(listed("?limit=2&offset=3") == "3");
  CHECK(listed("?task_id=load") == "load 1");
  CHECK(listed("?task_id=tell") == "tell 1");
  CHECK(listed("?state=failed") == "0");
  CHECK(listed("?map_index=0") == "0");
  CHECK(listed("/load/listMapped") == "0");
  const Value load = scene.json(200, "GET", instances + "/load");
  check_model("TaskInstanceResponse", load);
  CHECK((load.get("state").is_null() && load.integer("map_index") == -1 && load.integer("try_number") == 0));
  CHECK(load.text("id") != scene.json(200, "GET", instances + "/tell").text("id"));
  CHECK(scene.json(200, "GET", instances + "/load/-1") == load);
  CHECK(scene.json(200, "GET", instances + "/load/tries").integer("total_entries") == 0);
  scene.json(404, "GET", instances + "/load/0");
  const std::string why = "/api/udon/dags/orders/dagRuns/r/taskInstances/load/-1/why";
  CHECK(scene.json(200, "GET", why).text("kind") == "pool_full");
  scene.control.reason = Error{ErrorKind::not_found, "there is no such task instance"};
  CHECK_THAT(scene.json(200, "GET", why).text("text"), Catch::Contains("never mapped, and its run is queued"));
  scene.json(409, "PATCH", instances + "/load", R"({"new_state": "success"})");  // the command has done nothing here
  CHECK(scene.control.last<MarkTasks>().selection.tasks == std::vector<std::pair<std::string, int>>{{"load", -1}});
  // Mapped meanwhile.
  scene.commit({InsertInstances{{make_instance(9, 2, "load", 0)}}});
  CHECK(listed("") == "fetch tell load 3");
  CHECK_THAT(scene.json(404, "GET", instances + "/load").text("detail"), Catch::Contains("mapped"));
}

TEST_CASE("clearing and marking reach the runs before and after, or those between two dates, oldest first") {
  ApiScene scene;
  scene.add_run();
  const std::string of_31st = "scheduled__2026-01-31T00:00:00+00:00";
  const auto add = [&](RunNumber number, const std::string& id, std::optional<TimePoint> date,
                       const std::string& version) {
    DagRun run = make_run(number);
    run.run_id = id;
    run.logical_date = date;
    run.dag_version = version;
    scene.commit({InsertRun{run, ""}, InsertInstances{{make_instance(10 * number, number, "fetch")}}});
  };
  const TimePoint named = scene.store.reader().run("orders", of_31st)->value().logical_date.value();
  const std::string version = scene.store.reader().dag("orders")->value().version;
  add(2, "later", named + std::chrono::hours(24), version);
  add(3, "earlier", named - std::chrono::hours(24), version);
  add(4, "undated", std::nullopt, version);
  add(5, "of another shape", named - std::chrono::hours(48), "gone");
  // Of one command: what it is about, run by run.
  const auto selections_of = [](const Command& command) {
    const auto selection_of = [](const auto& change) { return change.selection; };
    std::vector<Selection> selections;
    if (const auto* clear = std::get_if<ClearTasks>(&command)) return std::vector{clear->selection};
    if (const auto* mark = std::get_if<MarkTasks>(&command)) return std::vector{mark->selection};
    for (const auto& change : std::get<ChangeRuns>(command).changes)
      selections.push_back(std::visit(selection_of, change));
    return selections;
  };
  scene.control.answer = [&](const Command& command) {
    CommandOutcome outcome;
    for (const Selection& selection : selections_of(command))
      outcome.instances.push_back({"orders", selection.run_id, "fetch", -1});
    return outcome;
  };
  const std::string clear_url = "/api/v2/dags/orders/clearTaskInstances";
  const auto asked = [&](const std::function<void()>& ask) {
    scene.control.commands.clear();
    ask();
    CHECK(scene.control.commands.size() == 1);  // one command is one commit
    std::string runs;
    for (const Selection& selection : selections_of(scene.control.commands.back())) runs += selection.run_id + ", ";
    return runs;
  };
  const auto clear = [&](const std::string& body) {
    return asked([&] { scene.json(200, "POST", clear_url, "{" + body + "}"); });
  };
  const std::string of_run = R"("dag_run_id": ")" + of_31st + R"(", "task_ids": ["fetch"])";
  CHECK(clear(of_run) == of_31st + ", ");
  CHECK(clear(of_run + R"(, "include_future": true)") == of_31st + ", later, ");
  CHECK(clear(of_run + R"(, "include_past": true)") == "earlier, " + of_31st + ", ");
  CHECK(clear(of_run + R"(, "include_past": true, "include_future": true)") == "earlier, " + of_31st + ", later, ");
  const auto date = [&](int hours) { return format_time(named + std::chrono::hours(hours)); };
  CHECK(clear(R"("task_ids": ["fetch"], "start_date": ")" + date(0) + R"(", "end_date": ")" + date(24) + "\"") ==
        of_31st + ", later, ");
  CHECK(clear(R"("end_date": ")" + date(-24) + "\"") == "of another shape, earlier, ");
  CHECK(clear(R"("task_ids": [["load", 1], ["fetch", -1]], "start_date": ")" + date(-48) + "\"") ==
        "earlier, " + of_31st + ", later, ");
  CHECK(selections_of(scene.control.commands.back()).back().tasks ==
        std::vector<std::pair<std::string, int>>{{"fetch", -1}});
  const Value changed = scene.json(200, "POST", clear_url, "{" + of_run + R"(, "include_past": true})");
  CHECK(changed.integer("total_entries") == 2);
  CHECK(changed.get("task_instances").as_list()[0].text("dag_run_id") == "earlier");
  CHECK(asked([&] {
          scene.json(200, "PATCH", run_url + "/taskInstances/fetch",
                     R"({"new_state": "success", "include_past": true, "include_upstream": true})");
        }) == "earlier, " + of_31st + ", ");
  CHECK(selections_of(scene.control.commands.back()).back().upstream);
  // What makes no sense.
  CHECK_THAT(scene.json(400, "POST", clear_url, R"({"dag_run_id": "undated", "include_past": true})").text("detail"),
             Catch::Contains("no logical_date"));
  CHECK_THAT(
      scene.json(404, "POST", clear_url, R"({"task_ids": ["fetsch"], "end_date": ")" + date(0) + "\"}").text("detail"),
      Catch::Contains("has the task `fetsch`"));
  scene.json(422, "POST", clear_url, "{" + of_run + R"(, "start_date": ")" + date(0) + "\"}");
  scene.json(422, "POST", clear_url, R"({"start_date": ")" + date(1) + R"(", "end_date": ")" + date(0) + "\"}");
}

TEST_CASE("clearing, marking and killing task instances are commands with their selection") {
  ApiScene scene;
  scene.add_run();
  const std::string run_id = "scheduled__2026-01-31T00:00:00+00:00";
  scene.control.answer = [&](const Command&) {
    return CommandOutcome{.instances = {{"orders", run_id, "load", 0}, {"orders", run_id, "tell", -1}}};
  };
  const Value cleared = scene.json(
      200, "POST", "/api/v2/dags/orders/clearTaskInstances",
      R"({"dag_run_id": ")" + run_id +
          R"(", "task_ids": [["load", 0], "fetch"], "dry_run": false, "include_downstream": true, "only_failed": false})");
  CHECK(cleared.integer("total_entries") == 2);
  check_model("TaskInstanceResponse", cleared.get("task_instances").as_list()[0]);
  const auto& clear = scene.control.last<ClearTasks>();
  CHECK(clear.selection.tasks == std::vector<std::pair<std::string, int>>{{"load", 0}, {"fetch", -1}});
  CHECK((clear.selection.downstream && !clear.selection.upstream && !clear.selection.only_failed && !clear.dry_run));
  scene.json(200, "POST", "/api/v2/dags/orders/clearTaskInstances", R"({"dag_run_id": ")" + run_id + R"("})");
  CHECK((scene.control.last<ClearTasks>().dry_run && scene.control.last<ClearTasks>().selection.only_failed));
  scene.json(422, "POST", "/api/v2/dags/orders/clearTaskInstances",
             R"({"dag_run_id": "x", "task_ids": [["load"], 5]})");
  scene.json(404, "POST", "/api/v2/dags/orders/clearTaskInstances", R"({"dag_run_id": "x"})");
  scene.json(400, "POST", "/api/v2/dags/orders/clearTaskInstances", "{}");
  scene.json(200, "PATCH", run_url + "/taskInstances/load/0",
             R"({"new_state": "success", "include_downstream": true})");
  CHECK(scene.control.last<MarkTasks>().selection.tasks == std::vector<std::pair<std::string, int>>{{"load", 0}});
  scene.json(200, "PATCH", run_url + "/taskInstances/load", R"({"new_state": "skipped"})");
  CHECK(scene.control.last<MarkTasks>().selection.tasks == std::vector<std::pair<std::string, int>>{{"load", -1}});
  scene.json(422, "PATCH", run_url + "/taskInstances/load", R"({"new_state": "running"})");
  scene.json(404, "PATCH", run_url + "/taskInstances/nope", R"({"new_state": "failed"})");
  scene.json(200, "POST", "/api/udon/dags/orders/dagRuns/scheduled__2026-01-31T00%3A00%3A00%2B00%3A00/kill",
             R"({"task_ids": [["load", 1]]})", "user");
  CHECK(scene.control.last<KillTasks>().user == "user");
  scene.json(422, "POST", "/api/udon/dags/orders/dagRuns/scheduled__2026-01-31T00%3A00%3A00%2B00%3A00/kill", "{}");
  scene.control.answer = [](const Command&) { return CommandOutcome{}; };
  scene.json(409, "PATCH", run_url + "/taskInstances/fetch", R"({"new_state": "success"})");
}

TEST_CASE("why a task instance waits is told with who holds what") {
  ApiScene scene;
  scene.add_run();
  const Value why = scene.json(
      200, "GET",
      "/api/udon/dags/orders/dagRuns/scheduled__2026-01-31T00%3A00%3A00%2B00%3A00/taskInstances/tell/-1/why");
  CHECK(why.text("kind") == "pool_full");
  CHECK_THAT(why.text("text"), Catch::Contains("pool `둘`"));
  CHECK(to_json(why.get("holders")) == R"(["other/run/task"])");
  scene.json(404, "GET",
             "/api/udon/dags/orders/dagRuns/scheduled__2026-01-31T00%3A00%3A00%2B00%3A00/taskInstances/load/-1/why");
}

TEST_CASE("XComs are listed without their values and shown with them") {
  ApiScene scene;
  scene.add_run();
  const Value list = scene.json(200, "GET", run_url + "/taskInstances/fetch/xcomEntries");
  REQUIRE(list.integer("total_entries") == 1);
  check_model("XComResponse", list.get("xcom_entries").as_list()[0]);
  const Value xcom = scene.json(200, "GET", run_url + "/taskInstances/fetch/xcomEntries/return_value");
  check_model("XComResponseNative", xcom);
  CHECK(to_json(xcom.get("value")) == R"({"rows":12,"이름":"주문"})");
  CHECK(
      scene.json(200, "GET", run_url + "/taskInstances/fetch/xcomEntries/return_value?stringify=true").text("value") ==
      R"({"rows":12,"이름":"주문"})");
  scene.json(404, "GET", run_url + "/taskInstances/fetch/xcomEntries/nope");
  scene.json(404, "GET", run_url + "/taskInstances/load/xcomEntries/return_value?map_index=1");
  CHECK(
      scene.json(200, "GET", run_url + "/taskInstances/~/xcomEntries?xcom_key=return_value").integer("total_entries") ==
      1);
}

TEST_CASE("files with errors are import errors, one each") {
  ApiScene scene;
  const Value list = scene.json(200, "GET", "/api/v2/importErrors");
  REQUIRE(list.integer("total_entries") == 1);
  const Value& error = list.get("import_errors").as_list()[0];
  check_model("ImportErrorResponse", error);
  CHECK_THAT(error.text("stack_trace"), Catch::Contains("broken.yaml:3:7") && Catch::Contains("broken.yaml:9:1"));
  check_model("ImportErrorResponse", scene.json(200, "GET", "/api/v2/importErrors/1"));
  scene.json(404, "GET", "/api/v2/importErrors/2");
  check_model("DAGWarningResponse", scene.json(200, "GET", "/api/v2/dagWarnings").get("dag_warnings").as_list()[0]);
}

TEST_CASE("the log of events is paged from both ends") {
  ApiScene scene;
  scene.add_run();
  const Value all = scene.json(200, "GET", "/api/v2/eventLogs?limit=100");
  const int64_t total = all.integer("total_entries");
  REQUIRE(total > 5);
  for (const Value& event : all.get("event_logs").as_list()) check_model("EventLogResponse", event);
  const Value newest = scene.json(200, "GET", "/api/v2/eventLogs?order_by=-when&limit=2");
  CHECK(newest.get("event_logs").as_list()[0] == all.get("event_logs").as_list().back());
  const Value second_page = scene.json(200, "GET", "/api/v2/eventLogs?limit=3&offset=3");
  CHECK(second_page.get("event_logs").as_list()[0] == all.get("event_logs").as_list()[3]);
  CHECK(scene.json(200, "GET", "/api/v2/eventLogs?limit=3&offset=" + std::to_string(total - 1))
            .get("event_logs")
            .size() == 1);
  CHECK(scene.json(200, "GET", "/api/v2/eventLogs?limit=3&offset=" + std::to_string(total + 5))
            .get("event_logs")
            .size() == 0);
}

TEST_CASE("settings are shown in Airflow's form") {
  ApiScene scene;
  CHECK(to_json(scene.json(200, "GET", "/api/v2/config?section=core")) ==
        R"({"sections":[{"name":"core","options":[{"key":"parallelism","value":"32"}]}]})");
  CHECK(scene.json(200, "GET", "/api/v2/config").get("sections").size() == 2);
  scene.json(404, "GET", "/api/v2/config?section=nope");
  CHECK(to_json(scene.json(200, "GET", "/api/v2/config/section/web/option/port")) ==
        R"({"sections":[{"name":"web","options":[{"key":"port","value":"8080"}]}]})");
  scene.json(404, "GET", "/api/v2/config/section/web/option/nope");
}

TEST_CASE("a path that is nothing is 404, another method is 405, and an exception inside is a plain 500") {
  ApiScene scene;
  scene.json(404, "GET", "/api/v2/nothing");
  scene.json(404, "GET", "/");
  scene.json(404, "GET", "/api/v2/dags/../../etc/passwd");
  const web::Response response = scene.ask("PUT", "/api/v2/dags/orders");
  CHECK(response.status == 405);
  scene.router.add("GET", "/boom", web::open_to_all, "Throws",
                   [](const web::Call&) -> Result<web::Response> { throw std::runtime_error("secret inside"); });
  CHECK(scene.ask("GET", "/boom").body == R"({"detail":"Internal Server Error"})");
}

TEST_CASE("openapi.json describes every route but those of the tries") {
  ApiScene scene;
  const Value description = scene.json(200, "GET", "/openapi.json");
  size_t routes = 0;
  for (const web::Route& route : scene.router.routes()) {
    const Value& item = description.get("paths").get(route.pattern);
    const bool is_described = item.find(lower_ascii(route.method)) != nullptr;
    CHECK(is_described == (route.access.kind != web::Access::Kind::live_try));
    ++routes;
  }
  CHECK(routes > 60);
  CHECK(scene.ask("GET", "/openapi.json", "", "").status == 401);
}
