#include "dagfile/loader/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <istream>
#include <map>
#include <streambuf>
#include <unordered_set>

#include "base/limits.h"
#include "base/text.h"
#include "base/unicode.h"

namespace udon {
namespace {

// A problem found in the midst of yaml-cpp's events; it leaves the parser as an exception, and this file as a value.
struct Stop {
  YamlProblem problem;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The core schema's numbers. "007" stays a text: it is somebody's code, and leading zeros are lost in a number.
bool is_integer(std::string_view text) {
  if (text.starts_with("0x"))
    return text.size() > 2 && text.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string_view::npos;
  if (text.starts_with("0o")) return text.size() > 2 && text.find_first_not_of("01234567", 2) == std::string_view::npos;
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return false;
  return std::all_of(text.begin(), text.end(), is_digit);
}

std::optional<int64_t> integer_of(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x")) base = 16;
  if (text.starts_with("0o")) base = 8;
  if (base != 10) text.remove_prefix(2);
  if (text.starts_with('+')) text.remove_prefix(1);
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_real(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  size_t i = 0;
  while (i < text.size() && is_digit(text[i])) ++i;
  size_t digits = i;
  if (digits > 1 && text[0] == '0') return false;
  if (i < text.size() && text[i] == '.') {
    const size_t point = i++;
    while (i < text.size() && is_digit(text[i])) ++i;
    digits += i - point - 1;
  }
  if (digits == 0) return false;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    const size_t begin = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    if (i == begin) return false;
  }
  return i == text.size();
}

YamlNode::Kind kind_of_plain(std::string_view text) {
  using Kind = YamlNode::Kind;
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return Kind::null;
  if (text == "true" || text == "True" || text == "TRUE" || text == "false" || text == "False" || text == "FALSE")
    return Kind::boolean;
  if (is_integer(text)) return Kind::integer;
  if (is_real(text)) return Kind::real;
  return Kind::text;
}

// Builds the tree from events. Anchors are kept whole, aliases copied, and what is copied is counted.
class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(YamlFile& file) : file_(file) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    const uint32_t at = offset_of(mark);
    if (!file_.documents.empty() && !begins_document(at))
      throw Stop{{at,
                  "expected the end of the document; what stands further left than the lines before it begins a new "
                  "one, after `---`"}};
    if (!file_.documents.empty()) file_.documents.back().end = at;
    YamlDocument document;
    document.begin = file_.documents.empty() ? 0 : at;
    file_.documents.push_back(std::move(document));
    anchors_.clear();
  }
  void OnDocumentEnd() override { file_.documents.back().end = static_cast<uint32_t>(file_.source.size()); }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode node;
    node.offset = offset_of(mark);
    add(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const uint32_t at = offset_of(mark);
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Stop{{at, "an alias stands inside of what it names"}};
    count(found->second.nodes, at);
    if (static_cast<int>(open_.size()) + found->second.depth > limits::value_depth_max)
      throw Stop{{at, "nested deeper than " + std::to_string(limits::value_depth_max)}};
    add(found->second.node, 0);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node;
    node.offset = after_properties(offset_of(mark));
    node.text = value;
    if (tag == "?") {
      node.kind = kind_of_plain(value);
      if (node.kind == YamlNode::Kind::integer && !integer_of(value))
        throw Stop{{node.offset, "the integer " + value + " needs more than 64 bits; quote it to make it a text"}};
      if (value == ".nan" || value == ".NaN" || value == ".NAN" || value.ends_with(".inf") || value.ends_with(".Inf"))
        throw Stop{{node.offset, value + " has no place in JSON; quote it to make it a text"}};
    } else if (tag == "!" || tag == "tag:yaml.org,2002:str") {
      node.kind = YamlNode::Kind::text;
      check_closed(node.offset);
    } else {
      throw Stop{{offset_of(mark), "the tag `" + tag + "` is not known here"}};
    }
    add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::list);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::map);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    int64_t nodes_before = 0;
    int depth = 1;  // of what was added to it so far
    // Of a map: the key that waits for its value, and what has to be merged into it at its end.
    std::optional<YamlMember> key;
    std::vector<YamlNode> merged;
    std::unordered_set<std::string> keys;
  };
  struct Anchor {
    YamlNode node;
    int64_t nodes = 1;
    int depth = 1;
  };

  static uint32_t offset_of(const YAML::Mark& mark) { return static_cast<uint32_t>(std::max(mark.pos, 0)); }

  // A scalar's mark is that of its anchor or tag, if it has one.
  uint32_t after_properties(uint32_t at) const {
    const std::string& source = file_.source;
    size_t i = at;
    while (i < source.size() && (source[i] == '&' || source[i] == '!')) {
      const size_t end = source.find_first_of(" \n,]}", i);
      const size_t next = source.find_first_not_of(" \n", end == std::string::npos ? source.size() : end);
      if (next == std::string::npos) break;
      i = next;
    }
    return static_cast<uint32_t>(i);
  }

  bool begins_document(uint32_t at) const {
    const std::string_view source = file_.source;
    if (source.substr(at, 3) == "---" || source.substr(at, 1) == "%") return true;
    const std::string_view before = trim(source.substr(0, at));
    return before.ends_with("\n...") || before == "...";
  }

  void count(int64_t nodes, uint32_t at) {
    nodes_ += nodes;
    if (nodes_ > limits::dag_file_values_max)
      throw Stop{{at, "the file holds more than " + std::to_string(limits::dag_file_values_max) +
                          " values, aliases expanded"}};
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
    const uint32_t at = offset_of(mark);
    if (tag != "?" && tag != "!" && !tag.empty() && tag != "tag:yaml.org,2002:map" && tag != "tag:yaml.org,2002:seq")
      throw Stop{{at, "the tag `" + tag + "` is not known here"}};
    if (static_cast<int>(open_.size()) >= limits::value_depth_max)
      throw Stop{{at, "nested deeper than " + std::to_string(limits::value_depth_max)}};
    if (!open_.empty() && open_.back().node.is_map() && !open_.back().key) throw Stop{{at, no_text_key(at)}};
    Open opened;
    opened.node.kind = kind;
    opened.node.offset = at;
    opened.anchor = anchor;
    opened.nodes_before = nodes_;
    open_.push_back(std::move(opened));
  }

  // `to: {{ ds }}` is a map in a map to YAML: the mistake everybody makes once.
  std::string no_text_key(uint32_t at) const {
    const bool is_template = at > 0 && file_.source.substr(at - 1, 2) == "{{";
    return is_template ? "a value that begins with `{{` must be quoted: \"{{ … }}\"" : "a key must be a text";
  }

  void close() {
    Open closed = std::move(open_.back());
    open_.pop_back();
    for (const YamlNode& source : closed.merged) merge(closed, source);
    count(1, closed.node.offset);
    finish(std::move(closed.node), closed.anchor, nodes_ - closed.nodes_before, closed.depth + 1);
  }

  void add(YamlNode node, YAML::anchor_t anchor) {
    count(1, node.offset);
    finish(std::move(node), anchor, 1, 1);
  }

  void finish(YamlNode node, YAML::anchor_t anchor, int64_t nodes, int depth) {
    if (anchor != 0) anchors_[anchor] = Anchor{node, nodes, depth};
    if (open_.empty()) {
      file_.documents.back().root = std::move(node);
      return;
    }
    Open& parent = open_.back();
    parent.depth = std::max(parent.depth, depth);
    if (parent.node.is_list()) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.key) {
      if (node.is_list() || node.is_map() || node.is_null()) throw Stop{{node.offset, "a key must be a text"}};
      parent.key = YamlMember{std::move(node.text), node.offset, {}};
    } else if (parent.key->key == "<<" && file_.source.substr(parent.key->offset, 2) == "<<") {
      take_merge(parent, std::move(node));
      parent.key.reset();
    } else {
      if (!parent.keys.insert(parent.key->key).second) throw Stop{{parent.key->offset, stands_twice(parent)}};
      // An empty value has no place of its own.
      if (node.is_null() && node.text.empty()) node.offset = parent.key->offset;
      parent.key->value = std::move(node);
      parent.node.members.push_back(std::move(*parent.key));
      parent.key.reset();
    }
  }

  std::string stands_twice(const Open& map) const {
    for (const YamlMember& member : map.node.members) {
      if (member.key == map.key->key)
        return "the key `" + member.key + "` stands twice; first in line " +
               std::to_string(file_.place(member.offset).line);
    }
    return "the key `" + map.key->key + "` stands twice";
  }

  static void take_merge(Open& parent, YamlNode node) {
    if (node.is_map()) {
      parent.merged.push_back(std::move(node));
      return;
    }
    const bool are_maps = node.is_list() && std::all_of(node.items.begin(), node.items.end(),
                                                        [](const YamlNode& n) { return n.is_map(); });
    if (!are_maps) throw Stop{{node.offset, "`<<` takes a map or a list of maps, as aliases"}};
    for (YamlNode& item : node.items) parent.merged.push_back(std::move(item));
  }

  // The map's own keys win, then the first map that has the key.
  static void merge(Open& into, const YamlNode& source) {
    for (const YamlMember& member : source.members) {
      if (into.keys.insert(member.key).second) into.node.members.push_back(member);
    }
  }

  // yaml-cpp takes the end of the file for the end of a quoted text.
  void check_closed(uint32_t at) const {
    const std::string_view source = file_.source;
    const char quote = at < source.size() ? source[at] : ' ';
    if (quote != '"' && quote != '\'') return;
    for (size_t i = at + 1; i < source.size(); ++i) {
      if (quote == '"' && source[i] == '\\') {
        ++i;
      } else if (source[i] == quote) {
        if (quote == '"' || i + 1 >= source.size() || source[i + 1] != '\'') return;
        ++i;
      }
    }
    throw Stop{{at, std::string("the quoted text is not closed: ") + quote + " is missing"}};
  }

  YamlFile& file_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Anchor> anchors_;
  int64_t nodes_ = 0;
};

// Without the copy that a stringstream makes.
class ViewBuffer final : public std::streambuf {
 public:
  explicit ViewBuffer(std::string& text) { setg(text.data(), text.data(), text.data() + text.size()); }
};

std::string expressed(const std::string& message) {
  static const std::map<std::string, std::string, std::less<>> ours{
      {"illegal map value", "a `:` that YAML does not expect here; check the indentation, or quote the text"},
      {"illegal map key", "a key that YAML does not expect here; check the indentation"},
      {"end of map not found", "expected the next key of the map, or its end; check the indentation and quotes"},
      {"end of sequence not found", "expected the next `- ` of the list, or its end; check the indentation"},
      {"end of map flow not found", "`}` is missing"},
      {"end of sequence flow not found", "`]` is missing"},
      {"illegal block entry", "a list's `- ` cannot begin here; put it on a line of its own"},
      {"unknown token", "a character that cannot begin a text; quote the text"},
      {"the referenced anchor is not defined", "an alias whose anchor (&name) is not defined before it"},
      {"illegal tab when looking for indentation", "a tab in the indentation; YAML takes spaces"},
  };
  const auto found = ours.find(message);
  return found != ours.end() ? found->second : "YAML: " + message;
}

// A tab in the indentation of the line or of the one before explains most of what yaml-cpp says there.
std::optional<uint32_t> tab_in_indentation(const YamlFile& file, uint32_t offset) {
  const int line = file.place(offset).line;
  for (const int number : {line - 1, line}) {
    if (number < 1 || static_cast<size_t>(number) > file.line_begins.size()) continue;
    const size_t begin = file.line_begins[static_cast<size_t>(number - 1)];
    const size_t end = std::min(file.source.find_first_not_of(" \t", begin), file.source.size());
    const size_t tab = file.source.find('\t', begin);
    if (tab < end) return static_cast<uint32_t>(tab);
  }
  return std::nullopt;
}

bool is_unquoted_template(const YamlFile& file, uint32_t offset) {
  const YamlPlace place = file.place(offset);
  const size_t begin = file.line_begins[static_cast<size_t>(std::max(place.line, 1) - 1)];
  const std::string_view line = std::string_view(file.source).substr(begin, file.source.find('\n', begin) - begin);
  const size_t open = line.find("{{");
  const std::string_view before = trim(line.substr(0, std::min(open, line.size())));
  return open != std::string_view::npos &&
         (before.ends_with(':') || before.ends_with('-') || before.ends_with('[') || before.ends_with(','));
}

std::optional<YamlProblem> problem_of_bytes(std::string_view source) {
  for (size_t i = 0; i < source.size();) {
    const unsigned char c = static_cast<unsigned char>(source[i]);
    if (c >= 0x20 && c < 0x7F) {
      ++i;
      continue;
    }
    if (c < 0x20 || c == 0x7F) {
      if (c != '\t' && c != '\n' && c != '\r')
        return YamlProblem{static_cast<uint32_t>(i), "a control character (byte " + std::to_string(c) + ")"};
      ++i;
      continue;
    }
    const CodePoint point = decode_utf8(source.substr(i));
    if (!point.is_valid) return YamlProblem{static_cast<uint32_t>(i), "the file is no valid UTF-8"};
    i += static_cast<size_t>(point.bytes);
  }
  return std::nullopt;
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const YamlMember& member : members)
    if (member.key == key) return &member.value;
  return nullptr;
}

std::string_view YamlNode::kind_name() const {
  switch (kind) {
    case Kind::null: return "nothing";
    case Kind::boolean: return "a boolean";
    case Kind::integer: return "an integer";
    case Kind::real: return "a number";
    case Kind::text: return "a text";
    case Kind::list: return "a list";
    case Kind::map: return "a map";
  }
  return "?";
}

YamlPlace YamlFile::place(uint32_t offset) const {
  if (line_begins.empty()) return {1, 1};
  const auto after = std::upper_bound(line_begins.begin(), line_begins.end(), offset);
  const size_t line = static_cast<size_t>(after - line_begins.begin()) - 1;
  const size_t begin = line_begins[line];
  const std::string_view before =
      std::string_view(source).substr(begin, std::min<size_t>(offset, source.size()) - begin);
  const auto characters = std::count_if(before.begin(), before.end(),
                                        [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  return {static_cast<int>(line) + 1, static_cast<int>(characters) + 1};
}

YamlFile parse_yaml(std::string_view bytes) {
  YamlFile file;
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  file.source.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] == '\r') {
      file.source += '\n';
      if (i + 1 < bytes.size() && bytes[i + 1] == '\n') ++i;
    } else {
      file.source += bytes[i];
    }
  }
  file.line_begins.push_back(0);
  for (size_t i = 0; i < file.source.size(); ++i)
    if (file.source[i] == '\n') file.line_begins.push_back(static_cast<uint32_t>(i) + 1);
  file.problem = problem_of_bytes(file.source);
  if (file.problem) return file;

  ViewBuffer buffer(file.source);
  std::istream stream(&buffer);
  Builder builder(file);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Stop& stop) {
    file.problem = stop.problem;
  } catch (const YAML::Exception& exception) {
    uint32_t at = static_cast<uint32_t>(std::clamp<int>(exception.mark.pos, 0, static_cast<int>(file.source.size())));
    std::string message = expressed(exception.msg);
    if (const auto tab = tab_in_indentation(file, at)) {
      message = "a tab in the indentation; YAML takes spaces";
      at = *tab;
    } else if (is_unquoted_template(file, at)) {
      message = "a value that begins with `{{` must be quoted: \"{{ … }}\"";
    }
    file.problem = YamlProblem{at, std::move(message)};
  } catch (const std::exception& exception) {
    file.problem = YamlProblem{0, std::string("YAML: ") + exception.what()};
  }
  if (file.problem) file.documents.clear();
  return file;
}

Value to_value(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::null: return {};
    case YamlNode::Kind::boolean: return node.text[0] == 't' || node.text[0] == 'T';
    case YamlNode::Kind::integer: return integer_of(node.text).value_or(0);
    case YamlNode::Kind::real: {
      std::string_view text = node.text;
      if (text.starts_with('+')) text.remove_prefix(1);
      double value = 0;
      const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
      if (parsed.ec == std::errc::result_out_of_range) return Value(node.text);  // beyond a double: as written
      return value;
    }
    case YamlNode::Kind::text: return node.text;
    case YamlNode::Kind::list: {
      Value::List list;
      list.reserve(node.items.size());
      for (const YamlNode& item : node.items) list.push_back(to_value(item));
      return Value(std::move(list));
    }
    case YamlNode::Kind::map: {
      Value::Map map;
      map.reserve(node.members.size());
      for (const YamlMember& member : node.members) map.emplace_back(member.key, to_value(member.value));
      return Value(std::move(map));
    }
  }
  return {};
}

uint32_t offset_in_source(const YamlFile& file, const YamlNode& scalar, size_t offset_in_text) {
  const std::string_view source = file.source;
  size_t raw = scalar.offset;
  const char first = raw < source.size() ? source[raw] : ' ';
  const bool is_double = first == '"', is_single = first == '\'';
  if (is_double || is_single) ++raw;
  // A block's text begins in the line after its | or >.
  if (first == '|' || first == '>') raw = std::min(source.find('\n', raw), source.size());
  const auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\t'; };
  // Side by side: what folding, indentation, quotes and escapes put into the source is passed over.
  for (size_t i = 0; raw < source.size(); ++i) {
    const char wanted = i < scalar.text.size() ? scalar.text[i] : '\0';
    if (!is_space(wanted)) {
      while (raw < source.size() && is_space(source[raw])) ++raw;
    } else {
      while (raw < source.size() && is_space(source[raw]) && source[raw] != wanted && source[raw] != '\n') ++raw;
    }
    // A line that goes on after a backslash.
    while (is_double && source.substr(raw, 2) == "\\\n") {
      raw += 2;
      while (raw < source.size() && is_space(source[raw])) ++raw;
    }
    if (i >= offset_in_text) break;
    if (is_double && raw + 1 < source.size() && source[raw] == '\\') {
      const char escape = source[raw + 1];
      const size_t digits = escape == 'x' ? 2 : escape == 'u' ? 4 : escape == 'U' ? 8 : 0;
      if (digits > 0 && static_cast<unsigned char>(wanted) >= 0x80)
        i += static_cast<size_t>(decode_utf8(std::string_view(scalar.text).substr(i)).bytes) - 1;
      raw += 2 + digits;
    } else if (is_single && source[raw] == '\'') {
      raw += 2;
    } else if (raw < source.size() && (source[raw] == wanted || is_space(source[raw]))) {
      ++raw;
    }
  }
  return static_cast<uint32_t>(std::min(raw, source.size()));
}

}  // namespace udon
