#include "plugins/api/plugin.h"

#include <algorithm>
#include <map>

#include "base/text.h"

namespace udon {
extern const char wait_for_task_description[];
extern const char wait_for_task_help[];

namespace {

const std::vector<std::string> states_of_tasks = {"success", "failed", "skipped", "upstream_failed"};
const std::vector<std::string> states_of_runs = {"success", "failed"};

Result<std::vector<std::string>> texts(const Value& parameters, std::string_view name,
                                       const std::vector<std::string>* choices) {
  std::vector<std::string> list;
  for (const Value& value : parameters.get(name).as_list()) {
    if (!value.is_string()) return Error{ErrorKind::invalid, std::string(name) + ": expected a list of texts"};
    const std::string& text = value.as_string();
    if (choices != nullptr && std::ranges::find(*choices, text) == choices->end())
      return Error{ErrorKind::invalid, std::string(name) + ": `" + text + "` is not one of " + join(*choices, ", ") +
                                           did_you_mean(text, *choices)};
    list.push_back(text);
  }
  return list;
}

bool has(const std::vector<std::string>& list, const std::string& text) {
  return std::ranges::find(list, text) != list.end();
}

// What was seen of one thing: "load is running", "load: 2 of 5 are success, 3 running".
struct Seen {
  std::string name;
  std::map<std::string, int> count;  // by state
  int total = 0;

  bool is_all(const std::vector<std::string>& allowed) const {
    return total > 0 && std::ranges::all_of(count, [&](const auto& entry) { return has(allowed, entry.first); });
  }
  std::string text() const {
    if (total == 0) return name + " has no task instance yet";
    if (count.size() == 1 && total == 1) return name + " is " + count.begin()->first;
    std::vector<std::string> parts;
    for (const auto& [state, number] : count) parts.push_back(std::to_string(number) + " " + state);
    return name + ": " + join(parts, ", ");
  }
};

class WaitForTask final : public Sensor {
 public:
  Result<Poke> poke(TaskContext& context) override {
    const Value& parameters = context.parameters();
    const std::string dag_id = parameters.text("external_dag_id");
    TRY_ASSIGN(const std::vector<std::string> task_ids, texts(parameters, "external_task_ids", nullptr));
    const auto& choices = task_ids.empty() ? states_of_runs : states_of_tasks;
    TRY_ASSIGN(const std::vector<std::string> allowed, texts(parameters, "allowed_states", &choices));
    TRY_ASSIGN(const std::vector<std::string> failed, texts(parameters, "failed_states", &choices));
    if (allowed.empty()) return Error{ErrorKind::invalid, "allowed_states: expected at least one state"};
    for (const std::string& state : failed)
      if (has(allowed, state)) return Error{ErrorKind::invalid, "failed_states: `" + state + "` is allowed, too"};

    TRY_ASSIGN(const Value run,
               context.look_at_dag_run(Value::Map{{"dag_id", dag_id},
                                                  {"run_id", parameters.get("run_id")},
                                                  {"logical_date", parameters.get("logical_date")},
                                                  {"earlier_us", parameters.integer("execution_delta")},
                                                  {"task_ids", parameters.get("external_task_ids")}}));
    Poke poke;
    if (run.get("run_id").is_null()) {
      const std::string date = run.text("logical_date");
      poke.message = "DAG " + dag_id + " has no run " +
                     (date.empty() ? parameters.text("run_id") : "of logical date " + date) + " yet";
      if (run.get("is_paused") == Value(true)) poke.message += "; it is paused";
      return poke;
    }
    const std::string where = " in run " + run.text("run_id") + " of DAG " + dag_id;
    std::vector<std::string> waiting;
    for (const Seen& seen : seen_in(run, task_ids)) {
      for (const std::string& state : failed)
        if (seen.count.contains(state)) return Error{ErrorKind::data, seen.text() + where};
      if (!seen.is_all(allowed)) waiting.push_back(seen.text());
    }
    if (!waiting.empty()) {
      poke.message = join(waiting, "; ") + where;
      if (run.get("is_paused") == Value(true)) poke.message += ", which is paused";
      return poke;
    }
    poke.is_met = true;
    poke.message = (task_ids.empty() ? "it is " + run.text("state") : join(task_ids, ", ") + ": done") + where;
    poke.return_value =
        Value::Map{{"dag_id", dag_id}, {"run_id", run.get("run_id")}, {"logical_date", run.get("logical_date")}};
    return poke;
  }

 private:
  static std::vector<Seen> seen_in(const Value& run, const std::vector<std::string>& task_ids) {
    if (task_ids.empty()) return {{.name = "it", .count = {{run.text("state"), 1}}, .total = 1}};
    std::vector<Seen> all;
    for (const std::string& task_id : task_ids) {
      Seen seen{.name = task_id, .count = {}, .total = 0};
      if (const Value& states = run.get("tasks").get(task_id); states.is_list())
        for (const Value& state : states.as_list()) {
          ++seen.count[state.as_string()];
          ++seen.total;
        }
      all.push_back(std::move(seen));
    }
    return all;
  }
};

const PluginOperator operators[] = {plugin_operator<WaitForTask>(wait_for_task_description, wait_for_task_help)};
const Plugin plugin{.operators = operators, .operator_count = 1};

}  // namespace
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() { return &udon::plugin; }
