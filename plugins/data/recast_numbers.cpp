#include <arrow/util/decimal.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <type_traits>

#include "plugins/data/exact_number.h"
#include "plugins/data/recast_each.h"

namespace udon::data {
namespace {

Trouble trouble_of(FitProblem problem) {
  switch (problem) {
    case FitProblem::none: return Trouble::none;
    case FitProblem::too_large: return Trouble::too_large;
    case FitProblem::has_fraction: return Trouble::has_fraction;
  }
  return Trouble::too_large;
}

arrow::Decimal128 decimal_of(Int128 unscaled) {
  return arrow::Decimal128(static_cast<int64_t>(unscaled >> 64), static_cast<uint64_t>(unscaled));
}

// What an exact number becomes in each kind of column that takes numbers.
Trouble to_boolean(const ExactNumber& number, bool& out) {
  int64_t integer = 0;
  if (fit_integer(number, 0, 1, integer) != FitProblem::none) return Trouble::no_boolean;
  out = integer == 1;
  return Trouble::none;
}
template <class Int>
Trouble to_integer(const ExactNumber& number, Int& out) {
  int64_t integer = 0;
  const FitProblem problem =
      fit_integer(number, std::numeric_limits<Int>::min(), std::numeric_limits<Int>::max(), integer);
  out = static_cast<Int>(integer);
  return trouble_of(problem);
}
struct ToDecimal {
  int precision, scale;
  Trouble operator()(const ExactNumber& number, arrow::Decimal128& out) const {
    Int128 unscaled = 0;
    const FitProblem problem = fit_decimal(number, precision, scale, unscaled);
    out = decimal_of(unscaled);
    return trouble_of(problem);
  }
};
Trouble to_floating(const ExactNumber& number, double& out) {
  const auto value = to_double(number);
  out = value.value_or(0);
  return value ? Trouble::none : Trouble::inexact;
}
Trouble to_floating(const ExactNumber& number, float& out) {
  const auto value = to_float(number);
  out = value.value_or(0);
  return value ? Trouble::none : Trouble::inexact;
}

template <class Load>
Made from_exact(const Order& order, Load load) {
  using enum DataType::Kind;
  switch (order.target.kind) {
    case boolean: return order.each<arrow::BooleanBuilder, bool>({}, load, to_boolean);
    case int8: return order.each<arrow::Int8Builder, int8_t>({}, load, to_integer<int8_t>);
    case int16: return order.each<arrow::Int16Builder, int16_t>({}, load, to_integer<int16_t>);
    case int32: return order.each<arrow::Int32Builder, int32_t>({}, load, to_integer<int32_t>);
    case int64: return order.each<arrow::Int64Builder, int64_t>({}, load, to_integer<int64_t>);
    case float32:
      return order.each<arrow::FloatBuilder, float>(
          {}, load, [](const ExactNumber& number, float& out) { return to_floating(number, out); });
    case float64:
      return order.each<arrow::DoubleBuilder, double>(
          {}, load, [](const ExactNumber& number, double& out) { return to_floating(number, out); });
    case decimal:
      return order.each<arrow::Decimal128Builder, arrow::Decimal128>(
          {}, load, ToDecimal{order.target.precision, order.target.scale});
    case string:
    case binary:
    case date:
    case timestamp:
    case timestamptz:
    case time:
    case interval_us:
    case uuid: return nullptr;
  }
  return nullptr;
}

template <class Array>
Made from_integers(const Order& order) {
  return from_exact(order, [](const arrow::Array& values, int64_t row) {
    return ExactNumber{static_cast<Int128>(static_cast<const Array&>(values).Value(row)), 0};
  });
}

Made from_decimals(const Order& order) {
  const int scale = static_cast<const arrow::Decimal128Type&>(*order.column.type).scale();
  return from_exact(order, [scale](const arrow::Array& values, int64_t row) {
    ExactNumber number{0, scale};
    std::memcpy(&number.unscaled, static_cast<const arrow::Decimal128Array&>(values).GetValue(row), 16);
    return number;
  });
}

template <class Float>
Trouble floating_to_integer(Float value, int64_t least, int64_t greatest, int64_t& out) {
  if (std::isnan(value)) return Trouble::nan;
  if (std::isinf(value)) return Trouble::infinity;
  if (std::trunc(value) != value) return Trouble::has_fraction;
  // Of 64 bits the greatest is no floating number, the one after it is.
  if (value < static_cast<Float>(-0x1p63) || value >= static_cast<Float>(0x1p63)) return Trouble::too_large;
  out = static_cast<int64_t>(value);
  return out < least || out > greatest ? Trouble::too_large : Trouble::none;
}

const std::vector<Trouble> of_numbers{Trouble::nan, Trouble::infinity};

template <class Int, class Builder, class Float, class Load>
Made floating_to(const Order& order, Load load) {
  return order.each<Builder, Int>(of_numbers, load, [](Float value, Int& out) {
    int64_t integer = 0;
    const Trouble trouble =
        floating_to_integer(value, std::numeric_limits<Int>::min(), std::numeric_limits<Int>::max(), integer);
    out = static_cast<Int>(integer);
    return trouble;
  });
}

template <class Array>
Made from_floating(const Order& order) {
  using Float = typename Array::value_type;
  const auto load = [](const arrow::Array& values, int64_t row) {
    return static_cast<const Array&>(values).Value(row);
  };
  using enum DataType::Kind;
  switch (order.target.kind) {
    case float64:
      return order.each<arrow::DoubleBuilder, double>({}, load, [](Float value, double& out) {
        out = static_cast<double>(value);
        return Trouble::none;
      });
    case float32:
      return order.each<arrow::FloatBuilder, float>({}, load, [](Float value, float& out) {
        out = static_cast<float>(value);
        return std::isnan(value) || static_cast<Float>(out) == value ? Trouble::none : Trouble::inexact;
      });
    case boolean:
      return order.each<arrow::BooleanBuilder, bool>(of_numbers, load, [](Float value, bool& out) {
        if (std::isnan(value)) return Trouble::nan;
        if (std::isinf(value)) return Trouble::infinity;
        out = value == 1;
        return value == 0 || value == 1 ? Trouble::none : Trouble::no_boolean;
      });
    case int8: return floating_to<int8_t, arrow::Int8Builder, Float>(order, load);
    case int16: return floating_to<int16_t, arrow::Int16Builder, Float>(order, load);
    case int32: return floating_to<int32_t, arrow::Int32Builder, Float>(order, load);
    case int64: return floating_to<int64_t, arrow::Int64Builder, Float>(order, load);
    case decimal:
      return order.each<arrow::Decimal128Builder, arrow::Decimal128>(
          of_numbers, load, [to = ToDecimal{order.target.precision, order.target.scale}](Float value, auto& out) {
            if (std::isnan(value)) return Trouble::nan;
            if (std::isinf(value)) return Trouble::infinity;
            std::optional<ExactNumber> number;
            if constexpr (std::is_same_v<Float, float>)
              number = from_float(value, to.scale);
            else
              number = from_double(value, to.scale);
            if (number) return to(*number, out);
            return std::abs(value) >= Float(1e38) ? Trouble::too_large : Trouble::has_fraction;
          });
    case string:
    case binary:
    case date:
    case timestamp:
    case timestamptz:
    case time:
    case interval_us:
    case uuid: return nullptr;
  }
  return nullptr;
}

Trouble read_number(std::string_view text, TextForm form, ExactNumber& number) {
  if (form == TextForm::digits) {
    if (text == "NaN") return Trouble::nan;
    if (text == "Infinity" || text == "-Infinity") return Trouble::infinity;
  }
  switch (parse_exact(text, number)) {
    case DigitsProblem::none: return Trouble::none;
    case DigitsProblem::no_number: return Trouble::no_number;
    case DigitsProblem::too_long: return Trouble::too_large;
  }
  return Trouble::no_number;
}

template <class Builder, class Out, class Convert>
Made number_from_text(const Order& order, Convert convert) {
  return order.each<Builder, Out>(order.column.text_form == TextForm::digits ? of_numbers : std::vector<Trouble>{},
                                  load_text, [form = order.column.text_form, convert](std::string_view text, Out& out) {
                                    ExactNumber number;
                                    Trouble trouble = read_number(text, form, number);
                                    if constexpr (std::is_floating_point_v<Out>) {
                                      // These have a place for it.
                                      constexpr Out infinite = std::numeric_limits<Out>::infinity();
                                      if (trouble == Trouble::nan) out = std::numeric_limits<Out>::quiet_NaN();
                                      if (trouble == Trouble::infinity) out = text[0] == '-' ? -infinite : infinite;
                                      if (trouble == Trouble::nan || trouble == Trouble::infinity) return Trouble::none;
                                    }
                                    if (trouble == Trouble::none) trouble = convert(number, out);
                                    return trouble;
                                  });
}

}  // namespace

Made recast_number(const Order& order) {
  using arrow::Type;
  switch (order.column.type->id()) {
    case Type::BOOL:
      return order.target.kind == DataType::Kind::decimal ? nullptr : from_integers<arrow::BooleanArray>(order);
    case Type::INT8: return from_integers<arrow::Int8Array>(order);
    case Type::INT16: return from_integers<arrow::Int16Array>(order);
    case Type::INT32: return from_integers<arrow::Int32Array>(order);
    case Type::INT64: return from_integers<arrow::Int64Array>(order);
    case Type::DECIMAL128: return from_decimals(order);
    case Type::FLOAT: return from_floating<arrow::FloatArray>(order);
    case Type::DOUBLE: return from_floating<arrow::DoubleArray>(order);
    default: return nullptr;
  }
}

Made recast_digits(const Order& order) {
  using enum DataType::Kind;
  switch (order.target.kind) {
    case int8: return number_from_text<arrow::Int8Builder, int8_t>(order, to_integer<int8_t>);
    case int16: return number_from_text<arrow::Int16Builder, int16_t>(order, to_integer<int16_t>);
    case int32: return number_from_text<arrow::Int32Builder, int32_t>(order, to_integer<int32_t>);
    case int64: return number_from_text<arrow::Int64Builder, int64_t>(order, to_integer<int64_t>);
    case float32:
      return number_from_text<arrow::FloatBuilder, float>(
          order, [](const ExactNumber& number, float& out) { return to_floating(number, out); });
    case float64:
      return number_from_text<arrow::DoubleBuilder, double>(
          order, [](const ExactNumber& number, double& out) { return to_floating(number, out); });
    case decimal:
      return number_from_text<arrow::Decimal128Builder, arrow::Decimal128>(
          order, ToDecimal{order.target.precision, order.target.scale});
    case boolean:  // 'Y', 'true', '1': which is which would be guessed
    case string:
    case binary:
    case date:
    case timestamp:
    case timestamptz:
    case time:
    case interval_us:
    case uuid: return nullptr;
  }
  return nullptr;
}

}  // namespace udon::data
