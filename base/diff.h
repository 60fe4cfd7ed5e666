#pragma once
// Two texts line by line, as people read it: a unified diff.
#include <string>
#include <string_view>

namespace udon {

// Headers, then hunks with three lines around each change; empty if the texts are the same. A text that is too long or
// too different to be compared (a day's work for nobody's eyes) is shown as replaced in its changed middle.
std::string unified_diff(std::string_view before, std::string_view after, const std::string& name_before,
                         const std::string& name_after);

}  // namespace udon
