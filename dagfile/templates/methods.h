#pragma once
// What data can be asked by name: members of maps, and the methods of Python's str, dict, list and datetime that
// templates use. Nothing here changes what it is called on.
#include <string_view>

#include "dagfile/templates/arguments.h"
#include "dagfile/templates/budget.h"

namespace udon::templates {

// `datum.name`: a map's own member before its methods, so that `item.values` is the data's; something undefined if
// there is neither.
Result<Datum> member_of(const Datum& datum, std::string_view name, Budget& budget);
// `datum[key]`, which falls back to members as in Jinja2.
Result<Datum> item_or_member(const Datum& datum, const Datum& key, Budget& budget);
Result<Datum> call_method(const Datum& receiver, const std::string& name, const Arguments& arguments, Budget& budget);

// Each of the three below: whether the method exists, and the call.
bool has_text_method(std::string_view name);
Result<Datum> call_text_method(const std::string& text, const std::string& name, const Arguments& arguments,
                               Budget& budget);
bool has_instant_method(std::string_view name);
Result<Datum> call_instant_method(const Instant& instant, const std::string& name, const Arguments& arguments,
                                  Budget& budget);
// Of Airflow's macros: ds_add, ds_format, timedelta.
bool has_macro(std::string_view name);
Result<Datum> call_macro(const std::string& name, const Arguments& arguments, Budget& budget);

// Shared with the filters of the same names.
std::string stripped(const std::string& text, const std::optional<std::string>& characters, bool left, bool right);
std::string replaced(const std::string& text, const std::string& old, const std::string& with, int64_t count);
std::string capitalized(const std::string& text);
std::string centered(const std::string& text, int64_t width, const std::string& fill);

}  // namespace udon::templates
