#include "plugins/short_circuit/short_circuit.h"

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace udon {
namespace {

// As Python has it, but for texts: what a command wrote is a text, and "false" is not to be taken for true.
std::optional<bool> truth_of(const Value& value) {
  if (value.is_null()) return false;
  if (value.is_bool()) return value.as_bool();
  if (value.is_number()) return value.as_double() != 0;
  if (value.is_list() || value.is_map()) return value.size() > 0;
  const std::string text = lower_ascii(value.as_string());
  for (const char* const yes : {"true", "yes", "1"}) {
    if (text == yes) return true;
  }
  for (const char* const no : {"", "false", "no", "0", "none", "null"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

class ShortCircuitOperator final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    const Value& condition = context.parameters().get("condition");
    const auto truth = truth_of(condition);
    if (!truth) {
      return Error{ErrorKind::data, context.redact("condition: the text `" + condition.as_string() +
                                                   "` is neither true nor false; compare it: {{ … == '…' }}")};
    }
    const bool goes_far = context.parameters().flag("ignore_downstream_trigger_rules", true);
    if (!goes_far) context.xcom_push("ignore_downstream_trigger_rules", false);
    const std::string message = *truth     ? "the condition holds"
                                : goes_far ? "the condition does not hold: all that follows is skipped"
                                           : "the condition does not hold: what follows directly is skipped";
    context.log(message);
    return Outcome{.return_value = *truth, .message = message};
  }
};

}  // namespace

std::unique_ptr<Operator> make_short_circuit_operator() { return std::make_unique<ShortCircuitOperator>(); }

}  // namespace udon
