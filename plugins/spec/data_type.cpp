#include "plugins/spec/data_type.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/text.h"

namespace udon {
namespace {

using Kind = DataType::Kind;

struct Name {
  Kind kind;
  std::string_view text;
};
constexpr std::array<Name, 16> names{{
    {Kind::string, "string"},
    {Kind::binary, "binary"},
    {Kind::boolean, "boolean"},
    {Kind::int8, "int8"},
    {Kind::int16, "int16"},
    {Kind::int32, "int32"},
    {Kind::int64, "int64"},
    {Kind::float32, "float"},
    {Kind::float64, "double"},
    {Kind::decimal, "decimal"},
    {Kind::date, "date"},
    {Kind::timestamp, "timestamp"},
    {Kind::timestamptz, "timestamptz"},
    {Kind::time, "time"},
    {Kind::interval_us, "interval_us"},
    {Kind::uuid, "uuid"},
}};

constexpr int decimal_digits_max = 38;  // of readers of Parquet everywhere

std::optional<int> parse_number(std::string_view text) {
  text = trim(text);
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// What stands between the parentheses of a decimal.
Result<DataType> parse_decimal(std::string_view inside, std::string_view whole) {
  const size_t comma = inside.find(',');
  const auto precision = parse_number(inside.substr(0, comma));
  const auto scale = comma == std::string_view::npos ? std::optional<int>(0) : parse_number(inside.substr(comma + 1));
  if (precision && scale && *precision >= 1 && *precision <= decimal_digits_max && *scale >= 0 && *scale <= *precision)
    return DataType{Kind::decimal, *precision, *scale};
  return Error{ErrorKind::invalid, "`" + std::string(whole) +
                                       "`: a decimal is decimal(p,s) with 1 ≤ p ≤ 38 digits, 0 ≤ s ≤ p of them "
                                       "behind the point"};
}

}  // namespace

Result<DataType> parse_data_type(std::string_view text) {
  const std::string_view name = trim(text);
  for (const Name& known : names)
    if (known.text == name && known.kind != Kind::decimal) return DataType{known.kind};
  if (name == "decimal") return parse_decimal("", name);
  if (name.starts_with("decimal(") && name.ends_with(")")) return parse_decimal(name.substr(8, name.size() - 9), name);
  return Error{ErrorKind::invalid, "unknown type `" + std::string(name) + "`; there are " +
                                       join(data_type_names(), ", ") + did_you_mean(name, data_type_names())};
}

std::string to_string(const DataType& type) {
  const auto name = std::ranges::find(names, type.kind, &Name::kind);
  std::string text(name->text);
  if (type.kind == Kind::decimal) text += "(" + std::to_string(type.precision) + "," + std::to_string(type.scale) + ")";
  return text;
}

const std::vector<std::string>& data_type_names() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> texts;
    for (const Name& name : names)
      texts.push_back(std::string(name.text) + (name.kind == Kind::decimal ? "(p,s)" : ""));
    return texts;
  }();
  return all;
}

const std::string& data_type_pattern() {
  static const std::string pattern = [] {
    std::string words;
    for (const Name& name : names)
      if (name.kind != Kind::decimal) words += std::string(name.text) + "|";
    return "^(" + words + "decimal\\( *[0-9]+ *(, *[0-9]+ *)?\\))$";
  }();
  return pattern;
}

}  // namespace udon
