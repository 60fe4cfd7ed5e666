#include "model/fields.h"

#include <limits>

namespace udon {
namespace {

const Value null_value;
const Value empty_map = Value::map();
const Value empty_list = Value::list();

}  // namespace

FieldReader::FieldReader(const Value& value, std::string_view what) : value_(value), what_(what) {
  if (!value.is_map()) {
    error_ = Error{ErrorKind::invalid, what_ + ": expected an object, found " + std::string(value.type_name())};
  }
}

bool FieldReader::has(std::string_view key) const {
  const Value* found = value_.find(key);
  return found != nullptr && !found->is_null();
}

void FieldReader::fail(std::string_view key, std::string_view problem) {
  fail(Error{ErrorKind::invalid, what_ + ": `" + std::string(key) + "` " + std::string(problem)});
}

void FieldReader::fail(Error error) {
  if (!error_) error_ = std::move(error);
}

Result<void> FieldReader::status() const {
  if (error_) return *error_;
  return {};
}

const Value* FieldReader::required(std::string_view key, bool (Value::*is_type)() const, std::string_view expected) {
  if (error_) return nullptr;
  const Value* found = value_.find(key);
  if (found == nullptr) {
    fail(key, "is missing");
    return nullptr;
  }
  if (!(found->*is_type)()) {
    fail(key, "has to be " + std::string(expected) + ", found " + std::string(found->type_name()));
    return nullptr;
  }
  return found;
}

std::string FieldReader::text(std::string_view key) {
  const Value* found = required(key, &Value::is_string, "a string");
  return found != nullptr ? found->as_string() : std::string();
}

bool FieldReader::flag(std::string_view key) {
  const Value* found = required(key, &Value::is_bool, "a boolean");
  return found != nullptr && found->as_bool();
}

int64_t FieldReader::integer(std::string_view key) {
  const Value* found = required(key, &Value::is_int, "an integer");
  return found != nullptr ? found->as_int() : 0;
}

int64_t FieldReader::integer_at_least(std::string_view key, int64_t least) {
  const int64_t found = integer(key);
  if (!error_ && found < least) {
    fail(key, "has to be at least " + std::to_string(least) + ", found " + std::to_string(found));
  }
  return found;
}

int FieldReader::small_integer(std::string_view key) {
  const int64_t found = integer(key);
  if (found < std::numeric_limits<int>::min() || found > std::numeric_limits<int>::max()) {
    fail(key, "is out of range: " + std::to_string(found));
    return 0;
  }
  return static_cast<int>(found);
}

TimePoint FieldReader::time(std::string_view key) {
  const std::string found = text(key);
  if (error_) return {};
  const Result<TimePoint> parsed = parse_time(found);
  if (!parsed) {
    fail(key, "is no time: " + parsed.error().message);
    return {};
  }
  return *parsed;
}

Duration FieldReader::duration(std::string_view key) { return Duration(integer(key)); }

const Value& FieldReader::any(std::string_view key) {
  const Value* found = value_.find(key);
  if (found == nullptr) fail(key, "is missing");
  return found != nullptr ? *found : null_value;
}

const Value& FieldReader::map(std::string_view key) {
  const Value* found = required(key, &Value::is_map, "an object");
  return found != nullptr ? *found : empty_map;
}

const Value::List& FieldReader::list(std::string_view key) {
  const Value* found = required(key, &Value::is_list, "an array");
  return found != nullptr ? found->as_list() : empty_list.as_list();
}

std::vector<std::string> FieldReader::texts(std::string_view key) {
  std::vector<std::string> result;
  for (const Value& item : list(key)) {
    if (!item.is_string()) {
      fail(key, "has to hold strings, found " + std::string(item.type_name()));
      return {};
    }
    result.push_back(item.as_string());
  }
  return result;
}

std::optional<std::string> FieldReader::optional_text(std::string_view key) {
  return has(key) ? std::optional(text(key)) : std::nullopt;
}
std::optional<int64_t> FieldReader::optional_integer(std::string_view key) {
  return has(key) ? std::optional(integer(key)) : std::nullopt;
}
std::optional<bool> FieldReader::optional_flag(std::string_view key) {
  return has(key) ? std::optional(flag(key)) : std::nullopt;
}
std::optional<TimePoint> FieldReader::optional_time(std::string_view key) {
  return has(key) ? std::optional(time(key)) : std::nullopt;
}
std::optional<Duration> FieldReader::optional_duration(std::string_view key) {
  return has(key) ? std::optional(duration(key)) : std::nullopt;
}

}  // namespace udon
