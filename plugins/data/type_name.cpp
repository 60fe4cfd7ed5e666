#include "plugins/data/type_name.h"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <optional>
#include <vector>

#include "base/text.h"

namespace udon::data {
namespace {

const std::map<std::string, std::shared_ptr<arrow::DataType>>& plain_types() {
  static const std::map<std::string, std::shared_ptr<arrow::DataType>> types = {
      {"string", arrow::utf8()},
      {"binary", arrow::binary()},
      {"boolean", arrow::boolean()},
      {"int8", arrow::int8()},
      {"int16", arrow::int16()},
      {"int32", arrow::int32()},
      {"int64", arrow::int64()},
      {"float", arrow::float32()},
      {"double", arrow::float64()},
      {"date", arrow::date32()},
      {"timestamp", arrow::timestamp(arrow::TimeUnit::MICRO)},
      {"timestamptz", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")},
  };
  return types;
}

std::optional<int> parse_number(std::string_view text) {
  text = trim(text);
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

constexpr int decimal_digits_max = 38;

}  // namespace

Result<std::shared_ptr<arrow::DataType>> parse_type_name(std::string_view text) {
  const std::string name(trim(text));
  if (const auto it = plain_types().find(name); it != plain_types().end()) return it->second;
  if (name.starts_with("decimal(") && name.ends_with(")")) {
    const std::string_view inside = std::string_view(name).substr(8, name.size() - 9);
    const size_t comma = inside.find(',');
    const auto precision = parse_number(inside.substr(0, comma));
    const auto scale = comma == std::string_view::npos ? std::optional<int>(0) : parse_number(inside.substr(comma + 1));
    if (precision && scale && *precision >= 1 && *precision <= decimal_digits_max && *scale >= 0 &&
        *scale <= *precision)
      return arrow::decimal128(*precision, *scale);
    return Error{ErrorKind::invalid,
                 fmt::format("`{}`: a decimal is decimal(p,s) with 1 ≤ p ≤ {} digits, 0 ≤ s ≤ p of them "
                             "behind the point",
                             name, decimal_digits_max)};
  }
  std::vector<std::string> names;
  for (const auto& [key, unused] : plain_types()) names.push_back(key);
  names.emplace_back("decimal(p,s)");
  return Error{ErrorKind::invalid,
               fmt::format("unknown type `{}`; there are {}{}", name, join(names, ", "), did_you_mean(name, names))};
}

}  // namespace udon::data
