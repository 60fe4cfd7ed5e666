#pragma once
// What YAML, JSON, templates and XCom have in common: null, bool, 64-bit integer, double, string, list, map.
// A value in the sense of the house: copyable, comparable, printable. Maps keep the order in which they were
// written.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace udon {

class Value {
 public:
  using List = std::vector<Value>;
  using Member = std::pair<std::string, Value>;
  using Map = std::vector<Member>;

  Value() = default;
  Value(std::nullptr_t) {}
  Value(bool v) : data_(v) {}
  Value(int v) : data_(static_cast<int64_t>(v)) {}
  Value(int64_t v) : data_(v) {}
  Value(double v) : data_(v) {}
  Value(const char* v) : data_(std::string(v)) {}
  Value(std::string_view v) : data_(std::string(v)) {}
  Value(std::string v) : data_(std::move(v)) {}
  Value(List v) : data_(std::move(v)) {}
  Value(Map v) : data_(std::move(v)) {}

  static Value list() { return Value(List{}); }
  static Value map() { return Value(Map{}); }

  bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_int() const { return std::holds_alternative<int64_t>(data_); }
  bool is_double() const { return std::holds_alternative<double>(data_); }
  bool is_number() const { return is_int() || is_double(); }
  bool is_string() const { return std::holds_alternative<std::string>(data_); }
  bool is_list() const { return std::holds_alternative<List>(data_); }
  bool is_map() const { return std::holds_alternative<Map>(data_); }
  // "null", "boolean", "integer", "number", "string", "array", "object": JSON Schema's words.
  std::string_view type_name() const;

  // Ask is_x() first; the wrong type is a broken promise of the caller.
  bool as_bool() const;
  int64_t as_int() const;
  double as_double() const;  // of an integer too
  const std::string& as_string() const;
  const List& as_list() const;
  List& as_list();
  const Map& as_map() const;
  Map& as_map();

  // Map access. find: nullptr if this is no map or has no such key. get: null value instead. set: on a map or
  // a null.
  const Value* find(std::string_view key) const;
  const Value& get(std::string_view key) const;
  Value& set(std::string_view key, Value value);
  bool erase(std::string_view key);
  void push_back(Value value);  // on a list or a null
  size_t size() const;          // members of a list or map, else 0

  // Convenience for optional members: the text, number or flag at `key`, else `otherwise`.
  std::string text(std::string_view key, std::string_view otherwise = {}) const;
  int64_t integer(std::string_view key, int64_t otherwise = 0) const;
  bool flag(std::string_view key, bool otherwise = false) const;  // NOLINT

  bool operator==(const Value&) const = default;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, List, Map> data_;
};

// Integers outside int64 are an error, never silently a double. Invalid UTF-8 and nesting beyond
// limits::value_depth_max are errors that say where (byte offset), and so is a key that an object has twice.
// The message doesn't quote values: the text may hold a password.
Result<Value> parse_json(std::string_view text);
// Compact, keys in their order, UTF-8 kept as it is; invalid UTF-8 becomes U+FFFD. NaN and infinities become
// null.
std::string to_json(const Value& value);
std::string to_json_pretty(const Value& value);  // two spaces, for files that people read

}  // namespace udon
