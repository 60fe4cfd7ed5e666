#pragma once
// Jinja2's filters and tests, Airflow's filters for moments, and shell_quote.
#include <string>
#include <string_view>
#include <vector>

#include "dagfile/templates/arguments.h"
#include "dagfile/templates/budget.h"

namespace udon::templates {

using Filter = Result<Datum> (*)(const Datum& datum, const Arguments& arguments, Budget& budget);
struct NamedFilter {
  std::string_view name;
  Filter filter;
};

const std::vector<std::string>& filter_names();
const std::vector<std::string>& test_names();
Result<Datum> apply_filter(const std::string& name, const Datum& datum, const Arguments& arguments, Budget& budget);
Result<bool> apply_test(const std::string& name, const Datum& datum, const Arguments& arguments, Budget& budget);

// The families, each in a file of its own.
std::vector<NamedFilter> text_filters();
std::vector<NamedFilter> list_filters();
std::vector<NamedFilter> value_filters();
std::vector<NamedFilter> choice_filters();  // those that apply other filters and tests

// What `attribute=` of filters names: "a.b.0" as steps. An empty path is the item itself.
Result<Datum> item_by_path(const Datum& datum, const Datum& path, Budget& budget);
// json.dumps(value, sort_keys=True): keys sorted, ASCII only.
Result<std::string> json_of(const Datum& datum, std::optional<int64_t> indent);

}  // namespace udon::templates
