// Tests, and the filters that apply a filter or test to every item.
#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.h"
#include "dagfile/templates/filters.h"
#include "dagfile/templates/operations.h"
#include "dagfile/templates/unicode_text.h"

namespace udon::templates {
namespace {

using Test = Result<bool> (*)(const Datum& datum, const Datum& argument, Budget& budget);
struct TestRow {
  Test test;
  int arguments = 0;
  bool takes_undefined = false;  // asks about the kind only; others use the value
};

template <class... Types>
Result<bool> is_any_of(const Datum& datum, const Datum&, Budget&) {
  return (datum.is<Types>() || ...);
}

template <Comparison comparison>
Result<bool> compared(const Datum& datum, const Datum& argument, Budget&) {
  return compares(comparison, datum, argument);
}

template <bool wanted>
Result<bool> is_bool(const Datum& datum, const Datum&, Budget&) {
  return datum.is<bool>() && datum.as<bool>() == wanted;
}

Result<bool> divides(const Datum& datum, const Datum& number, int64_t rest, Budget& budget) {
  TRY_ASSIGN(const Datum left, calculate(Operation::mod, datum, number, budget));
  return equal(left, Datum(rest));
}
template <int64_t rest>
Result<bool> has_parity(const Datum& datum, const Datum&, Budget& budget) {
  return divides(datum, Datum(int64_t{2}), rest, budget);
}
Result<bool> is_divisible(const Datum& datum, const Datum& argument, Budget& budget) {
  return divides(datum, argument, 0, budget);
}

template <bool upper_case>
Result<bool> is_in_case(const Datum& datum, const Datum&, Budget&) {
  TRY_ASSIGN(const std::string text, to_text(datum));
  bool any = false;
  for (const char32_t c : to_code_points(text)) {
    const bool is_upper = to_lower(c) != c, is_lower = to_upper(c) != c;
    if (upper_case ? is_lower : is_upper) return false;
    any = any || is_upper || is_lower;
  }
  return any;
}

Result<bool> is_iterable(const Datum& datum, const Datum&, Budget&) {
  return datum.is_text() || datum.is_sequence() || datum.is_dict();
}
Result<bool> is_sequence(const Datum& datum, const Datum&, Budget&) {
  return datum.is_text() || datum.is_sequence() || datum.is_dict();  // as in Jinja2, where a map is one too
}

Result<bool> is_same(const Datum& datum, const Datum& argument, Budget&) {
  if (datum.data().index() != argument.data().index()) return false;
  if (datum.is_sequence() || datum.is_dict())
    return failure("`sameas` compares None, true, false and numbers; use `eq`");
  return equal(datum, argument);
}

Result<bool> is_defined(const Datum& datum, const Datum&, Budget&) { return !datum.is_undefined(); }
Result<bool> is_undefined(const Datum& datum, const Datum&, Budget&) { return datum.is_undefined(); }
Result<bool> is_filter(const Datum& datum, const Datum&, Budget&) {
  const auto& names = filter_names();
  return datum.is_text() && std::find(names.begin(), names.end(), datum.text()) != names.end();
}
Result<bool> is_test(const Datum& datum, const Datum&, Budget&) {
  const auto& names = test_names();
  return datum.is_text() && std::find(names.begin(), names.end(), datum.text()) != names.end();
}

const std::map<std::string, TestRow, std::less<>>& tests() {
  static const std::map<std::string, TestRow, std::less<>> table{
      {"defined", {is_defined, 0, true}},
      {"undefined", {is_undefined, 0, true}},
      {"none", {is_any_of<None>, 0, true}},
      {"boolean", {is_any_of<bool>, 0, true}},
      {"true", {is_bool<true>, 0, true}},
      {"false", {is_bool<false>, 0, true}},
      {"integer", {is_any_of<int64_t>, 0, true}},
      {"float", {is_any_of<double>, 0, true}},
      {"number", {is_any_of<int64_t, double, bool>, 0, true}},
      {"string", {is_any_of<Text>, 0, true}},
      {"mapping", {is_any_of<DictRef>, 0, true}},
      {"sequence", {is_sequence, 0, true}},
      {"callable", {is_any_of<Callable>, 0, true}},
      {"iterable", {is_iterable, 0}},
      {"odd", {has_parity<1>, 0}},
      {"even", {has_parity<0>, 0}},
      {"divisibleby", {is_divisible, 1}},
      {"lower", {is_in_case<false>, 0}},
      {"upper", {is_in_case<true>, 0}},
      {"sameas", {is_same, 1}},
      {"in", {compared<Comparison::in>, 1}},
      {"eq", {compared<Comparison::eq>, 1}},
      {"equalto", {compared<Comparison::eq>, 1}},
      {"==", {compared<Comparison::eq>, 1}},
      {"ne", {compared<Comparison::ne>, 1}},
      {"!=", {compared<Comparison::ne>, 1}},
      {"lt", {compared<Comparison::lt>, 1}},
      {"lessthan", {compared<Comparison::lt>, 1}},
      {"<", {compared<Comparison::lt>, 1}},
      {"le", {compared<Comparison::le>, 1}},
      {"<=", {compared<Comparison::le>, 1}},
      {"gt", {compared<Comparison::gt>, 1}},
      {"greaterthan", {compared<Comparison::gt>, 1}},
      {">", {compared<Comparison::gt>, 1}},
      {"ge", {compared<Comparison::ge>, 1}},
      {">=", {compared<Comparison::ge>, 1}},
      {"filter", {is_filter, 0}},
      {"test", {is_test, 0}},
  };
  return table;
}

Arguments rest_of(const Arguments& arguments, size_t from) {
  Arguments rest;
  rest.positional.assign(arguments.positional.begin() + static_cast<std::ptrdiff_t>(from), arguments.positional.end());
  rest.named = arguments.named;
  return rest;
}

// What is false (0, none) has no items, as Jinja2 has it.
Result<Items> items_if_true(const Datum& datum) {
  TRY_ASSIGN(const bool has_items, is_true(datum));
  if (!has_items) return Items();
  return iterate(datum);
}

Result<Datum> map(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Items items, items_if_true(datum));
  Items made;
  made.reserve(items.size());
  if (arguments.positional.empty()) {
    TRY_ASSIGN(const Parameters given, Parameters::bind("map", arguments, {"attribute", "default"}, 1));
    for (const Datum& item : items) {
      TRY_ASSIGN(Datum value, item_by_path(item, given.at(0), budget));
      if (value.is_undefined() && given.has(1) && !given.at(1).is_none()) value = given.at(1);
      made.push_back(std::move(value));
    }
    return budget.list(std::move(made));
  }
  TRY_ASSIGN(const std::string name, to_text(arguments.positional[0]));
  const Arguments rest = rest_of(arguments, 1);
  for (const Datum& item : items) {
    TRY_ASSIGN(Datum value, apply_filter(name, item, rest, budget));
    made.push_back(std::move(value));
  }
  return budget.list(std::move(made));
}

template <bool wanted, bool by_attribute>
Result<Datum> select(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Items items, items_if_true(datum));
  size_t from = 0;
  Datum path;
  if (by_attribute) {
    if (arguments.positional.empty())
      return failure(std::string(wanted ? "`selectattr`" : "`rejectattr`") + " needs the name of an attribute");
    path = arguments.positional[from++];
  }
  std::string test;
  if (from < arguments.positional.size()) {
    TRY_ASSIGN(test, to_text(arguments.positional[from++]));
  }
  const Arguments rest = rest_of(arguments, from);
  Items made;
  for (const Datum& item : items) {
    TRY_ASSIGN(const Datum value, item_by_path(item, path, budget));
    TRY_ASSIGN(const bool holds, test.empty() ? is_true(value) : apply_test(test, value, rest, budget));
    if (holds == wanted) made.push_back(item);
  }
  return budget.list(std::move(made));
}

}  // namespace

const std::vector<std::string>& test_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const auto& [name, row] : tests()) all.push_back(name);
    return all;
  }();
  return names;
}

Result<bool> apply_test(const std::string& name, const Datum& datum, const Arguments& arguments, Budget& budget) {
  const auto found = tests().find(name);
  if (found == tests().end()) return failure("unknown test `" + name + "`" + did_you_mean(name, test_names()));
  const TestRow& row = found->second;
  TRY(budget.step());
  if (!arguments.named.empty() || static_cast<int>(arguments.positional.size()) != row.arguments)
    return failure("the test `" + name + "` takes " + (row.arguments == 0 ? "no argument" : "one argument"));
  if (!row.takes_undefined) {
    TRY(require_defined(datum));
  }
  return row.test(datum, row.arguments == 0 ? Datum() : arguments.positional[0], budget);
}

std::vector<NamedFilter> choice_filters() {
  return {{"map", map},
          {"select", select<true, false>},
          {"reject", select<false, false>},
          {"selectattr", select<true, true>},
          {"rejectattr", select<false, true>}};
}

}  // namespace udon::templates
