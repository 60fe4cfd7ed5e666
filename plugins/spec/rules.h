#pragma once
// What a description asks of a value beyond its type.
#include <optional>
#include <string>
#include <string_view>

#include "plugins/spec/spec.h"

namespace udon {

// `min` and `max` of a value that has the parameter's type. What is wrong, or nothing.
std::optional<std::string> problem_of_bounds(const ParamSpec& param, const Value& value);
// "5MiB to 5GiB", "at least 16MB"; empty: none.
std::string bounds_of(const ParamSpec& param);
// `choices` of a data type: its name without what stands in brackets.
std::optional<std::string> problem_of_type_choice(const ParamSpec& param, std::string_view type);
// The rule for the names of new buckets. Those that AWS once allowed beside it (upper case, '_', 255 characters) fit no
// host name, and no other store takes them.
std::optional<std::string> problem_of_bucket(std::string_view bucket);

}  // namespace udon
