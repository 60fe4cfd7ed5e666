#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/limits.h"
#include "base/unicode.h"

namespace udon {
namespace {

constexpr std::string_view white_space = " \t\n\v\f\r";
constexpr std::string_view base64_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::u32string code_points(std::string_view text) {
  std::u32string result;
  while (!text.empty()) {
    const CodePoint point = decode_utf8(text);
    result += point.value;
    text.remove_prefix(static_cast<size_t>(point.bytes));
  }
  return result;
}

// Damerau-Levenshtein in its "optimal string alignment" form: a swap of neighbours is one mistake of the
// hand, so it counts as one.
size_t edit_distance(std::u32string_view a, std::u32string_view b) {
  std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), current(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({replaced, last[j] + 1, current[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        current[j] = std::min(current[j], before_last[j - 2] + 1);
      }
    }
    before_last.swap(last);
    last.swap(current);
  }
  return last[b.size()];
}

bool is_unreserved(char c) {
  return (static_cast<unsigned char>(c) < 0x80 && is_letter_or_digit(static_cast<char32_t>(c))) || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A character as a message can show it: one that can't be seen, by its number.
std::string show(std::string_view text) {
  const CodePoint point = decode_utf8(text);
  if (column_width(point.value) > 0 && point.value != 0xa0) {
    return "`" + std::string(text.substr(0, static_cast<size_t>(point.bytes))) + "`";
  }
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string number;
  for (char32_t rest = point.value; rest != 0 || number.size() < 4; rest >>= 4) number.insert(0, 1, digits[rest & 15]);
  return "U+" + number;
}

}  // namespace

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  std::string joined;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) joined += separator;
    joined += parts[i];
  }
  return joined;
}

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(white_space);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(white_space) - first + 1);
}

std::string lower_ascii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

bool is_valid_utf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  size_t at = 0;
  while (at < text.size()) {
    if (byte(at) < 0x80) {
      for (uint64_t word = 0; at + 8 <= text.size(); at += 8) {
        std::memcpy(&word, text.data() + at, 8);
        if ((word & 0x8080808080808080ULL) != 0) break;
      }
      while (at < text.size() && byte(at) < 0x80) ++at;
      continue;
    }
    // Three bytes, as Hangul has; but for those that begin as overlong forms (0xe0) and surrogates (0xed) do.
    if (byte(at) > 0xe0 && byte(at) < 0xf0 && byte(at) != 0xed && at + 3 <= text.size() &&
        (byte(at + 1) & 0xc0) == 0x80 && (byte(at + 2) & 0xc0) == 0x80) {
      at += 3;
      continue;
    }
    const CodePoint point = decode_utf8(text.substr(at));
    if (!point.is_valid) return false;
    at += static_cast<size_t>(point.bytes);
  }
  return true;
}

int display_width(std::string_view utf8) {
  int width = 0;
  for (char32_t c : code_points(utf8)) width += column_width(c);
  return width;
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates) {
  // Nothing with a name is longer, and the distance costs the product of both lengths.
  const auto is_too_long = [](std::string_view text) { return text.size() > limits::id_bytes_max; };
  if (is_too_long(word)) return std::nullopt;
  const std::u32string wanted = code_points(lower_ascii(word));
  const std::string* best = nullptr;
  size_t best_distance = 0;
  for (const std::string& candidate : candidates) {
    if (is_too_long(candidate)) continue;
    const std::u32string name = code_points(lower_ascii(candidate));
    const size_t longer = std::max(wanted.size(), name.size());
    // The distance is no less than that of their lengths, and costs more to find.
    if (longer - std::min(wanted.size(), name.size()) > longer / 3) continue;
    const size_t distance = edit_distance(wanted, name);
    if (distance > longer / 3) continue;
    if (best && distance >= best_distance) continue;
    best = &candidate;
    best_distance = distance;
  }
  if (!best) return std::nullopt;
  return *best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates) {
  const auto found = nearest(word, candidates);
  return found ? "; did you mean `" + *found + "`?" : "";
}

std::string shell_quote(std::string_view text) {
  std::string quoted = "'";
  for (char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

std::string percent_encode(std::string_view text, std::string_view keep) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string encoded;
  for (char c : text) {
    if (is_unreserved(c) || keep.find(c) != keep.npos) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded.append(1, '%').append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    }
  }
  return encoded;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return decoded;
}

std::string to_hex(std::span<const unsigned char> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (unsigned char byte : bytes) hex.append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
  return hex;
}

std::string to_base64(std::span<const unsigned char> bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? bytes[i + k] : 0u);
    for (size_t k = 0; k < 4; ++k) text += k <= count ? base64_alphabet[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

std::optional<std::vector<unsigned char>> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  text.remove_suffix(padding);
  std::vector<unsigned char> bytes;
  bytes.reserve(text.size() * 3 / 4);
  uint32_t pending = 0;
  int bits = 0;
  for (char c : text) {
    const size_t digit = base64_alphabet.find(c);
    if (digit == base64_alphabet.npos) return std::nullopt;
    pending = (pending << 6 | static_cast<uint32_t>(digit)) & 0xfff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<unsigned char>(pending >> bits));
  }
  // Bits left over must be 0: bytes have one text only, so that texts can be compared instead.
  if ((pending & ((1u << bits) - 1)) != 0) return std::nullopt;
  return bytes;
}

std::optional<int64_t> parse_bytes(std::string_view text) {
  struct Unit {
    std::string_view name;  // in lower case
    int64_t bytes;
  };
  static constexpr std::array units{Unit{"", 1},
                                    Unit{"b", 1},
                                    Unit{"kb", 1'000},
                                    Unit{"mb", 1'000'000},
                                    Unit{"gb", 1'000'000'000},
                                    Unit{"tb", 1'000'000'000'000},
                                    Unit{"kib", 1LL << 10},
                                    Unit{"mib", 1LL << 20},
                                    Unit{"gib", 1LL << 30},
                                    Unit{"tib", 1LL << 40}};
  if (text.empty() || text[0] == '-') return std::nullopt;
  int64_t amount = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  const std::string name = lower_ascii(text.starts_with(' ') ? text.substr(1) : text);
  for (const Unit& unit : units) {
    if (unit.name != name) continue;
    if (__builtin_mul_overflow(amount, unit.bytes, &amount)) return std::nullopt;
    return amount;
  }
  return std::nullopt;
}

std::optional<std::string> problem_of_id(std::string_view id) {
  if (id.empty()) return "is empty";
  if (id.size() > limits::id_bytes_max) {
    return "has " + std::to_string(id.size()) + " bytes; at most " + std::to_string(limits::id_bytes_max) +
           " are allowed";
  }
  if (id == "." || id == "..") return "is the name of a folder";
  for (std::string_view rest = id; !rest.empty();) {
    const CodePoint point = decode_utf8(rest);
    if (!point.is_valid) return "is not valid UTF-8";
    const bool is_allowed =
        is_letter_or_digit(point.value) || point.value == '_' || point.value == '-' || point.value == '.';
    if (!is_allowed) return "has " + show(rest) + "; only letters, digits, `_`, `-` and `.` are allowed";
    rest.remove_prefix(static_cast<size_t>(point.bytes));
  }
  return std::nullopt;
}

}  // namespace udon
