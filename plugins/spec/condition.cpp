#include "plugins/spec/condition.h"

#include <algorithm>

namespace udon {
namespace {

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool is_name_char(char c) { return is_name_start(c) || (c >= '0' && c <= '9') || c == '$'; }

// Past what starts at `at` and holds no parameter; `at` itself: nothing of the kind; npos: it has no end.
size_t past_opaque(std::string_view sql, size_t at) {
  const auto after = [&](std::string_view end, size_t from) {
    const size_t found = sql.find(end, from);
    return found == std::string_view::npos ? found : found + end.size();
  };
  const char c = sql[at];
  if (c == '\'' || c == '"' || c == '`')
    return after(sql.substr(at, 1), at + 1);  // a doubled quote begins the next one
  if (sql.substr(at).starts_with("--")) return std::min(sql.find('\n', at), sql.size());
  if (sql.substr(at).starts_with("/*")) return after("*/", at + 2);
  if (c == '$') {
    size_t end = at + 1;
    while (end < sql.size() && is_name_char(sql[end]) && sql[end] != '$') ++end;
    if (end < sql.size() && sql[end] == '$') return after(sql.substr(at, end + 1 - at), end + 1);
  }
  return at;
}

}  // namespace

std::optional<std::vector<std::string>> names_in_condition(std::string_view sql) {
  if (sql.find_first_of("\\#") != std::string_view::npos) return std::nullopt;
  std::vector<std::string> names;
  for (size_t at = 0; at < sql.size();) {
    const size_t past = past_opaque(sql, at);
    if (past == std::string_view::npos) return std::nullopt;
    if (past != at) {
      at = past;
      continue;
    }
    const char next = at + 1 < sql.size() ? sql[at + 1] : ' ';
    if (sql[at] != ':' || !is_name_start(next)) {
      at += sql[at] == ':' && (next == ':' || next == '=') ? 2 : 1;
      continue;
    }
    size_t end = at + 1;
    while (end < sql.size() && is_name_char(sql[end])) ++end;
    std::string name(sql.substr(at + 1, end - at - 1));
    if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
    at = end;
  }
  return names;
}

}  // namespace udon
