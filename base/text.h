#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace udon {

std::vector<std::string> split(std::string_view text, char separator);  // "a,,b" → "a", "", "b"; "" → ""
std::string join(std::span<const std::string> parts, std::string_view separator);
std::string_view trim(std::string_view text);  // ASCII white space
std::string lower_ascii(std::string_view text);
bool is_valid_utf8(std::string_view text);
// The columns that the text takes on a terminal: Korean and other wide characters take two.
int display_width(std::string_view utf8);

// The candidate with the smallest edit distance, if it is near enough to be what was meant (a third of the
// length).
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);
// "; did you mean `x`?" or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

std::string shell_quote(std::string_view text);  // one word for /bin/sh, single quotes
// RFC 3986: keeps unreserved characters (A-Z a-z 0-9 - . _ ~) and those in `keep`; upper-case hex.
std::string percent_encode(std::string_view text, std::string_view keep = {});
// Nothing if a % is not followed by two hex digits.
std::optional<std::string> percent_decode(std::string_view text);
std::string to_hex(std::span<const unsigned char> bytes);
std::string to_base64(std::span<const unsigned char> bytes);
std::optional<std::vector<unsigned char>> from_base64(std::string_view text);

// "512MB", "64KiB", "1GB", "1048576": bytes; decimal and binary units as written.
std::optional<int64_t> parse_bytes(std::string_view text);

// Ids that become file names and URL parts (dag, task, pool, connection): Airflow's rule, letters, digits,
// '_', '-', '.', of any script, at most limits::id_bytes_max bytes, not "." or "..". Says what is wrong ("is
// empty"), or nothing.
std::optional<std::string> problem_of_id(std::string_view id);

}  // namespace udon
