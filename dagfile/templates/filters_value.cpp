// Filters that turn one value into another.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/text.h"
#include "dagfile/templates/filters.h"
#include "dagfile/templates/format.h"
#include "dagfile/templates/methods.h"
#include "dagfile/templates/operations.h"
#include "dagfile/templates/unicode_text.h"

namespace udon::templates {
namespace {

Result<Datum> default_(const Datum& datum, const Arguments& arguments, Budget&) {
  TRY_ASSIGN(const Parameters given, Parameters::bind("default", arguments, {"default_value", "boolean"}));
  const Datum otherwise = given.has(0) ? given.at(0) : Datum("");
  if (datum.is_undefined()) return otherwise;
  TRY_ASSIGN(const bool replaces_false, given.flag(1, false));
  if (!replaces_false) return datum;
  TRY_ASSIGN(const bool is_kept, is_true(datum));
  return is_kept ? datum : otherwise;
}

// int(text, base) of Python: spaces around, a sign, underscores between digits, a prefix that fits the base.
std::optional<int64_t> integer_of(std::string_view text, int64_t base) {
  if ((base < 2 && base != 0) || base > 36) return std::nullopt;
  const std::string whole = stripped(std::string(text), std::nullopt, true, true);
  std::string_view rest = whole;
  const bool is_negative = rest.starts_with('-');
  if (is_negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest.size() > 2 && rest[0] == '0') {
    const char letter = static_cast<char>(rest[1] | 0x20);
    const int named = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (named != 0 && (base == named || base == 0)) {
      base = named;
      rest.remove_prefix(rest[2] == '_' ? 3 : 2);
    }
  }
  if (base == 0) base = 10;
  std::string digits = is_negative ? "-" : "";
  for (size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] == '_' && i > 0 && i + 1 < rest.size() && rest[i - 1] != '_') continue;
    if (rest[i] == '_' || rest[i] == '-') return std::nullopt;
    digits += rest[i];
  }
  int64_t value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value, static_cast<int>(base));
  if (rest.empty() || parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// float(text): as integer_of, and inf, infinity, nan.
std::optional<double> real_of(std::string_view text) {
  const std::string whole = lower_ascii(stripped(std::string(text), std::nullopt, true, true));
  std::string digits;
  for (size_t i = 0; i < whole.size(); ++i) {
    const auto is_digit = [&](size_t place) {
      return place < whole.size() && whole[place] >= '0' && whole[place] <= '9';
    };
    if (whole[i] == '_' && i > 0 && is_digit(i - 1) && is_digit(i + 1)) continue;
    digits += whole[i];
  }
  std::string_view rest = digits;
  const bool is_negative = rest.starts_with('-');
  if (is_negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest.empty() || rest[0] == '-' || rest[0] == '+' || rest.starts_with("nan(")) return std::nullopt;
  double value = 0;
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (parsed.ptr != rest.data() + rest.size()) return std::nullopt;
  if (parsed.ec == std::errc::result_out_of_range)
    value = std::strtod(std::string(rest).c_str(), nullptr);
  else if (parsed.ec != std::errc())
    return std::nullopt;
  return is_negative ? -value : value;
}

std::optional<int64_t> truncated(double number) {
  if (!(std::fabs(number) < 9.2e18)) return std::nullopt;
  return static_cast<int64_t>(number);
}

Result<Datum> int_(const Datum& datum, const Arguments& arguments, Budget&) {
  TRY_ASSIGN(const Parameters given, Parameters::bind("int", arguments, {"default", "base"}));
  TRY_ASSIGN(const int64_t base, given.integer(1, 10));
  std::optional<int64_t> value;
  if (datum.is_integral())
    value = datum.integer();
  else if (datum.is<double>()) {
    // Python's integers have no end; ours say so rather than become the default.
    if (std::isfinite(datum.as<double>()) && !truncated(datum.as<double>()))
      return failure("a number needs more than 64 bits");
    value = truncated(datum.as<double>());
  } else if (datum.is_text()) {
    value = integer_of(datum.text(), base);
    if (!value) {
      if (const auto real = real_of(datum.text())) {
        if (std::isfinite(*real) && !truncated(*real)) return failure("a number needs more than 64 bits");
        value = truncated(*real);
      }
    }
  }
  if (value) return Datum(*value);
  return given.has(0) ? given.at(0) : Datum(int64_t{0});
}

Result<Datum> float_(const Datum& datum, const Arguments& arguments, Budget&) {
  TRY_ASSIGN(const Parameters given, Parameters::bind("float", arguments, {"default"}));
  if (datum.is_number()) return Datum(datum.real());
  if (datum.is_text()) {
    if (const auto value = real_of(datum.text())) return Datum(*value);
  }
  return given.has(0) ? given.at(0) : Datum(0.0);
}

Result<Datum> abs_(const Datum& datum, const Arguments& arguments, Budget&) {
  TRY(Parameters::bind("abs", arguments, {}));
  if (datum.is<double>()) return Datum(std::fabs(datum.as<double>()));
  if (datum.is<Span>()) return datum.as<Span>().length < Duration{} ? negative(datum) : Result<Datum>(datum);
  if (!datum.is_integral()) return failure("`abs` takes a number, not " + std::string(type_of(datum)));
  return datum.integer() < 0 ? negative(datum) : Result<Datum>(Datum(datum.integer()));
}

// Rounds an integer to tens, hundreds, …: half to even.
Result<Datum> rounded_integer(int64_t number, int64_t precision) {
  if (precision >= 0) return Datum(number);
  if (precision < -18) return Datum(int64_t{0});
  int64_t unit = 1;
  for (int64_t i = 0; i > precision; --i) unit *= 10;
  int64_t quotient = number / unit, rest = number % unit;
  if (rest < 0) {
    rest += unit;
    --quotient;
  }
  if (rest > unit - rest || (rest == unit - rest && quotient % 2 != 0)) ++quotient;
  int64_t made = 0;
  if (__builtin_mul_overflow(quotient, unit, &made)) return failure("a number needs more than 64 bits");
  return Datum(made);
}

Result<Datum> round_(const Datum& datum, const Arguments& arguments, Budget&) {
  TRY_ASSIGN(const Parameters given, Parameters::bind("round", arguments, {"precision", "method"}));
  TRY_ASSIGN(const int64_t precision, given.integer(0, 0));
  TRY_ASSIGN(const std::string method, given.text(1, "common"));
  if (method != "common" && method != "ceil" && method != "floor")
    return failure("`round` takes the method common, ceil or floor, not " + method);
  if (!datum.is_number()) return failure("`round` takes a number, not " + std::string(type_of(datum)));
  if (precision > 300 || precision < -300) return failure("`round`: the precision is too large");
  if (method == "common") {
    if (datum.is_integral()) return rounded_integer(datum.integer(), precision);
    return Datum(rounded(datum.as<double>(), static_cast<int>(precision)));
  }
  // As Jinja2 computes it, so that its last digits are the same: func(value * 10**p) / 10**p.
  const double power = std::pow(10.0, static_cast<double>(precision));
  const double scaled = datum.real() * power;
  if (!std::isfinite(scaled)) return failure("`round`: the number is too large");
  // + 0.0: Python's ceil gives an integer, which has no -0.
  return Datum((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / power + 0.0);
}

void append_json_text(std::string& json, std::string_view text) {
  static constexpr char hex[] = "0123456789abcdef";
  const auto unit = [&](char32_t c) {
    json += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) json += hex[(c >> shift) & 0xF];
  };
  json += '"';
  for (const char32_t c : to_code_points(text)) {
    switch (c) {
      case '"': json += "\\\""; break;
      case '\\': json += "\\\\"; break;
      case '\n': json += "\\n"; break;
      case '\r': json += "\\r"; break;
      case '\t': json += "\\t"; break;
      case '\b': json += "\\b"; break;
      case '\f': json += "\\f"; break;
      case '<':
      case '>':
      case '&':
      case '\'': unit(c); break;
      default:
        if (c >= 0x10000) {
          unit(0xD800 + ((c - 0x10000) >> 10));
          unit(0xDC00 + ((c - 0x10000) & 0x3FF));
        } else if (c < 0x20 || c >= 0x7F) {
          if (c == 0x7F)
            json += '\x7F';
          else
            unit(c);
        } else {
          json += static_cast<char>(c);
        }
    }
  }
  json += '"';
}

Result<void> append_json(std::string& json, const Datum& datum, const std::optional<int64_t>& indent, int64_t depth) {
  if (static_cast<int64_t>(json.size()) > limits::template_output_bytes_max)
    return failure("a value's JSON is too long");
  const auto line = [&](int64_t level) {
    if (!indent) return;
    json += '\n';
    json.append(static_cast<size_t>(*indent * level), ' ');
  };
  const std::string_view separator = indent ? "," : ", ";
  if (datum.is_none()) {
    json += "null";
  } else if (datum.is<bool>()) {
    json += datum.as<bool>() ? "true" : "false";
  } else if (datum.is<int64_t>()) {
    json += std::to_string(datum.as<int64_t>());
  } else if (datum.is<double>()) {
    const double number = datum.as<double>();
    json += std::isnan(number)   ? "NaN"
            : std::isinf(number) ? (number < 0 ? "-Infinity" : "Infinity")
                                 : repr_of_double(number);
  } else if (datum.is_sequence()) {
    json += '[';
    for (size_t i = 0; i < datum.items().size(); ++i) {
      if (i > 0) json += separator;
      line(depth + 1);
      TRY(append_json(json, datum.items()[i], indent, depth + 1));
    }
    if (!datum.items().empty()) line(depth);
    json += ']';
  } else if (datum.is_dict()) {
    std::vector<std::pair<std::string, const Datum*>> members;
    for (const auto& [key, value] : datum.as<DictRef>()->members) {
      if (!key.is_text()) return failure("JSON takes texts as keys, not " + std::string(type_of(key)));
      members.emplace_back(key.text(), &value);
    }
    std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    json += '{';
    for (size_t i = 0; i < members.size(); ++i) {
      if (i > 0) json += separator;
      line(depth + 1);
      append_json_text(json, members[i].first);
      json += ": ";
      TRY(append_json(json, *members[i].second, indent, depth + 1));
    }
    if (!members.empty()) line(depth);
    json += '}';
  } else {
    TRY(require_defined(datum));
    if (!datum.is_text() && !datum.is<Instant>()) return failure(std::string(type_of(datum)) + " has no JSON");
    TRY_ASSIGN(const std::string text, to_text(datum));
    append_json_text(json, text);
  }
  return {};
}

Result<Datum> to_json_filter(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Parameters given, Parameters::bind("tojson", arguments, {"indent"}));
  std::optional<int64_t> indent;
  if (given.has(0) && !given.at(0).is_none()) {
    TRY_ASSIGN(const int64_t width, given.integer(0, 0));
    indent = std::clamp<int64_t>(width, 0, 64);
  }
  TRY_ASSIGN(std::string json, json_of(datum, indent));
  return budget.text(std::move(json));
}

Result<Datum> attr(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Parameters given, Parameters::bind("attr", arguments, {"name"}, 1));
  TRY_ASSIGN(const std::string name, given.text(0, ""));
  // An attribute only, never a member of the data: that is what the filter is for.
  if (datum.is_dict()) return undefined("a map has no attribute `" + name + "`");
  return member_of(datum, name, budget);
}

}  // namespace

Result<std::string> json_of(const Datum& datum, std::optional<int64_t> indent) {
  std::string json;
  TRY(append_json(json, datum, indent, 0));
  return json;
}

std::vector<NamedFilter> value_filters() {
  return {{"default", default_},      {"d", default_}, {"int", int_},
          {"float", float_},          {"abs", abs_},   {"round", round_},
          {"tojson", to_json_filter}, {"attr", attr}};
}

}  // namespace udon::templates
