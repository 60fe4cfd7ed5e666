#pragma once
// YAML as DAG files use it (1.2's core schema), as a tree with places. Hides yaml-cpp, and is stricter than it: a key
// that stands twice, an unclosed quote, a value of an unknown tag, an alias that expands without end are problems.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/value.h"

namespace udon {

struct YamlMember;

struct YamlNode {
  enum class Kind { null, boolean, integer, real, text, list, map };
  Kind kind = Kind::null;
  uint32_t offset = 0;  // in YamlFile::source
  std::string text;     // of scalars, as YAML reads it; of plain ones as written
  std::vector<YamlNode> items;
  std::vector<YamlMember> members;  // in their order, each key once

  bool is_null() const { return kind == Kind::null; }
  bool is_text() const { return kind == Kind::text; }
  bool is_list() const { return kind == Kind::list; }
  bool is_map() const { return kind == Kind::map; }
  const YamlNode* find(std::string_view key) const;
  // "a text", "an integer", "a list", …: for messages.
  std::string_view kind_name() const;
};
struct YamlMember {
  std::string key;
  uint32_t offset = 0;  // of the key
  YamlNode value;
};

struct YamlPlace {
  int line = 0;    // from 1
  int column = 0;  // from 1, in characters
};
struct YamlProblem {
  uint32_t offset = 0;
  std::string message;
};
struct YamlDocument {
  YamlNode root;
  uint32_t begin = 0;  // what part of the source it is
  uint32_t end = 0;
};

struct YamlFile {
  std::string source;  // without byte order mark, lines ending in \n
  std::vector<uint32_t> line_begins;
  std::vector<YamlDocument> documents;
  std::optional<YamlProblem> problem;  // the first; nothing after it was read

  YamlPlace place(uint32_t offset) const;
};

YamlFile parse_yaml(std::string_view bytes);
Value to_value(const YamlNode& node);
// Where in the source the character of `scalar.text` at `offset_in_text` stands, through quotes, escapes and blocks.
uint32_t offset_in_source(const YamlFile& file, const YamlNode& scalar, size_t offset_in_text);

}  // namespace udon
