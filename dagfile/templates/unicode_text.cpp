#include "dagfile/templates/unicode_text.h"

#include <algorithm>

#include "base/unicode.h"

namespace udon::templates {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::u32string to_code_points(std::string_view utf8) {
  std::u32string text;
  text.reserve(utf8.size());
  while (!utf8.empty()) {
    const CodePoint point = decode_utf8(utf8);
    text += point.value;
    utf8.remove_prefix(static_cast<size_t>(point.bytes));
  }
  return text;
}

void append_utf8(std::string& text, char32_t c) {
  const auto byte = [&](char32_t b) { text += static_cast<char>(static_cast<unsigned char>(b)); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xC0 | (c >> 6));
    byte(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    byte(0xE0 | (c >> 12));
    byte(0x80 | ((c >> 6) & 0x3F));
    byte(0x80 | (c & 0x3F));
  } else {
    byte(0xF0 | (c >> 18));
    byte(0x80 | ((c >> 12) & 0x3F));
    byte(0x80 | ((c >> 6) & 0x3F));
    byte(0x80 | (c & 0x3F));
  }
}

std::string to_utf8(std::u32string_view text) {
  std::string utf8;
  utf8.reserve(text.size());
  for (const char32_t c : text) append_utf8(utf8, c);
  return utf8;
}

size_t length_of(std::string_view utf8) {
  return static_cast<size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

char32_t to_upper(char32_t c) {
  if (c < 0x80) return c >= 'a' && c <= 'z' ? c - 32 : c;
  if (c == 0xB5) return 0x39C;
  if (c >= 0xE0 && c <= 0xFE && c != 0xF7) return c - 32;
  if (c == 0xFF) return 0x178;
  if ((c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177)) return c == 0x131 ? U'I' : (c % 2 == 1 ? c - 1 : c);
  if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E)) return c % 2 == 0 ? c - 1 : c;
  if (c >= 0x3B1 && c <= 0x3C9) return c == 0x3C2 ? 0x3A3 : c - 32;
  if (c >= 0x430 && c <= 0x44F) return c - 32;
  if (c >= 0x450 && c <= 0x45F) return c - 80;
  return c;
}

char32_t to_lower(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if (c >= 0xC0 && c <= 0xDE && c != 0xD7) return c + 32;
  if (c == 0x178) return 0xFF;
  if ((c >= 0x100 && c <= 0x137 && c != 0x130) || (c >= 0x14A && c <= 0x177)) return c % 2 == 0 ? c + 1 : c;
  if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E)) return c % 2 == 1 ? c + 1 : c;
  if (c >= 0x391 && c <= 0x3A9 && c != 0x3A2) return c + 32;
  if (c >= 0x410 && c <= 0x42F) return c + 32;
  if (c >= 0x400 && c <= 0x40F) return c + 80;
  return c;
}

namespace {
std::string mapped(std::string_view utf8, char32_t (*map)(char32_t)) {
  std::string text;
  text.reserve(utf8.size());
  if (is_ascii(utf8)) {
    for (const char c : utf8) text += static_cast<char>(map(static_cast<unsigned char>(c)));
    return text;
  }
  for (const char32_t c : to_code_points(utf8)) append_utf8(text, map(c));
  return text;
}
}  // namespace

std::string upper(std::string_view utf8) { return mapped(utf8, to_upper); }
std::string lower(std::string_view utf8) { return mapped(utf8, to_lower); }

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_word(char32_t c) { return c == '_' || is_letter_or_digit(c); }

bool is_printable(char32_t c) {
  if (c < 0x20 || (c >= 0x7F && c <= 0xA0) || c == 0xAD) return false;
  if (is_space(c) && c != ' ') return false;
  return !((c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) ||
           (c >= 0xD800 && c <= 0xF8FF) || c == 0xFEFF || (c >= 0xFFF0 && c <= 0xFFFB) || c >= 0xE0000);
}

std::string strip_left(std::string_view utf8) {
  while (!utf8.empty()) {
    const CodePoint point = decode_utf8(utf8);
    if (!is_space(point.value)) break;
    utf8.remove_prefix(static_cast<size_t>(point.bytes));
  }
  return std::string(utf8);
}

std::string strip_right(std::string_view utf8) {
  while (!utf8.empty()) {
    size_t start = utf8.size() - 1;
    while (start > 0 && (static_cast<unsigned char>(utf8[start]) & 0xC0) == 0x80) --start;
    if (!is_space(decode_utf8(utf8.substr(start)).value)) break;
    utf8 = utf8.substr(0, start);
  }
  return std::string(utf8);
}

std::vector<std::string> split_lines(std::string_view utf8) {
  std::vector<std::string> lines;
  std::string line;
  bool open = false;
  const std::u32string text = to_code_points(utf8);
  for (size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    const bool ends = c == '\n' || c == '\r' || c == 0x0B || c == 0x0C || (c >= 0x1C && c <= 0x1E) || c == 0x85 ||
                      c == 0x2028 || c == 0x2029;
    if (!ends) {
      append_utf8(line, c);
      open = true;
      continue;
    }
    if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
    lines.push_back(std::move(line));
    line.clear();
    open = false;
  }
  if (open) lines.push_back(std::move(line));
  return lines;
}

}  // namespace udon::templates
