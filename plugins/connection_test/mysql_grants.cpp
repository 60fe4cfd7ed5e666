#include "plugins/connection_test/mysql_grants.h"

#include <algorithm>

#include "base/text.h"

namespace udon {
namespace {

// `%` any text, `_` any character, `\` takes the next as it is: as GRANT reads the names of databases.
bool is_like_schema(std::string_view name, std::string_view pattern) {
  if (pattern.empty()) return name.empty();
  if (pattern[0] == '%') {
    for (size_t taken = 0; taken <= name.size(); ++taken)
      if (is_like_schema(name.substr(taken), pattern.substr(1))) return true;
    return false;
  }
  if (name.empty()) return false;
  if (pattern[0] == '_') return is_like_schema(name.substr(1), pattern.substr(1));
  if (pattern[0] == '\\' && pattern.size() > 1) pattern.remove_prefix(1);
  return pattern[0] == name[0] && is_like_schema(name.substr(1), pattern.substr(1));
}

// The name at the front, without its quotes, cut off `text`: `a``b`, "a", * or a bare word.
std::string take_name(std::string_view& text) {
  if (text.empty()) return {};
  const char quote = text[0];
  if (quote != '`' && quote != '"') {
    const size_t end = std::min(text.find_first_of(". "), text.size());
    std::string name(text.substr(0, end));
    text.remove_prefix(end);
    return name;
  }
  std::string name;
  size_t at = 1;
  for (; at < text.size(); ++at) {
    if (text[at] != quote) {
      name += text[at];
    } else if (at + 1 < text.size() && text[at + 1] == quote) {
      name += text[at++];
    } else {
      break;
    }
  }
  text.remove_prefix(std::min(at + 1, text.size()));
  return name;
}

bool holds(std::string_view line, std::string_view privilege, std::string_view schema, std::string_view table) {
  constexpr std::string_view start = "GRANT ", middle = " ON ";
  const size_t on = line.find(middle);
  if (!line.starts_with(start) || on == std::string_view::npos) return false;  // a role's
  const std::vector<std::string> given = split(line.substr(start.size(), on - start.size()), ',');
  const bool is_named = std::ranges::any_of(given, [&](const std::string& one) {
    const std::string_view name = trim(one);
    return name == privilege || name == "ALL PRIVILEGES" || name == "ALL";
  });
  if (!is_named) return false;
  std::string_view place = line.substr(on + middle.size());
  const std::string on_schema = take_name(place);
  if (!place.starts_with('.')) return false;  // PROXY, or a routine's
  place.remove_prefix(1);
  const bool is_whole = place.starts_with("* ") || place == "*";
  const std::string on_table = take_name(place);
  if (on_schema == "*" && is_whole) return true;
  if (is_whole) return is_like_schema(schema, on_schema);
  return on_schema == schema && on_table == table;
}

}  // namespace

bool mysql_grants_hold(const std::vector<std::string>& lines, std::string_view privilege, std::string_view schema,
                       std::string_view table) {
  return std::ranges::any_of(lines, [&](const std::string& line) { return holds(line, privilege, schema, table); });
}

}  // namespace udon
