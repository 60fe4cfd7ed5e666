#include "plugins/data/parsed_column.h"

#include <arrow/builder.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>

#include "base/clock.h"
#include "base/text.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/canonical.h"
#include "plugins/data/memory_pool.h"

namespace udon::data {
namespace {

template <class Builder>
class BuiltColumn : public ParsedColumn {
 public:
  explicit BuiltColumn(const std::shared_ptr<arrow::DataType>& type) : builder_(type, memory_pool()) {}
  void append_null() override { keep(builder_.AppendNull()); }
  Result<std::shared_ptr<arrow::Array>> finish() override {
    TRY(from_arrow(status_, "build a column"));
    std::shared_ptr<arrow::Array> array;
    TRY(from_arrow(builder_.Finish(&array), "build a column"));
    return array;
  }

 protected:
  // The builder's only failure is memory; it is told at finish, so that append stays cheap.
  void keep(const arrow::Status& status) {
    if (!status.ok() && status_.ok()) status_ = status;
  }
  Builder builder_;
  arrow::Status status_;
};

std::string_view without_plus(std::string_view text) {
  return text.size() > 1 && text[0] == '+' && text[1] != '-' ? text.substr(1) : text;
}

template <class Builder, class Int>
class IntColumn final : public BuiltColumn<Builder> {
 public:
  using BuiltColumn<Builder>::BuiltColumn;
  std::string append(std::string_view text, uint64_t& hash) override {
    text = without_plus(text);
    Int value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
      return fmt::format("a whole number from {} to {}", std::numeric_limits<Int>::min(),
                         std::numeric_limits<Int>::max());
    this->keep(this->builder_.Append(value));
    hash = hash_int(value);
    return {};
  }
};

template <class Builder, class Real>
class RealColumn final : public BuiltColumn<Builder> {
 public:
  using BuiltColumn<Builder>::BuiltColumn;
  std::string append(std::string_view text, uint64_t& hash) override {
    text = without_plus(text);
    Real value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
      return std::is_same_v<Real, float> ? "a finite number within the range of a float" : "a finite number";
    this->keep(this->builder_.Append(value));
    hash = hash_double(static_cast<double>(value));
    return {};
  }
};

class BoolColumn final : public BuiltColumn<arrow::BooleanBuilder> {
 public:
  using BuiltColumn::BuiltColumn;
  std::string append(std::string_view text, uint64_t& hash) override {
    const std::string lower = lower_ascii(text);
    const bool is_true = lower == "true" || lower == "1";
    if (!is_true && lower != "false" && lower != "0") return "true, false, 1 or 0";
    keep(builder_.Append(is_true));
    hash = hash_bool(is_true);
    return {};
  }
};

// Digits with at most `scale` of them behind the point that are not 0; no exponent: 1e3 is how a spreadsheet rounds.
std::optional<Int128> parse_decimal(std::string_view text, int precision, int scale) {
  text = without_plus(text);
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  Int128 value = 0;
  int digits = 0;   // significant so far
  int behind = -1;  // the point was not met yet
  bool any = false;
  for (const char c : text) {
    if (c == '.') {
      if (behind >= 0) return std::nullopt;
      behind = 0;
      continue;
    }
    if (c < '0' || c > '9') return std::nullopt;
    any = true;
    if (behind >= 0) {
      if (behind == scale) {
        if (c != '0') return std::nullopt;  // would be rounded
        continue;
      }
      ++behind;
    }
    if (digits > 0 || c != '0') ++digits;
    if (digits > precision) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  if (!any) return std::nullopt;
  for (int i = std::max(behind, 0); i < scale; ++i) {
    if (value != 0 && ++digits > precision) return std::nullopt;
    value *= 10;
  }
  return negative ? -value : value;
}

class DecimalColumn final : public BuiltColumn<arrow::Decimal128Builder> {
 public:
  explicit DecimalColumn(const std::shared_ptr<arrow::DataType>& type) : BuiltColumn(type) {
    const auto& decimal = static_cast<const arrow::Decimal128Type&>(*type);
    precision_ = decimal.precision();
    scale_ = decimal.scale();
  }
  std::string append(std::string_view text, uint64_t& hash) override {
    const auto value = parse_decimal(text, precision_, scale_);
    if (!value)
      return fmt::format("a number with at most {} digits before the point and {} behind it", precision_ - scale_,
                         scale_);
    keep(builder_.Append(arrow::Decimal128(static_cast<int64_t>(*value >> 64), static_cast<uint64_t>(*value))));
    hash = hash_decimal(*value);
    return {};
  }

 private:
  int precision_ = 0;
  int scale_ = 0;
};

template <class Builder>
class TextColumn final : public BuiltColumn<Builder> {
 public:
  using BuiltColumn<Builder>::BuiltColumn;
  std::string append(std::string_view text, uint64_t& hash) override {
    this->keep(this->builder_.Append(text));
    hash = hash_text(text);
    return {};
  }
  int64_t value_bytes() const override { return this->builder_.value_data_length(); }
};

std::optional<int> parse_digits(std::string_view text, size_t at, size_t count) {
  if (at + count > text.size()) return std::nullopt;
  int value = 0;
  for (size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

// "YYYY-MM-DD" at the start of text.
std::optional<std::chrono::sys_days> parse_date(std::string_view text) {
  const auto year = parse_digits(text, 0, 4);
  const auto month = parse_digits(text, 5, 2);
  const auto day = parse_digits(text, 8, 2);
  if (!year || !month || !day || text[4] != '-' || text[7] != '-') return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date);
}

// Before it the calendars of Spark and Hive differ from everybody's.
constexpr auto gregorian_begin = std::chrono::sys_days(std::chrono::year(1582) / 10 / 15);
constexpr std::string_view ancient =
    "a day from 1582-10-15 on; Spark and Hive shift earlier ones: take the column as string";

// Wall-clock microseconds of "YYYY-MM-DD[ T]HH:MM:SS[.f…]"; `rest` is what follows. A plain date is its midnight.
std::optional<int64_t> parse_wall_clock(std::string_view text, std::string_view& rest) {
  const auto date = parse_date(text);
  if (!date) return std::nullopt;
  int64_t micros = std::chrono::duration_cast<std::chrono::microseconds>(date->time_since_epoch()).count();
  rest = text.substr(10);
  if (rest.empty()) return micros;
  if (rest[0] != ' ' && rest[0] != 'T') return std::nullopt;
  const auto hour = parse_digits(rest, 1, 2);
  const auto minute = parse_digits(rest, 4, 2);
  if (!hour || !minute || *hour > 23 || *minute > 59 || rest[3] != ':') return std::nullopt;
  int second = 0;
  rest = rest.substr(6);
  if (rest.starts_with(':')) {
    const auto parsed = parse_digits(rest, 1, 2);
    if (!parsed || *parsed > 59) return std::nullopt;
    second = *parsed;
    rest = rest.substr(3);
  }
  micros += ((*hour * 60 + *minute) * 60 + second) * 1'000'000LL;
  if (rest.starts_with('.')) {
    int64_t scale = 100'000;
    size_t i = 1;
    for (; i < rest.size() && rest[i] >= '0' && rest[i] <= '9'; ++i) {
      if (scale == 0 && rest[i] != '0') return std::nullopt;  // finer than a microsecond
      micros += (rest[i] - '0') * scale;
      scale /= 10;
    }
    if (i == 1) return std::nullopt;
    rest = rest.substr(i);
  }
  return micros;
}

// "Z", "+09", "+0900", "+09:00": microseconds east of UTC.
std::optional<int64_t> parse_offset(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const auto hours = parse_digits(text, 1, 2);
  std::string_view rest = text.substr(std::min<size_t>(3, text.size()));
  if (rest.starts_with(':')) rest.remove_prefix(1);
  const auto minutes = rest.empty() ? std::optional<int>(0) : parse_digits(rest, 0, 2);
  if (!hours || !minutes || *hours > 18 || *minutes > 59 || rest.size() > 2) return std::nullopt;
  const int64_t micros = (*hours * 60 + *minutes) * 60'000'000LL;
  return text[0] == '-' ? -micros : micros;
}

// Microseconds, of an instant if it has a zone.
std::optional<int64_t> parse_timestamp(std::string_view text, bool has_zone) {
  std::string_view rest;
  auto micros = parse_wall_clock(text, rest);
  if (!micros || !has_zone) return rest.empty() ? micros : std::nullopt;
  const auto offset = parse_offset(trim(rest));
  if (!offset) return std::nullopt;
  return *micros - *offset;
}

bool is_ancient(int64_t micros) {
  return micros < std::chrono::duration_cast<Duration>(gregorian_begin.time_since_epoch()).count();
}

class DateColumn final : public BuiltColumn<arrow::Date32Builder> {
 public:
  using BuiltColumn::BuiltColumn;
  std::string append(std::string_view text, uint64_t& hash) override {
    const auto date = text.size() == 10 ? parse_date(text) : std::nullopt;
    if (!date) return "a date YYYY-MM-DD";
    if (*date < gregorian_begin) return std::string(ancient);
    const auto days = static_cast<int32_t>(date->time_since_epoch().count());
    keep(builder_.Append(days));
    hash = hash_int(days);
    return {};
  }
};

class TimestampColumn final : public BuiltColumn<arrow::TimestampBuilder> {
 public:
  explicit TimestampColumn(const std::shared_ptr<arrow::DataType>& type)
      : BuiltColumn(type), has_zone_(!static_cast<const arrow::TimestampType&>(*type).timezone().empty()) {}
  std::string append(std::string_view text, uint64_t& hash) override {
    const auto micros = parse_timestamp(text, has_zone_);
    if (!micros)
      return has_zone_ ? "an instant YYYY-MM-DD HH:MM:SS[.ffffff] with its offset (Z, +09:00)"
                       : "a time YYYY-MM-DD HH:MM:SS[.ffffff] without an offset (with one: timestamptz)";
    if (is_ancient(*micros)) return std::string(ancient);
    keep(builder_.Append(*micros));
    hash = hash_int(*micros);
    return {};
  }

 private:
  bool has_zone_;
};

}  // namespace

bool is_date_text(std::string_view text) {
  const auto day = text.size() == 10 ? parse_date(text) : std::nullopt;
  return day && *day >= gregorian_begin;
}

bool is_timestamp_text(std::string_view text, bool has_zone) {
  if (text.size() <= 10) return false;
  const auto micros = parse_timestamp(text, has_zone);
  return micros && !is_ancient(*micros);
}

Result<std::unique_ptr<ParsedColumn>> make_parsed_column(const std::shared_ptr<arrow::DataType>& type) {
  using arrow::Type;
  const auto made = [&](auto column) -> std::unique_ptr<ParsedColumn> { return column; };
  switch (type->id()) {
    case Type::STRING: return made(std::make_unique<TextColumn<arrow::StringBuilder>>(type));
    case Type::BINARY: return made(std::make_unique<TextColumn<arrow::BinaryBuilder>>(type));
    case Type::BOOL: return made(std::make_unique<BoolColumn>(type));
    case Type::INT8: return made(std::make_unique<IntColumn<arrow::Int8Builder, int8_t>>(type));
    case Type::INT16: return made(std::make_unique<IntColumn<arrow::Int16Builder, int16_t>>(type));
    case Type::INT32: return made(std::make_unique<IntColumn<arrow::Int32Builder, int32_t>>(type));
    case Type::INT64: return made(std::make_unique<IntColumn<arrow::Int64Builder, int64_t>>(type));
    case Type::FLOAT: return made(std::make_unique<RealColumn<arrow::FloatBuilder, float>>(type));
    case Type::DOUBLE: return made(std::make_unique<RealColumn<arrow::DoubleBuilder, double>>(type));
    case Type::DECIMAL128: return made(std::make_unique<DecimalColumn>(type));
    case Type::DATE32: return made(std::make_unique<DateColumn>(type));
    case Type::TIMESTAMP: return made(std::make_unique<TimestampColumn>(type));
    default: return Error{ErrorKind::unsupported, "text has no form for " + type->ToString()};
  }
}

}  // namespace udon::data
