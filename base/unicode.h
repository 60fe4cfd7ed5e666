#pragma once
// UTF-8 and what we must know of a character: may it stand in an id, how wide is it on a terminal.
#include <string_view>

namespace udon {

struct CodePoint {
  char32_t value = 0;
  int bytes = 0;
  bool is_valid = false;
};

// The first code point of a text that is not empty. RFC 3629: no surrogates, no overlong forms. A byte that
// starts no valid sequence is U+FFFD of one byte.
CodePoint decode_utf8(std::string_view text);

// Python's str.isalnum(), of which Airflow's rule for ids is made.
bool is_letter_or_digit(char32_t c);
// Columns on a terminal: 0 for controls and what combines with the character before it, 2 for wide ones.
int column_width(char32_t c);

}  // namespace udon
