#include "web/fields.h"

#include <algorithm>
#include <charconv>

#include "base/limits.h"
#include "base/text.h"
#include "connections/connection.h"

namespace udon::web {
namespace {

std::optional<int64_t> parse_integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "'a', 'b' or 'c'"
std::string quoted_choices(std::initializer_list<std::string_view> choices) {
  std::string text;
  size_t i = 0;
  for (const std::string_view choice : choices) {
    if (i > 0) text += i + 1 == choices.size() ? " or " : ", ";
    text += "'" + std::string(choice) + "'";
    ++i;
  }
  return text;
}

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

void Problems::add(std::string_view type, Value::List loc, std::string_view message, std::optional<Value> input) {
  Value problem = Value::Map{{"type", type}, {"loc", std::move(loc)}, {"msg", message}};
  if (input) problem.set("input", *std::move(input));
  list_.push_back(std::move(problem));
}

Response Problems::response() const { return error_response(422, list_); }

std::optional<std::string> QueryFields::text(std::string_view name) const {
  std::optional<std::string> found;
  for (const auto& [key, value] : request_.query)
    if (key == name) found = value;
  return found;
}

std::vector<std::string> QueryFields::texts(std::string_view name) const {
  std::vector<std::string> found;
  for (const auto& [key, value] : request_.query)
    if (key == name) found.push_back(value);
  return found;
}

std::optional<int64_t> QueryFields::integer(std::string_view name, int64_t at_least) {
  const std::optional<std::string> given = text(name);
  if (!given) return std::nullopt;
  const std::optional<int64_t> value = parse_integer(*given);
  if (!value)
    problems_.add("int_parsing", {"query", name},
                  "Input should be a valid integer, unable to parse string as an integer", *given);
  else if (*value < at_least)
    problems_.add("greater_than_equal", {"query", name},
                  "Input should be greater than or equal to " + std::to_string(at_least), *given);
  else
    return value;
  return std::nullopt;
}

std::optional<bool> QueryFields::flag(std::string_view name) {
  const std::optional<std::string> given = text(name);
  if (!given) return std::nullopt;
  const std::string word = lower_ascii(*given);
  if (is_one_of(word, {"true", "1", "yes", "on", "t", "y"})) return true;
  if (is_one_of(word, {"false", "0", "no", "off", "f", "n"})) return false;
  problems_.add("bool_parsing", {"query", name}, "Input should be a valid boolean, unable to interpret input", *given);
  return std::nullopt;
}

std::optional<TimePoint> QueryFields::time(std::string_view name) {
  std::optional<std::string> given = text(name);
  if (!given) return std::nullopt;
  // A '+' that was not percent-encoded has become a space: "2026-01-01T00:00:00 09:00" can mean nothing else.
  if (given->size() > 6 && (*given)[given->size() - 6] == ' ' && given->find('T') != std::string::npos)
    (*given)[given->size() - 6] = '+';
  const Result<TimePoint> value = parse_time(*given);
  if (value) return *value;
  problems_.add("datetime_parsing", {"query", name}, "Input should be a valid datetime: " + value.error().message,
                *given);
  return std::nullopt;
}

void QueryFields::time_range(std::string_view name, std::optional<TimePoint>& gte, std::optional<TimePoint>& lte) {
  const std::string base(name);
  gte = time(base + "_gte");
  lte = time(base + "_lte");
  if (const auto gt = time(base + "_gt")) gte = gte ? std::max(*gte, *gt + Duration{1}) : *gt + Duration{1};
  if (const auto lt = time(base + "_lt")) lte = lte ? std::min(*lte, *lt - Duration{1}) : *lt - Duration{1};
}

PageRequest QueryFields::page() {
  PageRequest page;
  page.limit = static_cast<int>(
      std::min<int64_t>(integer("limit", 0).value_or(limits::page_rows_default), limits::page_rows_max));
  page.offset = integer("offset", 0).value_or(0);
  return page;
}

std::vector<std::string> QueryFields::choices(std::string_view name, std::initializer_list<std::string_view> choices) {
  std::vector<std::string> found;
  for (std::string& word : texts(name)) {
    if (is_one_of(word, choices)) {
      found.push_back(std::move(word));
    } else {
      problems_.add("enum", {"query", name}, "Input should be " + quoted_choices(choices), word);
    }
  }
  return found;
}

Result<std::string> QueryFields::order_by(std::string_view otherwise, std::initializer_list<Order> known) const {
  const std::vector<std::string> given = texts("order_by");
  std::string_view name = given.empty() ? otherwise : std::string_view(given.front());
  const bool descends = name.starts_with('-');
  if (descends) name.remove_prefix(1);
  for (const Order& order : known)
    if (order.shown == name) return (descends ? "-" : "") + std::string(order.stored);
  return Error{ErrorKind::invalid,
               "Ordering with '" + std::string(name) + "' is disallowed or the attribute does not exist on the model"};
}

Result<void> QueryFields::refuse(std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names)
    if (text(name))
      return Error{ErrorKind::invalid, "the filter '" + std::string(name) + "' is not supported by this server"};
  return {};
}

BodyFields::BodyFields(const Request& request, Problems& problems) : object_(Value::map()), problems_(problems) {
  if (trim(request.body).empty()) {
    problems.add("missing", {"body"}, "Field required");
    return;
  }
  Result<Value> parsed = parse_json(request.body);
  if (!parsed)
    problems.add("json_invalid", {"body"}, "JSON decode error: " + parsed.error().message);
  else if (!parsed->is_map())
    problems.add("model_attributes_type", {"body"},
                 "Input should be a valid dictionary or object to extract fields from");
  else
    object_ = *std::move(parsed);
}

BodyFields::BodyFields(const Value& object, Value::List where, Problems& problems)
    : object_(Value::map()), where_(std::move(where)), problems_(problems) {
  if (object.is_map())
    object_ = object;
  else
    problems.add("model_attributes_type", where_,
                 "Input should be a valid dictionary or object to extract fields from");
}

Value::List BodyFields::loc(std::string_view name) const {
  Value::List at = where_;
  at.push_back(name);
  return at;
}

void BodyFields::wrong(std::string_view type, std::string_view name, std::string_view message, const Value& input) {
  // An answer may be logged by whoever gets it.
  const bool may_be_secret =
      is_secret_key(name) || name == "extra" || name == "value" || input.is_map() || input.is_list();
  problems_.add(type, loc(name), message, may_be_secret ? std::nullopt : std::optional<Value>(input));
}

const Value* BodyFields::find(std::string_view name, Need need) {
  const Value* value = object_.find(name);
  if (!value && need == Need::required) problems_.add("missing", loc(name), "Field required");
  if (value && value->is_null() && need == Need::required) return value;
  return value && value->is_null() ? nullptr : value;
}

std::optional<std::string> BodyFields::text(std::string_view name, Need need) {
  const Value* value = find(name, need);
  if (!value) return std::nullopt;
  if (value->is_string()) return value->as_string();
  wrong("string_type", name, "Input should be a valid string", *value);
  return std::nullopt;
}

std::optional<int64_t> BodyFields::integer(std::string_view name, int64_t at_least, int64_t at_most, Need need) {
  const Value* value = find(name, need);
  if (!value) return std::nullopt;
  std::optional<int64_t> number;
  if (value->is_int()) number = value->as_int();
  if (value->is_string()) number = parse_integer(value->as_string());
  if (!number)
    wrong("int_type", name, "Input should be a valid integer", *value);
  else if (*number < at_least)
    wrong("greater_than_equal", name, "Input should be greater than or equal to " + std::to_string(at_least), *value);
  else if (*number > at_most)
    wrong("less_than_equal", name, "Input should be less than or equal to " + std::to_string(at_most), *value);
  else
    return number;
  return std::nullopt;
}

std::optional<bool> BodyFields::flag(std::string_view name, Need need) {
  const Value* value = find(name, need);
  if (!value) return std::nullopt;
  if (value->is_bool()) return value->as_bool();
  wrong("bool_type", name, "Input should be a valid boolean", *value);
  return std::nullopt;
}

std::optional<TimePoint> BodyFields::time(std::string_view name) {
  const Value* value = find(name, Need::optional);
  if (!value) return std::nullopt;
  if (value->is_string()) {
    const Result<TimePoint> time = parse_time(value->as_string());
    if (time) return *time;
    wrong("datetime_from_date_parsing", name, "Input should be a valid datetime: " + time.error().message, *value);
  } else {
    wrong("datetime_type", name, "Input should be a valid datetime", *value);
  }
  return std::nullopt;
}

std::optional<Value> BodyFields::map(std::string_view name) {
  const Value* value = find(name, Need::optional);
  if (!value) return std::nullopt;
  if (value->is_map()) return *value;
  wrong("dict_type", name, "Input should be a valid dictionary", *value);
  return std::nullopt;
}

std::optional<Value> BodyFields::list(std::string_view name, Need need) {
  const Value* value = find(name, need);
  if (!value) return std::nullopt;
  if (value->is_list()) return *value;
  wrong("list_type", name, "Input should be a valid list", *value);
  return std::nullopt;
}

std::optional<Value> BodyFields::any(std::string_view name, Need need) {
  const Value* value = find(name, need);
  return value ? std::optional<Value>(*value) : std::nullopt;
}

std::optional<std::string> BodyFields::choice(std::string_view name, std::initializer_list<std::string_view> choices,
                                              Need need) {
  const Value* value = find(name, need);
  if (!value) return std::nullopt;
  if (value->is_string() && is_one_of(value->as_string(), choices)) return value->as_string();
  wrong("enum", name, "Input should be " + quoted_choices(choices), *value);
  return std::nullopt;
}

void BodyFields::only(std::initializer_list<std::string_view> names) {
  const std::vector<std::string> known(names.begin(), names.end());
  for (const auto& [name, value] : object_.as_map())
    if (!is_one_of(name, names))
      wrong("extra_forbidden", name, "Extra inputs are not permitted" + did_you_mean(name, known), value);
}

}  // namespace udon::web
