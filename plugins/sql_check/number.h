#pragma once
// A decimal number of any length, exactly: what two databases give must not be compared through doubles, which take
// 0.1 + 0.2 for something else than 0.3 and round what has more than 15 digits.
#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace udon {

class Number {
 public:
  Number() = default;
  // "-12.50", "+3", ".5", "1e-7"; nothing: no number, or one of more than a thousand digits.
  static std::optional<Number> parse(std::string_view text);

  std::string text() const;  // without zeros that mean nothing: "-12.5", "0"
  bool is_zero() const { return digits_ == "0"; }
  Number absolute() const;
  Number operator-(const Number& other) const;
  Number operator*(const Number& other) const;
  std::strong_ordering operator<=>(const Number& other) const;
  bool operator==(const Number& other) const { return (*this <=> other) == 0; }

 private:
  Number(bool is_negative, std::string digits, int scale);
  bool is_negative_ = false;
  std::string digits_ = "0";  // without leading zeros; the last `scale_` of them stand behind the point
  int scale_ = 0;             // and then the last of them is not 0
};

}  // namespace udon
