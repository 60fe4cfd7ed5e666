// Values against descriptions.
#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "base/text.h"
#include "base/timezone.h"
#include "plugins/spec/condition.h"
#include "plugins/spec/data_type.h"
#include "plugins/spec/rules.h"
#include "plugins/spec/spec.h"

namespace udon {
namespace {

// YAML's words rather than JSON Schema's: what the author of a DAG file wrote.
std::string_view kind_of(const Value& value) {
  if (value.is_null()) return "nothing";
  if (value.is_bool()) return "a boolean";
  if (value.is_int()) return "an integer";
  if (value.is_double()) return "a number";
  if (value.is_string()) return "a text";
  return value.is_list() ? "a list" : "a map";
}

bool is_text(ParamType type) {
  switch (type) {
    case ParamType::string:
    case ParamType::sql:
    case ParamType::connection:
    case ParamType::uri:
    case ParamType::command:
    case ParamType::timezone:
    case ParamType::data_type: return true;
    case ParamType::integer:
    case ParamType::number:
    case ParamType::boolean:
    case ParamType::duration:
    case ParamType::bytes:
    case ParamType::list:
    case ParamType::map:
    case ParamType::condition:
    case ParamType::any: return false;
  }
  return false;
}

bool is_template(std::string_view text) {
  return text.find("{{") != std::string_view::npos || text.find("{%") != std::string_view::npos;
}

bool is_choice(const ParamSpec& param, const Value& value) {
  return value.is_string() &&
         std::find(param.choices.begin(), param.choices.end(), value.as_string()) != param.choices.end();
}

std::string expected(const ParamSpec& param) {
  std::string text = "expected " + std::string(describe(param.type));
  if (param.type == ParamType::sql && !param.items.empty()) text += ", or a list of such";
  if (!param.unit.empty()) text += " (" + param.unit + ")";
  if (!param.choices.empty() && !is_text(param.type)) {
    for (const std::string& choice : param.choices) text += " or `" + choice + "`";
  }
  return text;
}

std::string got(const ParamSpec& param, const Value& value) {
  std::string text = expected(param) + ", got " + std::string(kind_of(value));
  if (is_text(param.type) && (value.is_number() || value.is_bool())) text += "; quote it to make it a text";
  if (param.type == ParamType::duration && value.is_int())
    text += "; write its unit: `" + std::to_string(value.as_int()) + "s`";
  return text;
}

std::optional<std::string> problem_of_uri(const ParamSpec& param, const std::string& uri) {
  if (param.schemes.empty()) return std::nullopt;
  const auto is_allowed = [&](std::string_view scheme) {
    return std::ranges::find(param.schemes, scheme) != param.schemes.end();
  };
  std::string allowed = "; expected " + join(param.schemes, ":// or ") + "://";
  if (is_allowed("file")) allowed += param.is_absolute ? " or a path that begins with /" : " or a path";
  const size_t colon = uri.find("://");
  if (colon == std::string::npos) {
    if (!is_allowed("file")) return "`" + uri + "` is a path" + allowed;
    if (param.is_absolute && !uri.starts_with('/')) return "`" + uri + "` is a relative path" + allowed;
    return std::nullopt;
  }
  const std::string scheme = uri.substr(0, colon);
  if (is_allowed(scheme)) {
    if (!scheme.starts_with("s3")) return std::nullopt;
    auto problem = problem_of_bucket(std::string_view(uri).substr(colon + 3, uri.find('/', colon + 3) - colon - 3));
    if (problem) *problem = "`" + uri + "`: " + *problem;
    return problem;
  }
  return "`" + uri + "`: there is no `" + scheme + "://` here" + did_you_mean(scheme, param.schemes) + allowed;
}

// What is wrong with a value that holds no template at its top, or nothing.
std::optional<std::string> problem_of(const ParamSpec& param, const Value& value) {
  if (value.is_null()) {
    if (param.required || (param.default_value && !param.default_value->is_null()))
      return "has no value; " + expected(param);
    return std::nullopt;
  }
  if (!is_text(param.type) && is_choice(param, value)) return std::nullopt;
  switch (param.type) {
    case ParamType::any: return std::nullopt;
    case ParamType::integer: return value.is_int() ? std::nullopt : std::optional(got(param, value));
    case ParamType::number: return value.is_number() ? std::nullopt : std::optional(got(param, value));
    case ParamType::boolean: return value.is_bool() ? std::nullopt : std::optional(got(param, value));
    case ParamType::list: return value.is_list() ? std::nullopt : std::optional(got(param, value));
    case ParamType::map:
    case ParamType::condition: return value.is_map() ? std::nullopt : std::optional(got(param, value));
    case ParamType::timezone:
      if (!value.is_string()) return got(param, value);
      if (value.as_string().empty() && !param.required) return std::nullopt;  // a template that gives none
      if (TimeZone::find(value.as_string())) return std::nullopt;
      return "unknown time zone `" + value.as_string() + "`" + did_you_mean(value.as_string(), known_timezones());
    case ParamType::data_type:
      if (!value.is_string()) return got(param, value);
      if (trim(value.as_string()).empty() && !param.required) return std::nullopt;  // a template that gives none
      if (const auto type = parse_data_type(value.as_string()); !type) return type.error().message;
      return problem_of_type_choice(param, value.as_string());
    case ParamType::duration:
      if (!value.is_string()) return got(param, value);
      if (!parse_duration(value.as_string())) return "`" + value.as_string() + "`: " + expected(param);
      return std::nullopt;
    case ParamType::bytes:
      if (value.is_int() && value.as_int() >= 0) return std::nullopt;
      if (!value.is_string()) return got(param, value);
      if (!parse_bytes(value.as_string())) return "`" + value.as_string() + "`: " + expected(param);
      return std::nullopt;
    case ParamType::connection:
      if (!value.is_string()) return got(param, value);
      if (const auto problem = problem_of_id(value.as_string()))
        return "`" + value.as_string() + "` is no connection id: it " + *problem;
      return std::nullopt;
    case ParamType::string:
    case ParamType::sql:
    case ParamType::uri:
    case ParamType::command:
      if (param.type == ParamType::sql && !param.items.empty() && value.is_list()) return std::nullopt;
      if (!value.is_string()) return got(param, value);
      if (param.type != ParamType::string && trim(value.as_string()).empty()) return "is empty; " + expected(param);
      if (param.type == ParamType::uri)
        if (auto problem = problem_of_uri(param, value.as_string())) return problem;
      if (!param.choices.empty() && !is_choice(param, value)) {
        std::string text = "`" + value.as_string() + "`: expected one of";
        for (size_t i = 0; i < param.choices.size(); ++i) text += (i == 0 ? " `" : ", `") + param.choices[i] + "`";
        return text + did_you_mean(value.as_string(), param.choices);
      }
      return std::nullopt;
  }
  return std::nullopt;
}

std::vector<std::string> names_of(const std::vector<ParamSpec>& params) {
  std::vector<std::string> names;
  for (const ParamSpec& param : params) names.push_back(param.name);
  return names;
}

enum class Templates { may_stand, are_rendered };

// One operator's parameters against its description, through lists and maps.
class Check {
 public:
  Check(const OperatorSpec& spec, const Value& parameters, Templates templates)
      : spec_(spec), parameters_(parameters), templates_(templates) {}

  std::vector<ParamProblem> run() {
    if (!parameters_.is_map()) return {{"", "expected a map of parameters"}};
    for (const auto& [key, value] : parameters_.as_map()) {
      param_ = key;
      const ParamSpec* param = spec_.find(key);
      if (param == nullptr) {
        std::vector<std::string> names = names_of(spec_.params);
        const std::vector<std::string>& task_keys = reserved_task_keys();
        names.insert(names.end(), task_keys.begin(), task_keys.end());
        report("operator `" + spec_.name + "` has no parameter `" + key + "`" + did_you_mean(key, names));
        continue;
      }
      check(*param, value);
    }
    for (const ParamSpec& param : spec_.params) {
      param_ = param.name;
      if (param.required && parameters_.find(param.name) == nullptr) {
        report("operator `" + spec_.name + "` needs the parameter `" + param.name +
               "`: " + std::string(describe(param.type)));
      }
    }
    return std::move(problems_);
  }

 private:
  void report(std::string message) { problems_.push_back({param_, std::move(message), path_}); }

  bool may_be_anything(const Value& value) const {
    return templates_ == Templates::may_stand && value.is_string() && is_template(value.as_string());
  }

  void check(const ParamSpec& param, const Value& value) {
    if (may_be_anything(value)) return;
    if (auto problem = problem_of(param, value)) return report(std::move(*problem));
    if (value.is_null()) return;
    if (auto problem = problem_of_bounds(param, value)) return report(std::move(*problem));
    if (!param.needs.empty() && parameters_.get(param.needs).is_null())
      report("`" + param.name + "` needs the parameter `" + param.needs + "`, which is not given");
    const bool may_be_list = param.type == ParamType::list || param.type == ParamType::sql;
    if (may_be_list && value.is_list()) check_items(param, value);
    if (param.type == ParamType::map && value.is_map() && !param.members.empty()) check_members(param, value);
    if (param.type == ParamType::map && value.is_map() && param.members.empty()) check_values(param, value);
    if (param.type == ParamType::condition) check_condition(value);
  }

  void check_items(const ParamSpec& param, const Value& list) {
    if (param.required && list.size() == 0) return report("is empty; at least one item is needed");
    if (param.items.empty()) return;
    for (size_t i = 0; i < list.size(); ++i) {
      const Value& item = list.as_list()[i];
      path_.push_back(std::to_string(i));
      check_item(param.items, item);
      path_.pop_back();
    }
    if (param.distinct.empty()) return;
    std::vector<std::string> seen;
    for (size_t i = 0; i < list.size(); ++i) {
      const auto name = name_in(list.as_list()[i], param.distinct);
      if (name) check_distinct(*name, std::to_string(i), seen, "; rename one with `" + param.distinct.front() + "`");
    }
  }

  // Of an item of a list with `distinct`; nothing: a template, or wrong and said so.
  std::optional<std::string> name_in(const Value& item, const std::vector<std::string>& members) const {
    const Value* name = &item;
    for (size_t i = 0; item.is_map() && i < members.size(); ++i) {
      name = item.find(members[i]);
      if (name != nullptr && !name->is_null()) break;
    }
    if (name == nullptr || !name->is_string() || may_be_anything(*name)) return std::nullopt;
    return name->as_string();
  }

  void check_distinct(const std::string& name, const std::string& step, std::vector<std::string>& seen,
                      const std::string& hint) {
    for (const std::string& other : seen) {
      if (lower_ascii(other) != lower_ascii(name)) continue;
      return at(step, other == name ? "`" + name + "` stands twice" + hint
                                    : "`" + name + "` and `" + other +
                                          "` differ only in case, which Hive, Trino and Spark fold" + hint);
    }
    seen.push_back(name);
  }

  void check_values(const ParamSpec& param, const Value& map) {
    if (param.required && map.size() == 0) return report("is empty; at least one key is needed");
    std::vector<std::string> seen;
    for (const auto& [key, value] : map.as_map()) {
      if (!param.distinct.empty()) check_distinct(key, key, seen, "; rename one");
      if (param.values.empty()) continue;
      path_.push_back(key);
      check(param.values.front(), value);
      path_.pop_back();
    }
  }

  void check_item(const std::vector<ParamSpec>& choices, const Value& item) {
    if (may_be_anything(item)) return;
    for (const ParamSpec& choice : choices) {
      if (is_text(choice.type) == item.is_string() && (choice.type == ParamType::map) == item.is_map())
        return check(choice, item);
    }
    std::string text = "expected ";
    for (size_t i = 0; i < choices.size(); ++i) text += (i == 0 ? "" : " or ") + std::string(describe(choices[i].type));
    report(text + ", got " + std::string(kind_of(item)));
  }

  void check_members(const ParamSpec& param, const Value& map) {
    const std::vector<std::string> names = names_of(param.members);
    for (const auto& [key, value] : map.as_map()) {
      path_.push_back(key);
      const auto member = std::ranges::find(param.members, key, &ParamSpec::name);
      if (member == param.members.end()) {
        report("unknown key `" + key + "`" + did_you_mean(key, names) + "; there are " + join(names, ", "));
      } else {
        check(*member, value);
      }
      path_.pop_back();
    }
    for (const ParamSpec& member : param.members)
      if (member.required && map.find(member.name) == nullptr)
        report("needs `" + member.name + "`: " + std::string(describe(member.type)));
  }

  void check_condition(const Value& condition) {
    const Value* sql = condition.find("sql");
    if (sql == nullptr || !sql->is_string())
      return report("`sql` is missing; expected " + std::string(describe(ParamType::condition)));
    if (may_be_anything(*sql)) return;
    const auto places = names_in_condition(sql->as_string());
    if (!places) return;
    std::vector<std::string> given;
    for (const auto& [key, value] : condition.as_map())
      if (key != "sql") given.push_back(key);
    for (const std::string& name : *places)
      if (std::ranges::find(given, name) == given.end())
        at("sql", "no value for `:" + name + "`" + did_you_mean(name, given));
    for (const std::string& name : given)
      if (std::ranges::find(*places, name) == places->end())
        at(name, "`" + name + "` has a value but no place `:" + name + "` in `sql`" + did_you_mean(name, *places));
  }

  void at(const std::string& key, std::string message) {
    path_.push_back(key);
    report(std::move(message));
    path_.pop_back();
  }

  const OperatorSpec& spec_;
  const Value& parameters_;
  const Templates templates_;
  std::string param_;              // what is being checked
  std::vector<std::string> path_;  // and where inside it
  std::vector<ParamProblem> problems_;
};

std::string name_of(const ParamProblem& problem) {
  std::string name = problem.param;
  for (const std::string& step : problem.path) {
    const bool is_number = !step.empty() && std::ranges::all_of(step, [](char c) { return c >= '0' && c <= '9'; });
    name += is_number ? "[" + step + "]" : "." + step;
  }
  return name;
}

// After check(): the value as operators take it.
Value normalized(const ParamSpec& param, const Value& value) {
  if (value.is_string() && is_choice(param, value)) return value;
  if (value.is_string() && param.type == ParamType::duration)
    return static_cast<int64_t>(parse_duration(value.as_string()).value_or(Duration{}).count());
  if (value.is_string() && param.type == ParamType::bytes) return parse_bytes(value.as_string()).value_or(0);
  return value;
}

std::string markdown_cell(std::string_view text) {
  std::string cell;
  for (char c : text) {
    if (c == '|') cell += '\\';
    cell += c == '\n' ? ' ' : c;
  }
  return cell;
}

}  // namespace

std::vector<ParamProblem> check_parameters(const OperatorSpec& spec, const Value& parameters) {
  return Check(spec, parameters, Templates::may_stand).run();
}

bool holds_template(const Value& value) {
  if (value.is_string()) return is_template(value.as_string());
  if (value.is_list())
    return std::any_of(value.as_list().begin(), value.as_list().end(),
                       [](const Value& v) { return holds_template(v); });
  if (value.is_map())
    return std::any_of(value.as_map().begin(), value.as_map().end(),
                       [](const Value::Member& member) { return holds_template(member.second); });
  return false;
}

Result<Value> complete_parameters(const OperatorSpec& spec, const Value& rendered) {
  for (const ParamProblem& problem : Check(spec, rendered, Templates::are_rendered).run()) {
    return Error{ErrorKind::invalid,
                 problem.param.empty() ? problem.message : "parameter `" + name_of(problem) + "`: " + problem.message};
  }
  const Value none;
  Value completed = Value::map();
  for (const ParamSpec& param : spec.params) {
    const Value* value = rendered.find(param.name);
    if (value == nullptr || value->is_null()) value = param.default_value ? &*param.default_value : &none;
    completed.set(param.name, normalized(param, *value));
  }
  return completed;
}

std::string parameters_as_markdown(const OperatorSpec& spec) {
  if (spec.params.empty()) return "It takes no parameters.\n";
  std::string text = "| parameter | type | default | what it is |\n|---|---|---|---|\n";
  for (const ParamSpec& param : spec.params) {
    std::string type(to_string(param.type));
    if (!param.unit.empty()) type += ", " + param.unit;
    if (param.type == ParamType::sql && !param.items.empty()) type += " or a list of such";
    if (!param.choices.empty()) {
      type += is_text(param.type) ? ": " : " or ";
      for (size_t i = 0; i < param.choices.size(); ++i) type += (i == 0 ? "`" : ", `") + param.choices[i] + "`";
    }
    if (const std::string bounds = bounds_of(param); !bounds.empty()) type += ", " + bounds;
    for (size_t i = 0; i < param.connection_types.size(); ++i)
      type += (i == 0 ? " (" : ", ") + param.connection_types[i] + (i + 1 == param.connection_types.size() ? ")" : "");
    std::string otherwise = "–";
    if (param.required)
      otherwise = "required";
    else if (param.default_value && !param.default_value->is_null())
      otherwise =
          "`" + (param.default_value->is_string() ? param.default_value->as_string() : to_json(*param.default_value)) +
          "`";
    text += "| `" + param.name + "` | " + markdown_cell(type) + " | " + markdown_cell(otherwise) + " | " +
            markdown_cell(param.help) + " |\n";
  }
  return text;
}

}  // namespace udon
