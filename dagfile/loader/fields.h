#pragma once
// The words of a DAG and of a task, each written once: from these tables come reading, messages and the JSON Schema.
#include <climits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dagfile/loader/problems.h"
#include "model/dag.h"

namespace udon {

struct FieldType {
  enum class Kind { text, id, integer, flag, duration, texts, word, failures };
  Kind kind = Kind::text;
  int64_t least = 0;  // of integers; of durations 1: longer than nothing
  int64_t most = INT_MAX;
  std::vector<std::string> words;
};
// One that was read; the member for its kind is set.
struct FieldValue {
  std::string text;
  int64_t integer = 0;
  bool flag = false;
  Duration duration{};
  std::vector<std::string> texts;
};

template <class T>
struct Field {
  std::string_view key;
  FieldType type;
  std::string_view help;
  void (*set)(T& target, FieldValue&& value);
};
const std::vector<Field<Task>>& task_fields();
const std::vector<Field<Dag>>& dag_fields();

template <class T>
const Field<T>* find_field(const std::vector<Field<T>>& fields, std::string_view key) {
  for (const Field<T>& field : fields)
    if (field.key == key) return &field;
  return nullptr;
}

// Nothing: it was wrong, and `problems` says so. `key` is for the message.
std::optional<FieldValue> read_field(const FieldType& type, std::string_view key, const YamlNode& node,
                                     Problems& problems);
// As read_field; also used for words that stand outside of the tables.
std::optional<std::string> read_id(std::string_view what, const YamlNode& node, Problems& problems);
std::optional<std::vector<std::string>> read_texts(std::string_view key, const YamlNode& node, Problems& problems);
std::optional<Duration> read_duration(std::string_view key, const YamlNode& node, Problems& problems);
std::optional<bool> read_flag(std::string_view key, const YamlNode& node, Problems& problems);

// "expected a list, got a text", with what helps to mend it.
std::string expected(std::string_view what, const YamlNode& node);

}  // namespace udon
