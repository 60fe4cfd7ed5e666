#pragma once
// Numbers that are exact in the decimal system, and their ways to and from floating ones: a way is taken only if the
// same digits come back.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "plugins/data/canonical.h"

namespace udon::data {

inline constexpr int decimal_digits_max = 38;  // of Parquet readers everywhere; decimal256 is misread or refused

// unscaled / 10^scale, of at most 38 digits.
struct ExactNumber {
  Int128 unscaled = 0;
  int scale = 0;
};

enum class DigitsProblem {
  none,
  no_number,  // not [-]digits[.digits]
  too_long,   // more than 38 digits, noughts at the ends not counted
};
// "-12.50"; noughts at the end of a fraction do not count. Leading noughts ("007"), signs but '-', blanks and exponents
// make it no number: what such a text says beside its value would be lost.
DigitsProblem parse_exact(std::string_view text, ExactNumber& number);
std::string to_text(const ExactNumber& number);  // with all of the scale's digits

enum class FitProblem {
  none,
  too_large,     // digits before the point do not fit
  has_fraction,  // digits behind the point do not
};
// The number in units of 10^-scale, if it has at most `precision` digits then.
FitProblem fit_decimal(const ExactNumber& number, int precision, int scale, Int128& unscaled);
// The number as an integer, if it is one from `least` to `greatest`.
FitProblem fit_integer(const ExactNumber& number, int64_t least, int64_t greatest, int64_t& integer);

// The nearest floating number; nothing if its digits, printed at the number's scale, are others.
std::optional<double> to_double(const ExactNumber& number);
std::optional<float> to_float(const ExactNumber& number);
// A finite number of `scale` digits behind the point whose nearest floating number is this one; nothing if there is
// none, or it is too long.
std::optional<ExactNumber> from_double(double value, int scale);
std::optional<ExactNumber> from_float(float value, int scale);

}  // namespace udon::data
