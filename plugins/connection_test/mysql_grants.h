#pragma once
// What SHOW GRANTS says, for rights whose lack shows itself by nothing but silence (TRIGGER).
#include <string>
#include <string_view>
#include <vector>

namespace udon {

// True if one of the lines gives `privilege` ("TRIGGER") on everything, on the schema (by name or pattern), or on the
// table. Grants of columns do not count.
bool mysql_grants_hold(const std::vector<std::string>& lines, std::string_view privilege, std::string_view schema,
                       std::string_view table);

}  // namespace udon
