#pragma once
// What a request gives, read with its types. Every mistake is collected, so that the answer (422) names them all, in
// the form of Airflow's API: {"detail": [{"type", "loc", "msg", "input"}]}.
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/value.h"
#include "store/types.h"
#include "web/http.h"

namespace udon::web {

class Problems {
 public:
  // `loc`: "query" or "body" and the name, an index for elements of a list. `input` is left out where it may be secret.
  void add(std::string_view type, Value::List loc, std::string_view message, std::optional<Value> input = {});
  bool empty() const { return list_.empty(); }
  Response response() const;  // 422

 private:
  Value::List list_;
};

class QueryFields {
 public:
  QueryFields(const Request& request, Problems& problems) : request_(request), problems_(problems) {}

  std::optional<std::string> text(std::string_view name) const;  // the last, if it comes several times
  std::vector<std::string> texts(std::string_view name) const;
  std::optional<int64_t> integer(std::string_view name, int64_t at_least);
  std::optional<bool> flag(std::string_view name);
  std::optional<TimePoint> time(std::string_view name);
  // NAME_gte and NAME_gt, NAME_lte and NAME_lt as two inclusive bounds: instants are whole microseconds.
  void time_range(std::string_view name, std::optional<TimePoint>& gte, std::optional<TimePoint>& lte);
  // limit and offset; a limit over the maximum is the maximum, as in Airflow.
  PageRequest page();
  // Like a list of enum values: the parsed ones, a problem for each that is none of `choices`.
  std::vector<std::string> choices(std::string_view name, std::initializer_list<std::string_view> choices);

  struct Order {
    std::string_view shown, stored;  // the API's name of a field, the store's
  };
  // The store's order_by for the API's: the first one given, "-" in front descends. invalid: a name that is not listed.
  Result<std::string> order_by(std::string_view otherwise, std::initializer_list<Order> known) const;
  // Filters that Airflow has and we don't (yet): ignoring one would answer another question than was asked.
  Result<void> refuse(std::initializer_list<std::string_view> names) const;

 private:
  const Request& request_;
  Problems& problems_;
};

// The members of a JSON object. Null counts as absent unless asked for.
class BodyFields {
 public:
  // Not JSON, or no object: a problem, and everything is absent. `where` stands between "body" and the member's name.
  BodyFields(const Request& request, Problems& problems);
  BodyFields(const Value& object, Value::List where, Problems& problems);

  enum class Need { optional, required };
  std::optional<std::string> text(std::string_view name, Need need = Need::optional);
  std::optional<int64_t> integer(std::string_view name, int64_t at_least, int64_t at_most, Need need = Need::optional);
  std::optional<bool> flag(std::string_view name, Need need = Need::optional);
  std::optional<TimePoint> time(std::string_view name);
  std::optional<Value> map(std::string_view name);
  std::optional<Value> list(std::string_view name, Need need = Need::optional);
  std::optional<Value> any(std::string_view name, Need need = Need::optional);
  // One of these words.
  std::optional<std::string> choice(std::string_view name, std::initializer_list<std::string_view> choices,
                                    Need need = Need::optional);
  bool has(std::string_view name) const { return object_.find(name) != nullptr; }  // null counts
  // Members beside these are problems: a misspelt name must not be passed over.
  void only(std::initializer_list<std::string_view> names);

 private:
  const Value* find(std::string_view name, Need need);
  Value::List loc(std::string_view name) const;
  void wrong(std::string_view type, std::string_view name, std::string_view message, const Value& input);

  Value object_;
  Value::List where_{"body"};
  Problems& problems_;
};

}  // namespace udon::web
