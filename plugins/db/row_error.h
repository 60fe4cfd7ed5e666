#pragma once
// A server's words about a row (`invalid input syntax for type integer: "…"`, `Duplicate entry '…'`) quote its values,
// also of columns that were not chosen or are masked. Where they come depends on version and language, and a function
// of the database may say anything: so nothing is cut out of them, they are replaced as a whole.
#include <string>
#include <string_view>

namespace udon {

// `told`: for statements whose rows their author may see anyway.
enum class RowErrors { hidden, told };

// What the error is, from its SQLSTATE alone, and why the server's words are missing: "a text is no value of the type
// it is read as (…)".
std::string say_without_values(std::string_view sqlstate);

}  // namespace udon
