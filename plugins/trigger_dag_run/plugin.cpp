#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

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
    context.log("DAG " + dag_id + ": run " + run_id + " is " + made->text("state"));
    context.xcom_push("trigger_run_id", run_id);
    std::string state = made->text("state");
    if (parameters.get("wait_for_completion") == Value(true)) {
      TRY_ASSIGN(state, end_of(context, dag_id, run_id, Duration(parameters.integer("poll_interval"))));
    }
    const std::string message = "run " + run_id + " of DAG " + dag_id + " is " + state;
    if (state == "failed") return Error{ErrorKind::data, message};
    return Outcome{.skipped = false,
                   .return_value = Value::Map{{"dag_id", dag_id}, {"run_id", run_id}, {"state", state}},
                   .message = message,
                   .exit = {}};
  }

 private:
  static Result<std::string> end_of(TaskContext& context, const std::string& dag_id, const std::string& run_id,
                                    Duration interval) {
    const Value question = Value::Map{{"dag_id", dag_id}, {"run_id", run_id}};
    std::string told;
    while (true) {
      const auto seen = context.look_at_dag_run(question);
      if (!seen && !is_transient(seen.error().kind)) return seen.error();
      if (seen) {
        if (seen->get("run_id").is_null())
          return Error{ErrorKind::not_found,
                       "run " + run_id + " of DAG " + dag_id + " was deleted while it was waited for"};
        const std::string state = seen->text("state");
        if (state == "success" || state == "failed") return state;
        const std::string now = state + (seen->get("is_paused") == Value(true) ? "; the DAG is paused" : "");
        if (now != told) context.log("waiting for it: " + now);
        told = now;
      }
      std::mutex mutex;
      std::unique_lock lock(mutex);
      std::condition_variable_any stopped;
      stopped.wait_for(lock, context.stop_token(), interval, [] { return false; });
      if (context.stop_requested())
        return Error{ErrorKind::cancelled,
                     "stopped while waiting for run " + run_id + " of DAG " + dag_id + ", which goes on"};
    }
  }
};

const PluginOperator operators[] = {plugin_operator<TriggerDagRun>(trigger_dag_run_description, trigger_dag_run_help)};
const Plugin plugin{.operators = operators, .operator_count = 1};

}  // namespace
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() { return &udon::plugin; }
