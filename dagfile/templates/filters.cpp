#include "dagfile/templates/filters.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/text.h"
#include "dagfile/templates/methods.h"

namespace udon::templates {
namespace {

using FilterTable = std::map<std::string, Filter, std::less<>>;

const FilterTable& filters() {
  static const FilterTable table = [] {
    FilterTable all;
    for (const auto& family : {text_filters(), list_filters(), value_filters(), choice_filters()})
      for (const NamedFilter& named : family) all.emplace(named.name, named.filter);
    return all;
  }();
  return table;
}

}  // namespace

const std::vector<std::string>& filter_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const auto& [name, filter] : filters()) all.push_back(name);
    return all;
  }();
  return names;
}

Result<Datum> apply_filter(const std::string& name, const Datum& datum, const Arguments& arguments, Budget& budget) {
  const auto found = filters().find(name);
  if (found == filters().end()) return failure("unknown filter `" + name + "`" + did_you_mean(name, filter_names()));
  if (datum.is_nothing() && name != "default" && name != "d") return apply_filter(name, Datum(""), arguments, budget);
  // What may be undefined says so; for all others it is an error at once.
  if (name != "default" && name != "d" && name != "items") {
    TRY(require_defined(datum));
  }
  TRY(budget.step());
  return found->second(datum, arguments, budget);
}

Result<Datum> item_by_path(const Datum& datum, const Datum& path, Budget& budget) {
  if (path.is_none()) return datum;
  if (!path.is_text()) return item_or_member(datum, path, budget);
  Datum item = datum;
  for (const std::string& part : split(path.text(), '.')) {
    TRY(budget.step());
    int64_t place = 0;
    const bool is_place = !part.empty() &&
                          std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
                          std::from_chars(part.data(), part.data() + part.size(), place).ec == std::errc();
    TRY_ASSIGN(item, item_or_member(item, is_place ? Datum(place) : Datum(part), budget));
  }
  return item;
}

}  // namespace udon::templates
