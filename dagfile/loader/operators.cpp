// Parameters and their templates, task by task.
#include <algorithm>
#include <set>

#include "base/text.h"
#include "dagfile/loader/document.h"
#include "dagfile/templates.h"
#include "model/choice.h"

namespace udon {
namespace {

template <class T>
void add_once(std::vector<T>& list, const T& item) {
  if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
}

class OperatorCheck {
 public:
  OperatorCheck(Dag& dag, Problems& problems) : dag_(dag), problems_(problems), names_(template_names()) {
    for (const Task& task : dag.tasks) task_ids_.push_back(task.task_id);
  }

  void check(Task& task, const TaskSource& source) {
    chosen_when_run_.clear();
    const bool lists_connections = !task.connections.empty();
    // As written: what is wrong with them has been said.
    mapped_ = source.mapped_names;
    Value parameters = Value::map();
    for (const TaskSource::Parameter& parameter : source.parameters) {
      parameters.set(parameter.name, to_value(*parameter.value));
      where_ = parameter.is_default ? "`default_args`" : "task `" + task.task_id + "`";
      const ParamSpec* spec = source.spec != nullptr ? source.spec->find(parameter.name) : nullptr;
      check_templates(task, *parameter.value, spec);
    }
    where_ = "task `" + task.task_id + "`";
    for (const std::string& asset : task.outlets) check_asset(task, source, "outlets", asset);
    for (const std::string& asset : task.inlets) check_asset(task, source, "inlets", asset);
    if (source.spec == nullptr) return;
    for (const ParamProblem& problem : check_parameters(*source.spec, parameters)) {
      const auto named = std::find_if(source.parameters.begin(), source.parameters.end(),
                                      [&](const auto& p) { return p.name == problem.param; });
      const bool is_unknown = source.spec->find(problem.param) == nullptr;
      const bool names_itself = named == source.parameters.end() || is_unknown;
      Spot spot{source.offset, "`" + problem.param + "`: "};
      if (named != source.parameters.end()) spot = is_unknown ? Spot{named->offset, ""} : spot_in(*named, problem.path);
      where_ = named != source.parameters.end() && named->is_default ? "`default_args`" : "task `" + task.task_id + "`";
      problems_.error(spot.offset, where_ + ": " + (names_itself ? "" : spot.name) + problem.message);
    }
    take_connections(task, *source.spec, parameters);
    if (!lists_connections) check_choices();
    task.parameters = std::move(parameters);
    // What it reads and makes is told when a try of it ends.
    task.needs_no_try = source.spec->needs_no_try && task.outlets.empty() && task.inlets.empty();
    task.choosing = parse_choosing(source.spec->chooses).value_or(Choosing::nothing);
    // Not `required` in their descriptions: a template may well render to null there.
    for (const auto& [chooser, key] : {std::pair("branch", "choose"), std::pair("short_circuit", "condition")}) {
      if (source.spec->name == chooser && task.parameters.find(key) == nullptr)
        problems_.error(source.offset, where_ + ": `" + key + "` is missing");
    }
    if (source.spec->name == "branch") check_chosen(task, source);
  }

 private:
  struct Spot {
    uint32_t offset;
    std::string name;  // "`columns[1].mask`: "
  };

  // Down a path as far as the file goes with it: to the value, or to the key that nobody knows.
  static Spot spot_in(const TaskSource::Parameter& parameter, const std::vector<std::string>& path) {
    const YamlNode* node = parameter.value;
    Spot spot{node->offset, parameter.name};
    for (const std::string& step : path) {
      if (node->is_list()) {
        const size_t index = std::stoul(step);
        node = &node->items.at(index);
        spot = {node->offset, spot.name + "[" + step + "]"};
        continue;
      }
      const auto member = std::ranges::find(node->members, step, &YamlMember::key);
      if (member == node->members.end()) break;
      node = &member->value;
      spot = {member->offset, spot.name + "." + step};
    }
    spot.name = "`" + spot.name + "`: ";
    return spot;
  }

  void check_asset(Task& task, const TaskSource& source, const char* key, const std::string& asset) {
    const YamlNode* node = source.node->find(key);
    if (node == nullptr) return;  // of default_args
    for (const YamlNode& item : node->items)
      if (item.text == asset) check_templates(task, item, nullptr);
    if (node->is_text()) check_templates(task, *node, nullptr);
  }

  void check_templates(Task& task, const YamlNode& node, const ParamSpec* spec) {
    for (const YamlNode& item : node.items) check_templates(task, item, spec);
    for (const YamlMember& member : node.members) {
      check_templates(task, member.value, spec);
      if (spec != nullptr && spec->type == ParamType::condition && member.key == "sql")
        check_sql(member.value, "beside `sql`");
    }
    if (!node.is_text() || node.text.find('{') == std::string::npos) return;
    if (const auto problem = check_template(node.text)) {
      problems_.error(place(node, problem->line, problem->column), where_ + ": template: " + problem->message);
      return;
    }
    const TemplateFacts facts = facts_of_template(node.text, mapped_);
    const bool is_connection = spec != nullptr && spec->type == ParamType::connection;
    if (is_connection) add_once(task.connection_templates, node.text);
    if (facts.names.empty()) return;
    for (const std::string& connection : facts.connections) add_once(task.connections, connection);
    const bool asks_by_choice = facts.opens_computed_connection;
    if (asks_by_choice) add_once(task.asking_templates, node.text);
    const bool asks_a_connection = asks_by_choice || !facts.connections.empty();
    if ((asks_by_choice && facts.asks_when_run) || (is_connection && (facts.asks_when_run || asks_a_connection))) {
      chosen_when_run_.push_back(&node);
    }
    check_names(node, facts);
    check_members(node, facts);
    check_pulls(task, node, facts);
    if (spec == nullptr) return;
    if (spec->type == ParamType::sql) check_sql(node, "in `parameters`");
    if (spec->type == ParamType::uri) check_partition(node, facts, *spec);
    if (spec->type == ParamType::command) {
      for (const TemplateFacts::Splice& splice : facts.splices)
        problems_.warning(
            place(node, splice.line, splice.column),
            where_ + ": `" + splice.source +
                "` is somebody's text and becomes part of a command; hand it over in `env`, or write `| shell_quote`");
    }
  }

  // Whoever may trigger a run would write the SQL.
  void check_sql(const YamlNode& node, const char* place_of_values) {
    for (const TemplateFacts::Splice& splice : facts_of_template(node.text, mapped_).splices)
      problems_.error(place(node, splice.line, splice.column),
                      where_ + ": `" + splice.source +
                          "` is somebody's text and would become part of SQL; write `:name` in its place and give "
                          "`name: \"{{ " +
                          splice.source + " }}\"` " + place_of_values + ", which binds it");
  }

  void check_names(const YamlNode& node, const TemplateFacts& facts) {
    for (const std::string& name : facts.names) {
      const bool is_known = std::find(names_.begin(), names_.end(), name) != names_.end() ||
                            std::find(mapped_.begin(), mapped_.end(), name) != mapped_.end();
      if (is_known) continue;
      std::vector<std::string> known = names_;
      known.insert(known.end(), mapped_.begin(), mapped_.end());
      problems_.warning(node.offset, where_ + ": templates have no `" + name + "`" + did_you_mean(name, known));
    }
  }

  // Warnings: a run's conf may bring params of its own, and `| default(…)` may be meant.
  void check_members(const YamlNode& node, const TemplateFacts& facts) {
    static const std::vector<std::string> of_maps{"get", "items", "keys", "values"};
    for (const auto& [owner, name] : facts.members) {
      const bool is_mapped = std::ranges::find(mapped_, owner) != mapped_.end();
      if (is_mapped || std::ranges::find(of_maps, name) != of_maps.end()) continue;
      std::vector<std::string> known;
      if (owner == "params") {
        for (const Param& param : dag_.params) known.push_back(param.name);
      } else if (const auto* members = members_of_template_name(owner)) {
        known = *members;
      } else {
        continue;
      }
      if (std::ranges::find(known, name) != known.end()) continue;
      problems_.warning(node.offset, where_ + ": " +
                                         (owner == "params" ? "this DAG declares no param `" + name + "`"
                                                            : "`" + owner + "` has no `" + name + "`") +
                                         did_you_mean(name, known));
    }
  }

  void check_pulls(const Task& task, const YamlNode& node, const TemplateFacts& facts) {
    for (const std::string& pulled : facts.pulled_tasks) {
      const int place = dag_.index_of(pulled);
      if (place < 0) {
        problems_.error(node,
                        where_ + ": xcom_pull of an unknown task `" + pulled + "`" + did_you_mean(pulled, task_ids_));
      } else if (!comes_before(place, task)) {
        problems_.warning(node.offset, "task `" + task.task_id + "` pulls an XCom of `" + pulled +
                                           "`, which need not have run before it; add it to `after`");
      }
    }
  }

  bool comes_before(int place, const Task& task) const {
    std::vector<int> open(task.upstream);
    std::set<int> seen;
    while (!open.empty()) {
      const int at = open.back();
      open.pop_back();
      if (at == place) return true;
      if (!seen.insert(at).second) continue;
      const auto& before = dag_.tasks[static_cast<size_t>(at)].upstream;
      open.insert(open.end(), before.begin(), before.end());
    }
    return false;
  }

  void check_partition(const YamlNode& node, const TemplateFacts& facts, const ParamSpec& spec) {
    if (!has_intervals(dag_.schedule)) return;
    for (const std::string& name : facts.names) {
      static const std::set<std::string, std::less<>> named_after_run{"ds",        "ds_nodash",         "ts",
                                                                      "ts_nodash", "ts_nodash_with_tz", "logical_date"};
      if (!named_after_run.contains(name)) continue;
      problems_.warning(node.offset,
                        where_ + ": `" + spec.name + "` is named after `" + name +
                            "`, but the run is about a data interval, and in a manual run the two differ; write `{{ "
                            "data_interval_start | ds }}` or `{{ local.data_interval_start | ds }}`");
    }
  }

  uint32_t place(const YamlNode& node, int line, int column) const {
    size_t begin = 0;
    for (int i = 1; i < line; ++i) begin = std::min(node.text.find('\n', begin), node.text.size() - 1) + 1;
    return offset_in_source(problems_.yaml(), node, begin + static_cast<size_t>(std::max(column, 1)) - 1);
  }

  // Ids that the file itself names; what a template says is known when it runs.
  void check_chosen(const Task& task, const TaskSource& source) {
    const bool has_cases = task.parameters.find("cases") != nullptr;
    const std::vector<std::string> ids = choosable(dag_, dag_.index_of(task.task_id));
    for (const TaskSource::Parameter& parameter : source.parameters) {
      if (parameter.name == "choose" ? !has_cases : parameter.name == "otherwise") {
        check_chosen(*parameter.value, ids);
      } else if (parameter.name == "cases") {
        for (const YamlMember& member : parameter.value->members) check_chosen(member.value, ids);
      }
    }
  }
  void check_chosen(const YamlNode& node, const std::vector<std::string>& ids) {
    for (const YamlNode& item : node.items) check_chosen(item, ids);
    if (!node.is_text() || node.text.find('{') != std::string::npos) return;
    if (std::ranges::find(ids, node.text) != ids.end()) return;
    const bool is_known = dag_.index_of(node.text) >= 0;
    problems_.error(node, where_ + ": `" + node.text + "` is " +
                              (is_known ? "not directly after it" : "no task or group directly after it") +
                              (ids.empty() ? ": no task is" : did_you_mean(node.text, ids)));
  }

  // A try may open what its file names, and nothing else: where neither the file nor the run's own facts can tell which
  // one a template will name, the file has to list those that it may be.
  void check_choices() {
    for (const YamlNode* node : chosen_when_run_) {
      problems_.error(node->offset, where_ +
                                        ": which connection this opens is known only when the try runs; list those "
                                        "that it may be: `connections: [...]`");
    }
  }

  static void take_connections(Task& task, const OperatorSpec& spec, const Value& parameters) {
    for (const std::string& id : spec.connections) add_default(task, id);
    for (const ParamSpec& param : spec.params) {
      if (param.type != ParamType::connection) continue;
      const Value* given = parameters.find(param.name);
      if (given == nullptr || given->is_null()) {
        if (param.default_value && param.default_value->is_string())
          add_default(task, param.default_value->as_string());
      } else if (given->is_string() && !holds_template(*given)) {
        add_once(task.connections, given->as_string());
        std::erase(task.default_connections, given->as_string());
      }
    }
  }
  static void add_default(Task& task, const std::string& id) {
    if (std::find(task.connections.begin(), task.connections.end(), id) != task.connections.end()) return;
    task.connections.push_back(id);
    task.default_connections.push_back(id);
  }

  Dag& dag_;
  Problems& problems_;
  std::vector<std::string> names_;
  std::vector<std::string> task_ids_;
  std::vector<std::string> mapped_;
  std::vector<const YamlNode*> chosen_when_run_;  // templates that choose a connection by what only the try knows
  std::string where_;                             // who says what is being checked
};

}  // namespace

void check_operators(Dag& dag, const std::vector<TaskSource>& sources, Problems& problems) {
  OperatorCheck check(dag, problems);
  for (size_t i = 0; i < sources.size(); ++i) check.check(dag.tasks[i], sources[i]);
}

}  // namespace udon
