#include "scheduler/params.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace udon {

namespace {

Error invalid(const std::string& where, const std::string& what) { return {ErrorKind::invalid, where + ": " + what}; }

bool has_type(const Value& value, std::string_view type) {
  if (type == "number") return value.is_number();
  if (type == "integer")
    return value.is_int() || (value.is_double() && std::trunc(value.as_double()) == value.as_double());
  return value.type_name() == type;
}

bool is_equal(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return a.as_double() == b.as_double();
  return a == b;
}

Result<void> check_type(const Value& value, const Value& type, const std::string& where) {
  std::vector<std::string> types;
  if (type.is_string()) types.push_back(type.as_string());
  if (type.is_list()) {
    for (const Value& one : type.as_list()) {
      if (one.is_string()) types.push_back(one.as_string());
    }
  }
  if (types.empty()) return {};
  if (std::ranges::any_of(types, [&](const std::string& one) { return has_type(value, one); })) return {};
  return invalid(where, "expected " + join(types, " or ") + ", got " + std::string(value.type_name()));
}

Result<void> check_number(const Value& value, const Value& schema, const std::string& where) {
  if (!value.is_number()) return {};
  const double number = value.as_double();
  const auto refuse = [&](std::string_view key, const char* words, auto fits) -> Result<void> {
    const Value* bound = schema.find(key);
    if (bound == nullptr || !bound->is_number() || fits(number, bound->as_double())) return {};
    return invalid(where, to_json(value) + " is not " + words + " " + to_json(*bound));
  };
  TRY(refuse("minimum", "at least", [](double a, double b) { return a >= b; }));
  TRY(refuse("maximum", "at most", [](double a, double b) { return a <= b; }));
  TRY(refuse("exclusiveMinimum", "above", [](double a, double b) { return a > b; }));
  TRY(refuse("exclusiveMaximum", "below", [](double a, double b) { return a < b; }));
  return {};
}

Result<void> check_size(int64_t size, const Value& schema, std::string_view least, std::string_view most,
                        const char* unit, const std::string& where) {
  if (const Value* min = schema.find(least); min != nullptr && min->is_int() && size < min->as_int()) {
    return invalid(where, "has " + std::to_string(size) + " " + unit + ", at least " + to_json(*min) + " are needed");
  }
  if (const Value* max = schema.find(most); max != nullptr && max->is_int() && size > max->as_int()) {
    return invalid(where, "has " + std::to_string(size) + " " + unit + ", at most " + to_json(*max) + " are allowed");
  }
  return {};
}

Result<void> check(const Value& value, const Value& schema, const std::string& where);

Result<void> check_members(const Value& value, const Value& schema, const std::string& where) {
  if (!value.is_map()) return {};
  if (const Value& required = schema.get("required"); required.is_list()) {
    for (const Value& name : required.as_list()) {
      if (name.is_string() && value.find(name.as_string()) == nullptr) {
        return invalid(where, "`" + name.as_string() + "` is missing");
      }
    }
  }
  const Value& properties = schema.get("properties");
  if (!properties.is_map()) return {};
  for (const auto& [name, of] : properties.as_map()) {
    if (const Value* member = value.find(name)) TRY(check(*member, of, where + "." + name));
  }
  return {};
}

int64_t characters(const std::string& text) {
  return std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

Result<void> check(const Value& value, const Value& schema, const std::string& where) {
  TRY(check_type(value, schema.get("type"), where));
  if (const Value* only = schema.find("const"); only != nullptr && !is_equal(*only, value)) {
    return invalid(where, "must be " + to_json(*only));
  }
  if (const Value& allowed = schema.get("enum"); allowed.is_list()) {
    if (std::ranges::none_of(allowed.as_list(), [&](const Value& one) { return is_equal(one, value); })) {
      return invalid(where, to_json(value) + " is none of " + to_json(allowed));
    }
  }
  TRY(check_number(value, schema, where));
  if (value.is_string()) {
    TRY(check_size(characters(value.as_string()), schema, "minLength", "maxLength", "characters", where));
  }
  if (value.is_list()) {
    TRY(check_size(static_cast<int64_t>(value.size()), schema, "minItems", "maxItems", "items", where));
    if (const Value& items = schema.get("items"); items.is_map()) {
      for (size_t i = 0; i < value.size(); ++i) {
        TRY(check(value.as_list()[i], items, where + "[" + std::to_string(i) + "]"));
      }
    }
  }
  return check_members(value, schema, where);
}

}  // namespace

Result<void> check_conf(const Dag& dag, const Value& conf) {
  if (!conf.is_map()) return Error{ErrorKind::invalid, "conf must be an object, got " + std::string(conf.type_name())};
  for (const Param& param : dag.params) {
    const Value* given = conf.find(param.name);
    if (given == nullptr && param.default_value) given = &*param.default_value;
    const std::string where = "param `" + param.name + "` of DAG `" + dag.dag_id + "`";
    if (given == nullptr) return invalid(where, "it has no default, so conf must give it");
    TRY(check(*given, param.schema, where));
  }
  return {};
}

Value merged_params(const Dag& dag, const Value& conf) {
  Value params = Value::map();
  for (const Param& param : dag.params) {
    const Value* given = conf.find(param.name);
    if (given != nullptr) {
      params.set(param.name, *given);
    } else if (param.default_value) {
      params.set(param.name, *param.default_value);
    }
  }
  return params;
}

}  // namespace udon
