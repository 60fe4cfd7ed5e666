#include "plugins/data/cell_text.h"

#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "base/text.h"

namespace udon::data {
namespace {

template <class Array>
const Array& as(const arrow::Array& array) {
  return static_cast<const Array&>(array);
}

template <class Int>
void append_integer(Int value, std::string& out) {
  const fmt::format_int text(value);
  out.append(text.data(), text.size());
}

template <class Real>
void append_real(Real value, std::string& out) {
  if (std::isnan(value))
    out += "NaN";
  else if (std::isinf(value))
    out += value > 0 ? "Infinity" : "-Infinity";
  else
    fmt::format_to(std::back_inserter(out), "{}", value);
}

// All digits behind the point; Arrow's own form has an exponent where there are many zeros.
void append_decimal(const arrow::Decimal128Array& array, int64_t row, std::string& out) {
  const int scale = static_cast<const arrow::Decimal128Type&>(*array.type()).scale();
  const arrow::Decimal128 value(array.GetValue(row));
  std::string digits = arrow::Decimal128(arrow::Decimal128::Abs(value)).ToIntegerString();
  if (static_cast<int>(digits.size()) <= scale) digits.insert(0, static_cast<size_t>(scale) + 1 - digits.size(), '0');
  if (value.Sign() < 0) out += '-';
  out.append(digits, 0, digits.size() - static_cast<size_t>(scale));
  if (scale > 0) out.append(1, '.').append(digits, digits.size() - static_cast<size_t>(scale));
}

void append_date(std::chrono::sys_days day, std::string& out) {
  const std::chrono::year_month_day date(day);
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}", int(date.year()), unsigned(date.month()),
                 unsigned(date.day()));
}

// "2026-01-31 09:00:00", with microseconds only if there are any.
void append_timestamp(std::chrono::microseconds since_epoch, bool has_zone, std::string& out) {
  const std::chrono::sys_time<std::chrono::microseconds> time(since_epoch);
  const auto day = std::chrono::floor<std::chrono::days>(time);
  append_date(day, out);
  const std::chrono::hh_mm_ss clock(time - day);
  fmt::format_to(std::back_inserter(out), " {:02}:{:02}:{:02}", clock.hours().count(), clock.minutes().count(),
                 clock.seconds().count());
  if (clock.subseconds().count() != 0) fmt::format_to(std::back_inserter(out), ".{:06}", clock.subseconds().count());
  if (has_zone) out += 'Z';
}

std::chrono::microseconds microseconds_of(const arrow::Array& array, int64_t row) {
  const int64_t ticks = as<arrow::TimestampArray>(array).Value(row);
  switch (static_cast<const arrow::TimestampType&>(*array.type()).unit()) {
    case arrow::TimeUnit::SECOND: return std::chrono::seconds(ticks);
    case arrow::TimeUnit::MILLI: return std::chrono::milliseconds(ticks);
    case arrow::TimeUnit::MICRO: return std::chrono::microseconds(ticks);
    case arrow::TimeUnit::NANO: return std::chrono::floor<std::chrono::microseconds>(std::chrono::nanoseconds(ticks));
  }
  return {};
}

std::string_view bytes_of(const arrow::Array& array, int64_t row) { return as<arrow::BinaryArray>(array).GetView(row); }

Value list_value(const arrow::Array& array, int64_t row) {
  const auto& list = as<arrow::ListArray>(array);
  Value value = Value::list();
  for (int64_t i = list.value_offset(row); i < list.value_offset(row + 1); ++i)
    value.push_back(cell_value(*list.values(), i));
  return value;
}

}  // namespace

void append_cell_text(const arrow::Array& array, int64_t row, std::string& out, BinaryText binary) {
  using arrow::Type;
  switch (array.type_id()) {
    case Type::BOOL: out += as<arrow::BooleanArray>(array).Value(row) ? "true" : "false"; return;
    case Type::INT8: append_integer(int{as<arrow::Int8Array>(array).Value(row)}, out); return;
    case Type::INT16: append_integer(int{as<arrow::Int16Array>(array).Value(row)}, out); return;
    case Type::INT32: append_integer(as<arrow::Int32Array>(array).Value(row), out); return;
    case Type::INT64: append_integer(as<arrow::Int64Array>(array).Value(row), out); return;
    case Type::FLOAT: append_real(as<arrow::FloatArray>(array).Value(row), out); return;
    case Type::DOUBLE: append_real(as<arrow::DoubleArray>(array).Value(row), out); return;
    case Type::DECIMAL128: append_decimal(as<arrow::Decimal128Array>(array), row, out); return;
    case Type::DATE32:
      append_date(std::chrono::sys_days(std::chrono::days(as<arrow::Date32Array>(array).Value(row))), out);
      return;
    case Type::TIMESTAMP:
      append_timestamp(microseconds_of(array, row),
                       !static_cast<const arrow::TimestampType&>(*array.type()).timezone().empty(), out);
      return;
    case Type::STRING: out += bytes_of(array, row); return;
    case Type::BINARY: {
      const std::string_view bytes = bytes_of(array, row);
      const std::span<const unsigned char> span(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
      switch (binary) {
        case BinaryText::as_it_is: out += bytes; return;
        case BinaryText::base64: out += to_base64(span); return;
        case BinaryText::hex: out += to_hex(span); return;
      }
      return;
    }
    case Type::LIST: out += to_json(list_value(array, row)); return;
    case Type::DICTIONARY: {
      const auto& dictionary = as<arrow::DictionaryArray>(array);
      append_cell_text(*dictionary.dictionary(), dictionary.GetValueIndex(row), out, binary);
      return;
    }
    default: out += array.GetScalar(row).ValueOrDie()->ToString(); return;
  }
}

Value cell_value(const arrow::Array& array, int64_t row) {
  using arrow::Type;
  if (array.IsNull(row)) return {};
  switch (array.type_id()) {
    case Type::BOOL: return as<arrow::BooleanArray>(array).Value(row);
    case Type::INT8: return int{as<arrow::Int8Array>(array).Value(row)};
    case Type::INT16: return int{as<arrow::Int16Array>(array).Value(row)};
    case Type::INT32: return int64_t{as<arrow::Int32Array>(array).Value(row)};
    case Type::INT64: return as<arrow::Int64Array>(array).Value(row);
    case Type::DOUBLE:
      if (const double value = as<arrow::DoubleArray>(array).Value(row); std::isfinite(value)) return value;
      break;
    case Type::LIST: return list_value(array, row);
    default: break;
  }
  // A float too: widened to a double, 0.1 would be shown as 0.10000000149011612.
  std::string text;
  append_cell_text(array, row, text);
  if (array.type_id() == Type::FLOAT && std::isfinite(as<arrow::FloatArray>(array).Value(row))) return std::stod(text);
  return Value(std::move(text));
}

bool is_numeric(const arrow::DataType& type) {
  return arrow::is_integer(type.id()) || arrow::is_floating(type.id()) || arrow::is_decimal(type.id());
}

}  // namespace udon::data
