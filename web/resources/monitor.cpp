#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {

namespace {

// Anybody may read it: without the folder's place.
std::string problem_of(const World& world) {
  if (!world.control.is_ready()) return {};  // the scheduler's status says so
  std::string text = world.control.stopped();
  const std::string home = world.spool.home().string();
  for (size_t at = text.find(home); at != std::string::npos; at = text.find(home, at))
    text.replace(at, home.size(), "$UDON_HOME");
  return text.empty() ? text : "nothing is started: " + text;
}

}  // namespace

void add_monitor(Router& router, World& world) {
  router.add(
      "GET", "/api/v2/monitor/health", open_to_all, "How the parts are", [&world](const Call&) -> Result<Response> {
        const bool store_answers = world.reader.run_by_number(0).has_value();
        const bool is_ready = world.control.is_ready();
        const std::string stopped = problem_of(world);
        const Value now = is_ready ? Value(format_time(world.clock.now())) : Value();
        const auto status = [](bool well) { return well ? "healthy" : "unhealthy"; };
        return json_response(
            200,
            Value::Map{
                {"metadatabase", Value::Map{{"status", status(store_answers && stopped.empty())},
                                            {"problem", stopped.empty() ? Value() : Value(stopped)}}},
                {"scheduler", Value::Map{{"status", status(is_ready)}, {"latest_scheduler_heartbeat", now}}},
                {"triggerer", Value::Map{{"status", nullptr}, {"latest_triggerer_heartbeat", nullptr}}},
                {"dag_processor", Value::Map{{"status", status(is_ready)}, {"latest_dag_processor_heartbeat", now}}}});
      });
  router.add("GET", "/api/v2/version", open_to_all, "The version of this server", [](const Call&) -> Result<Response> {
    return json_response(200, Value::Map{{"version", udon_version}, {"git_version", nullptr}});
  });
  router.add("GET", "/metrics", world.metrics_are_open ? open_to_all : at_least(Role::viewer),
             "Counters and gauges in Prometheus' text format", [&world](const Call&) -> Result<Response> {
               return Response{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                               .body = world.metrics.prometheus_text()};
             });
}

}  // namespace udon::web
