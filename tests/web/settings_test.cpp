// Pools, variables and connections: what people set through the API.
#include "tests/web/api_scene.h"

using namespace udon;
using namespace udon::test;

TEST_CASE("pools are made, changed and deleted, and the loop is told each time") {
  ApiScene scene;
  const Value made =
      scene.json(201, "POST", "/api/v2/pools", R"({"name": "복제본", "slots": 5, "include_deferred": false})", "op");
  check_model("PoolResponse", made);
  CHECK(made.integer("open_slots") == 5);
  scene.control.last<PoolsChanged>();
  CHECK(scene.json(409, "POST", "/api/v2/pools", R"({"name": "복제본", "slots": 5})").text("detail") ==
        "The Pool with name: `복제본` already exists");
  const std::string one = "/api/v2/pools/%EB%B3%B5%EC%A0%9C%EB%B3%B8";
  CHECK(scene
            .json(200, "PATCH", one,
                  R"({"pool":"복제본","slots":10,"description":null,"include_deferred":false,"team_name":null})")
            .integer("slots") == 10);
  scene.json(400, "PATCH", one, R"({"pool":"other","slots":10})");
  CHECK(scene.json(200, "PATCH", one + "?update_mask=description", R"({"slots":99,"description":"읽기"})")
            .integer("slots") == 10);
  CHECK(scene.json(200, "GET", one).text("description") == "읽기");
  CHECK(scene.json(200, "GET", "/api/v2/pools?order_by=-name&limit=1").get("pools").size() == 1);
  CHECK(scene.json(200, "GET", "/api/v2/pools").integer("total_entries") == 2);
  scene.control.commands.clear();
  scene.json(204, "DELETE", one);
  scene.control.last<PoolsChanged>();
  scene.json(404, "DELETE", one);
  CHECK(scene.json(400, "DELETE", "/api/v2/pools/default_pool").text("detail") == "Default Pool can't be deleted");
  for (const char* body :
       {R"({"name": "a/b", "slots": 1})", R"({"name": "a", "slots": -2})", R"({"name": "a", "slots": 1.5})",
        R"({"name": "a"})", R"({"slots": 1})", R"({"name": "a", "slots": 1, "slotz": 2})"})
    scene.json(422, "POST", "/api/v2/pools", body);
}

TEST_CASE("a pool says who is in it") {
  ApiScene scene;
  scene.add_run();
  const Value pool = scene.json(200, "GET", "/api/v2/pools/default_pool");
  CHECK(pool.integer("running_slots") == 1);
  CHECK(pool.integer("occupied_slots") == 1);
  CHECK(pool.integer("open_slots") == pool.integer("slots") - 1);
}

TEST_CASE("where no loop runs, pools are changed nevertheless") {
  ApiScene scene;
  scene.control.answer = [](const Command&) -> Result<CommandOutcome> {
    return Error{ErrorKind::unavailable, "no scheduler"};
  };
  scene.json(201, "POST", "/api/v2/pools", R"({"name": "p", "slots": 5})");
}

TEST_CASE("variables are made, changed and deleted; one with a secret's name is never shown") {
  ApiScene scene;
  const Value made =
      scene.json(201, "POST", "/api/v2/variables", R"({"key": "lake", "value": {"bucket": "호수"}})", "op");
  check_model("VariableResponse", made);
  CHECK(made.text("value") == R"({"bucket":"호수"})");
  CHECK(scene.json(409, "POST", "/api/v2/variables", R"({"key": "lake", "value": ""})").text("detail") ==
        "The Variable with key: `lake` already exists");
  CHECK(scene
            .json(200, "PATCH", "/api/v2/variables/lake",
                  R"({"key":"lake","value":"updated","description":null,"team_name":null})")
            .text("value") == "updated");
  scene.json(400, "PATCH", "/api/v2/variables/lake", R"({"key":"river","value":"updated"})");
  scene.json(404, "PATCH", "/api/v2/variables/river", R"({"value":"updated"})");
  CHECK(scene.json(201, "POST", "/api/v2/variables", R"({"key": "api_token", "value": "s3cret"})").text("value") ==
        "***");
  CHECK_THAT(scene.ask("GET", "/api/v2/variables").body, !Catch::Contains("s3cret"));
  scene.json(422, "POST", "/api/v2/variables", R"({"key": "x"})");
  scene.json(204, "DELETE", "/api/v2/variables/lake");
  scene.json(404, "GET", "/api/v2/variables/lake");
  scene.json(404, "DELETE", "/api/v2/variables/lake");
}

TEST_CASE("a connection of the server's environment can be read, without its secrets, and not be changed") {
  ApiScene scene;
  const Value shown = scene.json(200, "GET", "/api/v2/connections/env");
  CHECK(shown.text("conn_type") == "mysql");
  CHECK(shown.text("password") == "***");
  CHECK(shown.text("description") == "of the server's environment");
  CHECK(scene.json(200, "GET", "/api/v2/connections").integer("total_entries") == 0);
  scene.json(404, "DELETE", "/api/v2/connections/env");
  scene.json(404, "PATCH", "/api/v2/connections/env", R"({"connection_id":"env","conn_type":"mysql"})");
}

TEST_CASE("connections of the server's environment have a list of their own, without their secrets") {
  ApiScene scene;
  const Value list = scene.json(200, "GET", "/api/udon/connections/environment");
  CHECK(list.integer("total_entries") == 1);
  const Value& env = list.get("connections").as_list().at(0);
  CHECK(env.text("connection_id") == "env");
  CHECK(env.text("description") == "of the server's environment");
  CHECK(env.text("password") == "***");
  CHECK(scene.ask("GET", "/api/udon/connections/environment").body.find("p4ss") == std::string::npos);
  CHECK(scene.json(200, "GET", "/api/udon/connections/environment?offset=1").get("connections").size() == 0);
}

TEST_CASE("connections are made and changed, and their secrets never come back") {
  ApiScene scene;
  const Value made = scene.json(
      201, "POST", "/api/v2/connections",
      R"({"connection_id":"market","conn_type":"mysql","host":"db","port":3306,"login":"u","password":"p4ssword","extra":"{\"aws_secret_access_key\":\"s3cret\",\"charset\":\"utf8mb4\"}"})",
      "op");
  check_model("ConnectionResponse", made);
  CHECK(made.text("password") == "***");
  CHECK(made.text("extra") == R"({"aws_secret_access_key":"***","charset":"utf8mb4"})");
  scene.control.last<ConnectionsChanged>();
  scene.control.commands.clear();
  scene.json(409, "POST", "/api/v2/connections", R"({"connection_id":"market","conn_type":"mysql"})");
  // As airflowctl sends it: null for all that was not set.
  scene.json(
      200, "PATCH", "/api/v2/connections/market",
      R"({"connection_id":"market","conn_type":"mysql","description":"복제본","host":null,"login":null,"schema":null,"port":null,"password":null,"extra":null,"team_name":null})");
  // As a form that shows what it got and sends it back.
  scene.json(
      200, "PATCH", "/api/v2/connections/market",
      R"({"connection_id":"market","conn_type":"mysql","password":"***","extra":"{\"aws_secret_access_key\":\"***\",\"charset\":\"utf8\"}"})");
  const Connection kept = *scene.store.settings().connection("market").value();
  CHECK(kept.password == "p4ssword");
  CHECK(kept.host == "db");
  CHECK(kept.description == "복제본");
  CHECK(kept.option("aws_secret_access_key") == "s3cret");
  CHECK(kept.option("charset") == "utf8");
  scene.json(200, "PATCH", "/api/v2/connections/market?update_mask=port",
             R"({"connection_id":"market","conn_type":"x","port":3307,"password":"other"})");
  CHECK(scene.store.settings().connection("market").value()->password == "p4ssword");
  CHECK(scene.store.settings().connection("market").value()->port == 3307);
  for (const char* target : {"/api/v2/connections", "/api/v2/connections/market"}) {
    const std::string body = scene.ask("GET", target).body;
    CHECK_THAT(body, !Catch::Contains("p4ssword") && !Catch::Contains("s3cret"));
  }
  CHECK(scene.control.commands.empty());  // a change is none to those who wait for it to be there
  scene.json(204, "DELETE", "/api/v2/connections/market");
  scene.control.last<ConnectionsChanged>();
  scene.json(404, "GET", "/api/v2/connections/market");
}

TEST_CASE("a mistake in a body with secrets is told without them") {
  ApiScene scene;
  for (const char* body :
       {R"({"connection_id":"m","conn_type":"mysql","port":"p4ssword-in-the-wrong-place","password":"p4ssword"})",
        R"({"connection_id":"m","conn_type":"mysql","extra":"{\"password\": \"p4ssword\""})",
        R"({"connection_id":"m","conn_type":"mysql","password":["p4ssword"]})"}) {
    const web::Response response = scene.ask("POST", "/api/v2/connections", body);
    CHECK(response.status == 422);
    if (std::string(body).find("wrong-place") == std::string::npos)
      CHECK_THAT(response.body, !Catch::Contains("p4ssword"));
  }
  scene.json(422, "POST", "/api/v2/connections", R"({"connection_id":"m","conn_type":"mysql","port":70000})");
  scene.json(422, "POST", "/api/v2/connections", R"({"connection_id":"..","conn_type":"mysql"})");
}

TEST_CASE("many at once: what cannot be done is told, the rest is done") {
  ApiScene scene;
  scene.json(201, "POST", "/api/v2/pools", R"({"name": "old", "slots": 1})");
  const Value answer =
      scene.json(200, "PATCH", "/api/v2/pools",
                 R"({"actions":[{"action":"create","entities":[{"name":"old","slots":2},{"name":"new","slots":3}]},)"
                 R"({"action":"update","entities":[{"name":"old","slots":7},{"name":"nope","slots":7}]},)"
                 R"({"action":"delete","entities":["new"],"action_on_non_existence":"skip"}]})");
  check_model("BulkResponse", answer);
  CHECK(to_json(answer.get("create").get("success")) == R"(["new"])");
  CHECK(answer.get("create").get("errors").as_list()[0].integer("status_code") == 409);
  CHECK(to_json(answer.get("update").get("success")) == R"(["old"])");
  CHECK(answer.get("update").get("errors").as_list()[0].integer("status_code") == 404);
  CHECK(to_json(answer.get("delete").get("success")) == R"(["new"])");
  const Value overwritten = scene.json(
      200, "PATCH", "/api/v2/connections",
      R"({"actions":[{"action":"create","entities":[{"connection_id":"c","conn_type":"mysql","description":"","host":null,"password":"x"}],"action_on_existence":"overwrite"}]})");
  CHECK(to_json(overwritten) == R"({"create":{"success":["c"],"errors":[]},"update":null,"delete":null})");
  CHECK(
      to_json(
          scene
              .json(
                  200, "PATCH", "/api/v2/variables",
                  R"({"actions":[{"action":"create","entities":[{"key":"k","value":"v"}],"action_on_existence":"skip"}]})")
              .get("create")
              .get("success")) == R"(["k"])");
  scene.json(422, "PATCH", "/api/v2/pools", R"({"actions":[{"action":"destroy","entities":[]}]})");
  const Value problem =
      scene.json(422, "PATCH", "/api/v2/pools", R"({"actions":[{"action":"create","entities":[{"name":"x"}]}]})");
  CHECK(to_json(problem.get("detail").as_list()[0].get("loc")) == R"(["body","actions",0,"entities",0,"slots"])");
}
