#pragma once
// What a template computes with: Value's kinds, and those that Python's templates have beside them (undefined, tuple,
// instant, time span, things that can be called). Immutable but for namespace(); long ones are shared, not copied.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "base/result.h"
#include "base/value.h"

namespace udon::templates {

class Datum;
struct Sequence;
struct Dictionary;
struct Bound;

struct None {};
// Not an error until somebody uses it: `x is defined` and `x | default(…)` may ask.
struct Undefined {
  std::shared_ptr<const std::string> why;
  bool is_lenient = false;  // prints as nothing: `'x' if condition` without an else, as in Jinja2
};
using Text = std::shared_ptr<const std::string>;
struct ListRef {
  std::shared_ptr<const Sequence> sequence;
};
struct TupleRef {
  std::shared_ptr<const Sequence> sequence;
};
using DictRef = std::shared_ptr<const Dictionary>;
// A moment with the offset in which it is shown: the DAG's zone for local.*, UTC otherwise.
struct Instant {
  TimePoint time;
  int offset_seconds = 0;
};
struct Span {
  Duration length{};
};
struct SpaceRef {  // namespace(): the evaluator owns it, so that no cycle of owners can arise
  size_t index = 0;
};
struct LoopRef {  // `loop`: likewise
  size_t index = 0;
};
enum class Source { ti, var, var_value, var_json, conn, macros };
using Callable = std::shared_ptr<const Bound>;

class Datum {
 public:
  using Data = std::variant<None, Undefined, bool, int64_t, double, Text, ListRef, TupleRef, DictRef, Instant, Span,
                            SpaceRef, LoopRef, Source, Callable>;
  Datum() = default;
  Datum(bool v) : data_(v) {}
  Datum(int64_t v) : data_(v) {}
  Datum(double v) : data_(v) {}
  Datum(std::string v) : data_(std::make_shared<const std::string>(std::move(v))) {}
  Datum(const char* v) : Datum(std::string(v)) {}
  Datum(Data v) : data_(std::move(v)) {}

  template <class T>
  bool is() const {
    return std::holds_alternative<T>(data_);
  }
  template <class T>
  const T& as() const {
    return std::get<T>(data_);
  }
  bool is_none() const { return is<None>(); }
  bool is_undefined() const { return is<Undefined>(); }
  bool is_nothing() const { return is<Undefined>() && as<Undefined>().is_lenient; }
  bool is_text() const { return is<Text>(); }
  bool is_list() const { return is<ListRef>(); }
  bool is_tuple() const { return is<TupleRef>(); }
  bool is_sequence() const { return is_list() || is_tuple(); }
  bool is_dict() const { return is<DictRef>(); }
  bool is_integral() const { return is<int64_t>() || is<bool>(); }
  bool is_number() const { return is_integral() || is<double>(); }
  const std::string& text() const { return *as<Text>(); }
  const std::vector<Datum>& items() const;  // of a list or tuple
  int64_t integer() const { return is<bool>() ? (as<bool>() ? 1 : 0) : as<int64_t>(); }
  double real() const { return is<double>() ? as<double>() : static_cast<double>(integer()); }
  const Data& data() const { return data_; }

 private:
  Data data_;
};

using Items = std::vector<Datum>;
using Members = std::vector<std::pair<Datum, Datum>>;

// A context's parts lie a few levels deeper than the Values that it was made of.
inline constexpr int datum_depth_max = limits::value_depth_max + 20;

// Depth is kept so that nothing nests deeper than datum_depth_max: printing and destroying recurse.
struct Sequence {
  Items items;
  int depth = 1;
};
struct Dictionary {
  Members members;
  int depth = 1;
  const Datum* find(const Datum& key) const;
  const Datum* find(std::string_view key) const;
};
// A function, or a method with what it is called on.
struct Bound {
  Datum receiver;
  std::string name;
};

Result<Datum> make_list(Items items);
Result<Datum> make_tuple(Items items);
Result<Datum> make_dict(Members members);  // keys are unique; nothing checks it
Datum undefined(std::string why);
Datum nothing(std::string why);  // the lenient kind
Datum bound(Datum receiver, std::string name);

Error failure(std::string message);
// The error of using something undefined, or nothing.
Result<void> require_defined(const Datum& datum);

// "str", "int", "list", …: Python's names, which people know from Jinja2's messages.
std::string_view type_of(const Datum& datum);
Result<bool> is_true(const Datum& datum);
Result<std::string> to_text(const Datum& datum);  // str()
Result<std::string> to_repr(const Datum& datum);  // repr()
std::string repr_of_text(std::string_view text);
std::string repr_of_double(double number);

// Whether it can be the key of a map or told apart from others: Python's hashable.
bool is_hashable(const Datum& datum);
Result<bool> equal(const Datum& left, const Datum& right);
// -1, 0, 1; an error where Python has no order. NaN: 2, which is neither.
Result<int> compare(const Datum& left, const Datum& right);
Result<bool> contains(const Datum& container, const Datum& item);
// What a `for` goes over: items, keys, or the characters of a text.
Result<Items> iterate(const Datum& datum);

// An error where it nests too deeply.
Result<Datum> from_value(const Value& value);
Result<Value> to_value(const Datum& datum);

}  // namespace udon::templates
