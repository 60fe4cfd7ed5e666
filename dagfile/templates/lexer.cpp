#include "dagfile/templates/lexer.h"

#include <charconv>
#include <cstdlib>

#include "base/unicode.h"
#include "dagfile/templates/unicode_text.h"

namespace udon::templates {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_digit_of(char c, int base) {
  if (base == 16) return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  return c >= '0' && c < '0' + base;
}

// Two passes over the text would be simpler than one, but positions must be those of the text as written.
class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {
    // As Jinja2 does: one line end at the very end is not part of the template.
    if (source_.ends_with("\r\n"))
      source_.remove_suffix(2);
    else if (source_.ends_with('\n') || source_.ends_with('\r'))
      source_.remove_suffix(1);
  }

  Tokens run() {
    while (at_ < source_.size() && !problem_) data();
    position_now();
    push(TokenKind::end, "end of the template");
    return {std::move(tokens_), std::move(problem_)};
  }

 private:
  // Up to the next tag, and the tag.
  void data() {
    const size_t begin = at_;
    size_t tag = at_;
    while (true) {
      tag = source_.find('{', tag);
      if (tag == std::string_view::npos || tag + 1 >= source_.size())
        tag = source_.size();
      else if (source_[tag + 1] != '{' && source_[tag + 1] != '%' && source_[tag + 1] != '#') {
        ++tag;
        continue;
      }
      break;
    }
    position_now();
    std::string text = normalized(source_.substr(begin, tag - begin));
    if (tag == source_.size()) {
      move_to(tag);
      push_data(std::move(text));
      return;
    }
    const char kind = source_[tag + 1];
    size_t inside = tag + 2;
    const char sign =
        inside < source_.size() && (source_[inside] == '-' || source_[inside] == '+') ? source_[inside] : ' ';
    if (sign != ' ') ++inside;
    if (sign == '-') text = strip_right(text);
    push_data(std::move(text));
    move_to(tag);
    position_now();
    if (kind == '#') return comment(inside);
    if (kind == '%') {
      if (const size_t after = raw_begin(inside); after != 0) return raw(after);
    }
    push(kind == '{' ? TokenKind::variable_begin : TokenKind::block_begin, kind == '{' ? "{{" : "{%");
    move_to(inside);
    expression(kind == '{');
  }

  void comment(size_t inside) {
    const size_t end = source_.find("#}", inside);
    if (end == std::string_view::npos) return fail("a comment is not closed: `#}` is missing");
    move_to(end + 2);
    if (end > inside && source_[end - 1] == '-') skip_space();
    // "{#-#}": the sign belongs to the beginning.
  }

  // The place after "{% raw %}", or 0.
  size_t raw_begin(size_t inside) const {
    size_t i = after_space(inside);
    if (source_.substr(i, 3) != "raw") return 0;
    i = after_space(i + 3);
    if (source_.substr(i, 3) == "-%}") return after_space(i + 3);
    return source_.substr(i, 2) == "%}" ? i + 2 : 0;
  }

  void raw(size_t begin) {
    for (size_t tag = source_.find("{%", begin); tag != std::string_view::npos; tag = source_.find("{%", tag + 1)) {
      size_t i = tag + 2;
      const bool strips = i < source_.size() && source_[i] == '-';
      if (i < source_.size() && (source_[i] == '-' || source_[i] == '+')) ++i;
      i = after_space(i);
      if (source_.substr(i, 6) != "endraw") continue;
      i = after_space(i + 6);
      bool strips_after = false;
      if (source_.substr(i, 1) == "-" || source_.substr(i, 1) == "+") strips_after = source_[i++] == '-';
      if (source_.substr(i, 2) != "%}") continue;
      std::string text = normalized(source_.substr(begin, tag - begin));
      move_to(begin);
      position_now();
      push_data(strips ? strip_right(text) : std::move(text));
      move_to(strips_after ? after_space(i + 2) : i + 2);
      return;
    }
    fail("a raw block is not closed: `{% endraw %}` is missing");
  }

  void expression(bool is_variable) {
    const std::string_view closing = is_variable ? "}}" : "%}";
    std::string open;  // the brackets to be closed
    while (at_ < source_.size()) {
      if (open.empty()) {
        const std::string_view rest = source_.substr(at_);
        const bool strips = rest.starts_with('-') && rest.substr(1).starts_with(closing);
        const bool keeps = !is_variable && rest.starts_with('+') && rest.substr(1).starts_with(closing);
        if (strips || keeps || rest.starts_with(closing)) {
          position_now();
          push(is_variable ? TokenKind::variable_end : TokenKind::block_end, std::string(closing));
          move_to(at_ + 2 + (strips || keeps ? 1 : 0));
          if (strips) skip_space();
          return;
        }
      }
      const CodePoint point = decode_utf8(source_.substr(at_));
      if (is_space(point.value)) {
        move_to(at_ + static_cast<size_t>(point.bytes));
        continue;
      }
      position_now();
      if (is_digit(source_[at_]))
        number();
      else if (is_word(point.value))
        name();
      else if (source_[at_] == '\'' || source_[at_] == '"')
        quoted();
      else
        symbol(open);
      if (problem_) return;
    }
    position_now();
    fail(std::string("`") + std::string(closing) + "` is missing");
  }

  // Python's numbers: 12, 1_000, 0xff, 0b11, 0o17, 1.5, 1e3.
  void number() {
    const auto digits = [&](size_t i) {  // (\d+_)*\d+
      size_t end = i;
      while (end < source_.size() &&
             (is_digit(source_[end]) || (source_[end] == '_' && end > i && end + 1 < source_.size() &&
                                         is_digit(source_[end + 1]) && source_[end - 1] != '_')))
        ++end;
      return end;
    };
    // `a.0.1`: after a dot it is an index, not a fraction.
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
    size_t end = digits(at_);
    bool is_real = false;
    if (!after_dot) {
      if (end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) {
        end = digits(end + 1);
        is_real = true;
      }
      if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
        size_t exponent = end + 1;
        if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-')) ++exponent;
        if (exponent < source_.size() && is_digit(source_[exponent])) {
          end = digits(exponent);
          is_real = true;
        }
      }
    }
    if (is_real) {
      const std::string text = without_underscores(source_.substr(at_, end - at_));
      double value = 0;
      const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
      if (parsed.ec == std::errc::result_out_of_range)
        value = std::strtod(text.c_str(), nullptr);  // inf or 0, as in Python
      push_number(TokenKind::real, value);
      move_to(end);
      return;
    }
    int base = 10;
    size_t begin = at_;
    if (source_[at_] == '0' && at_ + 2 < source_.size()) {
      const char letter = static_cast<char>(source_[at_ + 1] | 0x20);
      const int named = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
      const size_t first = at_ + 2 + (source_[at_ + 2] == '_' ? 1 : 0);
      if (named != 10 && first < source_.size() && is_digit_of(source_[first], named)) {
        base = named;
        begin = first;
        end = first;
        while (end < source_.size() &&
               (is_digit_of(source_[end], base) || (source_[end] == '_' && end + 1 < source_.size() &&
                                                    is_digit_of(source_[end + 1], base) && source_[end - 1] != '_')))
          ++end;
      }
    }
    if (base == 10 && source_[at_] == '0') {  // "007" is three numbers: Python has no such literal
      end = at_ + 1;
      while (end < source_.size() &&
             (source_[end] == '0' || (source_[end] == '_' && end + 1 < source_.size() && source_[end + 1] == '0')))
        ++end;
    }
    const std::string text = without_underscores(source_.substr(begin, end - begin));
    int64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (parsed.ec != std::errc()) return fail("the number " + text + " needs more than 64 bits");
    push_number(TokenKind::integer, value);
    move_to(end);
  }

  void name() {
    size_t end = at_;
    while (end < source_.size()) {
      const CodePoint point = decode_utf8(source_.substr(end));
      if (!is_word(point.value)) break;
      end += static_cast<size_t>(point.bytes);
    }
    push(TokenKind::name, std::string(source_.substr(at_, end - at_)));
    move_to(end);
  }

  void quoted() {
    const char quote = source_[at_];
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) return fail(std::string("a text is not closed: ") + quote + " is missing");
    std::string text;
    if (!unescape(normalized(source_.substr(at_ + 1, end - at_ - 1)), text)) return;
    push(TokenKind::text, std::move(text));
    move_to(end + 1);
  }

  // Python's escapes in a text; unknown ones stay as they are.
  bool unescape(std::string_view raw, std::string& text) {
    for (size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '\\' || i + 1 >= raw.size()) {
        text += raw[i];
        continue;
      }
      const char c = raw[++i];
      const auto hex = [&](size_t count) {
        const std::string_view digits = raw.substr(std::min(i + 1, raw.size()), count);
        uint32_t value = 0;
        const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
        if (digits.size() < count || parsed.ptr != digits.data() + count || value > 0x10FFFF ||
            (value >= 0xD800 && value < 0xE000)) {
          fail(std::string("the escape \\") + c + " needs " + std::to_string(count) + " hex digits of a character");
          return false;
        }
        append_utf8(text, value);
        i += count;
        return true;
      };
      switch (c) {
        case '\n': break;
        case '\\': text += '\\'; break;
        case '\'': text += '\''; break;
        case '"': text += '"'; break;
        case 'a': text += '\a'; break;
        case 'b': text += '\b'; break;
        case 'f': text += '\f'; break;
        case 'n': text += '\n'; break;
        case 'r': text += '\r'; break;
        case 't': text += '\t'; break;
        case 'v': text += '\v'; break;
        case 'x':
          if (!hex(2)) return false;
          break;
        case 'u':
          if (!hex(4)) return false;
          break;
        case 'U':
          if (!hex(8)) return false;
          break;
        case 'N': fail("named characters (\\N{…}) are not known here"); return false;
        default:
          if (c >= '0' && c <= '7') {
            uint32_t value = 0;
            size_t count = 0;
            while (count < 3 && i + count < raw.size() && raw[i + count] >= '0' && raw[i + count] <= '7')
              value = value * 8 + static_cast<uint32_t>(raw[i + count++] - '0');
            append_utf8(text, value);
            i += count - 1;
          } else {
            text += '\\';
            text += c;
          }
      }
    }
    return true;
  }

  void symbol(std::string& open) {
    static constexpr std::string_view pairs[] = {"//", "**", "==", "!=", ">=", "<="};
    const std::string_view rest = source_.substr(at_);
    for (const std::string_view pair : pairs) {
      if (!rest.starts_with(pair)) continue;
      push(TokenKind::symbol, std::string(pair));
      move_to(at_ + 2);
      return;
    }
    const char c = rest[0];
    if (std::string_view("+-/*%~[](){}><=.:|,;").find(c) == std::string_view::npos) {
      const CodePoint point = decode_utf8(rest);
      return fail("unexpected `" + std::string(rest.substr(0, static_cast<size_t>(point.bytes))) + "`");
    }
    if (c == '(') open += ')';
    if (c == '[') open += ']';
    if (c == '{') open += '}';
    if (c == ')' || c == ']' || c == '}') {
      if (open.empty()) return fail(std::string("unexpected `") + c + "`");
      if (open.back() != c) return fail(std::string("unexpected `") + c + "`, expected `" + open.back() + "`");
      open.pop_back();
    }
    push(TokenKind::symbol, std::string(1, c));
    move_to(at_ + 1);
  }

  static std::string normalized(std::string_view text) {
    std::string lines;
    lines.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\r') {
        lines += '\n';
        if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
      } else {
        lines += text[i];
      }
    }
    return lines;
  }

  static std::string without_underscores(std::string_view text) {
    std::string plain;
    for (const char c : text)
      if (c != '_') plain += c;
    return plain;
  }

  size_t after_space(size_t i) const {
    while (i < source_.size()) {
      const CodePoint point = decode_utf8(source_.substr(i));
      if (!is_space(point.value)) break;
      i += static_cast<size_t>(point.bytes);
    }
    return i;
  }
  void skip_space() { move_to(after_space(at_)); }

  void move_to(size_t place) {
    for (; at_ < place; ++at_) {
      if (source_[at_] == '\n' || (source_[at_] == '\r' && !source_.substr(at_ + 1).starts_with('\n'))) {
        ++line_;
        line_begin_ = at_ + 1;
      }
    }
  }
  void position_now() { position_ = {line_, static_cast<int>(at_ - line_begin_) + 1}; }

  void push(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), Datum(), position_}); }
  void push_number(TokenKind kind, Datum number) {
    tokens_.push_back({kind, std::string(source_.substr(at_, 0)), std::move(number), position_});
  }
  void push_data(std::string text) {
    if (!text.empty()) push(TokenKind::data, std::move(text));
  }
  void fail(std::string message) {
    if (!problem_) problem_ = TemplateProblem{position_.line, position_.column, std::move(message)};
  }

  std::string_view source_;
  size_t at_ = 0;
  size_t line_begin_ = 0;
  int line_ = 1;
  Position position_;
  std::vector<Token> tokens_;
  std::optional<TemplateProblem> problem_;
};

}  // namespace

Tokens tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace udon::templates
