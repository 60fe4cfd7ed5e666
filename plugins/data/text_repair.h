#pragma once
#include <string>
#include <string_view>

namespace udon::data {

// The text with U+FFFD for each byte that belongs to no valid UTF-8 sequence: policy invalid_text, `replace`.
std::string replace_invalid_utf8(std::string_view text);

}  // namespace udon::data
