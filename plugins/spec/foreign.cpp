#include "plugins/spec/foreign.h"

#define XXH_INLINE_ALL  // udon-task links no libxxhash
#include <xxhash.h>

#include <array>

#include "base/limits.h"

namespace udon {
namespace {

constexpr int64_t index_version = 1;
constexpr int64_t index_bytes_max = 64 << 20;
constexpr int64_t plugin_bytes_max = int64_t{1} << 30;

Value to_value(const FileStamp& stamp) {
  // As texts: inodes may be larger than JSON's readers can take.
  return Value::List{std::to_string(stamp.mtime_ns), std::to_string(stamp.ctime_ns), std::to_string(stamp.size),
                     std::to_string(stamp.inode), std::to_string(stamp.device)};
}

Value to_value(const ForeignPlugin& plugin) {
  Value operators = Value::list();
  for (const OperatorSpec& spec : plugin.operators) operators.push_back(to_value(spec));
  return Value::Map{
      {"file", plugin.file.string()},      {"form", plugin.form == PluginForm::object ? "object" : "executable"},
      {"content", plugin.content},         {"stamp", to_value(plugin.stamp)},
      {"operators", std::move(operators)}, {"refused", plugin.refused}};
}

Result<FileStamp> parse_stamp(const Value& value) {
  FileStamp stamp;
  if (!value.is_list() || value.size() != 5) return Error{ErrorKind::invalid, "`stamp` is no list of five texts"};
  std::array<int64_t, 3> numbers{};
  std::array<uint64_t, 2> ids{};
  try {
    for (size_t i = 0; i < 3; ++i) numbers.at(i) = std::stoll(value.as_list()[i].as_string());
    for (size_t i = 0; i < 2; ++i) ids.at(i) = std::stoull(value.as_list()[i + 3].as_string());
  } catch (const std::exception&) {
    return Error{ErrorKind::invalid, "`stamp` holds no numbers"};
  }
  return FileStamp{numbers[0], numbers[1], numbers[2], ids[0], ids[1]};
}

Result<ForeignPlugin> parse_plugin(const Value& value) {
  ForeignPlugin plugin;
  plugin.file = value.text("file");
  plugin.form = value.text("form") == "object" ? PluginForm::object : PluginForm::executable;
  plugin.content = value.text("content");
  plugin.refused = value.text("refused");
  TRY_ASSIGN(plugin.stamp, parse_stamp(value.get("stamp")));
  const Value& operators = value.get("operators");
  if (!operators.is_list()) return Error{ErrorKind::invalid, "`operators` is no list"};
  for (const Value& description : operators.as_list()) {
    TRY_ASSIGN(OperatorSpec spec, parse_operator_spec(description));
    plugin.operators.push_back(std::move(spec));
  }
  return plugin;
}

Result<PluginIndex> parse_index(const std::string& text) {
  TRY_ASSIGN(const Value value, parse_json(text));
  if (value.integer("version") != index_version || !value.get("plugins").is_list())
    return Error{ErrorKind::invalid, "it is of another version"};
  PluginIndex index;
  index.program = value.text("program");
  for (const Value& item : value.get("plugins").as_list()) {
    TRY_ASSIGN(ForeignPlugin plugin, parse_plugin(item));
    index.plugins.push_back(std::move(plugin));
  }
  return index;
}

}  // namespace

const ForeignPlugin* PluginIndex::find(std::string_view operator_name) const {
  for (const ForeignPlugin& plugin : plugins)
    for (const OperatorSpec& spec : plugin.operators)
      if (spec.name == operator_name && plugin.refused.empty()) return &plugin;
  return nullptr;
}

std::vector<OperatorSpec> PluginIndex::operators() const {
  std::vector<OperatorSpec> found;
  for (const ForeignPlugin& plugin : plugins)
    if (plugin.refused.empty()) found.insert(found.end(), plugin.operators.begin(), plugin.operators.end());
  return found;
}

Path plugin_index_file(const Path& home) { return home / "plugins.json"; }

Result<PluginIndex> read_plugin_index(const Path& home) {
  const Path file = plugin_index_file(home);
  const auto text = read_file(file, index_bytes_max);
  if (!text && text.error().kind == ErrorKind::not_found) return PluginIndex();
  if (!text) return text.error();
  auto index = parse_index(*text);
  if (!index)
    return Error{ErrorKind::invalid,
                 file.string() + ": " + index.error().message + "; `udon plugins scan` writes it anew"};
  return index;
}

Result<void> write_plugin_index(const Path& home, const PluginIndex& index) {
  Value plugins = Value::list();
  for (const ForeignPlugin& plugin : index.plugins) plugins.push_back(to_value(plugin));
  const Value value =
      Value::Map{{"version", index_version}, {"program", index.program}, {"plugins", std::move(plugins)}};
  TRY(make_directories(home, 0700));
  return write_file_atomically(plugin_index_file(home), to_json_pretty(value) + "\n", Durability::survives_kill, 0600);
}

Result<std::string> plugin_content(const Path& file) {
  TRY_ASSIGN(const std::string bytes, read_file(file, plugin_bytes_max));
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const uint64_t half : {uint64_t{hash.high64}, uint64_t{hash.low64}})
    for (int shift = 60; shift >= 0; shift -= 4) text += digits[(half >> shift) & 15];
  return text;
}

Result<void> check_unchanged(const ForeignPlugin& plugin) {
  if (!plugin.refused.empty())
    return Error{ErrorKind::unsupported, "plugin " + plugin.file.string() + " is refused: " + plugin.refused};
  const FileStamp now = stamp_of(plugin.file);
  if (now == plugin.stamp) return {};
  if (now.size < 0)
    return Error{ErrorKind::not_found,
                 "plugin " + plugin.file.string() + " is gone; put it back, or run `udon plugins scan`"};
  TRY_ASSIGN(const std::string content, plugin_content(plugin.file));
  if (content == plugin.content) return {};
  return Error{ErrorKind::invalid,
               "plugin " + plugin.file.string() + " is not what it was when it was described; run `udon plugins scan`"};
}

}  // namespace udon
