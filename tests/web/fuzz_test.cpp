// Paths, queries, headers and bodies with bytes lost and exchanged, of the public API and of the door of tries: each
// has an answer, never one of ours (5xx), and JSON where it says so.
#include <unistd.h>

#include "tests/support/mutation.h"
#include "tests/web/api_scene.h"

using namespace udon;
using namespace udon::test;

namespace {

struct Asked {
  const char *method, *target, *body;
};

void check_answer(const web::Response& response) {
  INFO(response.status << " " << response.body.substr(0, 500));
  REQUIRE(response.status >= 200);
  REQUIRE(response.status < 500);
  if (response.status >= 400) REQUIRE_FALSE(response.body.empty());
}

const std::string_view target_spice = "/?&=%.~-_+:,[]{}\"0123456789abcdefghijklmnopqrstuvwxyz ";
const std::string_view body_spice = "{}[]\",:0123456789-+.eEtrufalsn\\ \x80\xff";

}  // namespace

TEST_CASE("no request makes the public API stumble") {
  ApiScene scene;
  scene.add_run();
  scene.control.answer = [](const Command&) {
    CommandOutcome outcome;
    outcome.run = make_run(1);
    return outcome;
  };
  const std::vector<Asked> corpus{
      {"GET", "/api/v2/dags?limit=3&offset=0&order_by=-dag_id&tags=lake&dag_id_pattern=or%25", ""},
      {"GET", "/api/v2/dags/orders/dagRuns?state=running&logical_date_gte=2026-01-01T00:00:00Z&limit=5", ""},
      {"GET", "/api/v2/dags/orders/dagRuns/scheduled__2026-01-31T00:00:00+00:00/taskInstances/load/1", ""},
      {"GET", "/api/v2/dags/~/dagRuns/~/taskInstances?map_index=1&state=failed", ""},
      {"GET", "/api/v2/eventLogs?dag_id=orders&limit=9", ""},
      {"GET", "/api/v2/connections", ""},
      {"POST", "/api/v2/dags/orders/dagRuns",
       R"({"dag_run_id": "r1", "logical_date": "2026-02-01T00:00:00Z", "conf": {"lake": "s3://x"}, "note": null})"},
      {"POST", "/api/v2/dags/orders/clearTaskInstances",
       R"({"dry_run": true, "task_ids": ["load", ["load", 1]], "only_failed": false, "dag_run_id": "r1"})"},
      {"PATCH", "/api/v2/dags/orders", R"({"is_paused": true})"},
      {"POST", "/api/v2/connections",
       R"({"connection_id": "c", "conn_type": "mysql", "host": "h", "port": 3306, "extra": "{\"a\": 1}"})"},
      {"POST", "/api/v2/pools", R"({"name": "narrow", "slots": 3, "include_deferred": false, "description": "좁은"})"},
      {"POST", "/api/v2/variables", R"({"key": "lake", "value": "{\"a\": 1}", "description": "d"})"}};
  const uint64_t seed = fuzz_seed();
  Random random(seed);
  for (uint64_t round = fuzz_rounds(1500); round > 0; --round) {
    const Asked& asked = corpus[random.below(corpus.size())];
    const bool is_of_body = *asked.body != '\0' && !random.one_in(3);
    const std::string target = is_of_body ? asked.target : mutated(asked.target, random, target_spice);
    const std::string body = is_of_body ? mutated(asked.body, random, body_spice) : asked.body;
    INFO("seed " << seed << " round " << round << ": " << asked.method << " " << target << "\n" << body);
    if (!web::parse_target(target)) continue;  // refused by the server before anybody sees it
    check_answer(scene.ask(asked.method, target, body));
  }
}

TEST_CASE("no request makes the door of tries stumble") {
  ApiScene scene;
  scene.add_run();
  TryRequest request;
  request.try_id = {"inst", 13};
  request.key = {"orders", "scheduled__2026-01-31T00:00:00+00:00", "load", 1};
  request.instance = 3;
  request.run = 1;
  request.connections = {"market"};
  REQUIRE(scene.spool.write_request(request));
  TryEnded ended;
  ended.result = TryEnded::Result::success;
  ended.xcom.set("return_value", Value::List{1, "둘"});
  const std::string report = to_json(to_value(Report{request.try_id, ended}));
  const std::vector<Asked> corpus{{"GET", "/task/v1/connections/market", ""},
                                  {"GET", "/task/v1/variables/lake", ""},
                                  {"GET", "/task/v1/xcoms?task_id=fetch&key=return_value&map_index=-1", ""},
                                  {"POST", "/task/v1/reports", report.c_str()}};
  const uint64_t seed = fuzz_seed();
  Random random(seed);
  for (uint64_t round = fuzz_rounds(1500); round > 0; --round) {
    const Asked& asked = corpus[random.below(corpus.size())];
    auto target = web::parse_target(random.one_in(2) ? asked.target : mutated(asked.target, random, target_spice));
    if (!target) continue;
    target->method = asked.method;
    target->body = *asked.body == '\0' ? "" : mutated(asked.body, random, body_spice);
    const std::string id = random.one_in(5) ? mutated("inst-13", random, target_spice) : "inst-13";
    target->headers = {{"x-udon-try", id}, {"authorization", "Bearer token of " + id}};
    target->peer.is_local_socket = true;
    target->peer.uid = ::geteuid();
    INFO("seed " << seed << " round " << round << ": " << asked.method << " " << join(target->path, "/") << " as " << id
                 << "\n"
                 << target->body);
    check_answer(scene.router.handle(*target));
  }
}
