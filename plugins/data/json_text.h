#pragma once
// Numbers of JSON (RFC 8259) as text, so that they keep their digits.
#include <optional>
#include <string>
#include <string_view>

namespace udon::data {

// The number without an exponent, exactly: "1.5e3" is "1500", "1e-7" "0.0000001". Nothing if it would have more than
// 400 digits.
std::optional<std::string> without_exponent(std::string_view number);
// Without the fraction where that is all noughts: "12.00" is "12".
std::string_view without_zero_fraction(std::string_view number);

}  // namespace udon::data
