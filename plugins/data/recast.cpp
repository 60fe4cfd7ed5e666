#include "plugins/data/recast.h"

#include <arrow/builder.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "base/text.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/exact_number.h"
#include "plugins/data/policy_counter.h"
#include "plugins/data/text_repair.h"
#include "plugins/data/text_times.h"
#include "plugins/data/type_name.h"

namespace udon::data {
namespace {

// Why a value has no place in the target; those of policies last.
enum class Trouble {
  none,
  too_large,
  has_fraction,
  no_boolean,
  inexact,
  no_number,
  no_day,
  no_wall_clock,
  no_instant,
  no_time,
  no_interval,
  has_days,
  not_midnight,
  not_of_a_day,
  zero_date,
  ancient_date,
  infinity,
  nan,
  invalid_text,
};

std::string reason_of(Trouble trouble, const std::string& type) {
  switch (trouble) {
    case Trouble::none: break;
    case Trouble::too_large: return fmt::format("does not fit into {}; choose a wider `type`", type);
    case Trouble::has_fraction:
      return fmt::format("has more digits behind the point than {}; choose a `type` with more", type);
    case Trouble::no_boolean: return "is neither 0 nor 1; leave `type: boolean` out";
    case Trouble::inexact:
      return fmt::format("is no {}: other digits would come back; choose decimal(p,s), string or no `type`", type);
    case Trouble::no_number:
      return "is no number written plainly (-12.5: no blanks, leading noughts or exponents); choose string";
    case Trouble::no_day: return "is no day written 2026-01-31; choose string";
    case Trouble::no_wall_clock: return "is no time written 2026-01-31 09:00:00 (at most microseconds); choose string";
    case Trouble::no_instant:
      return "is no time with offset, written 2026-01-31 09:00:00+09:00 (at most microseconds); choose string";
    case Trouble::no_time: return "is no time written 09:00:00 (at most microseconds); choose string";
    case Trouble::no_interval: return "is no length of time that microseconds in 64 bits can hold; choose string";
    case Trouble::has_days: return "holds days, months or years, whose length is not fixed; choose string";
    case Trouble::not_midnight: return "is not midnight; choose timestamp or no `type`";
    case Trouble::not_of_a_day:
      return "is no time of a day (00:00:00 to 23:59:59.999999); choose interval_us or string";
    case Trouble::zero_date: return "is no day of the calendar; choose `zero_dates: 'null'` or `type: string`";
    case Trouble::ancient_date:
      return "is before 1582-10-15, which Spark refuses or shifts; choose `ancient_dates: keep`, `ancient_dates: "
             "'null'` "
             "or `type: string`";
    case Trouble::infinity: return fmt::format("has no place in {}; choose `infinity: 'null'` or string", type);
    case Trouble::nan: return fmt::format("has no place in {}; choose `nan: 'null'` or string", type);
    case Trouble::invalid_text:
      return "is no valid UTF-8; choose `invalid_text: replace`, `invalid_text: 'null'` or binary";
  }
  return {};
}

// The policies that can speak of a recast column, each with its count.
class PolicyBook {
 public:
  explicit PolicyBook(const Policies& policies)
      : zero_dates_("zero_dates", policies.zero_dates),
        ancient_dates_("ancient_dates", policies.ancient_dates),
        infinity_("infinity", policies.infinity),
        nan_("nan", policies.nan),
        invalid_text_("invalid_text", policies.invalid_text) {}

  Verdict judge(Trouble trouble) {
    PolicyCounter* const counter = find(trouble);
    return counter == nullptr ? Verdict::refuse : counter->judge();
  }
  bool makes_null_of(Trouble trouble) {
    const PolicyCounter* const counter = find(trouble);
    return counter != nullptr && counter->choice == "null";
  }
  std::vector<PolicyUse> uses(const std::string& column) const {
    std::vector<PolicyUse> all;
    for (const PolicyCounter* counter : {&zero_dates_, &ancient_dates_, &infinity_, &nan_, &invalid_text_})
      counter->report(column, all);
    return all;
  }

 private:
  PolicyCounter* find(Trouble trouble) {
    if (trouble == Trouble::zero_date) return &zero_dates_;
    if (trouble == Trouble::ancient_date) return &ancient_dates_;
    if (trouble == Trouble::infinity) return &infinity_;
    if (trouble == Trouble::nan) return &nan_;
    return trouble == Trouble::invalid_text ? &invalid_text_ : nullptr;
  }
  PolicyCounter zero_dates_, ancient_dates_, infinity_, nan_, invalid_text_;
};

// `load(array, row)` gives a value, `convert(value, out)` what becomes of it. With ancient_date and invalid_text, `out`
// holds what the policy's third choice takes.
template <class Builder, class Out, class Load, class Convert>
class EachValue final : public Recast {
 public:
  EachValue(std::string column, const DataType& target, const Policies& policies, std::vector<Trouble> of_policies,
            Load load, Convert convert)
      : column_(std::move(column)),
        target_(target),
        policies_(policies),
        of_policies_(std::move(of_policies)),
        load_(std::move(load)),
        convert_(std::move(convert)) {}

  Result<std::shared_ptr<arrow::Array>> apply(const arrow::Array& values, RecastFailure& failure) override {
    Builder builder(arrow_type_of(target_), arrow::default_memory_pool());
    TRY(from_arrow(builder.Reserve(values.length()), "recast a column"));
    for (int64_t row = 0; row < values.length(); ++row) {
      bool is_null = values.IsNull(row);
      Out out{};
      if (!is_null) {
        const Trouble trouble = convert_(load_(values, row), out);
        if (trouble != Trouble::none) {
          const Verdict verdict = policies_.judge(trouble);
          if (verdict == Verdict::refuse) {
            failure = {row, reason_of(trouble, to_string(target_))};
            return Error{ErrorKind::data, failure.reason};
          }
          is_null = verdict == Verdict::null;
        }
      }
      TRY(from_arrow(is_null ? builder.AppendNull() : builder.Append(out), "recast a column"));
    }
    std::shared_ptr<arrow::Array> array;
    TRY(from_arrow(builder.Finish(&array), "recast a column"));
    return array;
  }
  std::shared_ptr<arrow::DataType> type() const override { return arrow_type_of(target_); }
  std::vector<PolicyUse> policy_uses() const override { return policies_.uses(column_); }
  bool makes_nulls() override {
    for (const Trouble trouble : of_policies_)
      if (policies_.makes_null_of(trouble)) return true;
    return false;
  }

 private:
  std::string column_;
  DataType target_;
  PolicyBook policies_;
  std::vector<Trouble> of_policies_;
  Load load_;
  Convert convert_;
};

using Made = std::unique_ptr<Recast>;

// What is made, and by which rules.
struct Order {
  const ColumnInfo& column;
  const DataType& target;
  const Policies& policies;

  template <class Builder, class Out, class Load, class Convert>
  Made each(std::vector<Trouble> of_policies, Load load, Convert convert) const {
    return std::make_unique<EachValue<Builder, Out, Load, Convert>>(column.request.name, target, policies,
                                                                    std::move(of_policies), load, convert);
  }
};

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
    case interval_us: return nullptr;
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
    case interval_us: return nullptr;
  }
  return nullptr;
}

std::string_view load_text(const arrow::Array& values, int64_t row) {
  return static_cast<const arrow::BinaryArray&>(values).GetView(row);
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

Made numbers_from_text(const Order& order) {
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
    case interval_us: return nullptr;
  }
  return nullptr;
}

const std::vector<Trouble> of_days{Trouble::zero_date, Trouble::ancient_date};

Trouble trouble_of(TimeProblem problem, Trouble wrong_form, bool is_ancient) {
  switch (problem) {
    case TimeProblem::none: return is_ancient ? Trouble::ancient_date : Trouble::none;
    case TimeProblem::no_such_day: return Trouble::zero_date;
    case TimeProblem::wrong_form: return wrong_form;
  }
  return wrong_form;
}

Made from_characters(const Order& order) {
  using enum DataType::Kind;
  switch (order.target.kind) {
    case binary:
      return order.each<arrow::BinaryBuilder, std::string_view>({}, load_text, [](std::string_view text, auto& out) {
        out = text;
        return Trouble::none;
      });
    case date:
      return order.each<arrow::Date32Builder, int32_t>(of_days, load_text, [](std::string_view text, int32_t& out) {
        const TimeProblem problem = parse_day(text, out);
        return trouble_of(problem, Trouble::no_day, out < gregorian_days);
      });
    case timestamp:
      return order.each<arrow::TimestampBuilder, int64_t>(of_days, load_text, [](std::string_view text, int64_t& out) {
        const TimeProblem problem = parse_wall_clock(text, out);
        return trouble_of(problem, Trouble::no_wall_clock, out < gregorian_days * microseconds_per_day);
      });
    case timestamptz:
      return order.each<arrow::TimestampBuilder, int64_t>(of_days, load_text, [](std::string_view text, int64_t& out) {
        const TimeProblem problem = parse_instant(text, out);
        return trouble_of(problem, Trouble::no_instant, out < gregorian_days * microseconds_per_day);
      });
    default: return numbers_from_text(order);
  }
}

Made from_times(const Order& order) {
  if (order.target.kind == DataType::Kind::interval_us)
    return order.each<arrow::Int64Builder, int64_t>({}, load_text, [](std::string_view text, int64_t& out) {
      return parse_clock_time(text, out) == TimeProblem::none ? Trouble::none : Trouble::no_time;
    });
  if (order.target.kind == DataType::Kind::time)
    return order.each<arrow::Time64Builder, int64_t>({}, load_text, [](std::string_view text, int64_t& out) {
      if (parse_clock_time(text, out) != TimeProblem::none) return Trouble::no_time;
      return out >= 0 && out < microseconds_per_day ? Trouble::none : Trouble::not_of_a_day;
    });
  return nullptr;
}

Made from_intervals(const Order& order) {
  if (order.target.kind != DataType::Kind::interval_us) return nullptr;
  return order.each<arrow::Int64Builder, int64_t>({}, load_text, [](std::string_view text, int64_t& out) {
    switch (parse_interval(text, out)) {
      case IntervalProblem::none: return Trouble::none;
      case IntervalProblem::wrong_form: return Trouble::no_interval;
      case IntervalProblem::has_days: return Trouble::has_days;
    }
    return Trouble::no_interval;
  });
}

Made from_texts(const Order& order) {
  switch (order.column.text_form) {
    case TextForm::opaque: return nullptr;
    case TextForm::digits: return numbers_from_text(order);
    case TextForm::characters: return from_characters(order);
    case TextForm::time: return from_times(order);
    case TextForm::interval: return from_intervals(order);
  }
  return nullptr;
}

Made from_bytes(const Order& order) {
  if (order.target.kind != DataType::Kind::string || order.column.text_form != TextForm::characters) return nullptr;
  return order.each<arrow::StringBuilder, std::string>(
      {Trouble::invalid_text}, load_text, [](std::string_view bytes, std::string& out) {
        const bool is_valid = is_valid_utf8(bytes);
        out = is_valid ? std::string(bytes) : replace_invalid_utf8(bytes);
        return is_valid ? Trouble::none : Trouble::invalid_text;
      });
}

Made from_days(const Order& order) {
  if (order.target.kind != DataType::Kind::timestamp) return nullptr;
  return order.each<arrow::TimestampBuilder, int64_t>(
      {},
      [](const arrow::Array& values, int64_t row) { return static_cast<const arrow::Date32Array&>(values).Value(row); },
      [](int32_t days, int64_t& out) {
        return __builtin_mul_overflow(int64_t{days}, microseconds_per_day, &out) ? Trouble::too_large : Trouble::none;
      });
}

// A wall clock's day, if it is its midnight. An instant has no one day.
Made from_wall_clocks(const Order& order) {
  const auto& type = static_cast<const arrow::TimestampType&>(*order.column.type);
  if (order.target.kind != DataType::Kind::date || !type.timezone().empty() || type.unit() != arrow::TimeUnit::MICRO)
    return nullptr;
  return order.each<arrow::Date32Builder, int32_t>(
      {},
      [](const arrow::Array& values, int64_t row) {
        return static_cast<const arrow::TimestampArray&>(values).Value(row);
      },
      [](int64_t us, int32_t& out) {
        out = static_cast<int32_t>(us / microseconds_per_day);
        return us % microseconds_per_day == 0 ? Trouble::none : Trouble::not_midnight;
      });
}

Made make(const Order& order) {
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
    case Type::STRING: return from_texts(order);
    case Type::BINARY: return from_bytes(order);
    case Type::DATE32: return from_days(order);
    case Type::TIMESTAMP: return from_wall_clocks(order);
    default: return nullptr;
  }
}

// The types that the column can have, as they are written.
std::vector<std::string> choices_of(const ColumnInfo& column, const Policies& policies) {
  std::vector<std::string> choices;
  for (const std::string& name : data_type_names()) {
    const bool is_decimal = name.starts_with("decimal");
    const auto type = parse_data_type(is_decimal ? "decimal(38,0)" : name);
    const bool has_it = is_decimal ? column.type->id() == arrow::Type::DECIMAL128 : has_type(column, *type);
    // Readers give their own text of whatever has one.
    const bool has_text = type->kind == DataType::Kind::string && column.type->id() != arrow::Type::BINARY;
    if (has_it || has_text || make({column, *type, policies})) choices.push_back(name);
  }
  return choices;
}

}  // namespace

Result<std::unique_ptr<Recast>> make_recast(const ColumnInfo& column, const DataType& target,
                                            const Policies& policies) {
  if (auto recast = make({column, target, policies})) return recast;
  std::string message = fmt::format(
      "column `{}` ({}): `type: {}` could lose or invent something without a word; it can be {}",
      column.request.source_name, column.source_type, to_string(target), join(choices_of(column, policies), ", "));
  if (target.kind == DataType::Kind::timestamptz && column.type->id() == arrow::Type::TIMESTAMP)
    message += "; to make it an instant, say its zone: `timezone: Asia/Seoul`";
  return Error{ErrorKind::unsupported, std::move(message)};
}

bool has_type(const ColumnInfo& column, const DataType& type) {
  return type.kind != DataType::Kind::interval_us && column.type->Equals(*arrow_type_of(type));
}

std::string describe_value(const arrow::Array& values, int64_t row) {
  constexpr size_t shown_bytes_max = 60;
  using arrow::Type;
  if (values.IsNull(row)) return "NULL";
  const auto quoted = [](std::string_view bytes, std::string_view shown) {
    return "'" + std::string(shown) + (bytes.size() > shown_bytes_max ? "…'" : "'");
  };
  switch (values.type_id()) {
    case Type::STRING: {
      const std::string_view text = load_text(values, row);
      size_t length = std::min(text.size(), shown_bytes_max);
      while (length > 0 && length < text.size() && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) --length;
      return quoted(text, text.substr(0, length));
    }
    case Type::BINARY: {
      const std::string_view bytes = load_text(values, row);
      const size_t length = std::min(bytes.size(), shown_bytes_max / 2);
      return "0x" + to_hex({reinterpret_cast<const unsigned char*>(bytes.data()), length}) +
             (length < bytes.size() ? "…" : "");
    }
    case Type::DECIMAL128: {
      ExactNumber number{0, static_cast<const arrow::Decimal128Type&>(*values.type()).scale()};
      std::memcpy(&number.unscaled, static_cast<const arrow::Decimal128Array&>(values).GetValue(row), 16);
      return to_text(number);
    }
    default: {
      const auto scalar = values.GetScalar(row);
      return scalar.ok() ? (*scalar)->ToString() : "a value";
    }
  }
}

}  // namespace udon::data
