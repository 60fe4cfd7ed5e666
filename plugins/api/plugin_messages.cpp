#include "plugins/api/plugin_messages.h"

#include <array>
#include <utility>

#include "base/error_kind.h"

namespace udon {
namespace {

using Kind = PluginMessage::Kind;
constexpr std::array<std::pair<std::string_view, Kind>, 5> kinds{
    {{"log", Kind::log}, {"xcom", Kind::xcom}, {"result", Kind::result}, {"poke", Kind::poke}, {"error", Kind::error}}};

}  // namespace

std::optional<PluginMessage> parse_plugin_message(std::string_view line) {
  const size_t begin = line.find_first_not_of(" \t");
  if (begin == line.npos || line[begin] != '{') return std::nullopt;
  const auto value = parse_json(line);
  if (!value || value->size() != 1) return std::nullopt;
  const auto& [key, content] = value->as_map().front();
  for (const auto& [name, kind] : kinds)
    if (key == name) return PluginMessage{kind, content};
  return std::nullopt;
}

Error parse_plugin_error(const Value& content) {
  Error error{ErrorKind::invalid, content.is_string() ? content.as_string() : content.text("message")};
  if (error.message.empty()) error.message = "it gave an error without a message";
  error.kind = parse_error_kind(content.text("kind")).value_or(error.kind);
  return error;
}

void LineReader::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    if (end == bytes.npos && line_.size() <= bytes_max_) return;
    has_cut_ = has_cut_ || line_.size() > bytes_max_;
    on_line_(line_);
    line_.clear();
    bytes.remove_prefix(end == bytes.npos ? bytes.size() : end + 1);
  }
}

void LineReader::finish() {
  if (!line_.empty()) on_line_(line_);
  line_.clear();
}

}  // namespace udon
