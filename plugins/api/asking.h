#pragma once
// What operators that ask people have in common: their parameters as what Sensor::Poke::asks takes.
#include <optional>
#include <string>

#include "base/result.h"
#include "base/value.h"

namespace udon {

// A text or a list of texts; nothing is an empty list.
inline Result<Value> texts_of(const Value& parameters, const std::string& name) {
  const Value& given = parameters.get(name);
  if (given.is_null()) return Value::list();
  if (given.is_string()) return Value(Value::List{given});
  if (!given.is_list()) return Error{ErrorKind::invalid, name + ": expected a list of texts"};
  for (const Value& item : given.as_list()) {
    if (!item.is_string()) return Error{ErrorKind::invalid, name + ": expected a list of texts, got " + to_json(item)};
  }
  return given;
}

// subject, body, defaults, form, assignees, as operator.json describes them. `options`: those that may be chosen.
inline Result<Value> question_of(const Value& parameters, Value options) {
  Value question = Value::Map{{"subject", parameters.text("subject")}, {"body", parameters.text("body")}};
  question.set("options", std::move(options));
  TRY_ASSIGN(Value defaults, texts_of(parameters, "defaults"));
  question.set("defaults", std::move(defaults));
  TRY_ASSIGN(Value assignees, texts_of(parameters, "assignees"));
  question.set("assignees", std::move(assignees));
  Value::List params;
  for (const auto& [name, given] : parameters.get("form").as_map()) {
    Value param = Value::Map{{"name", name}, {"schema", given.is_map() ? given : Value::map()}};
    // A schema, or just the value that it has unless another is filled in.
    const Value* value = given.is_map() ? given.find("default") : &given;
    if (value != nullptr) param.set("default", *value);
    params.push_back(std::move(param));
  }
  question.set("params", std::move(params));
  return question;
}

}  // namespace udon
