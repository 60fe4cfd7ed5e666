#include "plugins/data/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "base/ensure.h"
#include "base/text.h"

namespace udon::data {
namespace {

using arrow::Type;

// As PostgreSQL orders them; MySQL has no NaN.
bool is_less(double a, double b) { return std::isnan(a) ? false : std::isnan(b) || a < b; }

arrow::Decimal256 widened(Int128 value) {
  return arrow::Decimal256(arrow::Decimal128(static_cast<int64_t>(value >> 64), static_cast<uint64_t>(value)));
}

std::string with_point(std::string digits, int scale) {
  const bool is_negative = !digits.empty() && digits[0] == '-';
  if (is_negative) digits.erase(0, 1);
  const auto behind = static_cast<size_t>(scale);
  if (digits.size() <= behind) digits.insert(0, behind + 1 - digits.size(), '0');
  if (behind > 0) digits.insert(digits.size() - behind, ".");
  return (is_negative ? "-" : "") + digits;
}

uint64_t length_of(const arrow::Array& array, int64_t row) {
  switch (array.type_id()) {
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY:
      return static_cast<uint64_t>(static_cast<const arrow::LargeBinaryArray&>(array).value_length(row));
    case Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array);
      return length_of(*dictionary.dictionary(), dictionary.GetValueIndex(row));
    }
    default: return static_cast<uint64_t>(static_cast<const arrow::BinaryArray&>(array).value_length(row));
  }
}

}  // namespace

FigureKind figure_kind(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::BOOL:
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
    case Type::INT64:
    case Type::DECIMAL128: return FigureKind::number;
    case Type::FLOAT:
    case Type::DOUBLE: return FigureKind::real;
    case Type::DATE32: return FigureKind::day;
    case Type::TIMESTAMP: return FigureKind::moment;
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::BINARY:
    case Type::LARGE_BINARY: return FigureKind::bytes;
    case Type::DICTIONARY: return figure_kind(*static_cast<const arrow::DictionaryType&>(type).value_type());
    default: return FigureKind::counts;
  }
}

std::string figure_of_digits(std::string_view digits) {
  const bool is_negative = digits.starts_with('-');
  if (is_negative) digits.remove_prefix(1);
  while (digits.size() > 1 && digits[0] == '0' && digits[1] != '.') digits.remove_prefix(1);
  const bool is_zero = digits.find_first_not_of("0.") == digits.npos;
  // MySQL may leave out the nought before the point of a decimal without digits before it.
  return std::string(is_negative && !is_zero ? "-" : "") + (digits.starts_with('.') ? "0" : "") + std::string(digits);
}

std::string figure_of_real(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return fmt::format("{}", value == 0 ? 0.0 : value);
}

std::string figure_of_day(int64_t since_epoch) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(since_epoch))};
  // Beyond ±32767, where chrono's years end, by number.
  constexpr int64_t chrono_days = 11'900'000;
  if (std::abs(since_epoch) > chrono_days) return fmt::format("day {} since 1970-01-01", since_epoch);
  return fmt::format("{:04}-{:02}-{:02}", int(date.year()), unsigned(date.month()), unsigned(date.day()));
}

std::string figure_of_moment(int64_t us_since_epoch, bool has_zone) {
  const std::chrono::microseconds time(us_since_epoch);
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::hh_mm_ss clock(time - day);
  std::string text = fmt::format("{} {:02}:{:02}:{:02}", figure_of_day(day.count()), clock.hours().count(),
                                 clock.minutes().count(), clock.seconds().count());
  if (clock.subseconds().count() != 0) {
    text += fmt::format(".{:06}", clock.subseconds().count());
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text + (has_zone ? "Z" : "");
}

FileFigures::FileFigures(const arrow::Schema& schema) {
  for (const auto& field : schema.fields()) {
    Column column;
    column.kind = figure_kind(*field->type());
    if (field->type()->id() == Type::DECIMAL128)
      column.scale = static_cast<const arrow::Decimal128Type&>(*field->type()).scale();
    if (field->type()->id() == Type::TIMESTAMP)
      column.has_zone = !static_cast<const arrow::TimestampType&>(*field->type()).timezone().empty();
    columns_.push_back(column);
  }
}

template <class Array>
void FileFigures::take_numbers(const arrow::Array& array, Column& column) {
  const auto& values = static_cast<const Array&>(array);
  Int128 sum = 0;  // of a batch, whose rows are far fewer than 2^63
  for (int64_t row = 0; row < array.length(); ++row) {
    if (array.IsNull(row)) continue;
    const Int128 value = values.Value(row);
    if (!column.has_value || value < column.least) column.least = value;
    if (!column.has_value || value > column.greatest) column.greatest = value;
    column.has_value = true;
    sum += value;
  }
  column.sum += widened(sum);
}

Result<void> FileFigures::take(const arrow::Array& array, Column& column) {
  const auto nulls = static_cast<uint64_t>(array.null_count());
  column.nulls += nulls;
  column.count += static_cast<uint64_t>(array.length()) - nulls;
  const auto take_real = [&column](double value) {
    if (!column.has_value || is_less(value, column.least_real)) column.least_real = value;
    if (!column.has_value || is_less(column.greatest_real, value)) column.greatest_real = value;
    column.has_value = true;
  };
  switch (array.type_id()) {
    case Type::BOOL: take_numbers<arrow::BooleanArray>(array, column); return {};
    case Type::INT8: take_numbers<arrow::Int8Array>(array, column); return {};
    case Type::INT16: take_numbers<arrow::Int16Array>(array, column); return {};
    case Type::INT32: take_numbers<arrow::Int32Array>(array, column); return {};
    case Type::INT64: take_numbers<arrow::Int64Array>(array, column); return {};
    case Type::DATE32: take_numbers<arrow::Date32Array>(array, column); return {};
    case Type::TIMESTAMP:
      if (static_cast<const arrow::TimestampType&>(*array.type()).unit() != arrow::TimeUnit::MICRO)
        return Error{ErrorKind::unsupported, "figures of " + array.type()->ToString()};
      take_numbers<arrow::TimestampArray>(array, column);
      return {};
    case Type::DECIMAL128: {
      const auto& values = static_cast<const arrow::Decimal128Array&>(array);
      for (int64_t row = 0; row < array.length(); ++row) {
        if (array.IsNull(row)) continue;
        Int128 value = 0;
        std::memcpy(&value, values.GetValue(row), sizeof value);
        if (!column.has_value || value < column.least) column.least = value;
        if (!column.has_value || value > column.greatest) column.greatest = value;
        column.has_value = true;
        column.sum += widened(value);
      }
      return {};
    }
    case Type::FLOAT:
      for (const auto value : static_cast<const arrow::FloatArray&>(array))
        if (value) take_real(static_cast<double>(*value));
      return {};
    case Type::DOUBLE:
      for (const auto value : static_cast<const arrow::DoubleArray&>(array))
        if (value) take_real(*value);
      return {};
    default:
      if (column.kind != FigureKind::bytes) return {};
      for (int64_t row = 0; row < array.length(); ++row)
        if (array.IsValid(row)) column.bytes += length_of(array, row);
      return {};
  }
}

Result<void> FileFigures::add(const arrow::RecordBatch& batch) {
  ENSURE(static_cast<size_t>(batch.num_columns()) == columns_.size(), "a batch has the columns that were announced");
  for (size_t c = 0; c < columns_.size(); ++c) TRY(take(*batch.column(static_cast<int>(c)), columns_[c]));
  return {};
}

void FileFigures::merge(Column& into, const Column& from) {
  into.count += from.count;
  into.nulls += from.nulls;
  into.bytes += from.bytes;
  into.sum += from.sum;
  if (!from.has_value) return;
  const bool is_first = !into.has_value;
  into.has_value = true;
  if (is_first || from.least < into.least) into.least = from.least;
  if (is_first || from.greatest > into.greatest) into.greatest = from.greatest;
  if (is_first || is_less(from.least_real, into.least_real)) into.least_real = from.least_real;
  if (is_first || is_less(into.greatest_real, from.greatest_real)) into.greatest_real = from.greatest_real;
}

void FileFigures::add(const FileFigures& other) {
  ENSURE(other.columns_.size() == columns_.size(), "both are of the same columns");
  for (size_t c = 0; c < columns_.size(); ++c) merge(columns_[c], other.columns_[c]);
}

std::vector<DatabaseFigures> FileFigures::figures() const {
  std::vector<DatabaseFigures> all;
  for (const Column& column : columns_) {
    DatabaseFigures& figures = all.emplace_back();
    figures.count = column.count;
    figures.nulls = column.nulls;
    if (column.kind == FigureKind::bytes) figures.bytes = column.bytes;
    if (!column.has_value) continue;
    const auto number = [&](Int128 value) { return with_point(widened(value).ToIntegerString(), column.scale); };
    switch (column.kind) {
      case FigureKind::counts:
      case FigureKind::bytes: break;
      case FigureKind::number:
        figures.least = number(column.least);
        figures.greatest = number(column.greatest);
        figures.sum = with_point(column.sum.ToIntegerString(), column.scale);
        break;
      case FigureKind::real:
        figures.least = figure_of_real(column.least_real);
        figures.greatest = figure_of_real(column.greatest_real);
        break;
      case FigureKind::day:
        figures.least = figure_of_day(static_cast<int64_t>(column.least));
        figures.greatest = figure_of_day(static_cast<int64_t>(column.greatest));
        break;
      case FigureKind::moment:
        figures.least = figure_of_moment(static_cast<int64_t>(column.least), column.has_zone);
        figures.greatest = figure_of_moment(static_cast<int64_t>(column.greatest), column.has_zone);
        break;
    }
  }
  return all;
}

void keep_counts_only(DatabaseFigures& figures, const std::string& why) {
  figures.least.reset();
  figures.greatest.reset();
  figures.sum.reset();
  figures.bytes.reset();
  figures.left_out = why;
}

void account_for_policies(std::vector<DatabaseFigures>& database, const arrow::Schema& schema,
                          const std::vector<PolicyUse>& uses) {
  for (const PolicyUse& use : uses) {
    for (int c = 0; c < schema.num_fields(); ++c) {
      // In a list it is an element that becomes NULL.
      if (schema.field(c)->name() != use.column || schema.field(c)->type()->id() == Type::LIST) continue;
      DatabaseFigures& figures = database[static_cast<size_t>(c)];
      if (use.policy.ends_with("=null")) figures.nulled += use.values;
      if (!figures.bytes) continue;
      figures.bytes.reset();
      figures.left_out += (figures.left_out.empty() ? "" : "; ") + ("bytes: " + use.policy + " changed values");
    }
  }
}

std::string figures_difference(const arrow::Schema& schema, const std::vector<DatabaseFigures>& database,
                               const std::vector<DatabaseFigures>& file) {
  ENSURE(database.size() == file.size(), "both are of the same columns");
  std::vector<std::string> wrong;
  for (size_t c = 0; c < file.size(); ++c) {
    const DatabaseFigures& said = database[c];
    const DatabaseFigures& held = file[c];
    std::vector<std::string> differences;
    const auto compare = [&](const char* what, const std::string& there, const std::string& here) {
      if (there != here) differences.push_back(fmt::format("{} {} there, {} in the file", what, there, here));
    };
    const std::string none = "none";
    const auto compare_text = [&](const char* what, const std::optional<std::string>& there,
                                  const std::optional<std::string>& here) {
      if (there) compare(what, *there, here.value_or(none));
    };
    compare("values", std::to_string(said.count - std::min(said.count, said.nulled)), std::to_string(held.count));
    compare("NULLs", std::to_string(said.nulls + said.nulled), std::to_string(held.nulls));
    compare_text("least", said.least, held.least);
    compare_text("greatest", said.greatest, held.greatest);
    compare_text("sum", said.sum, held.sum);
    if (said.bytes) compare("bytes", std::to_string(*said.bytes), std::to_string(held.bytes.value_or(0)));
    if (differences.empty()) continue;
    wrong.push_back(fmt::format("column `{}`: {}", schema.field(static_cast<int>(c))->name(), join(differences, ", ")));
  }
  return join(wrong, "; ");
}

}  // namespace udon::data
