#include "plugins/spec/rules.h"

#include <algorithm>

#include "base/clock.h"
#include "base/text.h"

namespace udon {
namespace {

bool is_measured_in_characters(ParamType type) { return type == ParamType::string; }

// To compare by: microseconds, bytes, characters, the number itself. Nothing: it has no size.
std::optional<double> size_of(ParamType type, const Value& value) {
  if (value.is_number()) return value.as_double();
  if (!value.is_string()) return std::nullopt;
  const std::string& text = value.as_string();
  if (type == ParamType::duration) {
    const auto duration = parse_duration(text);
    return duration ? std::optional(static_cast<double>(duration->count())) : std::nullopt;
  }
  if (type == ParamType::bytes) {
    const auto bytes = parse_bytes(text);
    return bytes ? std::optional(static_cast<double>(*bytes)) : std::nullopt;
  }
  if (!is_measured_in_characters(type)) return std::nullopt;
  return static_cast<double>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string shown(const Value& value) { return value.is_string() ? value.as_string() : to_json(value); }

}  // namespace

std::string bounds_of(const ParamSpec& param) {
  if (!param.min && !param.max) return "";
  const std::string unit = is_measured_in_characters(param.type) ? " characters" : "";
  if (param.min && param.max) {
    if (*param.min == *param.max)
      return shown(*param.min) + (param.min == Value(1) && !unit.empty() ? " character" : unit);
    return shown(*param.min) + " to " + shown(*param.max) + unit;
  }
  return (param.min ? "at least " + shown(*param.min) : "at most " + shown(*param.max)) + unit;
}

std::optional<std::string> problem_of_bounds(const ParamSpec& param, const Value& value) {
  if (!param.min && !param.max) return std::nullopt;
  const auto size = size_of(param.type, value);
  if (!size) return std::nullopt;
  const auto bound = [&](const std::optional<Value>& of) {
    return of ? size_of(ParamType::integer, *of) : std::nullopt;
  };
  // A bound of a duration or of bytes is written as such; of a text it is a number of characters.
  const auto least = param.min && param.min->is_string() ? size_of(param.type, *param.min) : bound(param.min);
  const auto most = param.max && param.max->is_string() ? size_of(param.type, *param.max) : bound(param.max);
  if ((!least || *size >= *least) && (!most || *size <= *most)) return std::nullopt;
  return "`" + shown(value) + "`: expected " + bounds_of(param);
}

std::optional<std::string> problem_of_type_choice(const ParamSpec& param, std::string_view type) {
  const std::string name = lower_ascii(trim(type.substr(0, type.find('('))));
  if (param.choices.empty() || std::ranges::find(param.choices, name) != param.choices.end()) return std::nullopt;
  return "`" + std::string(type) + "` cannot be had here; expected one of " + join(param.choices, ", ");
}

std::optional<std::string> problem_of_bucket(std::string_view bucket) {
  const bool is_good = bucket.size() >= 3 && bucket.size() <= 63 &&
                       bucket.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == bucket.npos &&
                       bucket.front() != '.' && bucket.front() != '-' && bucket.back() != '.' && bucket.back() != '-';
  if (is_good) return std::nullopt;
  return "`" + std::string(bucket) +
         "` is no bucket's name: 3 to 63 lower-case letters, digits, `-` and `.`, with a letter or digit at both ends";
}

}  // namespace udon
