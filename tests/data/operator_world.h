#pragma once
// An operator out of its shared object, run as a try would, for tests of its errors: parameters are completed by its
// description, and no message may hold a secret.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "plugins/api/plugin_host.h"
#include "tests/base/temporary_folder.h"
#include "tests/support/fake_task_context.h"

namespace udon::test {

using Parameters = std::vector<std::pair<std::string, Value>>;

class OperatorRun {
 public:
  OperatorRun(const std::string& name, const Parameters& parameters) {
    static PluginHost host(Path(std::getenv("UDON_BUILD")) / "plugins");
    const auto found = host.find(name + ".so", name);
    if (!found) FAIL(found.error().message);
    operator_ = *found;
    Value given = Value::map();
    for (const auto& [key, value] : parameters) given.set(key, value);
    auto completed = complete_parameters(operator_->spec, given);
    if (!completed) FAIL(completed.error().message);
    context.parameter_map = std::move(*completed);
    context.staging_folder = folder.path() / "home/staging/test-1";
  }

  Result<Outcome> run() {
    REQUIRE(make_directories(context.staging_folder));
    auto outcome = operator_->functions->make_operator()->run(context);
    std::string told = outcome ? outcome->message + to_json(outcome->return_value) : outcome.error().message;
    for (const std::string& line : context.lines) told += "\n" + line;
    for (const auto& [id, connection] : context.connections) {
      if (connection.password.size() < 6) continue;  // such as `udon`, which is a user's name too
      INFO(told);
      CHECK(told.find(connection.password) == std::string::npos);
    }
    return outcome;
  }
  Error failure() {
    const auto outcome = run();
    REQUIRE_FALSE(outcome);
    UNSCOPED_INFO(outcome.error().message);
    return outcome.error();
  }

  TemporaryFolder folder;

 private:
  SystemClock clock_;

 public:
  FakeTaskContext context{clock_};

 private:
  const LoadedOperator* operator_ = nullptr;
};

}  // namespace udon::test
