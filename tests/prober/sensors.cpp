// Sensors that do what the tests of the prober need, each by its parameter `how`.
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <stdexcept>

#include "plugins/api/plugin.h"

namespace {

class TestSensor final : public udon::Sensor {
 public:
  udon::Result<Poke> poke(udon::TaskContext& context) override {
    const std::string how = context.parameters().text("how");
    const std::filesystem::path folder = context.parameters().text("folder");
    std::ofstream(folder / ("poked-" + context.task_id()), std::ios::app) << "x";
    std::printf("a library prints on standard output\n");
    std::fflush(stdout);
    if (how == "met") return met();
    if (how == "file") {
      if (std::filesystem::exists(folder / "go")) return met();
      return Poke{.is_met = false, .message = "파일이 아직 없음"};
    }
    if (how == "secret") {
      const auto connection = context.connection("lake");
      if (!connection) return connection.error();
      context.log("opened with " + connection->password);
      return Poke{.is_met = true, .message = "password is " + connection->password};
    }
    if (how == "transient") return udon::Error{udon::ErrorKind::unavailable, "the database is down"};
    if (how == "wrong") return udon::Error{udon::ErrorKind::not_found, "there is no such table"};
    if (how == "throws") throw std::runtime_error("out of luck");
    if (how == "crashes") raise(SIGSEGV);
    if (how == "hangs") poll(nullptr, 0, -1);
    if (how == "stops") {
      while (!context.stop_requested()) poll(nullptr, 0, 5);
      return udon::Error{udon::ErrorKind::cancelled, "asked to stop"};
    }
    if (how == "large") return Poke{.is_met = true, .return_value = std::string(2 << 20, 'x')};
    return udon::Error{udon::ErrorKind::invalid, "how?"};
  }

 private:
  static Poke met() { return {.is_met = true, .message = "it is there", .return_value = "done"}; }
};

std::unique_ptr<udon::Sensor> make_sensor() { return std::make_unique<TestSensor>(); }

const udon::PluginOperator operators[] = {{R"({"name": "test_sensor", "kind": "sensor", "summary": "Tests.", "params": [
         {"name": "how", "type": "string", "required": true, "help": "What it does."},
         {"name": "folder", "type": "string", "required": true, "help": "Where it leaves traces."}]})",
                                           "help", nullptr, make_sensor, nullptr}};

}  // namespace

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() {
  static const udon::Plugin plugin{.operators = operators, .operator_count = 1};
  return &plugin;
}
