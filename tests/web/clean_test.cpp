#include "tests/web/api_scene.h"

namespace udon::test {
namespace {

const std::string url = "/api/udon/clean";

TEST_CASE("old runs are deleted a step at a time, by who may") {
  ApiScene scene;
  scene.control.answer = [](const Command& command) -> Result<CommandOutcome> {
    const auto& step = std::get<CleanStep>(command);
    CommandOutcome outcome;
    outcome.cleaned = Cleaned{
        .runs = {3, 4}, .instances = 7, .next = {.end_date = t0, .number = 4}, .is_done = step.after.number == 4};
    return outcome;
  };
  const Value first = scene.json(200, "POST", url, R"({"before": "2026-01-30T09:00:00+09:00", "dag_ids": ["orders"],
                                                       "dry_run": false})");
  CHECK(first.integer("dag_runs") == 2);
  CHECK(first.integer("task_instances") == 7);
  CHECK(!first.flag("is_done"));
  CHECK(scene.control.last<CleanStep>().before == *parse_time("2026-01-30T00:00:00Z"));
  CHECK(scene.control.last<CleanStep>().dag_ids == std::vector<std::string>{"orders"});
  CHECK(!scene.control.last<CleanStep>().dry_run);
  CHECK(scene.control.last<CleanStep>().user == "admin");
  Value next = Value::Map{{"before", "2026-01-30T00:00:00Z"}, {"after", first.get("after")}};
  CHECK(scene.json(200, "POST", url, to_json(next)).flag("is_done"));
  CHECK(scene.control.last<CleanStep>().after == RunCursor{.end_date = t0, .number = 4});
  // Who does not say that he means it only counts.
  CHECK(scene.control.last<CleanStep>().dry_run);
}

TEST_CASE("what is to be cleaned is checked") {
  ApiScene scene;
  const auto status = [&](const std::string& body, const std::string& user = "admin") {
    return scene.ask("POST", url, body, user).status;
  };
  CHECK(status("{}") == 422);
  CHECK(status(R"({"before": null})") == 422);
  CHECK(status(R"({"before": "soon"})") == 422);
  CHECK(status(R"({"before": "2100-01-01T00:00:00Z"})") == 422);
  CHECK(status(R"({"before": "2026-01-01T00:00:00Z", "dag_ids": [1]})") == 422);
  CHECK(status(R"({"before": "2026-01-01T00:00:00Z", "tables": []})") == 422);
  CHECK(status(R"({"before": "2026-01-01T00:00:00Z", "after": {"number": -1}})") == 422);
  CHECK(status(R"({"before": "2026-01-01T00:00:00Z", "dag_ids": ["nobody"]})") == 404);
  CHECK(status(R"({"before": "2026-01-01T00:00:00Z"})", "op") == 403);
  CHECK(scene.control.commands.empty());
}

}  // namespace
}  // namespace udon::test
