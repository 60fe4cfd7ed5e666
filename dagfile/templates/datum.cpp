#include "dagfile/templates/datum.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "dagfile/templates/instant.h"
#include "dagfile/templates/unicode_text.h"

namespace udon::templates {
namespace {

int depth_of(const Datum& datum) {
  if (datum.is_list()) return datum.as<ListRef>().sequence->depth;
  if (datum.is_tuple()) return datum.as<TupleRef>().sequence->depth;
  if (datum.is_dict()) return datum.as<DictRef>()->depth;
  return 0;
}

Result<std::shared_ptr<const Sequence>> make_sequence(Items items) {
  int depth = 0;
  for (const Datum& item : items) depth = std::max(depth, depth_of(item));
  if (depth >= datum_depth_max) return failure("a list nests deeper than " + std::to_string(datum_depth_max));
  return std::shared_ptr<const Sequence>(std::make_shared<Sequence>(Sequence{std::move(items), depth + 1}));
}

Result<std::string> repr_of_items(const Items& items, std::string open, std::string_view close) {
  std::string text = std::move(open);
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) text += ", ";
    TRY_ASSIGN(const std::string item, to_repr(items[i]));
    text += item;
    if (static_cast<int64_t>(text.size()) > limits::template_output_bytes_max)
      return failure("a printed list is longer than the limit of a template's output");
  }
  return text += close;
}

Result<std::string> repr_of_members(const Members& members) {
  std::string text = "{";
  for (size_t i = 0; i < members.size(); ++i) {
    if (i > 0) text += ", ";
    TRY_ASSIGN(const std::string key, to_repr(members[i].first));
    TRY_ASSIGN(const std::string value, to_repr(members[i].second));
    text += key + ": " + value;
    if (static_cast<int64_t>(text.size()) > limits::template_output_bytes_max)
      return failure("a printed map is longer than the limit of a template's output");
  }
  return text += "}";
}

int sign(long double number) { return number < 0 ? -1 : number > 0 ? 1 : 0; }

// long double holds every int64 and every double exactly on the machines that we build for.
int compare_numbers(const Datum& left, const Datum& right) {
  if (left.is_integral() && right.is_integral()) {
    const int64_t a = left.integer(), b = right.integer();
    return a < b ? -1 : a > b ? 1 : 0;
  }
  const auto exact = [](const Datum& d) {
    return d.is<double>() ? static_cast<long double>(d.as<double>()) : static_cast<long double>(d.integer());
  };
  const long double a = exact(left), b = exact(right);
  if (std::isnan(a) || std::isnan(b)) return 2;
  return a < b ? -1 : sign(a > b ? 1 : 0);
}

}  // namespace

const std::vector<Datum>& Datum::items() const {
  return is_list() ? as<ListRef>().sequence->items : as<TupleRef>().sequence->items;
}

const Datum* Dictionary::find(std::string_view key) const {
  for (const auto& [name, value] : members)
    if (name.is_text() && name.text() == key) return &value;
  return nullptr;
}

const Datum* Dictionary::find(const Datum& key) const {
  if (key.is_text()) return find(std::string_view(key.text()));
  for (const auto& [name, value] : members) {
    const Result<bool> same = equal(name, key);
    if (same && *same) return &value;
  }
  return nullptr;
}

Result<Datum> make_list(Items items) {
  TRY_ASSIGN(auto sequence, make_sequence(std::move(items)));
  return Datum(Datum::Data(ListRef{std::move(sequence)}));
}

Result<Datum> make_tuple(Items items) {
  TRY_ASSIGN(auto sequence, make_sequence(std::move(items)));
  return Datum(Datum::Data(TupleRef{std::move(sequence)}));
}

Result<Datum> make_dict(Members members) {
  int depth = 0;
  for (const auto& [key, value] : members) depth = std::max({depth, depth_of(key), depth_of(value)});
  if (depth >= datum_depth_max) return failure("a map nests deeper than " + std::to_string(datum_depth_max));
  return Datum(Datum::Data(DictRef(std::make_shared<Dictionary>(Dictionary{std::move(members), depth + 1}))));
}

Datum undefined(std::string why) {
  return Datum(Datum::Data(Undefined{std::make_shared<const std::string>(std::move(why))}));
}

Datum nothing(std::string why) {
  return Datum(Datum::Data(Undefined{std::make_shared<const std::string>(std::move(why)), true}));
}

Datum bound(Datum receiver, std::string name) {
  return Datum(Datum::Data(Callable(std::make_shared<const Bound>(Bound{std::move(receiver), std::move(name)}))));
}

Error failure(std::string message) { return Error{ErrorKind::invalid, std::move(message)}; }

Result<void> require_defined(const Datum& datum) {
  if (datum.is_undefined()) return failure(*datum.as<Undefined>().why);
  return {};
}

std::string_view type_of(const Datum& datum) {
  static constexpr std::string_view names[] = {"None",      "undefined", "bool",  "int",       "float",
                                               "str",       "list",      "tuple", "dict",      "datetime",
                                               "timedelta", "namespace", "loop",  "an object", "a function"};
  return names[datum.data().index()];
}

Result<bool> is_true(const Datum& datum) {
  if (datum.is_nothing()) return false;
  TRY(require_defined(datum));
  if (datum.is_none()) return false;
  if (datum.is<bool>()) return datum.as<bool>();
  if (datum.is<int64_t>()) return datum.as<int64_t>() != 0;
  if (datum.is<double>()) return datum.as<double>() != 0.0;
  if (datum.is_text()) return !datum.text().empty();
  if (datum.is_sequence()) return !datum.items().empty();
  if (datum.is_dict()) return !datum.as<DictRef>()->members.empty();
  if (datum.is<Span>()) return datum.as<Span>().length.count() != 0;
  return true;
}

std::string repr_of_double(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  // The shortest digits that read back as the same number, laid out as Python does: an exponent below 1e-4 and from
  // 1e16.
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific).ptr;
  const std::string_view scientific(buffer, static_cast<size_t>(end - buffer));
  const size_t e = scientific.find('e');
  int exponent = 0;
  const char* exponent_begin = buffer + e + 1 + (buffer[e + 1] == '+' ? 1 : 0);
  std::from_chars(exponent_begin, end, exponent);
  std::string digits;
  for (const char c : scientific.substr(0, e))
    if (c >= '0' && c <= '9') digits += c;
  std::string text = std::signbit(number) ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    text += digits.substr(0, 1);
    if (digits.size() > 1) text += "." + digits.substr(1);
    text += exponent < 0 ? "e-" : "e+";
    const int size = std::abs(exponent);
    if (size < 10) text += "0";
    return text += std::to_string(size);
  }
  if (exponent < 0) return text + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return text + digits + std::string(whole - digits.size(), '0') + ".0";
  return text + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string repr_of_text(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos,
             has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  static constexpr char hex[] = "0123456789abcdef";
  std::string repr(1, quote);
  for (const char32_t c : to_code_points(text)) {
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      repr += '\\';
      repr += static_cast<char>(c);
    } else if (c == '\n') {
      repr += "\\n";
    } else if (c == '\r') {
      repr += "\\r";
    } else if (c == '\t') {
      repr += "\\t";
    } else if (is_printable(c)) {
      append_utf8(repr, c);
    } else {
      const int digits = c < 0x100 ? 2 : c < 0x10000 ? 4 : 8;
      repr += digits == 2 ? "\\x" : digits == 4 ? "\\u" : "\\U";
      for (int i = digits - 1; i >= 0; --i) repr += hex[(c >> (4 * i)) & 0xF];
    }
  }
  return repr += quote;
}

Result<std::string> to_text(const Datum& datum) {
  if (datum.is_nothing()) return std::string();
  if (datum.is_text()) return datum.text();
  if (datum.is<Instant>()) return iso_format(datum.as<Instant>(), ' ');
  return to_repr(datum);
}

Result<std::string> to_repr(const Datum& datum) {
  TRY(require_defined(datum));
  if (datum.is_none()) return std::string("None");
  if (datum.is<bool>()) return std::string(datum.as<bool>() ? "True" : "False");
  if (datum.is<int64_t>()) return std::to_string(datum.as<int64_t>());
  if (datum.is<double>()) return repr_of_double(datum.as<double>());
  if (datum.is_text()) return repr_of_text(datum.text());
  if (datum.is_list()) return repr_of_items(datum.items(), "[", "]");
  if (datum.is_tuple()) return repr_of_items(datum.items(), "(", datum.items().size() == 1 ? ",)" : ")");
  if (datum.is_dict()) return repr_of_members(datum.as<DictRef>()->members);
  if (datum.is<Instant>()) return repr_of_text(iso_format(datum.as<Instant>(), ' '));
  if (datum.is<Span>()) return text_of(datum.as<Span>());
  if (datum.is<Callable>())
    return failure("`" + datum.as<Callable>()->name + "` is a function; call it: `" + datum.as<Callable>()->name +
                   "()`");
  return failure("an expression gives " + std::string(type_of(datum)) + ", which is not data");
}

bool is_hashable(const Datum& datum) {
  if (datum.is_tuple()) return std::all_of(datum.items().begin(), datum.items().end(), is_hashable);
  return !datum.is_list() && !datum.is_dict();
}

Result<bool> equal(const Datum& left, const Datum& right) {
  TRY(require_defined(left));
  TRY(require_defined(right));
  if (left.is_number() && right.is_number()) return compare_numbers(left, right) == 0;
  if (left.data().index() != right.data().index()) return false;
  if (left.is_none()) return true;
  if (left.is_text()) return left.text() == right.text();
  if (left.is_sequence()) {
    const Items &a = left.items(), &b = right.items();
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
      TRY_ASSIGN(const bool same, equal(a[i], b[i]));
      if (!same) return false;
    }
    return true;
  }
  if (left.is_dict()) {
    const Members &a = left.as<DictRef>()->members, &b = right.as<DictRef>()->members;
    if (a.size() != b.size()) return false;
    for (const auto& [key, value] : a) {
      const Datum* other = right.as<DictRef>()->find(key);
      if (other == nullptr) return false;
      TRY_ASSIGN(const bool same, equal(value, *other));
      if (!same) return false;
    }
    return true;
  }
  if (left.is<Instant>()) return left.as<Instant>().time == right.as<Instant>().time;
  if (left.is<Span>()) return left.as<Span>().length == right.as<Span>().length;
  if (left.is<SpaceRef>()) return left.as<SpaceRef>().index == right.as<SpaceRef>().index;
  return false;
}

Result<int> compare(const Datum& left, const Datum& right) {
  TRY(require_defined(left));
  TRY(require_defined(right));
  if (left.is_number() && right.is_number()) return compare_numbers(left, right);
  if (left.is_text() && right.is_text()) return sign(left.text().compare(right.text()));  // UTF-8 keeps the order
  if (left.is_sequence() && left.data().index() == right.data().index()) {
    const Items &a = left.items(), &b = right.items();
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      TRY_ASSIGN(const bool same, equal(a[i], b[i]));
      if (!same) return compare(a[i], b[i]);
    }
    return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
  }
  if (left.is<Instant>() && right.is<Instant>()) {
    const auto a = left.as<Instant>().time, b = right.as<Instant>().time;
    return a < b ? -1 : b < a ? 1 : 0;
  }
  if (left.is<Span>() && right.is<Span>()) {
    const auto a = left.as<Span>().length, b = right.as<Span>().length;
    return a < b ? -1 : b < a ? 1 : 0;
  }
  return failure(std::string(type_of(left)) + " and " + std::string(type_of(right)) + " have no order");
}

Result<bool> contains(const Datum& container, const Datum& item) {
  TRY(require_defined(container));
  TRY(require_defined(item));
  if (container.is_text()) {
    if (!item.is_text()) return failure("`in` a text takes a text, not " + std::string(type_of(item)));
    return container.text().find(item.text()) != std::string::npos;
  }
  if (container.is_dict()) {
    if (!is_hashable(item)) return failure(std::string(type_of(item)) + " cannot be the key of a map");
    return container.as<DictRef>()->find(item) != nullptr;
  }
  if (!container.is_sequence())
    return failure("`in` takes a list, map or text, not " + std::string(type_of(container)));
  for (const Datum& candidate : container.items()) {
    TRY_ASSIGN(const bool same, equal(candidate, item));
    if (same) return true;
  }
  return false;
}

Result<Items> iterate(const Datum& datum) {
  if (datum.is_nothing()) return Items();
  TRY(require_defined(datum));
  if (datum.is_sequence()) return datum.items();
  Items items;
  if (datum.is_dict()) {
    for (const auto& [key, value] : datum.as<DictRef>()->members) items.push_back(key);
    return items;
  }
  if (datum.is_text()) {
    for (const char32_t c : to_code_points(datum.text())) items.emplace_back(to_utf8(std::u32string_view(&c, 1)));
    return items;
  }
  return failure(std::string(type_of(datum)) + " is nothing to go over; a list, map or text is");
}

Result<Datum> from_value(const Value& value) {
  if (value.is_bool()) return Datum(value.as_bool());
  if (value.is_int()) return Datum(value.as_int());
  if (value.is_double()) return Datum(value.as_double());
  if (value.is_string()) return Datum(value.as_string());
  if (value.is_list()) {
    Items items;
    items.reserve(value.as_list().size());
    for (const Value& item : value.as_list()) {
      TRY_ASSIGN(Datum datum, from_value(item));
      items.push_back(std::move(datum));
    }
    return make_list(std::move(items));
  }
  if (value.is_map()) {
    Members members;
    members.reserve(value.as_map().size());
    for (const auto& [key, item] : value.as_map()) {
      TRY_ASSIGN(Datum datum, from_value(item));
      members.emplace_back(Datum(key), std::move(datum));
    }
    return make_dict(std::move(members));
  }
  return Datum();
}

Result<Value> to_value(const Datum& datum) {
  if (datum.is_nothing()) return Value();
  TRY(require_defined(datum));
  if (datum.is_none()) return Value();
  if (datum.is<bool>()) return Value(datum.as<bool>());
  if (datum.is<int64_t>()) return Value(datum.as<int64_t>());
  if (datum.is<double>()) return Value(datum.as<double>());
  if (datum.is_sequence()) {
    Value::List list;
    for (const Datum& item : datum.items()) {
      TRY_ASSIGN(Value value, to_value(item));
      list.push_back(std::move(value));
    }
    return Value(std::move(list));
  }
  if (datum.is_dict()) {
    Value::Map map;
    for (const auto& [key, item] : datum.as<DictRef>()->members) {
      TRY_ASSIGN(Value value, to_value(item));
      TRY_ASSIGN(std::string name, to_text(key));
      if (!key.is_text() && datum.as<DictRef>()->find(std::string_view(name)) != nullptr)
        return failure("a map has the key `" + name + "` as a text and as " + std::string(type_of(key)));
      map.emplace_back(std::move(name), std::move(value));
    }
    return Value(std::move(map));
  }
  TRY_ASSIGN(std::string text, to_text(datum));
  return Value(std::move(text));
}

}  // namespace udon::templates
