#pragma once
// An operator of S3 out of its shared object, on the real store or before one that fails.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "base/id.h"
#include "base/text.h"
#include "plugins/api/plugin_host.h"
#include "tests/base/temporary_folder.h"
#include "tests/io/store.h"
#include "tests/support/fake_task_context.h"

namespace udon::test {

inline const LoadedOperator& loaded_operator(const std::string& name) {
  static PluginHost host(Path(std::getenv("UDON_BUILD")) / "plugins");
  const auto loaded = host.find(name + ".so", name);
  if (!loaded) FAIL(loaded.error().message);
  return **loaded;
}

// A try of it. `home` is shared by the tries that a test makes.
class S3Try final : public FakeTaskContext {
 public:
  S3Try(const std::string& name, const Value& given, const Connection& lake, Path home, int64_t fence = 1)
      : FakeTaskContext(system_clock), operator_(loaded_operator(name)), home_(std::move(home)), fence_(fence) {
    auto completed = complete_parameters(operator_.spec, given);
    if (!completed) FAIL(completed.error().message);
    parameter_map = std::move(*completed);
    connections["lake"] = lake;
    connections["reader"] = lake;
    connections["reader"].login = "reader";
    connections["reader"].password = "readersecret";
  }
  std::string try_id() const override { return "test-" + std::to_string(fence_); }
  int64_t fence() const override { return fence_; }
  Result<std::filesystem::path> staging() override {
    const Path staging = home_ / "staging" / try_id();
    TRY(make_directories(staging));
    return staging;
  }
  std::filesystem::path dags_folder() const override { return home_ / "dags"; }
  void log(std::string_view text) override {
    const std::lock_guard lock(mutex_);
    FakeTaskContext::log(text);
  }

  Result<Outcome> run() { return operator_.functions->make_operator()->run(*this); }
  Result<Sensor::Poke> poke() { return operator_.functions->make_sensor()->poke(*this); }
  Value value() {
    const auto outcome = run();
    if (!outcome) FAIL(outcome.error().message);
    return outcome->return_value;
  }
  Error error() {
    const auto outcome = run();
    REQUIRE_FALSE(outcome);
    for (const char* secret : {"udonsecret", "readersecret"})
      CHECK(outcome.error().message.find(secret) == std::string::npos);
    return outcome.error();
  }
  std::string logged() const { return join(lines, "\n"); }

 private:
  const LoadedOperator& operator_;
  const Path home_;
  const int64_t fence_;
  std::mutex mutex_;
};

inline Value map_of(std::vector<std::pair<std::string, Value>> members) {
  Value value = Value::map();
  for (auto& [key, member] : members) value.set(key, std::move(member));
  return value;
}
inline Value list_of(const std::vector<std::string>& texts) {
  Value list = Value::list();
  for (const std::string& text : texts) list.push_back(text);
  return list;
}

}  // namespace udon::test
