#include "tests/scheduler/words.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace udon::testing {

namespace {

// Splits at spaces, but not within quotes, brackets or braces.
std::vector<std::string> tokens(const std::string& text) {
  std::vector<std::string> found;
  std::string token;
  bool is_quoted = false;
  bool is_open = false;
  int depth = 0;
  for (const char c : text) {
    if (c == '"') is_quoted = !is_quoted;
    if (!is_quoted && (c == '{' || c == '[')) ++depth;
    if (!is_quoted && (c == '}' || c == ']')) --depth;
    if (c == ' ' && !is_quoted && depth == 0) {
      if (is_open) found.push_back(std::exchange(token, {}));
      is_open = false;
      continue;
    }
    token += c;
    is_open = true;
  }
  if (is_open) found.push_back(token);
  return found;
}

std::string unquoted(const std::string& text) {
  const bool is_quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return is_quoted ? text.substr(1, text.size() - 2) : text;
}

}  // namespace

bool Line::has(const std::string& word) const { return std::ranges::find(words, word) != words.end(); }

std::optional<std::string> Line::option(const std::string& key) const {
  const auto found = options.find(key);
  return found == options.end() ? std::nullopt : std::optional(found->second);
}

std::vector<Line> parse_lines(const std::string& text) {
  std::vector<Line> lines;
  int number = 0;
  for (const std::string& one : split(text, '\n')) {
    ++number;
    const std::string trimmed(trim(one));
    if (trimmed.empty() || trimmed.front() == '#') continue;
    Line line{.number = number, .is_indented = one.front() == ' ', .text = trimmed};
    for (const std::string& token : tokens(trimmed)) {
      const size_t equals = token.find('=');
      if (token.front() == '"' || token.front() == '{' || equals == std::string::npos) {
        line.words.push_back(unquoted(token));
      } else {
        line.options[token.substr(0, equals)] = unquoted(token.substr(equals + 1));
      }
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace udon::testing
