#include "plugins/api/plugin.h"

namespace udon {
extern const char trigger_dag_run_description[];
extern const char trigger_dag_run_help[];

namespace {

Result<Value> logical_date_of(const std::string& text, TimePoint now) {
  if (text == "none") return Value();
  if (text == "now") return Value(format_time(now));
  const auto time = parse_time(text);
  if (!time) return Error{ErrorKind::invalid, "logical_date: " + time.error().message};
  return Value(format_time(*time));
}

std::string in_words(const std::string& dag_id, const std::string& run_id, const std::string& state) {
  return "run " + run_id + " of DAG " + dag_id + " is " + state;
}

Value result_of(const std::string& dag_id, const std::string& run_id, const std::string& state) {
  return Value::Map{{"dag_id", dag_id}, {"run_id", run_id}, {"state", state}};
}

class TriggerDagRun final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    const Value& parameters = context.parameters();
    const std::string dag_id = parameters.text("trigger_dag_id");
    const std::string asked_id = parameters.text("trigger_run_id");
    const bool is_own = asked_id.empty();
    // By the try's own number: asked twice, it is one run.
    const std::string run_id = is_own ? "triggered__by_" + context.try_id() : asked_id;
    TRY_ASSIGN(Value logical_date, logical_date_of(parameters.text("logical_date"), context.clock().now()));
    const auto made = context.trigger_dag_run(Value::Map{{"dag_id", dag_id},
                                                         {"run_id", run_id},
                                                         {"logical_date", std::move(logical_date)},
                                                         {"conf", parameters.get("conf")},
                                                         {"is_own", is_own},
                                                         {"reset", parameters.get("reset_dag_run")}});
    if (!made) {
      if (made.error().kind == ErrorKind::conflict && parameters.get("skip_when_already_exists") == Value(true))
        return Outcome{.skipped = true, .return_value = {}, .message = made.error().message, .exit = {}};
      return made.error();
    }
    const std::string state = made->text("state");
    context.log("DAG " + dag_id + ": run " + run_id + " is " + state);
    context.xcom_push("trigger_run_id", run_id);
    const std::string message = in_words(dag_id, run_id, state);
    const bool is_over = state == "success" || state == "failed";
    if (parameters.get("wait_for_completion") == Value(true) && !is_over) {
      Outcome waits{.skipped = false, .return_value = {}, .message = "waits for run " + run_id, .exit = {}};
      waits.defer = Defer{.state = Value::Map{{"dag_id", dag_id}, {"run_id", run_id}},
                          .poke_interval = Duration(parameters.integer("poll_interval")),
                          .timeout = {}};
      return waits;
    }
    if (state == "failed") return Error{ErrorKind::data, message};
    return Outcome{.skipped = false, .return_value = result_of(dag_id, run_id, state), .message = message, .exit = {}};
  }
};

// Looks for the end of the run that the process has made.
class EndOfRun final : public Sensor {
 public:
  Result<Poke> poke(TaskContext& context) override {
    const Value state = context.deferred_state().value_or(Value::map());
    const std::string dag_id = state.text("dag_id"), run_id = state.text("run_id");
    TRY_ASSIGN(const Value seen, context.look_at_dag_run(Value::Map{{"dag_id", dag_id}, {"run_id", run_id}}));
    if (seen.get("run_id").is_null())
      return Error{ErrorKind::not_found,
                   "run " + run_id + " of DAG " + dag_id + " was deleted while it was waited for"};
    const std::string now = seen.text("state");
    if (now == "failed") return Error{ErrorKind::data, in_words(dag_id, run_id, now)};
    Poke poke;
    poke.is_met = now == "success";
    poke.message = in_words(dag_id, run_id, now);
    if (!poke.is_met && seen.get("is_paused") == Value(true)) poke.message += "; the DAG is paused";
    if (poke.is_met) poke.return_value = result_of(dag_id, run_id, now);
    return poke;
  }
};

const PluginOperator operators[] = {
    plugin_operator<TriggerDagRun, EndOfRun>(trigger_dag_run_description, trigger_dag_run_help)};
const Plugin plugin{.operators = operators, .operator_count = 1};

}  // namespace
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() { return &udon::plugin; }
