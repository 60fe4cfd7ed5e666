// An operator that does what the tests of the runner need, by its parameter `how`.
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "plugins/api/plugin.h"

namespace {

class TestOperator final : public udon::Operator {
 public:
  udon::Result<udon::Outcome> run(udon::TaskContext& context) override {
    const std::string how = context.parameters().text("how");
    if (how == "prints") {
      std::printf("on standard output\n");
      std::fflush(stdout);
      std::fprintf(stderr, "on standard error\n");
      dprintf(context.log_descriptor(), "on the log's descriptor\n");
      context.log("by the context\nof two lines");
      return udon::Outcome{.return_value = udon::Value::Map{{"rows", 3}}, .message = "3 rows"};
    }
    if (how == "pushes") {
      context.xcom_push("key", "값");
      return udon::Outcome{};
    }
    if (how == "parameters") return udon::Outcome{.return_value = context.parameters()};
    if (how == "large") return udon::Outcome{.return_value = std::string(2 << 20, 'x')};
    if (how == "skips") return udon::Outcome{.skipped = true, .message = "nothing to do"};
    if (how == "fails") return udon::Error{udon::ErrorKind::unavailable, "the database is down"};
    if (how == "throws") throw std::runtime_error("out of luck");
    if (how == "aborts") std::thread([] { throw std::runtime_error("in a thread of its own"); }).join();
    if (how == "crashes") raise(SIGSEGV);
    if (how == "hangs") poll(nullptr, 0, -1);
    if (how == "stops") {
      while (!context.stop_requested()) poll(nullptr, 0, 5);
      return udon::Error{udon::ErrorKind::cancelled, "asked to stop"};
    }
    if (how == "stages") {
      const auto staging = context.staging();
      if (!staging) return staging.error();
      std::ofstream(*staging / "file") << "data";
      return udon::Outcome{.return_value = staging->string()};
    }
    if (how == "secret") {
      const auto connection = context.connection("lake");
      if (!connection) return connection.error();
      std::printf("printed %s\n", connection->password.c_str());
      std::fflush(stdout);
      return udon::Error{udon::ErrorKind::denied, "cannot log in with " + connection->password};
    }
    return udon::Error{udon::ErrorKind::invalid, "how?"};
  }
};

std::unique_ptr<udon::Operator> make_operator() { return std::make_unique<TestOperator>(); }

const udon::PluginOperator operators[] = {{R"({"name": "test_operator", "summary": "Tests.", "params": [
         {"name": "how", "type": "string", "required": true, "help": "What it does."},
         {"name": "wait", "type": "duration", "default": "1m30s", "help": "A duration."},
         {"name": "size", "type": "bytes", "default": "1KiB", "help": "A size."}]})",
                                           "help", make_operator, nullptr, nullptr}};

}  // namespace

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() {
  static const udon::Plugin plugin{.operators = operators, .operator_count = 1};
  return &plugin;
}
