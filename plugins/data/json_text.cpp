#include "plugins/data/json_text.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>

namespace udon::data {
namespace {

constexpr int digits_max = 400;

}  // namespace

std::optional<std::string> without_exponent(std::string_view number) {
  const size_t e = number.find_first_of("eE");
  if (e == number.npos) return std::string(number);
  std::string_view mantissa = number.substr(0, e);
  std::string_view exponent_text = number.substr(e + 1);
  if (exponent_text.starts_with('+')) exponent_text.remove_prefix(1);
  int exponent = 0;
  const auto [end, error] =
      std::from_chars(exponent_text.data(), exponent_text.data() + exponent_text.size(), exponent);
  if (error != std::errc() || end != exponent_text.data() + exponent_text.size()) return std::nullopt;
  std::string sign;
  if (mantissa.starts_with('-')) {
    sign = "-";
    mantissa.remove_prefix(1);
  }
  const size_t point = mantissa.find('.');
  std::string digits(mantissa.substr(0, point));
  if (point != mantissa.npos) digits += mantissa.substr(point + 1);
  if (digits.size() > digits_max || std::abs(exponent) > digits_max) return std::nullopt;
  // Where the point is to stand among the digits.
  int64_t at = static_cast<int64_t>(point == mantissa.npos ? mantissa.size() : point) + exponent;
  if (at <= 0) {
    digits.insert(0, static_cast<size_t>(1 - at), '0');
    at = 1;
  }
  if (at > static_cast<int64_t>(digits.size())) digits.append(static_cast<size_t>(at) - digits.size(), '0');
  std::string whole = digits.substr(0, static_cast<size_t>(at));
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size() - 1));
  const std::string fraction = digits.substr(static_cast<size_t>(at));
  return sign + whole + (fraction.empty() ? "" : "." + fraction);
}

std::string_view without_zero_fraction(std::string_view number) {
  const size_t point = number.find('.');
  if (point == number.npos || number.find_first_not_of('0', point + 1) != number.npos) return number;
  return number.substr(0, point);
}

}  // namespace udon::data
