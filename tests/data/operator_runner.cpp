// operator_runner FOLDER: for each line of standard input, {"operator": name, "parameters": {…}}, runs that operator
// out of its shared object, and prints a line: {"value": …, "message", "log": […]} or {"error": kind, "message"}. For
// the comparisons with other software that Python makes. FOLDER: for staging.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "plugins/api/plugin_host.h"
#include "tests/support/fake_task_context.h"

namespace {

udon::Result<udon::Outcome> run(udon::PluginHost& host, const udon::Value& order,
                                udon::test::FakeTaskContext& context) {
  const std::string name = order.text("operator");
  TRY_ASSIGN(const udon::LoadedOperator* const found, host.find(name + ".so", name));
  for (const auto& problem : udon::check_parameters(found->spec, order.get("parameters")))
    return udon::Error{udon::ErrorKind::invalid, problem.param + " " + problem.message};
  TRY_ASSIGN(context.parameter_map, udon::complete_parameters(found->spec, order.get("parameters")));
  return found->functions->make_operator()->run(context);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  udon::PluginHost host(udon::Path(std::getenv("UDON_BUILD")) / "plugins");
  const udon::SystemClock clock;
  for (std::string line; std::getline(std::cin, line);) {
    const auto order = udon::parse_json(line);
    if (!order) {
      std::fprintf(stderr, "%s\n", order.error().message.c_str());
      return 2;
    }
    udon::test::FakeTaskContext context(clock);
    context.staging_folder = udon::Path(argv[1]) / "staging/test-1";
    if (!udon::remove_tree(context.staging_folder) || !udon::make_directories(context.staging_folder)) return 2;
    const auto outcome = run(host, *order, context);
    udon::Value answer = udon::Value::map();
    if (outcome) {
      answer.set("value", outcome->return_value);
    } else {
      answer.set("error", udon::to_string(outcome.error().kind));
    }
    answer.set("message", outcome ? outcome->message : outcome.error().message);
    udon::Value log = udon::Value::list();
    for (const std::string& text : context.lines) log.push_back(text);
    answer.set("log", std::move(log));
    std::puts(udon::to_json(answer).c_str());
    std::fflush(stdout);
  }
  return 0;
}
