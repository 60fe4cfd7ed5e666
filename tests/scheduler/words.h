#pragma once
// The lines of a scenario: words, quoted texts, key=value.
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace udon::testing {

struct Line {
  int number = 0;
  bool is_indented = false;
  std::string text;
  std::vector<std::string> words;              // without options; quotes taken off
  std::map<std::string, std::string> options;  // key=value; a bare word that a verb knows is in `words`

  std::string word(size_t index) const { return index < words.size() ? words[index] : ""; }
  bool has(const std::string& word) const;  // among the words
  std::optional<std::string> option(const std::string& key) const;
};

// Lines that say something: no comments, no empty ones.
std::vector<Line> parse_lines(const std::string& text);

}  // namespace udon::testing
