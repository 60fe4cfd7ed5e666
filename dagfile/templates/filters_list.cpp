// Filters over lists and maps.
#include <algorithm>
#include <numeric>

#include "base/text.h"
#include "dagfile/templates/filters.h"
#include "dagfile/templates/operations.h"
#include "dagfile/templates/unicode_text.h"

namespace udon::templates {
namespace {

Datum without_case(const Datum& datum) { return datum.is_text() ? Datum(lower(datum.text())) : datum; }

// Sorts by keys that may have no order: the first error stops it, and the comparison stays a strict weak order until
// then. NaN, which has none in Python either, counts as equal to all.
Result<std::vector<size_t>> order_of(const Items& keys, bool reverse, Budget& budget) {
  std::vector<size_t> order(keys.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::optional<Error> error;
  const auto less = [&](size_t a, size_t b) {
    if (error) return false;
    if (const Result<void> step = budget.step(); !step) {
      error = step.error();
      return false;
    }
    const Result<int> comparison = reverse ? compare(keys[b], keys[a]) : compare(keys[a], keys[b]);
    if (!comparison) error = comparison.error();
    return comparison && *comparison == -1;
  };
  std::stable_sort(order.begin(), order.end(), less);
  if (error) return *error;
  return order;
}

// The keys by which sort, min and groupby compare: attributes of the items, texts without regard to case.
Result<Items> keys_of(const Items& items, const Datum& attribute, bool case_sensitive, const Datum& otherwise,
                      Budget& budget) {
  Items keys;
  keys.reserve(items.size());
  for (const Datum& item : items) {
    TRY_ASSIGN(Datum key, item_by_path(item, attribute, budget));
    if (key.is_undefined() && !otherwise.is_none()) key = otherwise;
    TRY(require_defined(key));
    keys.push_back(case_sensitive ? std::move(key) : without_case(key));
  }
  return keys;
}

Result<Datum> rearranged(const Items& items, const std::vector<size_t>& order, Budget& budget) {
  Items made;
  made.reserve(items.size());
  for (const size_t place : order) made.push_back(items[place]);
  return budget.list(std::move(made));
}

Result<Datum> length(const Datum& datum, const Arguments& arguments, Budget&) {
  TRY(Parameters::bind("length", arguments, {}));
  if (datum.is_text()) return Datum(static_cast<int64_t>(length_of(datum.text())));
  if (datum.is_sequence()) return Datum(static_cast<int64_t>(datum.items().size()));
  if (datum.is_dict()) return Datum(static_cast<int64_t>(datum.as<DictRef>()->members.size()));
  return failure(std::string(type_of(datum)) + " has no length");
}

Result<Datum> first(const Datum& datum, const Arguments& arguments, Budget&) {
  TRY(Parameters::bind("first", arguments, {}));
  TRY_ASSIGN(const Items items, iterate(datum));
  return items.empty() ? undefined("`first` of nothing") : items.front();
}

Result<Datum> last(const Datum& datum, const Arguments& arguments, Budget&) {
  TRY(Parameters::bind("last", arguments, {}));
  TRY_ASSIGN(const Items items, iterate(datum));
  return items.empty() ? undefined("`last` of nothing") : items.back();
}

Result<Datum> list(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY(Parameters::bind("list", arguments, {}));
  TRY_ASSIGN(Items items, iterate(datum));
  return budget.list(std::move(items));
}

Result<Datum> reverse(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY(Parameters::bind("reverse", arguments, {}));
  if (datum.is_text()) {
    std::u32string points = to_code_points(datum.text());
    std::reverse(points.begin(), points.end());
    return budget.text(to_utf8(points));
  }
  TRY_ASSIGN(Items items, iterate(datum));
  std::reverse(items.begin(), items.end());
  return budget.list(std::move(items));
}

Result<Datum> sort(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Parameters given, Parameters::bind("sort", arguments, {"reverse", "case_sensitive", "attribute"}));
  TRY_ASSIGN(const bool is_reverse, given.flag(0, false));
  TRY_ASSIGN(const bool case_sensitive, given.flag(1, false));
  TRY_ASSIGN(const Items items, iterate(datum));
  Items keys;
  if (given.has(2) && given.at(2).is_text() && given.at(2).text().find(',') != std::string::npos) {
    std::vector<Items> columns;
    for (const std::string& part : split(given.at(2).text(), ',')) {
      TRY_ASSIGN(Items column, keys_of(items, Datum(part), case_sensitive, Datum(), budget));
      columns.push_back(std::move(column));
    }
    for (size_t i = 0; i < items.size(); ++i) {
      Items key;
      for (const Items& column : columns) key.push_back(column[i]);
      TRY_ASSIGN(Datum tuple, make_tuple(std::move(key)));
      keys.push_back(std::move(tuple));
    }
  } else {
    TRY_ASSIGN(keys, keys_of(items, given.has(2) ? given.at(2) : Datum(), case_sensitive, Datum(), budget));
  }
  TRY_ASSIGN(const std::vector<size_t> order, order_of(keys, is_reverse, budget));
  return rearranged(items, order, budget);
}

Result<Datum> unique(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Parameters given, Parameters::bind("unique", arguments, {"case_sensitive", "attribute"}));
  TRY_ASSIGN(const bool case_sensitive, given.flag(0, false));
  TRY_ASSIGN(const Items items, iterate(datum));
  TRY_ASSIGN(const Items keys, keys_of(items, given.has(1) ? given.at(1) : Datum(), case_sensitive, Datum(), budget));
  Items seen, made;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!is_hashable(keys[i])) return failure("`unique` cannot tell " + std::string(type_of(keys[i])) + "s apart");
    TRY(budget.step(static_cast<int64_t>(seen.size()) / 4));
    bool is_known = false;
    for (const Datum& other : seen) {
      TRY_ASSIGN(is_known, equal(keys[i], other));
      if (is_known) break;
    }
    if (is_known) continue;
    seen.push_back(keys[i]);
    made.push_back(items[i]);
  }
  return budget.list(std::move(made));
}

template <int wanted>
Result<Datum> extreme(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Parameters given,
             Parameters::bind(wanted < 0 ? "min" : "max", arguments, {"case_sensitive", "attribute"}));
  TRY_ASSIGN(const bool case_sensitive, given.flag(0, false));
  TRY_ASSIGN(const Items items, iterate(datum));
  if (items.empty()) return undefined(std::string(wanted < 0 ? "`min`" : "`max`") + " of nothing");
  TRY_ASSIGN(const Items keys, keys_of(items, given.has(1) ? given.at(1) : Datum(), case_sensitive, Datum(), budget));
  size_t best = 0;
  for (size_t i = 1; i < items.size(); ++i) {
    TRY(budget.step());
    TRY_ASSIGN(const int order, compare(keys[i], keys[best]));
    if (order == wanted) best = i;
  }
  return items[best];
}

Result<Datum> sum(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Parameters given, Parameters::bind("sum", arguments, {"attribute", "start"}));
  TRY_ASSIGN(const Items items, iterate(datum));
  Datum total = given.has(1) ? given.at(1) : Datum(int64_t{0});
  if (total.is_text()) return failure("`sum` adds numbers; texts are put together by `join`");
  for (const Datum& item : items) {
    TRY_ASSIGN(const Datum value, item_by_path(item, given.has(0) ? given.at(0) : Datum(), budget));
    TRY_ASSIGN(total, calculate(Operation::add, total, value, budget));
    TRY(budget.step());
  }
  return total;
}

Result<Datum> join(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Parameters given, Parameters::bind("join", arguments, {"d", "attribute"}));
  TRY_ASSIGN(const std::string separator, given.text(0, ""));
  TRY_ASSIGN(const Items items, iterate(datum));
  std::string made;
  for (size_t i = 0; i < items.size(); ++i) {
    TRY_ASSIGN(const Datum value, item_by_path(items[i], given.has(1) ? given.at(1) : Datum(), budget));
    TRY_ASSIGN(const std::string text, to_text(value));
    if (i > 0) made += separator;
    made += text;
    TRY(budget.will_make(static_cast<int64_t>(made.size())));
    TRY(budget.step());
  }
  return budget.text(std::move(made));
}

Result<Datum> batch(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Parameters given, Parameters::bind("batch", arguments, {"linecount", "fill_with"}, 1));
  TRY_ASSIGN(const int64_t size, given.integer(0, 1));
  if (size < 1) return failure("`batch` takes a size of at least 1");
  TRY_ASSIGN(const Items items, iterate(datum));
  const bool fills = given.has(1) && !given.at(1).is_none();
  Items made;
  for (size_t i = 0; i < items.size();) {
    Items part;
    for (; i < items.size() && static_cast<int64_t>(part.size()) < size; ++i) part.push_back(items[i]);
    while (fills && static_cast<int64_t>(part.size()) < size) {
      TRY(budget.step());
      part.push_back(given.at(1));
    }
    TRY_ASSIGN(Datum line, budget.list(std::move(part)));
    made.push_back(std::move(line));
  }
  return budget.list(std::move(made));
}

Result<Datum> slice(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Parameters given, Parameters::bind("slice", arguments, {"slices", "fill_with"}, 1));
  TRY_ASSIGN(const int64_t slices, given.integer(0, 1));
  if (slices < 1) return failure("`slice` takes a number of at least 1");
  TRY_ASSIGN(const Items items, iterate(datum));
  const int64_t size = static_cast<int64_t>(items.size()), each = size / slices, longer = size % slices;
  const bool fills = given.has(1) && !given.at(1).is_none();
  Items made;
  int64_t at = 0;
  for (int64_t i = 0; i < slices; ++i) {
    TRY(budget.step());
    Items part;
    for (const int64_t end = at + each + (i < longer ? 1 : 0); at < end; ++at)
      part.push_back(items[static_cast<size_t>(at)]);
    if (fills && i >= longer) part.push_back(given.at(1));
    TRY_ASSIGN(Datum line, budget.list(std::move(part)));
    made.push_back(std::move(line));
  }
  return budget.list(std::move(made));
}

Result<Datum> dict_sort(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Parameters given, Parameters::bind("dictsort", arguments, {"case_sensitive", "by", "reverse"}));
  TRY_ASSIGN(const bool case_sensitive, given.flag(0, false));
  TRY_ASSIGN(const std::string by, given.text(1, "key"));
  TRY_ASSIGN(const bool is_reverse, given.flag(2, false));
  if (by != "key" && by != "value") return failure("`dictsort` sorts by \"key\" or \"value\", not \"" + by + "\"");
  if (!datum.is_dict()) return failure("`dictsort` takes a map, not " + std::string(type_of(datum)));
  Items pairs, keys;
  for (const auto& [key, value] : datum.as<DictRef>()->members) {
    const Datum& wanted = by == "key" ? key : value;
    keys.push_back(case_sensitive ? wanted : without_case(wanted));
    TRY_ASSIGN(Datum pair, make_tuple({key, value}));
    pairs.push_back(std::move(pair));
  }
  TRY_ASSIGN(const std::vector<size_t> order, order_of(keys, is_reverse, budget));
  return rearranged(pairs, order, budget);
}

Result<Datum> items_filter(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY(Parameters::bind("items", arguments, {}));
  if (datum.is_undefined()) return make_list({});
  if (!datum.is_dict()) return failure("`items` takes a map, not " + std::string(type_of(datum)));
  Items pairs;
  for (const auto& [key, value] : datum.as<DictRef>()->members) {
    TRY_ASSIGN(Datum pair, make_tuple({key, value}));
    pairs.push_back(std::move(pair));
  }
  return budget.list(std::move(pairs));
}

Result<Datum> group_by(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Parameters given,
             Parameters::bind("groupby", arguments, {"attribute", "default", "case_sensitive"}, 1));
  TRY_ASSIGN(const bool case_sensitive, given.flag(2, false));
  const Datum otherwise = given.has(1) ? given.at(1) : Datum();
  TRY_ASSIGN(const Items items, iterate(datum));
  TRY_ASSIGN(const Items keys, keys_of(items, given.at(0), case_sensitive, otherwise, budget));
  TRY_ASSIGN(const std::vector<size_t> order, order_of(keys, false, budget));
  Items groups;
  for (size_t i = 0; i < order.size();) {
    const size_t begin = i;
    Items members;
    for (; i < order.size(); ++i) {
      TRY_ASSIGN(const bool same, equal(keys[order[begin]], keys[order[i]]));
      if (!same) break;
      members.push_back(items[order[i]]);
    }
    TRY_ASSIGN(Items shown, keys_of({members[0]}, given.at(0), true, otherwise, budget));
    TRY_ASSIGN(Datum list_of_members, budget.list(std::move(members)));
    TRY_ASSIGN(Datum group, make_tuple({shown[0], std::move(list_of_members)}));
    groups.push_back(std::move(group));
  }
  return budget.list(std::move(groups));
}

}  // namespace

std::vector<NamedFilter> list_filters() {
  return {{"length", length},      {"count", length},    {"first", first},
          {"last", last},          {"list", list},       {"reverse", reverse},
          {"sort", sort},          {"unique", unique},   {"min", extreme<-1>},
          {"max", extreme<1>},     {"sum", sum},         {"join", join},
          {"batch", batch},        {"slice", slice},     {"dictsort", dict_sort},
          {"items", items_filter}, {"groupby", group_by}};
}

}  // namespace udon::templates
