#include "dagfile/loader/fields.h"

#include <algorithm>

#include "base/text.h"

namespace udon {

std::string expected(std::string_view what, const YamlNode& node) {
  std::string text = "expected " + std::string(what) + ", got " + std::string(node.kind_name());
  if (node.is_text() && node.text.size() <= 40 && node.text.find('\n') == std::string::npos)
    text += " `" + node.text + "`";
  return text;
}

std::optional<std::string> read_id(std::string_view what, const YamlNode& node, Problems& problems) {
  const std::string quoted = "`" + std::string(what) + "`";
  if (node.kind == YamlNode::Kind::integer || node.kind == YamlNode::Kind::real ||
      node.kind == YamlNode::Kind::boolean) {
    problems.error(node, quoted + ": " + expected("an id", node) + "; quote it to make it a text");
    return std::nullopt;
  }
  if (!node.is_text()) {
    problems.error(node, quoted + ": " + expected("an id", node));
    return std::nullopt;
  }
  if (const auto problem = problem_of_id(node.text)) {
    problems.error(node, quoted + ": `" + node.text + "` is no id: it " + *problem);
    return std::nullopt;
  }
  return node.text;
}

std::optional<std::vector<std::string>> read_texts(std::string_view key, const YamlNode& node, Problems& problems) {
  const std::string quoted = "`" + std::string(key) + "`";
  if (node.is_text()) return std::vector<std::string>{node.text};
  if (!node.is_list()) {
    problems.error(node, quoted + ": " + expected("a list of texts", node));
    return std::nullopt;
  }
  std::vector<std::string> texts;
  for (const YamlNode& item : node.items) {
    if (!item.is_text()) {
      problems.error(item, quoted + ": " + expected("a text", item) +
                               (item.is_list() || item.is_map() ? "" : "; quote it to make it a text"));
      return std::nullopt;
    }
    texts.push_back(item.text);
  }
  return texts;
}

std::optional<Duration> read_duration(std::string_view key, const YamlNode& node, Problems& problems) {
  const std::string quoted = "`" + std::string(key) + "`";
  constexpr std::string_view example = "a duration such as 30s, 5m or 1h30m";
  if (node.kind == YamlNode::Kind::integer) {
    problems.error(node, quoted + ": " + expected(example, node) + "; write its unit: `" + node.text + "s`");
    return std::nullopt;
  }
  if (!node.is_text()) {
    problems.error(node, quoted + ": " + expected(example, node));
    return std::nullopt;
  }
  const Result<Duration> duration = parse_duration(node.text);
  if (!duration) {
    problems.error(node, quoted + ": " + expected(example, node));
    return std::nullopt;
  }
  return *duration;
}

std::optional<bool> read_flag(std::string_view key, const YamlNode& node, Problems& problems) {
  if (node.kind == YamlNode::Kind::boolean) return node.text[0] == 't' || node.text[0] == 'T';
  problems.error(node, "`" + std::string(key) + "`: " + expected("true or false", node));
  return std::nullopt;
}

std::optional<FieldValue> read_field(const FieldType& type, std::string_view key, const YamlNode& node,
                                     Problems& problems) {
  FieldValue value;
  const std::string quoted = "`" + std::string(key) + "`";
  switch (type.kind) {
    case FieldType::Kind::text:
      if (!node.is_text()) {
        problems.error(node,
                       quoted + ": " + expected("a text", node) +
                           (node.is_list() || node.is_map() || node.is_null() ? "" : "; quote it to make it a text"));
        return std::nullopt;
      }
      value.text = node.text;
      return value;
    case FieldType::Kind::id: {
      auto id = read_id(key, node, problems);
      if (!id) return std::nullopt;
      value.text = std::move(*id);
      return value;
    }
    case FieldType::Kind::integer: {
      const std::string what = "an integer from " + std::to_string(type.least) +
                               (type.most == INT_MAX ? "" : " to " + std::to_string(type.most));
      if (node.kind != YamlNode::Kind::integer) {
        problems.error(node, quoted + ": " + expected(what, node));
        return std::nullopt;
      }
      value.integer = to_value(node).as_int();
      if (value.integer < type.least || value.integer > type.most) {
        problems.error(node, quoted + ": expected " + what + ", got " + node.text);
        return std::nullopt;
      }
      return value;
    }
    case FieldType::Kind::flag: {
      const auto flag = read_flag(key, node, problems);
      if (!flag) return std::nullopt;
      value.flag = *flag;
      return value;
    }
    case FieldType::Kind::duration: {
      const auto duration = read_duration(key, node, problems);
      if (!duration) return std::nullopt;
      if (duration->count() < type.least) {
        problems.error(node, quoted + ": must be longer than nothing");
        return std::nullopt;
      }
      value.duration = *duration;
      return value;
    }
    case FieldType::Kind::texts: {
      auto texts = read_texts(key, node, problems);
      if (!texts) return std::nullopt;
      value.texts = std::move(*texts);
      return value;
    }
    case FieldType::Kind::failures: {
      const std::vector<YamlNode> single{node};
      for (const YamlNode& item : node.is_list() ? node.items : single) {
        const bool is_code = item.kind == YamlNode::Kind::integer;
        const bool is_exit_code =
            is_code && to_value(item).is_int() && to_value(item).as_int() >= 1 && to_value(item).as_int() <= 255;
        const bool is_word =
            item.is_text() && std::find(type.words.begin(), type.words.end(), item.text) != type.words.end();
        if (!is_exit_code && !is_word) {
          problems.error(
              item,
              quoted + ": " +
                  (is_code ? "an exit code is from 1 to 255, not " + item.text
                           : expected("a kind of failure (" + join(type.words, ", ") + ") or an exit code", item) +
                                 (item.is_text() ? did_you_mean(item.text, type.words) : "")));
          return std::nullopt;
        }
        value.texts.push_back(is_code ? std::to_string(to_value(item).as_int()) : item.text);
      }
      return value;
    }
    case FieldType::Kind::word: {
      if (node.is_text() && std::find(type.words.begin(), type.words.end(), node.text) != type.words.end()) {
        value.text = node.text;
        return value;
      }
      std::vector<std::string> quoted_words;
      for (const std::string& word : type.words) quoted_words.push_back("`" + word + "`");
      problems.error(node, quoted + ": " + expected("one of " + join(quoted_words, ", "), node) +
                               (node.is_text() ? did_you_mean(node.text, type.words) : ""));
      return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace udon
