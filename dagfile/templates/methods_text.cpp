// Python's str.
#include <algorithm>

#include "dagfile/templates/format.h"
#include "dagfile/templates/methods.h"
#include "dagfile/templates/unicode_text.h"

namespace udon::templates {
namespace {

constexpr std::string_view text_methods[] = {
    "upper",   "lower",     "title",      "capitalize",   "swapcase",     "strip",    "lstrip",    "rstrip",
    "split",   "rsplit",    "splitlines", "replace",      "startswith",   "endswith", "format",    "join",
    "find",    "rfind",     "index",      "rindex",       "count",        "isdigit",  "isnumeric", "isdecimal",
    "isalpha", "isalnum",   "isspace",    "isupper",      "islower",      "zfill",    "ljust",     "rjust",
    "center",  "partition", "rpartition", "removeprefix", "removesuffix", "casefold"};

// str.title(): a letter after anything that is no letter is upper case.
std::string titled(const std::string& text) {
  std::string made;
  bool inside = false;
  for (const char32_t c : to_code_points(text)) {
    const bool is_letter = is_word(c) && c != '_' && !(c >= '0' && c <= '9');
    append_utf8(made, !is_letter ? c : inside ? to_lower(c) : to_upper(c));
    inside = is_letter;
  }
  return made;
}

std::vector<std::string> split_at_spaces(const std::string& text, int64_t count, bool from_right) {
  std::u32string rest = to_code_points(text);
  if (from_right) std::reverse(rest.begin(), rest.end());
  std::vector<std::string> parts;
  size_t i = 0;
  const auto skip = [&] {
    while (i < rest.size() && is_space(rest[i])) ++i;
  };
  for (skip(); i < rest.size(); skip()) {
    std::u32string part;
    if (count >= 0 && static_cast<int64_t>(parts.size()) == count) {
      part = rest.substr(i);
      i = rest.size();
    } else {
      while (i < rest.size() && !is_space(rest[i])) part += rest[i++];
    }
    if (from_right) std::reverse(part.begin(), part.end());
    parts.push_back(to_utf8(part));
  }
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string> split_at(const std::string& text, const std::string& separator, int64_t count,
                                  bool from_right) {
  std::vector<std::string> parts;
  std::string_view rest = text;
  while (count < 0 || static_cast<int64_t>(parts.size()) < count) {
    const size_t place = from_right ? rest.rfind(separator) : rest.find(separator);
    if (place == std::string_view::npos) break;
    if (from_right) {
      parts.emplace_back(rest.substr(place + separator.size()));
      rest = rest.substr(0, place);
    } else {
      parts.emplace_back(rest.substr(0, place));
      rest = rest.substr(place + separator.size());
    }
  }
  parts.emplace_back(rest);
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

bool is_all(const std::string& text, bool (*is)(char32_t)) {
  const std::u32string points = to_code_points(text);
  return !points.empty() && std::all_of(points.begin(), points.end(), is);
}

bool has_case(const std::string& text, bool upper_case) {
  bool any = false;
  for (const char32_t c : to_code_points(text)) {
    const bool is_upper = to_lower(c) != c, is_lower = to_upper(c) != c;
    if (upper_case ? is_lower : is_upper) return false;
    any = any || is_upper || is_lower;
  }
  return any;
}

Result<Datum> list_of(std::vector<std::string> parts, Budget& budget) {
  Items items;
  items.reserve(parts.size());
  for (std::string& part : parts) items.emplace_back(std::move(part));
  return budget.list(std::move(items));
}

Result<Datum> split(const std::string& text, const std::string& name, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Parameters given, Parameters::bind(name, arguments, {"sep", "maxsplit"}));
  TRY_ASSIGN(const int64_t count, given.integer(1, -1));
  if (!given.has(0) || given.at(0).is_none()) return list_of(split_at_spaces(text, count, name == "rsplit"), budget);
  TRY_ASSIGN(const std::string separator, given.text(0, ""));
  if (separator.empty()) return failure("`" + name + "` takes a separator that is not empty");
  return list_of(split_at(text, separator, count, name == "rsplit"), budget);
}

Result<Datum> starts_or_ends(const std::string& text, const std::string& name, const Arguments& arguments) {
  TRY_ASSIGN(const Parameters given, Parameters::bind(name, arguments, {"prefix"}, 1));
  Items wanted{given.at(0)};
  if (given.at(0).is_tuple()) wanted = given.at(0).items();
  for (const Datum& part : wanted) {
    TRY(require_defined(part));
    if (!part.is_text()) return failure("`" + name + "` takes a text, not " + std::string(type_of(part)));
    if (name == "startswith" ? text.starts_with(part.text()) : text.ends_with(part.text())) return Datum(true);
  }
  return Datum(false);
}

// find, rfind, index, rindex: places are counted in characters.
Result<Datum> place_of(const std::string& text, const std::string& name, const std::string& part) {
  const size_t place = name[0] == 'r' ? text.rfind(part) : text.find(part);
  if (place != std::string::npos)
    return Datum(static_cast<int64_t>(length_of(std::string_view(text).substr(0, place))));
  if (name == "find" || name == "rfind") return Datum(int64_t{-1});
  return failure("`" + part + "` is not in the text");
}

Result<Datum> parts_around(const std::string& text, const std::string& name, const std::string& separator) {
  if (separator.empty()) return failure("`" + name + "` takes a separator that is not empty");
  const size_t place = name == "partition" ? text.find(separator) : text.rfind(separator);
  if (place == std::string::npos)
    return name == "partition" ? make_tuple({Datum(text), Datum(""), Datum("")})
                               : make_tuple({Datum(""), Datum(""), Datum(text)});
  return make_tuple({Datum(text.substr(0, place)), Datum(separator), Datum(text.substr(place + separator.size()))});
}

Result<Datum> justified(const std::string& text, const std::string& name, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Parameters given, Parameters::bind(name, arguments, {"width", "fillchar"}, 1));
  TRY_ASSIGN(const int64_t width, given.integer(0, 0));
  TRY_ASSIGN(const std::string fill, given.text(1, name == "zfill" ? "0" : " "));
  if (length_of(fill) != 1) return failure("`" + name + "` takes one character to fill with");
  TRY(budget.will_make(width));
  const int64_t room = width - static_cast<int64_t>(length_of(text));
  if (room <= 0) return Datum(text);
  if (name == "center") return budget.text(centered(text, width, fill));
  std::string padding;
  for (int64_t i = 0; i < room; ++i) padding += fill;
  if (name == "ljust") return budget.text(text + padding);
  if (name == "zfill" && (text.starts_with('-') || text.starts_with('+')))
    return budget.text(text.substr(0, 1) + padding + text.substr(1));
  return budget.text(padding + text);
}

// Methods without arguments.
Result<Datum> plain(const std::string& text, const std::string& name, Budget& budget) {
  const auto is_letter = [](char32_t c) { return is_word(c) && c != '_' && !(c >= '0' && c <= '9'); };
  const auto is_digit = [](char32_t c) { return c >= '0' && c <= '9'; };
  if (name == "upper") return budget.text(upper(text));
  if (name == "lower" || name == "casefold") return budget.text(lower(text));
  if (name == "title") return budget.text(titled(text));
  if (name == "capitalize") return budget.text(capitalized(text));
  if (name == "swapcase") {
    std::string made;
    for (const char32_t c : to_code_points(text)) append_utf8(made, to_lower(c) != c ? to_lower(c) : to_upper(c));
    return budget.text(std::move(made));
  }
  if (name == "isalpha") return Datum(is_all(text, is_letter));
  if (name == "isalnum") return Datum(is_all(text, [](char32_t c) { return is_word(c) && c != '_'; }));
  if (name == "isspace") return Datum(is_all(text, is_space));
  if (name == "isupper") return Datum(has_case(text, true));
  if (name == "islower") return Datum(has_case(text, false));
  return Datum(is_all(text, is_digit));  // isdigit, isnumeric, isdecimal
}

}  // namespace

bool has_text_method(std::string_view name) {
  return std::find(std::begin(text_methods), std::end(text_methods), name) != std::end(text_methods);
}

std::string stripped(const std::string& text, const std::optional<std::string>& characters, bool left, bool right) {
  std::u32string_view rest;
  const std::u32string points = to_code_points(text);
  const std::u32string set = characters ? to_code_points(*characters) : U"";
  const auto goes = [&](char32_t c) { return characters ? set.find(c) != std::u32string::npos : is_space(c); };
  rest = points;
  while (left && !rest.empty() && goes(rest.front())) rest.remove_prefix(1);
  while (right && !rest.empty() && goes(rest.back())) rest.remove_suffix(1);
  return to_utf8(rest);
}

std::string replaced(const std::string& text, const std::string& old, const std::string& with, int64_t count) {
  if (count < 0) count = INT64_MAX;
  std::string made;
  if (old.empty()) {  // Python puts it between all characters
    const std::u32string points = to_code_points(text);
    for (size_t i = 0; i <= points.size(); ++i) {
      if (count-- > 0) made += with;
      if (i < points.size()) append_utf8(made, points[i]);
    }
    return made;
  }
  size_t at = 0;
  for (size_t place = text.find(old); place != std::string::npos && count > 0; place = text.find(old, at), --count) {
    made.append(text, at, place - at);
    made += with;
    at = place + old.size();
    // The caller's limit on texts is checked afterwards; this keeps what is made before it within reason.
    if (static_cast<int64_t>(made.size()) > limits::template_output_bytes_max) return made;
  }
  return made.append(text, at, std::string::npos);
}

std::string capitalized(const std::string& text) {
  std::string made;
  for (const char32_t c : to_code_points(text)) append_utf8(made, made.empty() ? to_upper(c) : to_lower(c));
  return made;
}

std::string centered(const std::string& text, int64_t width, const std::string& fill) {
  const int64_t room = width - static_cast<int64_t>(length_of(text));
  if (room <= 0) return text;
  const int64_t left = room / 2 + (room & width & 1);  // CPython's choice of the side that gets the odd one
  std::string made;
  for (int64_t i = 0; i < left; ++i) made += fill;
  made += text;
  for (int64_t i = left; i < room; ++i) made += fill;
  return made;
}

Result<Datum> call_text_method(const std::string& text, const std::string& name, const Arguments& arguments,
                               Budget& budget) {
  TRY(budget.step(1 + static_cast<int64_t>(text.size()) / 64));
  if (name == "split" || name == "rsplit") return split(text, name, arguments, budget);
  if (name == "startswith" || name == "endswith") return starts_or_ends(text, name, arguments);
  if (name == "zfill" || name == "ljust" || name == "rjust" || name == "center")
    return justified(text, name, arguments, budget);
  if (name == "format") {
    TRY_ASSIGN(std::string made, format_braces(text, arguments));
    return budget.text(std::move(made));
  }
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    TRY_ASSIGN(const Parameters given, Parameters::bind(name, arguments, {"chars"}));
    std::optional<std::string> characters;
    if (given.has(0) && !given.at(0).is_none()) {
      TRY_ASSIGN(characters, given.text(0, ""));
    }
    return budget.text(stripped(text, characters, name != "rstrip", name != "lstrip"));
  }
  if (name == "replace") {
    TRY_ASSIGN(const Parameters given, Parameters::bind(name, arguments, {"old", "new", "count"}, 2));
    for (size_t i = 0; i < 2; ++i) {
      TRY(require_defined(given.at(i)));
      if (!given.at(i).is_text()) return failure("`replace` takes texts, not " + std::string(type_of(given.at(i))));
    }
    TRY_ASSIGN(const int64_t count, given.integer(2, -1));
    return budget.text(replaced(text, given.at(0).text(), given.at(1).text(), count));
  }
  if (name == "splitlines") {
    TRY(Parameters::bind(name, arguments, {}));
    return list_of(split_lines(text), budget);
  }
  if (name == "join") {
    TRY_ASSIGN(const Parameters given, Parameters::bind(name, arguments, {"iterable"}, 1));
    TRY_ASSIGN(const Items items, iterate(given.at(0)));
    std::string made;
    for (size_t i = 0; i < items.size(); ++i) {
      if (!items[i].is_text()) return failure("`join` takes texts, not " + std::string(type_of(items[i])));
      made += (i > 0 ? text : "") + items[i].text();
      TRY(budget.will_make(static_cast<int64_t>(made.size())));
    }
    return budget.text(std::move(made));
  }
  if (name == "find" || name == "rfind" || name == "index" || name == "rindex" || name == "count" ||
      name == "partition" || name == "rpartition" || name == "removeprefix" || name == "removesuffix") {
    TRY_ASSIGN(const Parameters given, Parameters::bind(name, arguments, {"sub"}, 1));
    TRY(require_defined(given.at(0)));
    if (!given.at(0).is_text()) return failure("`" + name + "` takes a text, not " + std::string(type_of(given.at(0))));
    const std::string& part = given.at(0).text();
    if (name.ends_with("partition")) return parts_around(text, name, part);
    if (name == "removeprefix") return Datum(text.starts_with(part) ? text.substr(part.size()) : text);
    if (name == "removesuffix") return Datum(text.ends_with(part) ? text.substr(0, text.size() - part.size()) : text);
    if (name != "count") return place_of(text, name, part);
    if (part.empty()) return Datum(static_cast<int64_t>(length_of(text)) + 1);
    return Datum(static_cast<int64_t>(split_at(text, part, -1, false).size()) - 1);
  }
  TRY(Parameters::bind(name, arguments, {}));
  return plain(text, name, budget);
}

}  // namespace udon::templates
