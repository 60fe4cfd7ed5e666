// Values against descriptions.
#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "base/text.h"
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
    case ParamType::command: return true;
    case ParamType::integer:
    case ParamType::number:
    case ParamType::boolean:
    case ParamType::duration:
    case ParamType::bytes:
    case ParamType::list:
    case ParamType::map:
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
    case ParamType::map: return value.is_map() ? std::nullopt : std::optional(got(param, value));
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
      if (!value.is_string()) return got(param, value);
      if (param.type != ParamType::string && trim(value.as_string()).empty()) return "is empty; " + expected(param);
      if (!param.choices.empty() && !is_choice(param, value)) {
        std::string text = "`" + value.as_string() + "`: expected one of";
        for (size_t i = 0; i < param.choices.size(); ++i) text += (i == 0 ? " `" : ", `") + param.choices[i] + "`";
        return text + did_you_mean(value.as_string(), param.choices);
      }
      return std::nullopt;
  }
  return std::nullopt;
}

std::vector<std::string> names_of(const OperatorSpec& spec) {
  std::vector<std::string> names;
  for (const ParamSpec& param : spec.params) names.push_back(param.name);
  return names;
}

enum class Templates { may_stand, are_rendered };

std::vector<ParamProblem> check(const OperatorSpec& spec, const Value& parameters, Templates templates) {
  std::vector<ParamProblem> problems;
  if (!parameters.is_map()) return {{"", "expected a map of parameters"}};
  for (const auto& [key, value] : parameters.as_map()) {
    const ParamSpec* param = spec.find(key);
    if (param == nullptr) {
      std::vector<std::string> names = names_of(spec);
      const std::vector<std::string>& task_keys = reserved_task_keys();
      names.insert(names.end(), task_keys.begin(), task_keys.end());
      problems.push_back(
          {key, "operator `" + spec.name + "` has no parameter `" + key + "`" + did_you_mean(key, names)});
      continue;
    }
    if (templates == Templates::may_stand && value.is_string() && is_template(value.as_string())) continue;
    if (auto problem = problem_of(*param, value)) problems.push_back({key, std::move(*problem)});
  }
  for (const ParamSpec& param : spec.params) {
    if (param.required && parameters.find(param.name) == nullptr) {
      problems.push_back({param.name, "operator `" + spec.name + "` needs the parameter `" + param.name +
                                          "`: " + std::string(describe(param.type))});
    }
  }
  return problems;
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
  return check(spec, parameters, Templates::may_stand);
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
  for (const ParamProblem& problem : check(spec, rendered, Templates::are_rendered)) {
    return Error{ErrorKind::invalid,
                 problem.param.empty() ? problem.message : "parameter `" + problem.param + "`: " + problem.message};
  }
  Value completed = Value::map();
  for (const ParamSpec& param : spec.params) {
    const Value* given = rendered.find(param.name);
    if (given != nullptr && !given->is_null())
      completed.set(param.name, normalized(param, *given));
    else
      completed.set(param.name, normalized(param, param.default_value.value_or(Value())));
  }
  return completed;
}

std::string parameters_as_markdown(const OperatorSpec& spec) {
  if (spec.params.empty()) return "It takes no parameters.\n";
  std::string text = "| parameter | type | default | what it is |\n|---|---|---|---|\n";
  for (const ParamSpec& param : spec.params) {
    std::string type(to_string(param.type));
    if (!param.unit.empty()) type += ", " + param.unit;
    if (!param.choices.empty()) {
      type += is_text(param.type) ? ": " : " or ";
      for (size_t i = 0; i < param.choices.size(); ++i) type += (i == 0 ? "`" : ", `") + param.choices[i] + "`";
    }
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
