#include "tests/web/api_scene.h"

namespace udon::test {
namespace {

const std::string run = "/api/v2/dags/orders/dagRuns/scheduled__2026-01-31T00:00:00+00:00";
const std::string one = run + "/taskInstances/load/1/hitlDetails";

AskedQuestion asked_by_load() {
  AskedQuestion asked{.instance = 3, .try_number = 1, .asked_at = t0};
  asked.question = {.subject = "내보낼까요?",
                    .body = "**12** rows",
                    .options = {"Approve", "Reject"},
                    .defaults = {"Reject"},
                    .params = {{"remark", Value::Map{{"type", "string"}, {"description", "Why"}}, Value("")}},
                    .assignees = {"ada"}};
  return asked;
}

TEST_CASE("what people are asked is listed as Airflow's human-in-the-loop details") {
  ApiScene scene;
  scene.add_run();
  scene.commit({PutQuestion{asked_by_load()}});
  const Value all =
      scene.json(200, "GET", "/api/v2/dags/~/dagRuns/~/hitlDetails?response_received=false", "", "viewer");
  REQUIRE(all.integer("total_entries") == 1);
  const Value& row = all.get("hitl_details").as_list().at(0);
  CHECK(row.text("subject") == "내보낼까요?");
  CHECK(row.text("body") == "**12** rows");
  CHECK(row.get("options") == Value(Value::List{"Approve", "Reject"}));
  CHECK(row.get("defaults") == Value(Value::List{"Reject"}));
  CHECK(row.get("multiple") == Value(false));
  CHECK(row.get("params").get("remark").text("description") == "Why");
  CHECK(row.get("assigned_users").as_list().at(0).text("id") == "ada");
  CHECK(row.get("response_received") == Value(false));
  CHECK(row.get("responded_at").is_null());
  CHECK(row.get("task_instance").text("task_id") == "load");
  CHECK(row.get("task_instance").integer("map_index") == 1);
  CHECK(scene.json(200, "GET", one) == row);
  CHECK(scene.json(200, "GET", one + "/tries/1") == row);
  CHECK(scene.ask("GET", one + "/tries/2").status == 404);
  CHECK(scene.json(200, "GET", run + "/hitlDetails?subject_search=none").integer("total_entries") == 0);
  CHECK(scene.json(200, "GET", run + "/hitlDetails?state=running&task_id=load").integer("total_entries") == 1);
  CHECK(scene.ask("GET", run + "/hitlDetails?state=odd").status == 422);
  CHECK(scene.ask("GET", run + "/taskInstances/fetch/-1/hitlDetails").status == 404);
  CHECK(scene.ask("GET", run + "/taskInstances/nobody/-1/hitlDetails").status == 404);
  CHECK(scene.ask("GET", one, "", "").status == 401);
}

TEST_CASE("an answer goes to the scheduler, and its refusal comes back as it is") {
  ApiScene scene;
  scene.add_run();
  scene.commit({PutQuestion{asked_by_load()}});
  const char* body = R"({"chosen_options": ["Approve"], "params_input": {"remark": "좋아요"}})";
  CHECK(scene.ask("PATCH", one, body, "viewer").status == 403);
  scene.control.answer = [](const Command& command) -> Result<CommandOutcome> {
    const auto& given = std::get<AnswerQuestion>(command);
    AskedQuestion asked = asked_by_load();
    asked.answer =
        Answer{.at = t0 + 1h, .user = given.user, .chosen = given.chosen, .params_input = given.params_input};
    CommandOutcome outcome;
    outcome.question = std::make_shared<const AskedQuestion>(asked);
    return outcome;
  };
  const Value taken = scene.json(200, "PATCH", one, body, "user");
  CHECK(taken.get("responded_by").text("id") == "user");
  CHECK(taken.text("responded_at") == "2026-01-31T01:00:00Z");
  CHECK(taken.get("chosen_options") == Value(Value::List{"Approve"}));
  CHECK(taken.get("params_input").text("remark") == "좋아요");
  CHECK(scene.control.last<AnswerQuestion>().key ==
        TaskInstanceKey{"orders", "scheduled__2026-01-31T00:00:00+00:00", "load", 1});
  for (const auto& [kind, status] :
       {std::pair(ErrorKind::conflict, 409), {ErrorKind::denied, 403}, {ErrorKind::invalid, 422}}) {
    scene.control.answer = [kind = kind](const Command&) { return Error{kind, "so it is"}; };
    CHECK(scene.ask("PATCH", one, body).status == status);
  }
  CHECK(scene.ask("PATCH", one, R"({"chosen_options": []})").status == 422);
  CHECK(scene.ask("PATCH", one, R"({"chosen_options": [1]})").status == 422);
  CHECK(scene.ask("PATCH", one, R"({"chosen": ["Approve"]})").status == 422);
  CHECK(scene.ask("PATCH", run + "/taskInstances/fetch/-1/hitlDetails", body).status == 404);
}

}  // namespace
}  // namespace udon::test
