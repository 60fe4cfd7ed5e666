#include "plugins/sql_check/number.h"

#include <algorithm>
#include <charconv>

namespace udon {
namespace {

constexpr int digits_max = 1000;

// Both with the same length, at the same scale.
void align(std::string& a, int scale_a, std::string& b, int scale_b) {
  if (scale_a < scale_b) a.append(static_cast<size_t>(scale_b - scale_a), '0');
  if (scale_b < scale_a) b.append(static_cast<size_t>(scale_a - scale_b), '0');
  if (a.size() < b.size()) a.insert(0, b.size() - a.size(), '0');
  if (b.size() < a.size()) b.insert(0, a.size() - b.size(), '0');
}

std::string sum(const std::string& a, const std::string& b) {
  std::string digits(a.size() + 1, '0');
  int carry = 0;
  for (size_t i = a.size(); i-- > 0;) {
    const int digit = (a[i] - '0') + (b[i] - '0') + carry;
    digits[i + 1] = static_cast<char>('0' + digit % 10);
    carry = digit / 10;
  }
  digits[0] = static_cast<char>('0' + carry);
  return digits;
}

// `a` is not less than `b`.
std::string difference(const std::string& a, const std::string& b) {
  std::string digits(a.size(), '0');
  int borrow = 0;
  for (size_t i = a.size(); i-- > 0;) {
    int digit = a[i] - b[i] - borrow;
    borrow = digit < 0 ? 1 : 0;
    if (digit < 0) digit += 10;
    digits[i] = static_cast<char>('0' + digit);
  }
  return digits;
}

}  // namespace

Number::Number(bool is_negative, std::string digits, int scale)
    : is_negative_(is_negative), digits_(std::move(digits)), scale_(scale) {
  while (scale_ > 0 && digits_.size() > 1 && digits_.back() == '0') {
    digits_.pop_back();
    --scale_;
  }
  digits_.erase(0, std::min(digits_.find_first_not_of('0'), digits_.size()));
  if (digits_.empty()) *this = Number();
}

std::optional<Number> Number::parse(std::string_view text) {
  int exponent = 0;
  if (const size_t e = text.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view power = text.substr(e + 1);
    if (power.starts_with('+')) power.remove_prefix(1);
    const auto [end, error] = std::from_chars(power.data(), power.data() + power.size(), exponent);
    if (error != std::errc() || end != power.data() + power.size()) return std::nullopt;
    text = text.substr(0, e);
  }
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  std::string digits;
  int scale = -1;
  for (const char c : text) {
    if (c == '.' && scale < 0) {
      scale = 0;
      continue;
    }
    if (c < '0' || c > '9') return std::nullopt;
    digits += c;
    if (scale >= 0) ++scale;
  }
  if (digits.empty() || static_cast<int>(digits.size()) > digits_max || std::abs(exponent) > digits_max)
    return std::nullopt;
  scale = std::max(scale, 0) - exponent;
  if (scale < 0) digits.append(static_cast<size_t>(-scale), '0');
  return Number(is_negative, std::move(digits), std::max(scale, 0));
}

std::string Number::text() const {
  std::string digits = digits_;
  const auto scale = static_cast<size_t>(scale_);
  if (digits.size() <= scale) digits.insert(0, scale + 1 - digits.size(), '0');
  std::string text = is_negative_ ? "-" : "";
  text.append(digits, 0, digits.size() - scale);
  if (scale > 0) text.append(1, '.').append(digits, digits.size() - scale);
  return text;
}

Number Number::absolute() const {
  Number positive = *this;
  positive.is_negative_ = false;
  return positive;
}

Number Number::operator-(const Number& other) const {
  std::string a = digits_, b = other.digits_;
  align(a, scale_, b, other.scale_);
  const int scale = std::max(scale_, other.scale_);
  if (is_negative_ != other.is_negative_) return Number(is_negative_, sum(a, b), scale);
  if (a >= b) return Number(is_negative_, difference(a, b), scale);
  return Number(!is_negative_, difference(b, a), scale);
}

Number Number::operator*(const Number& other) const {
  std::string digits(digits_.size() + other.digits_.size(), 0);  // as numbers until the end
  for (size_t i = digits_.size(); i-- > 0;) {
    int carry = 0;
    for (size_t j = other.digits_.size(); j-- > 0;) {
      const int digit = digits[i + j + 1] + (digits_[i] - '0') * (other.digits_[j] - '0') + carry;
      digits[i + j + 1] = static_cast<char>(digit % 10);
      carry = digit / 10;
    }
    digits[i] = static_cast<char>(digits[i] + carry);
  }
  for (char& digit : digits) digit = static_cast<char>(digit + '0');
  const int scale = scale_ + other.scale_;
  if (static_cast<int>(digits.size()) < scale) digits.insert(0, static_cast<size_t>(scale) - digits.size(), '0');
  return Number(is_negative_ != other.is_negative_, std::move(digits), scale);
}

std::strong_ordering Number::operator<=>(const Number& other) const {
  if (is_negative_ != other.is_negative_)
    return is_negative_ ? std::strong_ordering::less : std::strong_ordering::greater;
  std::string a = digits_, b = other.digits_;
  align(a, scale_, b, other.scale_);
  return is_negative_ ? b <=> a : a <=> b;
}

}  // namespace udon
