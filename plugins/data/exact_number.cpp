#include "plugins/data/exact_number.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace udon::data {
namespace {

constexpr std::array<Int128, decimal_digits_max + 1> powers = [] {
  std::array<Int128, decimal_digits_max + 1> all{};
  all[0] = 1;
  for (size_t i = 1; i < all.size(); ++i) all[i] = all[i - 1] * 10;
  return all;
}();

// The longest in fixed notation: -1.8e308 with 38 digits behind the point.
constexpr size_t fixed_text_max = 400;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

template <class Float>
std::optional<Float> to_floating(const ExactNumber& number) {
  const std::string text = to_text(number);
  Float value{};
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) return std::nullopt;
  std::array<char, fixed_text_max> back;
  const auto end = std::to_chars(back.data(), back.data() + back.size(), value, std::chars_format::fixed, number.scale);
  if (std::string_view(back.data(), static_cast<size_t>(end.ptr - back.data())) != text) return std::nullopt;
  return value;
}

template <class Float>
std::optional<ExactNumber> from_floating(Float value, int scale) {
  if (!std::isfinite(value) || std::abs(value) >= Float(1e38)) return std::nullopt;
  std::array<char, fixed_text_max> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, scale);
  Float back{};
  std::from_chars(text.data(), end.ptr, back);
  if (back != value) return std::nullopt;
  ExactNumber number;
  if (parse_exact({text.data(), static_cast<size_t>(end.ptr - text.data())}, number) != DigitsProblem::none)
    return std::nullopt;
  return number;
}

}  // namespace

DigitsProblem parse_exact(std::string_view text, ExactNumber& number) {
  const bool is_negative = text.starts_with('-');
  if (is_negative) text.remove_prefix(1);
  const size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  std::string_view fraction;
  if (point != std::string_view::npos) {
    fraction = text.substr(point + 1);
    if (fraction.empty()) return DigitsProblem::no_number;
  }
  if (whole.empty() || (whole.size() > 1 && whole[0] == '0') || !std::ranges::all_of(whole, is_digit) ||
      !std::ranges::all_of(fraction, is_digit))
    return DigitsProblem::no_number;
  while (fraction.ends_with('0')) fraction.remove_suffix(1);
  if (fraction.size() > decimal_digits_max) return DigitsProblem::too_long;
  int digits = 0;
  Int128 value = 0;
  for (const std::string_view part : {whole, fraction}) {
    for (const char c : part) {
      if (value != 0 || c != '0') ++digits;
      if (digits > decimal_digits_max) return DigitsProblem::too_long;
      value = value * 10 + (c - '0');
    }
  }
  number = {is_negative ? -value : value, static_cast<int>(fraction.size())};
  return DigitsProblem::none;
}

std::string to_text(const ExactNumber& number) {
  Int128 rest = number.unscaled < 0 ? -number.unscaled : number.unscaled;
  std::string text;
  for (int digits = 0; rest != 0 || digits <= number.scale; ++digits) {
    if (digits == number.scale && digits > 0) text += '.';
    text += static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  }
  if (number.unscaled < 0) text += '-';
  std::ranges::reverse(text);
  return text;
}

FitProblem fit_decimal(const ExactNumber& number, int precision, int scale, Int128& unscaled) {
  unscaled = number.unscaled;
  if (scale < number.scale) {
    const Int128 unit = powers[static_cast<size_t>(number.scale - scale)];
    if (unscaled % unit != 0) return FitProblem::has_fraction;
    unscaled /= unit;
  } else if (unscaled != 0) {
    if (__builtin_mul_overflow(unscaled, powers[static_cast<size_t>(scale - number.scale)], &unscaled))
      return FitProblem::too_large;
  }
  const Int128 limit = powers[static_cast<size_t>(precision)];
  return unscaled < limit && unscaled > -limit ? FitProblem::none : FitProblem::too_large;
}

FitProblem fit_integer(const ExactNumber& number, int64_t least, int64_t greatest, int64_t& integer) {
  Int128 value = 0;
  if (const FitProblem problem = fit_decimal(number, decimal_digits_max, 0, value); problem != FitProblem::none)
    return problem;
  if (value < least || value > greatest) return FitProblem::too_large;
  integer = static_cast<int64_t>(value);
  return FitProblem::none;
}

std::optional<double> to_double(const ExactNumber& number) { return to_floating<double>(number); }
std::optional<float> to_float(const ExactNumber& number) { return to_floating<float>(number); }
std::optional<ExactNumber> from_double(double value, int scale) { return from_floating(value, scale); }
std::optional<ExactNumber> from_float(float value, int scale) { return from_floating(value, scale); }

}  // namespace udon::data
