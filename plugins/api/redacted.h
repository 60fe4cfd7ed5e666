#pragma once
// For what is kept or shown elsewhere than in the log: XComs that come from a program outside.
#include "base/value.h"
#include "plugins/api/task_context.h"

namespace udon {

// The secrets that the try has opened, masked in every text inside.
inline Value redacted(TaskContext& context, const Value& value) {
  if (value.is_string()) return context.redact(value.as_string());
  if (value.is_list()) {
    Value list = Value::list();
    for (const Value& item : value.as_list()) list.push_back(redacted(context, item));
    return list;
  }
  if (!value.is_map()) return value;
  Value map = Value::map();
  for (const auto& [key, member] : value.as_map()) map.set(context.redact(key), redacted(context, member));
  return map;
}

}  // namespace udon
