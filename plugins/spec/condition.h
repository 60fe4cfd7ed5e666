#pragma once
// The `:name` parameters of a condition, for a first look before the database is known.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace udon {

// Each name once, in order. Literals, quoted names and comments are passed over, as are casts (::) and assignments
// (:=). Nothing where databases read the text differently (backslashes, #) or where a quote has no end: the operator
// tells then.
std::optional<std::vector<std::string>> names_in_condition(std::string_view sql);

}  // namespace udon
