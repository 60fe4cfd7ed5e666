#include "dagfile/templates/operations.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "dagfile/templates/format.h"
#include "dagfile/templates/instant.h"
#include "dagfile/templates/unicode_text.h"

namespace udon::templates {
namespace {

Error no_operation(std::string_view sign, const Datum& left, const Datum& right) {
  return failure("`" + std::string(sign) + "` does not go between " + std::string(type_of(left)) + " and " +
                 std::string(type_of(right)));
}

std::string_view sign_of(Operation operation) {
  switch (operation) {
    case Operation::add: return "+";
    case Operation::sub: return "-";
    case Operation::mul: return "*";
    case Operation::div: return "/";
    case Operation::floordiv: return "//";
    case Operation::mod: return "%";
    case Operation::pow: return "**";
  }
  return "?";
}

Error too_large() { return failure("a number needs more than 64 bits"); }

Result<Datum> power_of_integers(int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (exponent > 0) {
    if (exponent % 2 == 1 && __builtin_mul_overflow(result, base, &result)) return too_large();
    exponent /= 2;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) return too_large();
  }
  return Datum(result);
}

Result<Datum> of_integers(Operation operation, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (operation) {
    case Operation::add:
      if (__builtin_add_overflow(a, b, &result)) return too_large();
      return Datum(result);
    case Operation::sub:
      if (__builtin_sub_overflow(a, b, &result)) return too_large();
      return Datum(result);
    case Operation::mul:
      if (__builtin_mul_overflow(a, b, &result)) return too_large();
      return Datum(result);
    case Operation::div:
      if (b == 0) return failure("division by zero");
      return Datum(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
    case Operation::floordiv:
    case Operation::mod: {
      if (b == 0) return failure("division by zero");
      if (b == -1) {
        if (operation == Operation::mod) return Datum(int64_t{0});
        if (__builtin_sub_overflow(int64_t{0}, a, &result)) return too_large();
        return Datum(result);
      }
      int64_t quotient = a / b, rest = a % b;
      if (rest != 0 && (rest < 0) != (b < 0)) {
        rest += b;
        --quotient;
      }
      return Datum(operation == Operation::mod ? rest : quotient);
    }
    case Operation::pow:
      if (b >= 0) return power_of_integers(a, b);
      if (a == 0) return failure("zero cannot be raised to a negative power");
      return Datum(std::pow(static_cast<double>(a), static_cast<double>(b)));
  }
  return too_large();
}

Result<Datum> of_reals(Operation operation, double a, double b) {
  switch (operation) {
    case Operation::add: return Datum(a + b);
    case Operation::sub: return Datum(a - b);
    case Operation::mul: return Datum(a * b);
    case Operation::div:
      if (b == 0.0) return failure("division by zero");
      return Datum(a / b);
    case Operation::floordiv:
    case Operation::mod: {  // as CPython computes them, so that a == (a // b) * b + a % b as nearly as can be
      if (b == 0.0) return failure("division by zero");
      double rest = std::fmod(a, b);
      double quotient = (a - rest) / b;
      if (rest != 0.0) {
        if ((b < 0) != (rest < 0)) {
          rest += b;
          quotient -= 1.0;
        }
      } else {
        rest = std::copysign(0.0, b);
      }
      double whole = 0.0;
      if (quotient != 0.0) {
        whole = std::floor(quotient);
        if (quotient - whole > 0.5) whole += 1.0;
      } else {
        whole = std::copysign(0.0, a / b);
      }
      return Datum(operation == Operation::mod ? rest : whole);
    }
    case Operation::pow: {
      if (a == 0.0 && b < 0) return failure("zero cannot be raised to a negative power");
      if (a < 0 && std::isfinite(a) && std::isfinite(b) && b != std::floor(b))
        return failure("a negative number cannot be raised to a fraction");
      const double result = std::pow(a, b);
      if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) return failure("a power is too large");
      return Datum(result);
    }
  }
  return too_large();
}

Result<Datum> repeated(const Datum& datum, int64_t count, Budget& budget) {
  count = std::max<int64_t>(count, 0);
  if (datum.is_text()) {
    const std::string& text = datum.text();
    int64_t bytes = 0;
    if (__builtin_mul_overflow(static_cast<int64_t>(text.size()), count, &bytes)) bytes = INT64_MAX;
    TRY(budget.will_make(bytes));
    std::string made;
    made.reserve(static_cast<size_t>(bytes));
    for (int64_t i = 0; i < count && !text.empty(); ++i) made += text;
    return budget.text(std::move(made));
  }
  const Items& items = datum.items();
  int64_t size = 0;
  if (__builtin_mul_overflow(static_cast<int64_t>(items.size()), count, &size)) size = INT64_MAX / 2;
  TRY(budget.step(size));
  Items made;
  for (int64_t i = 0; i < count && !items.empty(); ++i) made.insert(made.end(), items.begin(), items.end());
  return datum.is_list() ? make_list(std::move(made)) : make_tuple(std::move(made));
}

Result<Datum> of_times(Operation operation, const Datum& left, const Datum& right) {
  const auto span_of = [](const Datum& datum) { return datum.as<Span>().length; };
  if (operation == Operation::add) {
    if (left.is<Instant>() && right.is<Span>()) {
      TRY_ASSIGN(const Instant moved, shifted(left.as<Instant>(), span_of(right)));
      return Datum(Datum::Data(moved));
    }
    if (left.is<Span>() && right.is<Instant>()) return of_times(operation, right, left);
  }
  if (operation == Operation::sub) {
    if (left.is<Instant>() && right.is<Span>()) {
      TRY_ASSIGN(const Instant moved, shifted(left.as<Instant>(), -span_of(right)));
      return Datum(Datum::Data(moved));
    }
    if (left.is<Instant>() && right.is<Instant>())
      return Datum(Datum::Data(Span{left.as<Instant>().time - right.as<Instant>().time}));
  }
  if (left.is<Span>() && right.is<Span>() && (operation == Operation::add || operation == Operation::sub)) {
    const Duration by = operation == Operation::add ? span_of(right) : -span_of(right);
    int64_t sum = 0;
    if (__builtin_add_overflow(span_of(left).count(), by.count(), &sum)) return too_large();
    return Datum(Datum::Data(Span{Duration(sum)}));
  }
  if (operation == Operation::mul && left.is<Span>() && right.is_integral()) {
    int64_t product = 0;
    if (__builtin_mul_overflow(span_of(left).count(), right.integer(), &product)) return too_large();
    return Datum(Datum::Data(Span{Duration(product)}));
  }
  if (operation == Operation::mul && left.is_integral() && right.is<Span>()) return of_times(operation, right, left);
  return no_operation(sign_of(operation), left, right);
}

// A slice of `size` items as Python reads it: the places to take.
Result<std::vector<size_t>> places(int64_t size, const Datum& begin, const Datum& end, const Datum& step) {
  const auto bound_of = [](const Datum& datum) -> Result<std::optional<int64_t>> {
    TRY(require_defined(datum));
    if (datum.is_none()) return std::optional<int64_t>();
    if (!datum.is_integral()) return failure("a slice takes integers, not " + std::string(type_of(datum)));
    return std::optional(datum.integer());
  };
  TRY_ASSIGN(const std::optional<int64_t> first, bound_of(begin));
  TRY_ASSIGN(const std::optional<int64_t> last, bound_of(end));
  TRY_ASSIGN(const std::optional<int64_t> stride, bound_of(step));
  const int64_t by = stride.value_or(1);
  if (by == 0) return failure("the step of a slice cannot be zero");
  const int64_t low = by < 0 ? -1 : 0, high = by < 0 ? size - 1 : size;
  const auto clamped = [&](std::optional<int64_t> place, int64_t otherwise) {
    if (!place) return otherwise;
    const int64_t from_front = *place < 0 ? std::max(*place, -size - 1) + size : *place;
    return std::clamp(from_front, low, high);
  };
  std::vector<size_t> taken;
  const int64_t from = clamped(first, by < 0 ? high : low), to = clamped(last, by < 0 ? low : high);
  for (int64_t i = from; by < 0 ? i > to : i < to;) {
    taken.push_back(static_cast<size_t>(i));
    if (__builtin_add_overflow(i, by, &i)) break;
  }
  return taken;
}

}  // namespace

Result<Datum> calculate(Operation operation, const Datum& left, const Datum& right, Budget& budget) {
  TRY(require_defined(left));
  TRY(require_defined(right));
  if (operation == Operation::mod && left.is_text()) {
    // A map serves both "%(name)s" and, as one value, "%s"; a list is one value. Neither must be used up, as in Python.
    Arguments arguments;
    if (right.is_tuple())
      arguments.positional = right.items();
    else
      arguments.positional.push_back(right);
    if (right.is_dict()) {
      for (const auto& [key, value] : right.as<DictRef>()->members) {
        TRY_ASSIGN(std::string name, to_text(key));
        arguments.named.emplace_back(std::move(name), value);
      }
    }
    TRY_ASSIGN(std::string text,
               format_percent(left.text(), arguments,
                              right.is_dict() || right.is_list() ? Unused::is_fine : Unused::is_an_error));
    return budget.text(std::move(text));
  }
  if (left.is_number() && right.is_number()) {
    if (left.is_integral() && right.is_integral()) return of_integers(operation, left.integer(), right.integer());
    return of_reals(operation, left.real(), right.real());
  }
  if (left.is<Instant>() || left.is<Span>() || right.is<Instant>() || right.is<Span>())
    return of_times(operation, left, right);
  if (operation == Operation::add && left.is_text() && right.is_text()) {
    TRY(budget.will_make(static_cast<int64_t>(left.text().size() + right.text().size())));
    return budget.text(left.text() + right.text());
  }
  if (operation == Operation::add && left.is_sequence() && left.data().index() == right.data().index()) {
    Items items = left.items();
    items.insert(items.end(), right.items().begin(), right.items().end());
    TRY(budget.step(static_cast<int64_t>(items.size())));
    return left.is_list() ? make_list(std::move(items)) : make_tuple(std::move(items));
  }
  if (operation == Operation::mul && (left.is_text() || left.is_sequence()) && right.is_integral())
    return repeated(left, right.integer(), budget);
  if (operation == Operation::mul && left.is_integral() && (right.is_text() || right.is_sequence()))
    return repeated(right, left.integer(), budget);
  return no_operation(sign_of(operation), left, right);
}

Result<Datum> negative(const Datum& datum) {
  TRY(require_defined(datum));
  if (datum.is<double>()) return Datum(-datum.as<double>());
  if (datum.is<Span>()) return Datum(Datum::Data(Span{-datum.as<Span>().length}));
  if (datum.is_integral()) return of_integers(Operation::sub, 0, datum.integer());
  return failure("`-` takes a number, not " + std::string(type_of(datum)));
}

Result<Datum> positive(const Datum& datum) {
  TRY(require_defined(datum));
  if (datum.is_integral()) return Datum(datum.integer());
  if (datum.is<double>() || datum.is<Span>()) return datum;
  return failure("`+` takes a number, not " + std::string(type_of(datum)));
}

Result<bool> compares(Comparison comparison, const Datum& left, const Datum& right) {
  switch (comparison) {
    case Comparison::eq: return equal(left, right);
    case Comparison::ne: {
      TRY_ASSIGN(const bool same, equal(left, right));
      return !same;
    }
    case Comparison::in: return contains(right, left);
    case Comparison::not_in: {
      TRY_ASSIGN(const bool inside, contains(right, left));
      return !inside;
    }
    case Comparison::lt:
    case Comparison::le:
    case Comparison::gt:
    case Comparison::ge: break;
  }
  TRY_ASSIGN(const int order, compare(left, right));
  if (comparison == Comparison::lt) return order == -1;
  if (comparison == Comparison::le) return order == -1 || order == 0;
  if (comparison == Comparison::gt) return order == 1;
  return order == 1 || order == 0;
}

Result<Datum> item_of(const Datum& datum, const Datum& key, Budget& budget) {
  TRY(require_defined(datum));
  TRY(require_defined(key));
  const auto missing = [&]() -> Result<Datum> {
    TRY_ASSIGN(std::string name, to_repr(key));
    if (name.size() > 80) name = name.substr(0, 77) + "...";
    return undefined(std::string(type_of(datum)) + " has no item " + name);
  };
  if (datum.is_dict()) {
    const Dictionary& dictionary = *datum.as<DictRef>();
    TRY(budget.step(static_cast<int64_t>(dictionary.members.size()) / 16));
    if (const Datum* found = dictionary.find(key)) return *found;
    return missing();
  }
  if (!key.is_integral()) return missing();
  int64_t place = key.integer();
  if (datum.is_sequence()) {
    const int64_t size = static_cast<int64_t>(datum.items().size());
    if (place < 0) place += size;
    if (place < 0 || place >= size) return missing();
    return datum.items()[static_cast<size_t>(place)];
  }
  if (datum.is_text()) {
    TRY(budget.step(static_cast<int64_t>(datum.text().size()) / 64));
    const std::u32string text = to_code_points(datum.text());
    const int64_t size = static_cast<int64_t>(text.size());
    if (place < 0) place += size;
    if (place < 0 || place >= size) return missing();
    return Datum(to_utf8(text.substr(static_cast<size_t>(place), 1)));
  }
  return missing();
}

Result<Datum> slice_of(const Datum& datum, const Datum& begin, const Datum& end, const Datum& step, Budget& budget) {
  TRY(require_defined(datum));
  if (datum.is_text()) {
    const std::u32string text = to_code_points(datum.text());
    TRY_ASSIGN(const std::vector<size_t> taken, places(static_cast<int64_t>(text.size()), begin, end, step));
    std::u32string made;
    for (const size_t place : taken) made += text[place];
    return budget.text(to_utf8(made));
  }
  if (datum.is_sequence()) {
    TRY_ASSIGN(const std::vector<size_t> taken, places(static_cast<int64_t>(datum.items().size()), begin, end, step));
    Items made;
    for (const size_t place : taken) made.push_back(datum.items()[place]);
    TRY(budget.step(static_cast<int64_t>(made.size())));
    return datum.is_list() ? make_list(std::move(made)) : make_tuple(std::move(made));
  }
  return failure(std::string(type_of(datum)) + " cannot be sliced");
}

}  // namespace udon::templates
