#include "dagfile/templates/format.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "base/limits.h"
#include "dagfile/templates/budget.h"
#include "dagfile/templates/instant.h"
#include "dagfile/templates/operations.h"
#include "dagfile/templates/unicode_text.h"

namespace udon::templates {
namespace {

// Wider is a mistake or an attack; and snprintf's buffers stay small.
constexpr int64_t width_max = 10'000;
constexpr int64_t precision_max = 350;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string digits_of(double number, char type, int precision, bool alternate) {
  char format[8] = "%";
  size_t n = 1;
  if (alternate) format[n++] = '#';
  format[n++] = '.';
  format[n++] = '*';
  format[n++] = type;
  std::string text(800, '\0');
  const int length = std::snprintf(text.data(), text.size(), format, precision, number);
  text.resize(static_cast<size_t>(std::clamp(length, 0, 799)));
  return text;
}

std::string in_base(uint64_t number, int base, bool is_upper) {
  char buffer[70];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number, base).ptr;
  std::string text(buffer, end);
  if (is_upper)
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'a' ? static_cast<char>(c - 32) : c; });
  return text;
}

uint64_t magnitude(int64_t number) {
  return number < 0 ? ~static_cast<uint64_t>(number) + 1 : static_cast<uint64_t>(number);
}

struct Specification {
  std::string fill = " ";
  char align = 0;
  char sign = '-';
  bool alternate = false;
  int64_t width = 0;
  char grouping = 0;
  std::optional<int64_t> precision;
  char type = 0;
};

Result<Specification> parse_specification(std::string_view text) {
  const std::string whole(text);
  Specification spec;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  const std::u32string points = to_code_points(text);
  if (points.size() >= 2 && points[1] < 0x80 && is_align(static_cast<char>(points[1]))) {
    spec.fill = to_utf8(points.substr(0, 1));
    spec.align = static_cast<char>(points[1]);
    text.remove_prefix(spec.fill.size() + 1);
  } else if (!text.empty() && is_align(text[0])) {
    spec.align = text[0];
    text.remove_prefix(1);
  }
  if (!text.empty() && (text[0] == '+' || text[0] == '-' || text[0] == ' ')) {
    spec.sign = text[0];
    text.remove_prefix(1);
  }
  if (text.starts_with('#')) {
    spec.alternate = true;
    text.remove_prefix(1);
  }
  if (text.starts_with('0')) {
    if (spec.align == 0) {
      spec.fill = "0";
      spec.align = '=';
    }
    text.remove_prefix(1);
  }
  const auto number = [&](int64_t limit) -> Result<int64_t> {
    int64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc() || value > limit)
      return failure("a width or precision in the format `" + whole + "` is too large");
    text.remove_prefix(static_cast<size_t>(parsed.ptr - text.data()));
    return value;
  };
  if (!text.empty() && is_digit(text[0])) {
    TRY_ASSIGN(spec.width, number(width_max));
  }
  if (!text.empty() && (text[0] == ',' || text[0] == '_')) {
    spec.grouping = text[0];
    text.remove_prefix(1);
  }
  if (text.size() >= 2 && text[0] == '.' && is_digit(text[1])) {
    text.remove_prefix(1);
    TRY_ASSIGN(spec.precision, number(precision_max));
  }
  if (text.size() == 1) {
    spec.type = text[0];
    text.remove_prefix(1);
  }
  if (!text.empty()) return failure("`" + whole + "` is no format");
  return spec;
}

std::string padded(const std::string& sign, const std::string& body, const Specification& spec, char align) {
  const int64_t length = static_cast<int64_t>(length_of(sign) + length_of(body));
  const int64_t room = std::max<int64_t>(spec.width - length, 0);
  const auto fill = [&](int64_t count) {
    std::string text;
    for (int64_t i = 0; i < count; ++i) text += spec.fill;
    return text;
  };
  switch (spec.align == 0 ? align : spec.align) {
    case '<': return sign + body + fill(room);
    case '^': return fill(room / 2) + sign + body + fill(room - room / 2);
    case '=': return sign + fill(room) + body;
    default: return fill(room) + sign + body;
  }
}

// Thousands separators in the whole part; with zero padding they count towards the width.
std::string grouped(const std::string& body, const Specification& spec, size_t sign_length, size_t every) {
  size_t whole = 0;
  while (whole < body.size() && std::isxdigit(static_cast<unsigned char>(body[whole])) != 0) ++whole;
  std::string digits = body.substr(0, whole);
  const std::string rest = body.substr(whole);
  const auto with_groups = [&](const std::string& plain) {
    std::string text;
    for (size_t i = 0; i < plain.size(); ++i) {
      if (i > 0 && (plain.size() - i) % every == 0) text += spec.grouping;
      text += plain[i];
    }
    return text;
  };
  std::string text = with_groups(digits);
  if (spec.fill == "0" && spec.align == '=') {
    while (static_cast<int64_t>(sign_length + text.size() + rest.size()) < spec.width) {
      digits.insert(0, 1, '0');
      text = with_groups(digits);
    }
  }
  return text + rest;
}

std::string sign_text(bool is_negative, char wish) {
  if (is_negative) return "-";
  return wish == '+' ? "+" : wish == ' ' ? " " : "";
}

Result<std::string> format_integer(int64_t number, const Specification& spec, std::string_view text) {
  if (spec.precision) return failure("an integer has no precision: `" + std::string(text) + "`");
  std::string body;
  std::string prefix = sign_text(number < 0, spec.sign);
  size_t group = 3;
  switch (spec.type) {
    case 0:
    case 'd':
    case 'n': body = in_base(magnitude(number), 10, false); break;
    case 'x':
    case 'X':
    case 'o':
    case 'b':
      if (spec.grouping == ',') return failure("`,` does not go with `" + std::string(1, spec.type) + "`");
      body = in_base(magnitude(number), spec.type == 'b' ? 2 : spec.type == 'o' ? 8 : 16, spec.type == 'X');
      if (spec.alternate) prefix += std::string("0") + spec.type;
      group = 4;
      break;
    case 'c':
      if (number < 0 || number > 0x10FFFF) return failure("no character has the number " + std::to_string(number));
      append_utf8(body, static_cast<char32_t>(number));
      return padded("", body, spec, '<');
    default: return failure("an integer has no format `" + std::string(text) + "`");
  }
  if (spec.grouping != 0) body = grouped(body, spec, prefix.size(), group);
  return padded(prefix, body, spec, '>');
}

Result<std::string> format_real(double number, const Specification& spec, std::string_view text) {
  const std::string prefix = sign_text(std::signbit(number) && !std::isnan(number), spec.sign);
  const double size = std::fabs(number);
  const int precision = static_cast<int>(spec.precision.value_or(6));
  std::string body;
  const bool is_upper = spec.type == 'F' || spec.type == 'E' || spec.type == 'G';
  if (!std::isfinite(number)) {
    body = std::isnan(number) ? "nan" : "inf";
    if (is_upper) body = upper(body);
    if (spec.type == '%') body += "%";
    return padded(prefix, body, spec, '>');
  }
  switch (spec.type) {
    case 0: {
      if (!spec.precision) {
        body = repr_of_double(size);
        break;
      }
      // As 'g', but with at least one digit after the point.
      body = digits_of(size, 'g', std::max(precision, 1), false);
      if (body.find_first_of(".e") == std::string::npos) body += ".0";
      break;
    }
    case 'f':
    case 'F':
    case 'e':
    case 'E': body = digits_of(size, spec.type, precision, spec.alternate); break;
    case 'g':
    case 'G':
    case 'n': body = digits_of(size, spec.type == 'n' ? 'g' : spec.type, std::max(precision, 1), spec.alternate); break;
    case '%': body = digits_of(size * 100, 'f', precision, spec.alternate) + "%"; break;
    default: return failure("a number has no format `" + std::string(text) + "`");
  }
  if (spec.grouping != 0) body = grouped(body, spec, prefix.size(), 3);
  return padded(prefix, body, spec, '>');
}

Result<std::string> format_text(const std::string& value, const Specification& spec, std::string_view text) {
  if ((spec.type != 0 && spec.type != 's') || spec.sign != '-' || spec.alternate || spec.grouping != 0 ||
      spec.align == '=')
    return failure("a text has no format `" + std::string(text) + "`");
  std::string body = value;
  if (spec.precision) body = to_utf8(to_code_points(body).substr(0, static_cast<size_t>(*spec.precision)));
  return padded("", body, spec, '<');
}

}  // namespace

double rounded(double number, int digits) {
  if (!std::isfinite(number)) return number;
  if (digits > precision_max) return number;
  if (digits >= 0) return std::strtod(digits_of(number, 'f', digits, false).c_str(), nullptr);
  // "%.2e" keeps three significant digits; which power that is follows from the number's own.
  if (number == 0) return number;
  const int exponent = static_cast<int>(std::floor(std::log10(std::fabs(number))));
  if (-digits > exponent + 1) return std::copysign(0.0, number);
  if (-digits == exponent + 1) {
    const double half = 5 * std::pow(10.0, exponent);
    return std::fabs(number) > half ? std::copysign(std::pow(10.0, -digits), number) : std::copysign(0.0, number);
  }
  return std::strtod(digits_of(number, 'e', exponent + digits, false).c_str(), nullptr);
}

Result<std::string> format_value(const Datum& datum, std::string_view specification) {
  TRY(require_defined(datum));
  if (specification.empty()) return to_text(datum);
  if (datum.is<Instant>()) return strftime(datum.as<Instant>(), specification);
  TRY_ASSIGN(const Specification spec, parse_specification(specification));
  if (datum.is_text()) return format_text(datum.text(), spec, specification);
  if (datum.is_integral()) {
    const bool is_real = spec.type != 0 && std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos;
    if (is_real) return format_real(static_cast<double>(datum.integer()), spec, specification);
    return format_integer(datum.integer(), spec, specification);
  }
  if (datum.is<double>()) return format_real(datum.as<double>(), spec, specification);
  return failure(std::string(type_of(datum)) + " takes no format");
}

Result<std::string> format_percent(std::string_view format, const Arguments& arguments, Unused unused) {
  std::string text;
  size_t next = 0;
  bool by_name = false;
  const auto take = [&]() -> Result<Datum> {
    if (next >= arguments.positional.size()) return failure("a format has more places than values");
    return arguments.positional[next++];
  };
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      text += format[i];
      continue;
    }
    if (++i >= format.size()) return failure("a format ends in a lone %");
    std::optional<Datum> value;
    if (format[i] == '(') {
      const size_t end = format.find(')', i);
      if (end == std::string_view::npos) return failure("a name in a format is not closed: `)` is missing");
      const std::string_view name = format.substr(i + 1, end - i - 1);
      for (const auto& [key, datum] : arguments.named)
        if (key == name) value = datum;
      if (!value) return failure("the format names `" + std::string(name) + "`, which is not given");
      by_name = true;
      i = end + 1;
    }
    Specification spec;
    bool is_left = false, is_zero = false;
    for (; i < format.size() && std::string_view("-+ #0").find(format[i]) != std::string_view::npos; ++i) {
      if (format[i] == '-') is_left = true;
      if (format[i] == '+') spec.sign = '+';
      if (format[i] == ' ' && spec.sign != '+') spec.sign = ' ';
      if (format[i] == '#') spec.alternate = true;
      if (format[i] == '0') is_zero = true;
    }
    const auto number = [&](int64_t limit) -> Result<int64_t> {
      if (i < format.size() && format[i] == '*') {
        ++i;
        TRY_ASSIGN(const Datum given, take());
        if (!given.is_integral()) return failure("`*` in a format takes an integer");
        if (given.integer() > limit || given.integer() < -limit)
          return failure("a width or precision in a format is too large");
        return given.integer();
      }
      int64_t size = 0;
      for (; i < format.size() && is_digit(format[i]); ++i) {
        size = size * 10 + (format[i] - '0');
        if (size > limit) return failure("a width or precision in a format is too large");
      }
      return size;
    };
    TRY_ASSIGN(spec.width, number(width_max));
    if (spec.width < 0) {
      is_left = true;
      spec.width = -spec.width;
    }
    if (i < format.size() && format[i] == '.') {
      ++i;
      TRY_ASSIGN(const int64_t precision, number(precision_max));
      spec.precision = std::max<int64_t>(precision, 0);
    }
    while (i < format.size() && (format[i] == 'l' || format[i] == 'h' || format[i] == 'L')) ++i;
    if (i >= format.size()) return failure("a format ends before its type");
    const char type = format[i];
    if (type == '%') {
      text += '%';
      continue;
    }
    if (!value) {
      TRY_ASSIGN(value, take());
    }
    TRY(require_defined(*value));
    spec.align = is_left ? '<' : '>';
    switch (type) {
      case 's':
      case 'r':
      case 'a': {
        TRY_ASSIGN(std::string body, type == 's' ? to_text(*value) : to_repr(*value));
        spec.sign = '-';
        spec.alternate = false;
        TRY_ASSIGN(const std::string made, format_text(body, spec, "%s"));
        text += made;
        break;
      }
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o': {
        const bool is_decimal = type == 'd' || type == 'i' || type == 'u';
        if (!value->is_integral() && !(is_decimal && value->is<double>()))
          return failure(std::string("%") + type + " takes a number, not " + std::string(type_of(*value)));
        int64_t integer = 0;
        if (value->is<double>()) {
          const double real = std::trunc(value->as<double>());
          if (!(std::fabs(real) < 9.2e18)) return failure("a number is too large to be an integer");
          integer = static_cast<int64_t>(real);
        } else {
          integer = value->integer();
        }
        const int base = type == 'o' ? 8 : type == 'x' || type == 'X' ? 16 : 10;
        std::string body = in_base(magnitude(integer), base, type == 'X');
        if (spec.precision && static_cast<int64_t>(body.size()) < *spec.precision)
          body.insert(0, static_cast<size_t>(*spec.precision) - body.size(), '0');
        std::string prefix = sign_text(integer < 0, spec.sign);
        if (spec.alternate && base != 10) prefix += std::string("0") + type;
        if (is_zero && !is_left) {
          spec.fill = "0";
          spec.align = '=';
        }
        text += padded(prefix, body, spec, '>');
        break;
      }
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G': {
        if (!value->is_number())
          return failure(std::string("%") + type + " takes a number, not " + std::string(type_of(*value)));
        spec.type = type;
        if (is_zero && !is_left) {
          spec.fill = "0";
          spec.align = '=';
        }
        TRY_ASSIGN(const std::string made, format_real(value->real(), spec, "%"));
        text += made;
        break;
      }
      case 'c': {
        std::string body;
        if (value->is_integral()) {
          if (value->integer() < 0 || value->integer() > 0x10FFFF) return failure("%c takes a character");
          append_utf8(body, static_cast<char32_t>(value->integer()));
        } else if (value->is_text() && length_of(value->text()) == 1) {
          body = value->text();
        } else {
          return failure("%c takes a character");
        }
        text += padded("", body, spec, '>');
        break;
      }
      default: return failure(std::string("unknown format %") + type);
    }
    if (static_cast<int64_t>(text.size()) > limits::template_output_bytes_max)
      return failure("a formatted text is too long");
  }
  if (!by_name && next < arguments.positional.size() && unused == Unused::is_an_error)
    return failure("a format has fewer places than values");
  return text;
}

namespace {

// "name.attribute[key]" against the arguments.
Result<Datum> field_value(std::string_view field, const Arguments& arguments, size_t& next, bool& is_numbered,
                          bool& is_automatic) {
  const size_t end = field.find_first_of(".[");
  const std::string_view first = field.substr(0, end);
  Datum value;
  if (first.empty() || std::all_of(first.begin(), first.end(), is_digit)) {
    size_t place = 0;
    (first.empty() ? is_automatic : is_numbered) = true;
    if (is_automatic && is_numbered) return failure("a format counts places itself or names them, not both");
    if (first.empty())
      place = next++;
    else if (std::from_chars(first.data(), first.data() + first.size(), place).ec != std::errc())
      return failure("a place in a format is too large");
    if (place >= arguments.positional.size()) return failure("a format has more places than values");
    value = arguments.positional[place];
  } else {
    const auto found = std::find_if(arguments.named.begin(), arguments.named.end(),
                                    [&](const auto& named) { return named.first == first; });
    if (found == arguments.named.end())
      return failure("the format names `" + std::string(first) + "`, which is not given");
    value = found->second;
  }
  Budget budget;
  std::string_view rest = end == std::string_view::npos ? std::string_view() : field.substr(end);
  while (!rest.empty()) {
    std::string_view key;
    if (rest[0] == '[') {
      const size_t close = rest.find(']');
      if (close == std::string_view::npos) return failure("`]` is missing in a format");
      key = rest.substr(1, close - 1);
      rest.remove_prefix(close + 1);
    } else {
      rest.remove_prefix(1);
      const size_t stop = rest.find_first_of(".[");
      key = rest.substr(0, stop);
      rest = stop == std::string_view::npos ? std::string_view() : rest.substr(stop);
      // Attributes of data are its methods: nothing that a format could print.
      if (!value.is<Instant>()) return failure("a format takes items as [key], not attributes");
      TRY_ASSIGN(value, attribute_of(value.as<Instant>(), key));
      TRY(require_defined(value));
      continue;
    }
    int64_t place = 0;
    const bool is_place = !key.empty() && std::all_of(key.begin(), key.end(), is_digit) &&
                          std::from_chars(key.data(), key.data() + key.size(), place).ec == std::errc();
    TRY_ASSIGN(value, item_of(value, is_place ? Datum(place) : Datum(std::string(key)), budget));
    TRY(require_defined(value));
  }
  return value;
}

}  // namespace

Result<std::string> format_braces(std::string_view format, const Arguments& arguments) {
  std::string text;
  size_t next = 0;
  bool is_numbered = false, is_automatic = false;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] == '}') {
      if (++i >= format.size() || format[i] != '}') return failure("a lone `}` in a format");
      text += '}';
      continue;
    }
    if (format[i] != '{') {
      text += format[i];
      continue;
    }
    if (++i >= format.size()) return failure("a lone `{` in a format");
    if (format[i] == '{') {
      text += '{';
      continue;
    }
    // The specification may hold fields of its own: {:{width}}.
    size_t end = i;
    for (int open = 1; end < format.size(); ++end) {
      if (format[end] == '{') ++open;
      if (format[end] == '}' && --open == 0) break;
    }
    if (end >= format.size()) return failure("`}` is missing in a format");
    std::string_view field = format.substr(i, end - i);
    i = end;
    std::string specification;
    const size_t bracket = field.find('[');
    size_t colon = field.find(':');
    if (bracket != std::string_view::npos && bracket < colon)
      colon = field.find(':', std::min(field.find(']', bracket), field.size()));
    if (colon != std::string_view::npos) {
      specification = field.substr(colon + 1);
      field = field.substr(0, colon);
    }
    char conversion = 0;
    if (field.size() >= 2 && field[field.size() - 2] == '!') {
      conversion = field.back();
      field.remove_suffix(2);
    }
    if (field.find_first_of("!{") != std::string_view::npos)
      return failure("`" + std::string(field) + "` is no field of a format");
    TRY_ASSIGN(Datum value, field_value(field, arguments, next, is_numbered, is_automatic));
    if (const size_t inner = specification.find('{'); inner != std::string::npos) {
      const size_t close = specification.find('}', inner);
      if (close == std::string::npos || specification.find('{', inner + 1) != std::string::npos)
        return failure("a format nests too deeply");
      TRY_ASSIGN(const Datum width, field_value(std::string_view(specification).substr(inner + 1, close - inner - 1),
                                                arguments, next, is_numbered, is_automatic));
      TRY_ASSIGN(const std::string inside, to_text(width));
      specification.replace(inner, close - inner + 1, inside);
    }
    if (conversion == 's') {
      TRY_ASSIGN(std::string converted, to_text(value));
      value = Datum(std::move(converted));
    } else if (conversion == 'r' || conversion == 'a') {
      TRY_ASSIGN(std::string converted, to_repr(value));
      value = Datum(std::move(converted));
    } else if (conversion != 0) {
      return failure(std::string("unknown conversion !") + conversion + " in a format");
    }
    TRY_ASSIGN(const std::string made, format_value(value, specification));
    text += made;
    if (static_cast<int64_t>(text.size()) > limits::template_output_bytes_max)
      return failure("a formatted text is too long");
  }
  return text;
}

}  // namespace udon::templates
