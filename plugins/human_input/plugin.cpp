#include "plugins/api/plugin.h"
#include "plugins/api/asking.h"

namespace udon {
extern const char human_input_description[];
extern const char human_input_help[];

namespace {

class HumanInput final : public Sensor {
 public:
  Result<Poke> poke(TaskContext& context) override {
    const Value& parameters = context.parameters();
    TRY_ASSIGN(Value options, texts_of(parameters, "options"));
    TRY_ASSIGN(Value question, question_of(parameters, std::move(options)));
    question.set("multiple", parameters.get("multiple") == Value(true));
    Poke poke;
    poke.asks = std::move(question);
    return poke;
  }
};

const PluginOperator operators[] = {plugin_operator<HumanInput>(human_input_description, human_input_help)};
const Plugin plugin{.operators = operators, .operator_count = 1};

}  // namespace
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() { return &udon::plugin; }
