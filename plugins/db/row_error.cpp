#include "plugins/db/row_error.h"

#include <algorithm>
#include <iterator>

namespace udon {
namespace {

struct Meaning {
  std::string_view sqlstate;
  const char* words;
};

// Longer ones first: a class stands for what has no words of its own. PostgreSQL: appendix A of its manual; MySQL and
// MariaDB use the standard's and HY000 for all the rest.
constexpr Meaning meanings[] = {
    {"22P02", "a text is no value of the type it is read as"},
    {"22001", "a text is too long for its type"},
    {"22003", "a number is out of range"},
    {"22007", "a text is no date, time or number of the type it is read as"},
    {"22008", "a date or time is out of range"},
    {"22012", "a division by zero"},
    {"22021", "a text has bytes that its character set does not know"},
    {"22P05", "a text has a character that the other character set does not know"},
    {"2201B", "a regular expression is none"},
    {"22023", "an argument of a function has a value that it does not take"},
    {"23505", "a value is there twice and must not be"},
    {"P0001", "a function of the database raised an error"},
    {"45000", "a function of the database raised an error"},
    {"42P18", "the type of a parameter cannot be told from where it stands; write cast(:name as its type)"},
    {"21", "a subquery gives more than one row or column"},
    {"22", "a value of a row does not suit the expression it stands in"},
    {"23", "values of rows break a constraint"},
};

}  // namespace

std::string say_without_values(std::string_view sqlstate) {
  const auto* found = std::find_if(std::begin(meanings), std::end(meanings),
                                   [&](const Meaning& meaning) { return sqlstate.starts_with(meaning.sqlstate); });
  return std::string(found == std::end(meanings) ? "an expression failed on a row" : found->words) +
         " (in the condition, or in the view's or a column's expression; the server's own words may quote the row, so "
         "they are not shown)";
}

}  // namespace udon
