// Sensors of a plugin from outside: one that crashes, one that is content.
#include <csignal>

#include "plugins/api/plugin.h"

namespace {

class Crashing final : public udon::Sensor {
 public:
  udon::Result<Poke> poke(udon::TaskContext&) override {
    std::raise(SIGSEGV);
    return Poke{};
  }
};
class Calm final : public udon::Sensor {
 public:
  udon::Result<Poke> poke(udon::TaskContext&) override { return Poke{.is_met = true, .message = "calm"}; }
};
std::unique_ptr<udon::Sensor> make_crashing() { return std::make_unique<Crashing>(); }
std::unique_ptr<udon::Sensor> make_calm() { return std::make_unique<Calm>(); }

constexpr udon::PluginOperator operators[] = {
    {R"({"name": "crashing_sensor", "kind": "sensor", "summary": "Crashes.", "params": []})", "", nullptr,
     make_crashing, nullptr},
    {R"({"name": "calm_sensor", "kind": "sensor", "summary": "Is calm.", "params": []})", "", nullptr, make_calm,
     nullptr}};

}  // namespace

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() {
  static const udon::Plugin plugin{.operators = operators, .operator_count = 2};
  return &plugin;
}
