#include "plugins/api/plugin.h"

namespace udon {
extern const char wait_until_description[];
extern const char wait_until_help[];

namespace {

class WaitUntil final : public Sensor {
 public:
  Result<Poke> poke(TaskContext& context) override {
    const Value& parameters = context.parameters();
    const auto at = parse_time(parameters.text("at"));
    if (!at) return Error{ErrorKind::invalid, "at: " + at.error().message};
    const TimePoint moment = *at + Duration(parameters.integer("plus"));
    const TimePoint now = context.clock().now();
    Poke poke;
    poke.is_met = now >= moment;
    poke.message = poke.is_met ? format_time(moment) + " has come"
                               : "waiting for " + format_time(moment) + ", in " +
                                     format_duration(std::chrono::ceil<std::chrono::seconds>(moment - now));
    if (poke.is_met) poke.return_value = format_time(moment);
    return poke;
  }
};

const PluginOperator operators[] = {plugin_operator<WaitUntil>(wait_until_description, wait_until_help)};
const Plugin plugin{.operators = operators, .operator_count = 1};

}  // namespace
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() { return &udon::plugin; }
