#include "dagfile/params.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace udon {
namespace {

Error invalid(const std::string& where, const std::string& what) {
  return {ErrorKind::invalid, where.empty() ? what : where + ": " + what};
}

const std::vector<std::string>& type_names() {
  static const std::vector<std::string> names{"string", "integer", "number", "boolean", "array", "object", "null"};
  return names;
}

bool has_type(const Value& value, std::string_view type) {
  if (type == "number") return value.is_number();
  // JSON has one kind of number: 3.0 is an integer too.
  if (type == "integer")
    return value.is_int() || (value.is_double() && std::trunc(value.as_double()) == value.as_double());
  return value.type_name() == type;
}

bool is_equal(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number() && !(a.is_int() && b.is_int())) return a.as_double() == b.as_double();
  return a == b;
}

std::vector<std::string> texts_of(const Value& value) {
  std::vector<std::string> texts;
  if (value.is_string()) texts.push_back(value.as_string());
  if (value.is_list()) {
    for (const Value& item : value.as_list())
      if (item.is_string()) texts.push_back(item.as_string());
  }
  return texts;
}

int64_t characters(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

Result<void> check_bounds(const Value& value, const Value& schema, const std::string& where) {
  if (!value.is_number()) return {};
  const double number = value.as_double();
  const auto hold = [&](std::string_view key, std::string_view words, auto fits) -> Result<void> {
    const Value* bound = schema.find(key);
    if (bound == nullptr || !bound->is_number() || fits(number, bound->as_double())) return {};
    return invalid(where,
                   "expected a number " + std::string(words) + " " + to_json(*bound) + ", got " + to_json(value));
  };
  TRY(hold("minimum", "of at least", [](double a, double b) { return a >= b; }));
  TRY(hold("maximum", "of at most", [](double a, double b) { return a <= b; }));
  TRY(hold("exclusiveMinimum", "above", [](double a, double b) { return a > b; }));
  TRY(hold("exclusiveMaximum", "below", [](double a, double b) { return a < b; }));
  TRY(hold("multipleOf", "that is a multiple of",
           [](double a, double b) { return b != 0 && std::remainder(a, b) == 0; }));
  return {};
}

Result<void> check_size(int64_t size, const Value& schema, std::string_view least, std::string_view most,
                        std::string_view unit, const std::string& where) {
  const Value &min = schema.get(least), &max = schema.get(most);
  if (min.is_int() && size < min.as_int())
    return invalid(where,
                   "expected at least " + to_json(min) + " " + std::string(unit) + ", got " + std::to_string(size));
  if (max.is_int() && size > max.as_int())
    return invalid(where,
                   "expected at most " + to_json(max) + " " + std::string(unit) + ", got " + std::to_string(size));
  return {};
}

Result<void> check_items(const Value& list, const Value& schema, const std::string& where) {
  TRY(check_size(static_cast<int64_t>(list.size()), schema, "minItems", "maxItems", "items", where));
  const Value::List& items = list.as_list();
  if (schema.flag("uniqueItems")) {
    for (size_t i = 0; i < items.size(); ++i) {
      for (size_t j = 0; j < i; ++j)
        if (is_equal(items[i], items[j])) return invalid(where, "the item " + to_json(items[i]) + " stands twice");
    }
  }
  const Value& of = schema.get("items");
  for (size_t i = 0; of.is_map() && i < items.size(); ++i)
    TRY(check_param(items[i], of, where + "[" + std::to_string(i) + "]"));
  return {};
}

Result<void> check_members(const Value& map, const Value& schema, const std::string& where) {
  for (const std::string& name : texts_of(schema.get("required")))
    if (map.find(name) == nullptr) return invalid(where, "`" + name + "` is missing");
  const Value& properties = schema.get("properties");
  const Value* additional = schema.find("additionalProperties");
  for (const auto& [name, member] : map.as_map()) {
    const Value* of = properties.find(name);
    const std::string place = where.empty() ? name : where + "." + name;
    if (of != nullptr) {
      TRY(check_param(member, *of, place));
    } else if (additional != nullptr && additional->is_bool() && !additional->as_bool()) {
      std::vector<std::string> known;
      if (properties.is_map())
        for (const auto& [key, schema_of_key] : properties.as_map()) known.push_back(key);
      return invalid(where, "unknown key `" + name + "`" + did_you_mean(name, known));
    } else if (additional != nullptr && additional->is_map()) {
      TRY(check_param(member, *additional, place));
    }
  }
  return {};
}

}  // namespace

const std::vector<std::string>& param_schema_keys() {
  // The last line is what Airflow's forms read beside JSON Schema.
  static const std::vector<std::string> keys{"type",
                                             "default",
                                             "description",
                                             "title",
                                             "enum",
                                             "const",
                                             "examples",
                                             "format",
                                             "minimum",
                                             "maximum",
                                             "exclusiveMinimum",
                                             "exclusiveMaximum",
                                             "multipleOf",
                                             "minLength",
                                             "maxLength",
                                             "items",
                                             "minItems",
                                             "maxItems",
                                             "uniqueItems",
                                             "properties",
                                             "required",
                                             "additionalProperties",
                                             "description_md",
                                             "section",
                                             "values_display"};
  return keys;
}

Result<void> check_param_schema(const Value& schema) {
  if (!schema.is_map()) return invalid("", "expected a schema, got " + std::string(schema.type_name()));
  for (const auto& [key, value] : schema.as_map()) {
    const auto& known = param_schema_keys();
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      const std::string hint = did_you_mean(key, known);
      return invalid("", "unknown key `" + key + "`" + (hint.empty() ? "; there are " + join(known, ", ") : hint));
    }
    const bool is_bound = key == "minimum" || key == "maximum" || key == "exclusiveMinimum" ||
                          key == "exclusiveMaximum" || key == "multipleOf";
    if (is_bound && !value.is_number()) return invalid("`" + key + "`", "expected a number");
    const bool is_size = key == "minLength" || key == "maxLength" || key == "minItems" || key == "maxItems";
    if (is_size && (!value.is_int() || value.as_int() < 0))
      return invalid("`" + key + "`", "expected an integer from 0");
    if ((key == "enum" || key == "required") && !value.is_list()) return invalid("`" + key + "`", "expected a list");
    if (key == "uniqueItems" && !value.is_bool()) return invalid("`uniqueItems`", "expected true or false");
    if (key == "items" || (key == "additionalProperties" && !value.is_bool())) {
      const Result<void> inner = check_param_schema(value);
      if (!inner) return inner.error().within("`" + key + "`");
    }
    if (key == "properties") {
      if (!value.is_map()) return invalid("`properties`", "expected a map");
      for (const auto& [name, of] : value.as_map()) {
        const Result<void> inner = check_param_schema(of);
        if (!inner) return inner.error().within("`properties." + name + "`");
      }
    }
    if (key != "type") continue;
    const std::vector<std::string> types = texts_of(value);
    if (types.empty() || (value.is_list() && types.size() != value.size()))
      return invalid("`type`", "expected one of " + join(type_names(), ", ") + ", or a list of them");
    for (const std::string& type : types) {
      const auto& names = type_names();
      if (std::find(names.begin(), names.end(), type) == names.end())
        return invalid("`type`", "`" + type + "`: expected one of " + join(names, ", ") + did_you_mean(type, names));
    }
  }
  return {};
}

Result<void> check_param(const Value& value, const Value& schema, const std::string& where) {
  const std::vector<std::string> types = texts_of(schema.get("type"));
  if (!types.empty() &&
      std::none_of(types.begin(), types.end(), [&](const std::string& type) { return has_type(value, type); }))
    return invalid(where, "expected " + join(types, " or ") + ", got " + std::string(value.type_name()));
  if (const Value* only = schema.find("const"); only != nullptr && !is_equal(*only, value))
    return invalid(where, "expected " + to_json(*only) + ", got " + to_json(value));
  if (const Value& allowed = schema.get("enum"); allowed.is_list()) {
    const Value::List& list = allowed.as_list();
    if (std::none_of(list.begin(), list.end(), [&](const Value& one) { return is_equal(one, value); }))
      return invalid(where, "expected one of " + to_json(allowed) + ", got " + to_json(value));
  }
  TRY(check_bounds(value, schema, where));
  if (value.is_string())
    TRY(check_size(characters(value.as_string()), schema, "minLength", "maxLength", "characters", where));
  if (value.is_list()) TRY(check_items(value, schema, where));
  if (value.is_map()) TRY(check_members(value, schema, where));
  return {};
}

}  // namespace udon
