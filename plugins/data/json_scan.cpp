#include "plugins/data/json_scan.h"

#include <cstdint>
#include <cstring>

#include "plugins/data/byte_scan.h"

namespace udon::data {
namespace {

// A longer number may be beyond what a double has, as may one with an exponent; the parser sees to that.
constexpr size_t number_bytes_max = 300;
// Of the last object's keys, so many are kept, if they are no longer than this.
constexpr size_t keys_max = 4096;
constexpr size_t key_bytes_max = 256;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void skip_blanks(const char*& at, const char* end) {
  while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) ++at;
}

bool take(const char*& at, const char* end, char c) {
  if (at == end || *at != c) return false;
  ++at;
  return true;
}

bool take(const char*& at, const char* end, std::string_view word) {
  if (!std::string_view(at, static_cast<size_t>(end - at)).starts_with(word)) return false;
  at += word.size();
  return true;
}

// Four hexadecimal digits; -1: they are none.
int32_t read_hex(const char*& at, const char* end) {
  if (end - at < 4) return -1;
  int32_t value = 0;
  for (const char* const stop = at + 4; at < stop; ++at) {
    const char lower = static_cast<char>(*at | 0x20);
    if (is_digit(*at))
      value = value * 16 + (*at - '0');
    else if (lower >= 'a' && lower <= 'f')
      value = value * 16 + (lower - 'a' + 10);
    else
      return -1;
  }
  return value;
}

void append_utf8(int32_t point, std::string& out) {
  const auto continued = [&](int shift) { out += static_cast<char>(0x80 | (point >> shift & 0x3f)); };
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xc0 | point >> 6);
    continued(0);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xe0 | point >> 12);
    continued(6);
    continued(0);
  } else {
    out += static_cast<char>(0xf0 | point >> 18);
    continued(12);
    continued(6);
    continued(0);
  }
}

// What follows \u, with the second half of a pair; -1: a half that is alone, or no digits.
int32_t read_code_point(const char*& at, const char* end) {
  const int32_t first = read_hex(at, end);
  if (first < 0xd800 || first > 0xdfff) return first;
  if (first > 0xdbff || !take(at, end, "\\u")) return -1;
  const int32_t second = read_hex(at, end);
  if (second < 0xdc00 || second > 0xdfff) return -1;
  return 0x10000 + ((first - 0xd800) << 10 | (second - 0xdc00));
}

// What stands for a character behind a backslash; 0: nothing does.
char escaped(char c) {
  switch (c) {
    case '"':
    case '\\':
    case '/': return c;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return '\0';
  }
}

}  // namespace

bool JsonScan::read(std::string_view text) {
  members_.clear();
  unescaped_.clear();
  begin_ = text.data();
  end_ = begin_ + text.size();
  const char* at = begin_;
  skip_blanks(at, end_);
  if (!take(at, end_, '{')) return false;
  skip_blanks(at, end_);
  if (!take(at, end_, '}')) {
    while (true) {
      JsonMember member;
      if (!take(at, end_, '"') || !read_key(at, member.key)) return false;
      skip_blanks(at, end_);
      if (!take(at, end_, ':')) return false;
      skip_blanks(at, end_);
      if (!read_value(at, member)) return false;
      members_.push_back(member);
      skip_blanks(at, end_);
      if (take(at, end_, '}')) break;
      if (!take(at, end_, ',')) return false;
      skip_blanks(at, end_);
    }
  }
  skip_blanks(at, end_);
  return at == end_;
}

// Behind its first quote, to behind its last one.
bool JsonScan::read_key(const char*& at, std::string_view& key) {
  const size_t index = members_.size();
  if (index < keys_.size()) {
    const std::string& known = keys_[index];
    if (static_cast<size_t>(end_ - at) > known.size() && at[known.size()] == '"' &&
        std::memcmp(at, known.data(), known.size()) == 0) {
      key = {at, known.size()};
      at += known.size() + 1;
      return true;
    }
  }
  const char* const begin = at;
  if (!read_text(at, key)) return false;
  const bool is_plain = key.data() == begin;  // no quote and no backslash in it
  if (!is_plain || index >= keys_max || index > keys_.size() || key.size() > key_bytes_max) return true;
  if (index == keys_.size())
    keys_.emplace_back(key);
  else
    keys_[index] = key;
  return true;
}

// Behind its first quote, to behind its last one.
bool JsonScan::read_text(const char*& at, std::string_view& text) {
  const char* const stop = find_in_json_text(at, begin_, end_);
  if (stop == end_) return false;
  if (*stop != '"') return *stop == '\\' && unescape(at, text);
  text = {at, static_cast<size_t>(stop - at)};
  at = stop + 1;
  return true;
}

bool JsonScan::unescape(const char*& at, std::string_view& text) {
  // So that views into it stay valid; what is unescaped is no longer than what it was.
  if (unescaped_.empty()) unescaped_.reserve(static_cast<size_t>(end_ - begin_));
  const size_t from = unescaped_.size();
  while (true) {
    const char* const stop = find_in_json_text(at, begin_, end_);
    if (end_ - stop < 2 && (stop == end_ || *stop != '"')) return false;
    unescaped_.append(at, stop);
    at = stop + 1;
    if (*stop == '"') break;
    if (*stop != '\\') return false;
    const char c = *at++;
    if (c == 'u') {
      const int32_t point = read_code_point(at, end_);
      if (point < 0) return false;
      append_utf8(point, unescaped_);
    } else if (const char meant = escaped(c); meant != '\0') {
      unescaped_ += meant;
    } else {
      return false;
    }
  }
  text = std::string_view(unescaped_).substr(from);
  return true;
}

bool JsonScan::read_value(const char*& at, JsonMember& member) {
  using Kind = JsonMember::Kind;
  if (at == end_) return false;
  switch (*at) {
    case '"':
      ++at;
      member.kind = Kind::text;
      return read_text(at, member.text);
    case 'n': member.kind = Kind::null; return take(at, end_, "null");
    case 't':
      member.kind = Kind::boolean;
      member.text = "true";
      return take(at, end_, "true");
    case 'f':
      member.kind = Kind::boolean;
      member.text = "false";
      return take(at, end_, "false");
    default: return read_number(at, member);
  }
}

bool JsonScan::read_number(const char*& at, JsonMember& member) {
  const char* const begin = at;
  take(at, end_, '-');
  const char* const whole = at;
  while (at < end_ && is_digit(*at)) ++at;
  if (at == whole || (*whole == '0' && at - whole > 1)) return false;
  if (take(at, end_, '.')) {
    const char* const fraction = at;
    while (at < end_ && is_digit(*at)) ++at;
    if (at == fraction) return false;
  }
  if (at < end_ && (*at == 'e' || *at == 'E')) return false;
  member.kind = JsonMember::Kind::number;
  member.text = {begin, static_cast<size_t>(at - begin)};
  return member.text.size() <= number_bytes_max;
}

}  // namespace udon::data
