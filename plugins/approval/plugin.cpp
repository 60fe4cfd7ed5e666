#include "plugins/api/plugin.h"
#include "plugins/api/asking.h"

namespace udon {
extern const char approval_description[];
extern const char approval_help[];

namespace {

class Approval final : public Sensor {
 public:
  Result<Poke> poke(TaskContext& context) override {
    const Value& parameters = context.parameters();
    TRY_ASSIGN(Value question, question_of(parameters, Value::List{"Approve", "Reject"}));
    question.set("reject", "Reject");
    question.set("rejects_far", parameters.get("ignore_downstream_trigger_rules") == Value(true));
    question.set("fails_on_reject", parameters.get("fail_on_reject") == Value(true));
    Poke poke;
    poke.asks = std::move(question);
    return poke;
  }
};

const PluginOperator operators[] = {plugin_operator<Approval>(approval_description, approval_help)};
const Plugin plugin{.operators = operators, .operator_count = 1};

}  // namespace
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() { return &udon::plugin; }
