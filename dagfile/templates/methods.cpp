#include "dagfile/templates/methods.h"

#include <algorithm>

#include "dagfile/templates/instant.h"
#include "dagfile/templates/operations.h"

namespace udon::templates {
namespace {

bool has_dict_method(std::string_view name) {
  return name == "get" || name == "items" || name == "keys" || name == "values";
}

bool has_sequence_method(std::string_view name) { return name == "index" || name == "count"; }

Result<Datum> call_dict_method(const Dictionary& dictionary, const std::string& name, const Arguments& arguments,
                               Budget& budget) {
  TRY(budget.step(1 + static_cast<int64_t>(dictionary.members.size()) / 16));
  if (name == "get") {
    TRY_ASSIGN(const Parameters given, Parameters::bind("get", arguments, {"key", "default"}, 1));
    TRY(require_defined(given.at(0)));
    if (const Datum* found = dictionary.find(given.at(0))) return *found;
    return given.has(1) ? given.at(1) : Datum();
  }
  TRY(Parameters::bind(name, arguments, {}));
  Items items;
  for (const auto& [key, value] : dictionary.members) {
    if (name == "keys")
      items.push_back(key);
    else if (name == "values")
      items.push_back(value);
    else {
      TRY_ASSIGN(Datum pair, make_tuple({key, value}));
      items.push_back(std::move(pair));
    }
  }
  return budget.list(std::move(items));
}

Result<Datum> call_sequence_method(const Items& items, const std::string& name, const Arguments& arguments,
                                   Budget& budget) {
  TRY_ASSIGN(const Parameters given, Parameters::bind(name, arguments, {"value"}, 1));
  TRY(budget.step(static_cast<int64_t>(items.size())));
  int64_t count = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    TRY_ASSIGN(const bool same, equal(items[i], given.at(0)));
    if (same && name == "index") return Datum(static_cast<int64_t>(i));
    if (same) ++count;
  }
  if (name == "count") return Datum(count);
  TRY_ASSIGN(const std::string wanted, to_repr(given.at(0)));
  return failure(wanted + " is not in the list");
}

}  // namespace

Result<Datum> member_of(const Datum& datum, std::string_view name, Budget& budget) {
  TRY(require_defined(datum));
  bool is_method = false;
  if (datum.is_dict()) {
    const Dictionary& dictionary = *datum.as<DictRef>();
    TRY(budget.step(static_cast<int64_t>(dictionary.members.size()) / 16));
    if (const Datum* found = dictionary.find(name)) return *found;
    is_method = has_dict_method(name);
  } else if (datum.is_text()) {
    is_method = has_text_method(name);
  } else if (datum.is_sequence()) {
    is_method = has_sequence_method(name);
  } else if (datum.is<Instant>()) {
    if (!has_instant_method(name)) return attribute_of(datum.as<Instant>(), name);
    is_method = true;
  } else if (datum.is<Span>()) {
    const int64_t total = datum.as<Span>().length.count();
    const int64_t whole_days = (total - ((total % 86'400'000'000 + 86'400'000'000) % 86'400'000'000)) / 86'400'000'000;
    if (name == "days") return Datum(whole_days);
    if (name == "seconds") return Datum((total - whole_days * 86'400'000'000) / 1'000'000);
    is_method = name == "total_seconds";
  }
  if (is_method) return bound(datum, std::string(name));
  return undefined(std::string(type_of(datum)) + " has no member `" + std::string(name) + "`");
}

Result<Datum> item_or_member(const Datum& datum, const Datum& key, Budget& budget) {
  TRY_ASSIGN(Datum item, item_of(datum, key, budget));
  if (!item.is_undefined() || !key.is_text()) return item;
  TRY_ASSIGN(Datum member, member_of(datum, key.text(), budget));
  return member.is_undefined() ? std::move(item) : std::move(member);
}

Result<Datum> call_method(const Datum& receiver, const std::string& name, const Arguments& arguments, Budget& budget) {
  if (receiver.is_dict()) return call_dict_method(*receiver.as<DictRef>(), name, arguments, budget);
  if (receiver.is_text()) return call_text_method(receiver.text(), name, arguments, budget);
  if (receiver.is_sequence()) return call_sequence_method(receiver.items(), name, arguments, budget);
  if (receiver.is<Instant>()) return call_instant_method(receiver.as<Instant>(), name, arguments, budget);
  if (receiver.is<Span>() && name == "total_seconds") {
    TRY(Parameters::bind(name, arguments, {}));
    return Datum(static_cast<double>(receiver.as<Span>().length.count()) / 1e6);
  }
  return failure(std::string(type_of(receiver)) + " has no method `" + name + "`");
}

}  // namespace udon::templates
