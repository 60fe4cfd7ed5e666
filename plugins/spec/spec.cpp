#include "plugins/spec/spec.h"

#include <algorithm>
#include <array>

#include "base/clock.h"
#include "base/text.h"

namespace udon {
namespace {

struct TypeRow {
  ParamType type;
  std::string_view name;
  std::string_view description;
};
constexpr std::array<TypeRow, 16> type_rows{{
    {ParamType::string, "string", "a text"},
    {ParamType::integer, "integer", "an integer"},
    {ParamType::number, "number", "a number"},
    {ParamType::boolean, "boolean", "true or false"},
    {ParamType::duration, "duration", "a duration such as 30s, 5m or 1h30m"},
    {ParamType::bytes, "bytes", "a size such as 512KiB, 256MB or 1GB"},
    {ParamType::list, "list", "a list"},
    {ParamType::map, "map", "a map"},
    {ParamType::any, "any", "any value"},
    {ParamType::sql, "sql", "SQL, as a text"},
    {ParamType::connection, "connection", "the id of a connection"},
    {ParamType::uri, "uri", "a path or URI, such as data/orders/ or s3://bucket/key"},
    {ParamType::command, "command", "a command for bash, as a text"},
    {ParamType::timezone, "timezone", "the name of a time zone, such as Asia/Seoul"},
    {ParamType::condition, "condition", "a map {sql: a condition with :name parameters, name: value, …}"},
    {ParamType::data_type, "data_type", "the type of a column, such as int64 or decimal(12,2)"},
}};

const TypeRow& row_of(ParamType type) {
  return *std::find_if(type_rows.begin(), type_rows.end(), [&](const TypeRow& row) { return row.type == type; });
}

Error malformed(std::string message) { return Error{ErrorKind::invalid, std::move(message)}; }

Result<void> refuse_unknown_keys(const Value& map, const std::vector<std::string>& known, const std::string& where) {
  for (const auto& [key, value] : map.as_map()) {
    if (std::find(known.begin(), known.end(), key) == known.end())
      return malformed(where + ": unknown key `" + key + "`" + did_you_mean(key, known));
  }
  return {};
}

Result<std::string> text_at(const Value& map, std::string_view key, const std::string& where) {
  const Value* value = map.find(key);
  if (value == nullptr) return std::string();
  if (!value->is_string())
    return malformed(where + ": `" + std::string(key) + "` must be a string, not " + std::string(value->type_name()));
  return value->as_string();
}

Result<std::vector<std::string>> texts_at(const Value& map, std::string_view key, const std::string& where) {
  const Value* value = map.find(key);
  if (value == nullptr) return std::vector<std::string>();
  std::vector<std::string> texts;
  bool all_texts = value->is_list();
  if (all_texts) {
    for (const Value& item : value->as_list()) {
      all_texts = all_texts && item.is_string();
      if (item.is_string()) texts.push_back(item.as_string());
    }
  }
  if (!all_texts) return malformed(where + ": `" + std::string(key) + "` must be a list of strings");
  return texts;
}

Value texts_value(const std::vector<std::string>& texts) {
  Value list = Value::list();
  for (const std::string& text : texts) list.push_back(text);
  return list;
}

// Parameters are written as YAML keys and named in code and SQL: plain words only.
bool is_parameter_name(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

Result<bool> flag_at(const Value& map, std::string_view key, const std::string& where) {
  const Value* value = map.find(key);
  if (value == nullptr) return false;
  if (!value->is_bool()) return malformed(where + ": `" + std::string(key) + "` must be true or false");
  return value->as_bool();
}

bool is_bound(ParamType type, const Value& value) {
  switch (type) {
    case ParamType::integer:
    case ParamType::string: return value.is_int();
    case ParamType::number: return value.is_number();
    case ParamType::duration: return value.is_string() && parse_duration(value.as_string());
    case ParamType::bytes: return value.is_string() && parse_bytes(value.as_string());
    case ParamType::boolean:
    case ParamType::list:
    case ParamType::map:
    case ParamType::any:
    case ParamType::sql:
    case ParamType::connection:
    case ParamType::uri:
    case ParamType::command:
    case ParamType::timezone:
    case ParamType::condition:
    case ParamType::data_type: return false;
  }
  return false;
}

enum class Level { parameter, member, item };

Result<ParamSpec> parse_param(const Value& value, const std::string& where_list, Level level);

Result<std::vector<ParamSpec>> parse_nested(const Value& value, std::string_view key, Level level,
                                            const std::string& where) {
  std::vector<ParamSpec> nested;
  const Value* list = value.find(key);
  if (list == nullptr) return nested;
  if (!list->is_list()) return malformed(where + ": `" + std::string(key) + "` must be a list");
  for (const Value& item : list->as_list()) {
    TRY_ASSIGN(ParamSpec param, parse_param(item, where, level));
    nested.push_back(std::move(param));
  }
  return nested;
}

Result<ParamSpec> parse_param(const Value& value, const std::string& where_list, Level level) {
  if (!value.is_map()) return malformed(where_list + ": each of `params`, `members` and `items` must be an object");
  ParamSpec param;
  TRY_ASSIGN(param.name, text_at(value, "name", where_list));
  if (level != Level::item && !is_parameter_name(param.name))
    return malformed(where_list + ": `" + param.name + "` is no parameter name (lower-case letters, digits, '_')");
  const std::string where =
      level == Level::item ? where_list + ": an item" : where_list + ": parameter `" + param.name + "`";
  if (level == Level::parameter && is_reserved_task_key(param.name))
    return malformed(where + " bears a name that a DAG file uses for the task itself");
  TRY(refuse_unknown_keys(value,
                          {"name", "type", "unit", "default", "required", "choices", "connection_types", "schemes",
                           "absolute", "items", "members", "values", "distinct", "min", "max", "needs", "help"},
                          where));
  TRY_ASSIGN(const std::string type, text_at(value, "type", where));
  const std::optional<ParamType> parsed = parse_param_type(type);
  if (!parsed) {
    std::vector<std::string> names;
    for (const TypeRow& row : type_rows) names.emplace_back(row.name);
    return malformed(where + ": unknown type `" + type + "`" + did_you_mean(type, names));
  }
  param.type = *parsed;
  TRY_ASSIGN(param.unit, text_at(value, "unit", where));
  TRY_ASSIGN(param.choices, texts_at(value, "choices", where));
  TRY_ASSIGN(param.connection_types, texts_at(value, "connection_types", where));
  TRY_ASSIGN(param.help, text_at(value, "help", where));
  TRY_ASSIGN(param.schemes, texts_at(value, "schemes", where));
  TRY_ASSIGN(param.needs, text_at(value, "needs", where));
  TRY_ASSIGN(param.items, parse_nested(value, "items", Level::item, where));
  TRY_ASSIGN(param.members, parse_nested(value, "members", Level::member, where));
  if (const Value* values = value.find("values")) {
    TRY_ASSIGN(ParamSpec of, parse_param(*values, where, Level::item));
    param.values.push_back(std::move(of));
  }
  TRY_ASSIGN(param.distinct, texts_at(value, "distinct", where));
  if (const Value* min = value.find("min")) param.min = *min;
  if (const Value* max = value.find("max")) param.max = *max;
  for (const auto* bound : {&param.min, &param.max}) {
    if (*bound && !is_bound(param.type, **bound))
      return malformed(where + ": `min` and `max` are numbers, or of its type; got " + to_json(**bound));
  }
  TRY_ASSIGN(param.is_absolute, flag_at(value, "absolute", where));
  TRY_ASSIGN(param.required, flag_at(value, "required", where));
  if (level != Level::parameter) return param;
  if (param.help.empty()) return malformed(where + ": `help` is missing");
  if (const Value* otherwise = value.find("default")) param.default_value = *otherwise;
  if (param.required == param.default_value.has_value())
    return malformed(where + ": say either `required: true` or `default` (null: may be left out)");
  return param;
}

Result<void> check_needs(const OperatorSpec& spec, const ParamSpec& param, const std::string& where) {
  if (!param.needs.empty() && spec.find(param.needs) == nullptr)
    return malformed(where + ": `" + param.name + "` needs `" + param.needs + "`, which is no parameter");
  for (const ParamSpec& item : param.items) TRY(check_needs(spec, item, where));
  for (const ParamSpec& member : param.members) TRY(check_needs(spec, member, where));
  return {};
}

Value to_value(const ParamSpec& param) {
  Value value = Value::map();
  if (!param.name.empty()) value.set("name", param.name);
  value.set("type", to_string(param.type));
  if (!param.unit.empty()) value.set("unit", param.unit);
  if (param.required) value.set("required", true);
  if (!param.choices.empty()) value.set("choices", texts_value(param.choices));
  if (!param.connection_types.empty()) value.set("connection_types", texts_value(param.connection_types));
  if (!param.schemes.empty()) value.set("schemes", texts_value(param.schemes));
  if (param.is_absolute) value.set("absolute", true);
  if (!param.values.empty()) value.set("values", to_value(param.values.front()));
  if (!param.distinct.empty()) value.set("distinct", texts_value(param.distinct));
  if (param.min) value.set("min", *param.min);
  if (param.max) value.set("max", *param.max);
  if (!param.needs.empty()) value.set("needs", param.needs);
  const auto set_nested = [&](const char* key, const std::vector<ParamSpec>& nested) {
    if (nested.empty()) return;
    Value list = Value::list();
    for (const ParamSpec& one : nested) list.push_back(to_value(one));
    value.set(key, std::move(list));
  };
  set_nested("items", param.items);
  set_nested("members", param.members);
  if (!param.help.empty()) value.set("help", param.help);
  return value;
}

}  // namespace

std::string_view to_string(ParamType type) { return row_of(type).name; }

std::string_view describe(ParamType type) { return row_of(type).description; }

std::optional<ParamType> parse_param_type(std::string_view text) {
  for (const TypeRow& row : type_rows)
    if (row.name == text) return row.type;
  return std::nullopt;
}

const ParamSpec* OperatorSpec::find(std::string_view param) const {
  for (const ParamSpec& candidate : params)
    if (candidate.name == param) return &candidate;
  return nullptr;
}

const std::vector<std::string>& reserved_task_keys() {
  // In the order in which help and schema show them. The last line's are kept for what DAG files will say
  // later, so that no operator takes the word away.
  static const std::vector<std::string> keys{"task_id",
                                             "operator",
                                             "after",
                                             "trigger_rule",
                                             "doc",
                                             "retries",
                                             "retry_delay",
                                             "retry_exponential_backoff",
                                             "max_retry_delay",
                                             "execution_timeout",
                                             "timeout",
                                             "poke_interval",
                                             "soft_fail",
                                             "pool",
                                             "pool_slots",
                                             "priority_weight",
                                             "weight_rule",
                                             "queue",
                                             "depends_on_past",
                                             "wait_for_downstream",
                                             "max_active_tis_per_dag",
                                             "max_active_tis_per_dagrun",
                                             "expand",
                                             "expand_zip",
                                             "connections",
                                             "inlets",
                                             "outlets",
                                             "group",
                                             "setup",
                                             "teardown",
                                             "owner",
                                             "run_as",
                                             "executor",
                                             "on_success",
                                             "on_failure",
                                             "on_retry",
                                             "on_skipped",
                                             "params"};
  return keys;
}

bool is_reserved_task_key(std::string_view key) {
  const std::vector<std::string>& keys = reserved_task_keys();
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

Result<OperatorSpec> parse_operator_spec(const Value& value) {
  if (!value.is_map())
    return malformed("an operator's description must be an object, not " + std::string(value.type_name()));
  OperatorSpec spec;
  TRY_ASSIGN(spec.name, text_at(value, "name", "operator"));
  if (!is_parameter_name(spec.name))
    return malformed("operator `" + spec.name + "`: a name has lower-case letters, digits and '_'");
  const std::string where = "operator `" + spec.name + "`";
  TRY(refuse_unknown_keys(
      value,
      {"name", "kind", "needs_no_try", "chooses", "summary", "params", "connections", "outputs", "object", "help"},
      where));
  if (value.find("kind") != nullptr) {
    TRY_ASSIGN(spec.kind, text_at(value, "kind", where));
  }
  const std::vector<std::string> kinds{"process", "sensor", "external_job"};
  if (std::find(kinds.begin(), kinds.end(), spec.kind) == kinds.end())
    return malformed(where + ": unknown kind `" + spec.kind + "`" + did_you_mean(spec.kind, kinds));
  if (const Value* given = value.find("needs_no_try")) {
    if (!given->is_bool()) return malformed(where + ": `needs_no_try` must be true or false");
    spec.needs_no_try = given->as_bool();
    if (spec.needs_no_try && spec.kind != "process")
      return malformed(where + ": a " + spec.kind + " looks at something, so it needs a try");
  }
  if (value.find("chooses") != nullptr) {
    TRY_ASSIGN(spec.chooses, text_at(value, "chooses", where));
    const std::vector<std::string> ways{"branch", "short_circuit"};
    if (std::find(ways.begin(), ways.end(), spec.chooses) == ways.end())
      return malformed(where + ": `chooses` is `" + spec.chooses + "`, not branch or short_circuit" +
                       did_you_mean(spec.chooses, ways));
    if (spec.kind == "external_job" || spec.needs_no_try)
      return malformed(where + ": `chooses` is for a process or a sensor: what it returns is the choice");
  }
  TRY_ASSIGN(spec.summary, text_at(value, "summary", where));
  if (spec.summary.empty()) return malformed(where + ": `summary` is missing");
  TRY_ASSIGN(spec.connections, texts_at(value, "connections", where));
  TRY_ASSIGN(spec.outputs, text_at(value, "outputs", where));
  TRY_ASSIGN(spec.object, text_at(value, "object", where));
  TRY_ASSIGN(spec.help, text_at(value, "help", where));
  if (spec.object.find('/') != std::string::npos)
    return malformed(where + ": `object` must be a file name, not a path");
  const Value& params = value.get("params");
  if (!params.is_list()) return malformed(where + ": `params` must be a list");
  for (const Value& item : params.as_list()) {
    TRY_ASSIGN(ParamSpec param, parse_param(item, where, Level::parameter));
    if (spec.find(param.name) != nullptr) return malformed(where + ": parameter `" + param.name + "` stands twice");
    spec.params.push_back(std::move(param));
  }
  for (const ParamSpec& param : spec.params) TRY(check_needs(spec, param, where));
  // A default that its own type refuses would fail every task that relies on it.
  for (const ParamSpec& param : spec.params) {
    if (!param.default_value || param.default_value->is_null()) continue;
    OperatorSpec alone;
    alone.params = {param};
    for (const ParamProblem& problem : check_parameters(alone, Value(Value::Map{{param.name, *param.default_value}})))
      return malformed(where + ": default of `" + param.name + "`: " + problem.message);
  }
  return spec;
}

Value to_value(const OperatorSpec& spec) {
  Value params = Value::list();
  for (const ParamSpec& param : spec.params) {
    Value value = to_value(param);
    if (!param.required) value.set("default", param.default_value.value_or(Value()));
    params.push_back(std::move(value));
  }
  Value value = Value::map();
  value.set("name", spec.name);
  value.set("kind", spec.kind);
  if (spec.needs_no_try) value.set("needs_no_try", true);
  if (!spec.chooses.empty()) value.set("chooses", spec.chooses);
  value.set("summary", spec.summary);
  value.set("params", std::move(params));
  value.set("connections", texts_value(spec.connections));
  value.set("outputs", spec.outputs);
  value.set("object", spec.object);
  if (!spec.help.empty()) value.set("help", spec.help);
  return value;
}

}  // namespace udon
