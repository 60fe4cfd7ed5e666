// operator_runner FOLDER: for each line of standard input, {"operator": name, "parameters": {…}}, runs that operator
// out of its shared object, and prints a line: {"value": …, "message", "log": […]} or {"error": kind, "message",
// "log"}. For tests that Python makes. FOLDER: for staging. An order may also have "connections": {id: URI},
// "stop_after": seconds until the try is asked to stop, as at its timeout, "try": its number, 1 if not said, and "run".
// A sensor is poked once: "met". "left": what is in the try's staging folder at the end. "peak_rss": bytes, the most
// that this process has had in memory so far.
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "plugins/api/plugin_host.h"
#include "tests/support/fake_task_context.h"

namespace {

// Log lines come from any thread.
class RunnerContext final : public udon::test::FakeTaskContext {
 public:
  RunnerContext(const udon::Clock& clock, int64_t number, std::string run)
      : FakeTaskContext(clock), number_(number), run_(std::move(run)) {}
  std::string run_id() const override { return run_; }
  std::string try_id() const override { return "test-" + std::to_string(number_); }
  int try_number() const override { return static_cast<int>(number_); }
  int64_t fence() const override { return number_; }
  void log(std::string_view text) override {
    const std::lock_guard lock(mutex_);
    FakeTaskContext::log(text);
  }

 private:
  const int64_t number_;
  const std::string run_;
  std::mutex mutex_;
};

udon::Result<udon::Outcome> run(udon::PluginHost& host, const udon::Value& order, RunnerContext& context,
                                udon::Value& answer) {
  const std::string name = order.text("operator");
  for (const auto& [id, uri] :
       order.get("connections").is_map() ? order.get("connections").as_map() : udon::Value::Map{}) {
    TRY_ASSIGN(context.connections[id], udon::parse_connection_uri(id, uri.as_string()));
  }
  TRY_ASSIGN(const udon::LoadedOperator* const found, host.find(name + ".so", name));
  for (const auto& problem : udon::check_parameters(found->spec, order.get("parameters")))
    return udon::Error{udon::ErrorKind::invalid, problem.param + " " + problem.message};
  TRY_ASSIGN(context.parameter_map, udon::complete_parameters(found->spec, order.get("parameters")));
  if (!found->functions->make_sensor) return found->functions->make_operator()->run(context);
  TRY_ASSIGN(udon::Sensor::Poke poke, found->functions->make_sensor()->poke(context));
  answer.set("met", poke.is_met);
  return udon::Outcome{.return_value = std::move(poke.return_value), .message = std::move(poke.message)};
}

// Asks the try to stop after so long, unless it has ended.
class Limit {
 public:
  Limit(double seconds, std::stop_source stop)
      : thread_([this, seconds, stop](const std::stop_token& ended) mutable {
          std::unique_lock lock(mutex_);
          if (!changed_.wait_for(lock, ended, std::chrono::duration<double>(seconds), [] { return false; }) &&
              !ended.stop_requested())
            stop.request_stop();
        }) {}

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::jthread thread_;
};

// The kernel's own mark, in this process alone: rusage would tell of its parent's before exec.
int64_t peak_rss() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6)) * 1024;
  return 0;
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
    const udon::Value& number = order->get("try");
    RunnerContext context(clock, number.is_int() ? number.as_int() : 1, order->text("run", "run"));
    context.staging_folder = udon::Path(argv[1]) / "staging" / context.try_id();
    if (!udon::remove_tree(context.staging_folder) || !udon::make_directories(context.staging_folder)) return 2;
    std::optional<Limit> limit;
    const udon::Value& seconds = order->get("stop_after");
    if (seconds.is_number()) limit.emplace(seconds.as_double(), context.stop);
    udon::Value answer = udon::Value::map();
    const auto outcome = run(host, *order, context, answer);
    limit.reset();
    if (outcome) {
      answer.set("value", outcome->return_value);
    } else {
      answer.set("error", udon::to_string(outcome.error().kind));
    }
    answer.set("message", outcome ? outcome->message : outcome.error().message);
    udon::Value log = udon::Value::list();
    for (const std::string& text : context.lines) log.push_back(text);
    answer.set("log", std::move(log));
    udon::Value left = udon::Value::list();
    std::error_code ignored;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(context.staging_folder, ignored))
      left.push_back(entry.path().filename().string());
    answer.set("left", std::move(left));
    answer.set("peak_rss", peak_rss());
    std::puts(udon::to_json(answer).c_str());
    std::fflush(stdout);
  }
  return 0;
}
