#pragma once
// Python's two ways of putting values into a text.
#include <string>
#include <string_view>

#include "dagfile/templates/arguments.h"

namespace udon::templates {

// "%s: %05.2f" % (a, b), or "%(name)s" with named arguments.
enum class Unused { is_fine, is_an_error };  // of positional values
Result<std::string> format_percent(std::string_view format, const Arguments& arguments, Unused unused);
// "{} {name:>8} {0[key]!r}".format(…)
Result<std::string> format_braces(std::string_view format, const Arguments& arguments);
// One value by a format specification: [[fill]align][sign][#][0][width][,][.precision][type]; strftime for moments.
Result<std::string> format_value(const Datum& datum, std::string_view specification);
// round(number, digits) of Python: half to even on the exact value.
double rounded(double number, int digits);

}  // namespace udon::templates
