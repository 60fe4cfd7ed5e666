#include "plugins/io/name_filter.h"

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace udon {
namespace {

// The bytes of the character that begins the text: of one that is no UTF-8, one byte.
size_t character_bytes(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  const size_t length = first < 0x80 ? 1 : first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  return std::min(length, text.size());
}

// Of "[a-c]…": the bytes up to its end; nothing: it has none.
std::optional<size_t> class_bytes(std::string_view pattern) {
  size_t at = 1;
  if (at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^')) ++at;
  // A bracket that comes first is a member.
  const size_t end = pattern.find(']', at + 1);
  if (end == pattern.npos) return std::nullopt;
  return end + 1;
}

// UTF-8 sorts as code points do, so that ranges can be compared as texts.
bool is_in_class(std::string_view inside, std::string_view character) {
  const bool is_negated = inside.starts_with('!') || inside.starts_with('^');
  if (is_negated) inside.remove_prefix(1);
  bool is_member = false;
  while (!inside.empty()) {
    const std::string_view low = inside.substr(0, character_bytes(inside));
    inside.remove_prefix(low.size());
    std::string_view high = low;
    if (inside.size() > 1 && inside.front() == '-') {
      inside.remove_prefix(1);
      high = inside.substr(0, character_bytes(inside));
      inside.remove_prefix(high.size());
    }
    is_member = is_member || (low <= character && character <= high);
  }
  return is_member != is_negated;
}

// One folder's or file's name; `*` is tried greedily, going back to the last one only: no pattern takes long.
bool matches_part(std::string_view pattern, std::string_view name) {
  std::optional<std::string_view> star_pattern;
  std::string_view star_name;
  for (;;) {
    bool fits = false;
    if (!pattern.empty() && pattern.front() == '*') {
      pattern.remove_prefix(1);
      star_pattern = pattern, star_name = name;
      continue;
    }
    if (pattern.empty() && name.empty()) return true;
    if (!pattern.empty() && !name.empty()) {
      const std::string_view character = name.substr(0, character_bytes(name));
      size_t taken = 0;
      if (pattern.front() == '?') {
        fits = true, taken = 1;
      } else if (const auto bytes = pattern.front() == '[' ? class_bytes(pattern) : std::nullopt) {
        fits = is_in_class(pattern.substr(1, *bytes - 2), character), taken = *bytes;
      } else {
        const size_t escape = pattern.front() == '\\' && pattern.size() > 1 ? 1 : 0;
        fits = pattern.substr(escape).starts_with(character), taken = escape + character.size();
      }
      if (fits) pattern.remove_prefix(taken), name.remove_prefix(character.size());
    }
    if (fits) continue;
    if (!star_pattern || star_name.empty()) return false;
    star_name.remove_prefix(character_bytes(star_name));
    pattern = *star_pattern, name = star_name;
  }
}

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view name) {
  const bool is_below = pattern.ends_with('/');
  const bool is_anywhere = pattern.substr(0, pattern.size() - (is_below ? 1 : 0)).find('/') == pattern.npos;
  if (pattern.starts_with('/')) pattern.remove_prefix(1);
  std::vector<std::string> parts = split(pattern, '/');
  if (is_below) parts.back() = "**";
  if (is_anywhere) parts.insert(parts.begin(), "**");
  const std::vector<std::string> names = split(name, '/');
  // fits[i]: the parts so far match the first i names.
  std::vector<bool> fits(names.size() + 1);
  fits[0] = true;
  for (size_t p = 0; p < parts.size(); ++p) {
    const bool is_last = p + 1 == parts.size();
    std::vector<bool> next(names.size() + 1);
    if (parts[p] == "**") {
      bool has_fit = false;
      for (size_t i = 0; i <= names.size(); ++i) {
        // At its end it stands for all below, of which there is at least one.
        next[i] = has_fit || (fits[i] && !is_last);
        has_fit = has_fit || fits[i];
      }
    } else {
      for (size_t i = 0; i < names.size(); ++i) next[i + 1] = fits[i] && matches_part(parts[p], names[i]);
    }
    fits = std::move(next);
  }
  return fits[names.size()];
}

bool is_glob(std::string_view text) { return text.find_first_of("*?[") != text.npos; }

std::string fixed_beginning(std::string_view pattern) {
  std::string fixed;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '*' || pattern[i] == '?' || pattern[i] == '[') break;
    if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
    fixed += pattern[i];
  }
  return fixed;
}

Result<void> check_glob(std::string_view pattern) {
  if (pattern.empty() || pattern == "/") return Error{ErrorKind::invalid, "an empty pattern matches nothing"};
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
    } else if (pattern[i] == '[') {
      const auto bytes = class_bytes(pattern.substr(i));
      if (!bytes) {
        return Error{ErrorKind::invalid,
                     "`" + std::string(pattern) + "`: `[` has no `]`; a bracket that is meant itself is `\\[`"};
      }
      i += *bytes - 1;
    }
  }
  return {};
}

Result<NameFilter> NameFilter::make(std::vector<std::string> include, std::vector<std::string> exclude) {
  for (const auto* patterns : {&include, &exclude})
    for (const std::string& pattern : *patterns) TRY(check_glob(pattern));
  NameFilter filter;
  filter.include_ = std::move(include);
  filter.exclude_ = std::move(exclude);
  return filter;
}

bool NameFilter::takes(std::string_view name) const {
  const auto matches = [&](const std::string& pattern) { return matches_glob(pattern, name); };
  if (std::ranges::any_of(exclude_, matches)) return false;
  return include_.empty() || std::ranges::any_of(include_, matches);
}

}  // namespace udon
