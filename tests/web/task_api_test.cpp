#include <unistd.h>

#include "connections/source_grant.h"
#include "tests/web/api_scene.h"

using namespace udon;
using namespace udon::test;

namespace {

// The live try of load[1] asks.
struct TryScene : ApiScene {
  TryScene() {
    add_run();
    request.try_id = {"inst", 13};
    request.key = {"orders", "scheduled__2026-01-31T00:00:00+00:00", "load", 1};
    request.instance = 3;
    request.run = 1;
    request.connections = {"market", "env", "missing"};
    REQUIRE(spool.write_request(request));
    REQUIRE(store.settings().put_connection(
        {.id = "market", .type = "mysql", .host = "db", .login = "u", .password = "p@ss"},
        StoreSettings::Existing::refuse));
    REQUIRE(store.settings().put_connection({.id = "other", .type = "mysql", .host = "db"},
                                            StoreSettings::Existing::refuse));
    REQUIRE(store.settings().put_variable({"lake", "s3://호수", ""}, StoreSettings::Existing::refuse));
  }
  web::Response ask_as_try(const std::string& target, const std::string& id = "inst-13", std::string token = {},
                           bool local = true, const std::string& body = {}) {
    if (token.empty()) token = "token of " + id;
    auto asked = web::parse_target(target).value();
    asked.method = body.empty() ? "GET" : "POST";
    asked.body = body;
    asked.headers = {{"x-udon-try", id}, {"authorization", "Bearer " + token}};
    asked.peer.is_local_socket = local;
    if (local) asked.peer.uid = ::geteuid();
    return router.handle(asked);
  }
  TryRequest request;
};

}  // namespace

TEST_CASE("a live try gets the connections that its DAG file names, and no others") {
  TryScene scene;
  CHECK(scene.ask_as_try("/task/v1/connections/market").body == R"({"uri":"mysql://u:p%40ss@db"})");
  CHECK_THAT(scene.ask_as_try("/task/v1/connections/env").body, Catch::Contains("mysql://u:p4ss@host/db"));
  const web::Response other = scene.ask_as_try("/task/v1/connections/other");
  CHECK(other.status == 403);
  CHECK_THAT(other.body, Catch::Contains(R"("kind":"denied")") && Catch::Contains("`other`"));
  const web::Response missing = scene.ask_as_try("/task/v1/connections/missing");
  CHECK(missing.status == 404);
  CHECK_THAT(missing.body, Catch::Contains(R"("kind":"not_found")") && Catch::Contains("udon connections add missing"));
  scene.request.connections = {"*"};  // no word of ours: a connection called so
  REQUIRE(scene.spool.write_request(scene.request));
  CHECK(scene.ask_as_try("/task/v1/connections/other").status == 403);
}

TEST_CASE("a try gets variables, from the environment first") {
  TryScene scene;
  CHECK(scene.ask_as_try("/task/v1/variables/lake").body == R"({"value":"s3://호수"})");
  CHECK(scene.ask_as_try("/task/v1/variables/greeting").body == R"({"value":"안녕"})");
  CHECK(scene.ask_as_try("/task/v1/variables/nope").status == 404);
}

TEST_CASE("a try pulls XComs of its run: one, a list over a mapped task, or none") {
  TryScene scene;
  CHECK(scene.ask_as_try("/task/v1/xcoms?task_id=fetch&key=return_value").body ==
        R"({"found":true,"value":{"rows":12,"이름":"주문"}})");
  CHECK(scene.ask_as_try("/task/v1/xcoms?task_id=fetch&key=nope").body == R"({"found":false,"value":null})");
  CHECK(scene.ask_as_try("/task/v1/xcoms?task_id=nope&key=return_value").body == R"({"found":false,"value":null})");
  CHECK(scene.ask_as_try("/task/v1/xcoms?task_id=load").body == R"({"found":true,"value":[]})");
  scene.commit({PutXCom{{.instance = 2, .key = "return_value", .value = Value(5), .at = t0}},
                PutXCom{{.instance = 3, .key = "return_value", .value = Value("둘"), .at = t0}}});
  CHECK(scene.ask_as_try("/task/v1/xcoms?task_id=load").body == R"({"found":true,"value":[5,"둘"]})");
  CHECK(scene.ask_as_try("/task/v1/xcoms?task_id=load&map_index=1").body == R"({"found":true,"value":"둘"})");
  CHECK(scene.ask_as_try("/task/v1/xcoms?task_id=load&map_index=7").body == R"({"found":false,"value":null})");
  CHECK(scene.ask_as_try("/task/v1/xcoms?task_id=load&map_index=x").status == 400);
}

TEST_CASE("a try in a mapped group pulls what its group has pushed at the same index, unless it asks for another") {
  TryScene scene;
  auto dag = std::make_shared<Dag>(*make_dag());
  dag->groups = {{.group_id = "each", .expand = dag->tasks[1].expand}};
  dag->tasks[1].mapped_group = "each";
  auto snapshot = std::make_shared<CatalogSnapshot>();
  snapshot->dags.emplace("orders", dag);
  scene.catalog = std::move(snapshot);
  scene.commit({PutXCom{{.instance = 2, .key = "return_value", .value = Value(5), .at = t0}},
                PutXCom{{.instance = 3, .key = "return_value", .value = Value("둘"), .at = t0}}});
  CHECK(scene.ask_as_try("/task/v1/xcoms?task_id=load").body == R"({"found":true,"value":"둘"})");
  CHECK(scene.ask_as_try("/task/v1/xcoms?task_id=load&map_index=0").body == R"({"found":true,"value":5})");
  CHECK(scene.ask_as_try("/task/v1/xcoms?task_id=fetch").body == R"({"found":true,"value":{"rows":12,"이름":"주문"}})");
}

TEST_CASE("a try is given its share of a server, by the strictest bounds of all connections to it") {
  TryScene scene;
  const auto ask = [&](const std::string& body) {
    return scene.ask_as_try("/task/v1/source", "inst-13", "", true, body);
  };
  const std::string wants = R"({"connection":"market","readers_wanted":4,"readers_held":0,"rows_per_second_held":0})";
  CHECK(ask(wants).body == R"({"bounds":{},"readers":4,"rows_per_second":null,"readers_elsewhere":0,"reason":""})");
  const auto put = [&](const std::string& id, const std::string& uri) {
    REQUIRE(
        scene.store.settings().put_connection(parse_connection_uri(id, uri).value(), StoreSettings::Existing::replace));
    scene.clock.advance(std::chrono::seconds(10));
  };
  put("other", "mysql://elsewhere@db:3306/x?max_readers=3&max_lag=30s");
  put("third", "mysql://db/?max_readers=2&max_rows_per_second=500");
  put("of another server", "mysql://db2/?max_readers=1");
  put("wrong", "mysql://db/?max_readers=no");
  CHECK(ask(wants).body ==
        R"({"bounds":{"max_readers":2,"max_rows_per_second":500,"max_lag_us":30000000},"readers":2,)"
        R"("rows_per_second":500.0,"readers_elsewhere":0,"reason":"mysql://db:3306 has max_readers=2"})");
  put("market", "mysql://db/?max_reader=4");
  const web::Response wrong = ask(wants);
  CHECK(wrong.status == 400);
  CHECK_THAT(wrong.body, Catch::Contains("did you mean `max_readers`"));
  CHECK(ask(R"({"connection":"other","readers_wanted":1,"readers_held":0,"rows_per_second_held":0})").status == 403);
  CHECK(ask("no JSON").status == 400);
  CHECK(ask(R"({"connection":"market"})").status == 400);
  CHECK(scene.ask_as_try("/task/v1/source", "inst-14", "", true, wants).status == 403);
}

TEST_CASE("a running try that waits for the server it reads says so to who asks why, until it reads, ends or is gone") {
  TryScene scene;
  scene.control.reason = Reason{.kind = ReasonKind::running, .text = "runs since then, try 1 of 1"};
  const auto why = [&] {
    return scene.json(200, "GET", "/api/udon" + run_url.substr(run_url.find("/dags/")) + "/taskInstances/load/1/why");
  };
  const auto says = [&](const std::string& waits, int readers) {
    const SourceAsk ask{.connection = "market", .readers_wanted = readers, .waits = waits};
    CHECK(scene.ask_as_try("/task/v1/source", "inst-13", "", true, to_json(to_value(ask))).status == 200);
  };
  CHECK(why().text("kind") == "running");
  const std::string waits = "waiting to read mysql://db:3306: `주문/내보내기` reads it too";
  says(waits, 1);
  CHECK(why().text("kind") == "source_bounds");
  CHECK(why().text("text") == "runs since then, try 1 of 1; " + waits);
  says("", 1);
  CHECK(why().text("text") == "runs since then, try 1 of 1");
  says(waits, 1);
  scene.clock.advance(std::chrono::seconds(15));  // it has died: who lives says it each second
  CHECK(why().text("kind") == "running");
  says(waits, 1);
  says(waits, 0);
  CHECK(why().text("kind") == "running");
  says(waits, 1);
  scene.control.reason = Reason{.kind = ReasonKind::ending_old_try, .text = "killed: try 1 is being ended"};
  CHECK(why().text("kind") == "ending_old_try");
  const std::string too_long = to_json(to_value(SourceAsk{.connection = "market", .waits = std::string(5000, 'x')}));
  CHECK(scene.ask_as_try("/task/v1/source", "inst-13", "", true, too_long).status == 400);
}

TEST_CASE("a try makes a run of another DAG once, however often it asks") {
  TryScene scene;
  const auto ask = [&](const std::string& path, const std::string& body) {
    return scene.ask_as_try("/task/v1/dag_runs" + path, "inst-13", "", true, body);
  };
  CHECK(ask("", R"({"dag_id":"","run_id":"x"})").status == 400);
  CHECK(ask("", R"({"dag_id":"orders","run_id":"a b"})").status == 400);
  CHECK(ask("", R"({"dag_id":"orders","run_id":"x","logical_date":"noon"})").status == 400);
  CHECK(ask("", "[]").status == 400);
  // The run of the scene is there already.
  const std::string there = R"("dag_id":"orders","run_id":"scheduled__2026-01-31T00:00:00+00:00")";
  const web::Response taken = ask("", "{" + there + "}");
  CHECK(taken.status == 409);
  CHECK_THAT(taken.body, Catch::Contains("has a run scheduled__2026-01-31T00:00:00+00:00, which is running"));
  CHECK_THAT(ask("", "{" + there + R"(,"is_own":true})").body, Catch::Contains(R"("state":"running")"));
  CHECK(scene.ask_as_try("/task/v1/dag_runs", "inst-14", "", true, "{" + there + "}").status == 403);
  // A run of the id that it has chosen: the answer was lost, and it asks again.
  const std::string wish = R"({"dag_id":"orders","run_id":"mine"})";
  const std::string asker = "triggered by orders/scheduled__2026-01-31T00:00:00+00:00/load[1], try ";
  DagRun made = make_run(7);
  made.run_id = "mine";
  made.logical_date.reset();
  made.triggered_by = "operator";
  made.note = asker + "1 (inst-13)";
  // As the scheduler does: the note is in the run's history, too.
  const auto make = [&] {
    EventRecord event;
    event.event = "command";
    event.dag_id = made.dag_id;
    event.run_id = made.run_id;
    event.text = made.note;
    scene.commit({InsertRun{made, ""}, AppendEvent{event}});
  };
  // Twice at once: the other was first.
  scene.control.answer = [&](const Command& command) -> Result<CommandOutcome> {
    CHECK(std::get<TriggerRun>(command).note == made.note);
    make();
    return Error{ErrorKind::conflict, "DAG `orders` has a run mine already"};
  };
  CHECK(ask("", wish).status == 200);
  CHECK_THAT(ask("", wish).body, Catch::Contains(R"("run_id":"mine")"));
  CHECK(scene.control.commands.size() == 1);
  // Somebody has edited the note meanwhile.
  ChangeRun edit{.expected_state = made.state, .row = made, .cause = MoveCause::command, .event_text = "note changed"};
  edit.row.note = "mine!";
  scene.commit({edit});
  CHECK(ask("", wish).status == 200);
  // Another try, or a person, has made it: that is a conflict.
  made.run_id = "of_another_try";
  made.number = 8;
  made.note = asker + "2 (inst-14)";
  make();
  CHECK(ask("", R"({"dag_id":"orders","run_id":"of_another_try"})").status == 409);
  // Whatever its note says.
  edit.row = made;
  edit.row.note = asker + "1 (inst-13)";
  scene.commit({edit});
  CHECK(ask("", R"({"dag_id":"orders","run_id":"of_another_try"})").status == 409);
  // The first try of a task instance of the same name, whose run was deleted.
  made.run_id = "of_a_run_that_is_gone";
  made.number = 9;
  made.note = asker + "1 (inst-7)";
  make();
  CHECK(ask("", R"({"dag_id":"orders","run_id":"of_a_run_that_is_gone"})").status == 409);
  made.run_id = "by_hand";
  made.number = 10;
  made.note = asker + "1 (inst-13)";
  made.triggered_by = "cli";
  make();
  CHECK(ask("", R"({"dag_id":"orders","run_id":"by_hand"})").status == 409);
}

TEST_CASE("a try sees what has become of a run: by its id, its logical date, or relative to its own") {
  TryScene scene;
  const auto look = [&](const std::string& body) {
    return scene.ask_as_try("/task/v1/dag_runs/look", "inst-13", "", true, body);
  };
  const std::string by_id =
      look(R"({"dag_id":"orders","run_id":"scheduled__2026-01-31T00:00:00+00:00","task_ids":["fetch","load"]})").body;
  CHECK_THAT(by_id, Catch::Contains(R"("state":"running")") && Catch::Contains(R"("fetch":["success"])"));
  CHECK(look(R"({"dag_id":"orders","task_ids":["fetch","load"]})").body == by_id);
  CHECK_THAT(look(R"({"dag_id":"orders","earlier_us":86400000000})").body,
             Catch::Contains(R"("run_id":null)") && Catch::Contains(R"("logical_date":"2026-01-31T00:00:00Z")"));
  CHECK_THAT(look(R"({"dag_id":"orders","run_id":"nope"})").body, Catch::Contains(R"("run_id":null)"));
  const web::Response no_task = look(R"({"dag_id":"orders","task_ids":["fetsh"]})");
  CHECK(no_task.status == 404);
  CHECK_THAT(no_task.body, Catch::Contains("did you mean `fetch`"));
  CHECK(look(R"({"dag_id":"nope"})").status == 404);
}

TEST_CASE("who is no live try is refused") {
  TryScene scene;
  const std::string target = "/task/v1/variables/lake";
  CHECK(scene.ask_as_try(target).status == 200);
  CHECK(scene.ask_as_try(target, "inst-13", "token of inst-14").status == 403);
  CHECK(scene.ask_as_try(target, "inst-14").status == 403);  // no such try
  CHECK(scene.ask_as_try(target, "../../x-13").status == 403);
  CHECK(scene.ask_as_try(target, "inst-13", "", false).status == 403);  // over TCP
  CHECK(scene.ask("GET", target).status == 403);                        // an administrator is no try
}

TEST_CASE("a try that was fenced off, or that has ended, is refused") {
  TryScene scene;
  TryRequest old = scene.request;
  old.try_id.fence = 5;
  REQUIRE(scene.spool.write_request(old));
  CHECK(scene.ask_as_try("/task/v1/variables/lake", "inst-5").status == 403);
  const InstanceRow row = scene.store.reader().instance_by_number(3).value().value();
  scene.commit({move_to(row.instance, TaskState::success, MoveCause::report)});
  const web::Response ended = scene.ask_as_try("/task/v1/variables/lake");
  CHECK(ended.status == 403);
  CHECK_THAT(ended.body, Catch::Contains("not the current try"));
}
