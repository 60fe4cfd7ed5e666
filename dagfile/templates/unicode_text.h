#pragma once
// Texts as Python sees them: sequences of code points.
#include <string>
#include <string_view>
#include <vector>

namespace udon::templates {

bool is_ascii(std::string_view text);
std::u32string to_code_points(std::string_view utf8);
std::string to_utf8(std::u32string_view text);
void append_utf8(std::string& text, char32_t c);
size_t length_of(std::string_view utf8);  // in code points

// Upper and lower case of ASCII, Latin-1, Latin Extended-A, Greek and Cyrillic; others have none here.
char32_t to_upper(char32_t c);
char32_t to_lower(char32_t c);
std::string upper(std::string_view utf8);
std::string lower(std::string_view utf8);
bool is_space(char32_t c);  // str.isspace()
bool is_word(char32_t c);   // \w
bool is_printable(char32_t c);

std::string strip_left(std::string_view utf8);
std::string strip_right(std::string_view utf8);
std::vector<std::string> split_lines(std::string_view utf8);  // str.splitlines()

}  // namespace udon::templates
