#include "plugins/data/postgres_columns.h"

#include <arrow/builder.h>
#include <arrow/util/decimal.h>
#include <arrow/util/utf8.h>
#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>

#include "plugins/data/arrow_result.h"
#include "plugins/data/canonical.h"
#include "plugins/data/memory_pool.h"
#include "plugins/data/policy_counter.h"
#include "plugins/data/text_repair.h"
#include "plugins/data/text_times.h"

namespace udon::data {
namespace {

using Taken = PostgresColumn::Taken;

// Days and microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
constexpr int32_t epoch_days = 10'957;
constexpr int64_t epoch_us = 946'684'800'000'000;
constexpr int64_t gregorian_us = gregorian_days * microseconds_per_day;

template <class T>
T big_endian(const uint8_t* data) {
  using Unsigned = std::make_unsigned_t<T>;
  Unsigned value;
  std::memcpy(&value, data, sizeof value);
  if constexpr (sizeof(T) == 2) value = __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) value = __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) value = __builtin_bswap64(value);
  return static_cast<T>(value);
}

template <class Builder>
class BuiltColumn : public PostgresColumn {
 public:
  explicit BuiltColumn(const std::shared_ptr<arrow::DataType>& type) : builder_(type, memory_pool()) {}
  Result<void> reserve(int64_t values) override { return from_arrow(builder_.Reserve(values), "build a column"); }
  void append_null() override { builder_.UnsafeAppendNull(); }
  Result<std::shared_ptr<arrow::Array>> finish() override {
    TRY(from_arrow(status_, "build a column"));
    std::shared_ptr<arrow::Array> array;
    TRY(from_arrow(builder_.Finish(&array), "build a column"));
    return array;
  }

 protected:
  // The builder's only failure is memory, where reserve has not seen to it; it is told at finish.
  void keep(const arrow::Status& status) {
    if (!status.ok() && status_.ok()) status_ = status;
  }
  Taken put_null() {
    builder_.UnsafeAppendNull();
    return Taken::null;
  }
  // What a policy makes of a value that has no place: `what` is its kind (never the value, which may be masked), `take`
  // appends it where the policy does take it.
  template <class Take>
  Taken by_policy(PolicyCounter& policy, std::string_view what, std::string_view choices, Take take) {
    switch (policy.judge()) {
      case Verdict::null: return put_null();
      case Verdict::take: keep(take()); return Taken::value;
      case Verdict::refuse: break;
    }
    return refuse(fmt::format("{}; choose what becomes of such values with `{}: {}`", what, policy.policy, choices));
  }
  Taken by_policy(PolicyCounter& policy, std::string_view what) {
    return by_policy(policy, what, "'null'` or the column's `type: string", [] { return arrow::Status::OK(); });
  }
  Taken wrong_size(const PostgresField& field) {
    return refuse(fmt::format("{} bytes on the wire, which is not the type's size", field.size));
  }
  Builder builder_;
  arrow::Status status_;
};

template <class Builder, class Wire>
class NumberColumn final : public BuiltColumn<Builder> {
 public:
  using BuiltColumn<Builder>::BuiltColumn;
  Taken append(const PostgresField& field) override {
    if (field.size != sizeof(Wire)) return this->wrong_size(field);
    if constexpr (std::is_same_v<Wire, float>) {
      this->builder_.UnsafeAppend(std::bit_cast<float>(big_endian<int32_t>(field.data)));
    } else if constexpr (std::is_same_v<Wire, double>) {
      this->builder_.UnsafeAppend(std::bit_cast<double>(big_endian<int64_t>(field.data)));
    } else {
      this->builder_.UnsafeAppend(big_endian<Wire>(field.data));
    }
    return Taken::value;
  }
};

class BoolColumn final : public BuiltColumn<arrow::BooleanBuilder> {
 public:
  using BuiltColumn::BuiltColumn;
  Taken append(const PostgresField& field) override {
    if (field.size != 1) return wrong_size(field);
    builder_.UnsafeAppend(field.data[0] != 0);
    return Taken::value;
  }
};

template <class Builder>
class BytesColumn final : public BuiltColumn<Builder> {
 public:
  BytesColumn(const std::shared_ptr<arrow::DataType>& type, const Policies& policies)
      : BuiltColumn<Builder>(type), invalid_("invalid_text", policies.invalid_text) {
    arrow::util::InitializeUTF8();  // before it, ValidateUTF8 finds every text valid
  }
  Taken append(const PostgresField& field) override {
    if constexpr (std::is_same_v<Builder, arrow::StringBuilder>) {
      // A database whose encoding is SQL_ASCII checks nothing, and converts nothing.
      if (!arrow::util::ValidateUTF8(field.data, field.size))
        return this->by_policy(invalid_, "text that is not UTF-8", "replace` or `invalid_text: 'null'",
                               [&] { return this->builder_.Append(replace_invalid_utf8(field.text())); });
    }
    const int64_t free = this->builder_.value_data_capacity() - this->builder_.value_data_length();
    if (field.size > free)
      if (const arrow::Status made = this->builder_.ReserveData(field.size); !made.ok()) {
        this->keep(made);
        return this->put_null();
      }
    this->builder_.UnsafeAppend(field.data, field.size);
    return Taken::value;
  }
  void report_policies(const std::string& column, std::vector<PolicyUse>& uses) const override {
    invalid_.report(column, uses);
  }
  int64_t value_bytes() const override { return this->builder_.value_data_length(); }

 private:
  PolicyCounter invalid_;
};

// Of days and times.
template <class Builder>
class TemporalColumn : public BuiltColumn<Builder> {
 public:
  TemporalColumn(const std::shared_ptr<arrow::DataType>& type, const Policies& policies)
      : BuiltColumn<Builder>(type),
        infinity_("infinity", policies.infinity),
        ancient_("ancient_dates", policies.ancient_dates) {}
  void report_policies(const std::string& column, std::vector<PolicyUse>& uses) const override {
    infinity_.report(column, uses);
    ancient_.report(column, uses);
  }

 protected:
  // On the wire the extreme values stand for it.
  template <class Wire>
  static bool is_infinite(Wire wire) {
    return wire == std::numeric_limits<Wire>::max() || wire == std::numeric_limits<Wire>::min();
  }
  Taken infinite() { return this->by_policy(infinity_, "an infinite value"); }
  template <class Take>
  Taken ancient(std::string_view what, Take take) {
    return this->by_policy(ancient_, what, "'null'`, `ancient_dates: keep` or the column's `type: string", take);
  }

 private:
  PolicyCounter infinity_, ancient_;
};

class DateColumn final : public TemporalColumn<arrow::Date32Builder> {
 public:
  using TemporalColumn::TemporalColumn;
  Taken append(const PostgresField& field) override {
    if (field.size != 4) return wrong_size(field);
    const auto wire = big_endian<int32_t>(field.data);
    if (is_infinite(wire)) return infinite();
    if (wire > std::numeric_limits<int32_t>::max() - epoch_days)
      return refuse("a date later than the target can hold; choose the column's `type: string`");
    const int32_t days = wire + epoch_days;
    if (days < gregorian_days)
      return ancient("a day before 1582-10-15, which Spark and Hive shift", [&] { return builder_.Append(days); });
    builder_.UnsafeAppend(days);
    return Taken::value;
  }
};

class TimestampColumn final : public TemporalColumn<arrow::TimestampBuilder> {
 public:
  TimestampColumn(const std::shared_ptr<arrow::DataType>& type, const Policies& policies,
                  std::shared_ptr<const TimeZone> zone)
      : TemporalColumn(type, policies), zone_(std::move(zone)) {}
  Taken append(const PostgresField& field) override {
    if (field.size != 8) return wrong_size(field);
    const auto wire = big_endian<int64_t>(field.data);
    if (is_infinite(wire)) return infinite();
    int64_t value = 0;
    if (__builtin_add_overflow(wire, epoch_us, &value))
      return refuse("a time later than microseconds in 64 bits can hold; choose the column's `type: string`");
    const bool is_ancient = value < gregorian_us;  // by the clock on the wall
    if (zone_ && !to_instant(value))
      return refuse(
          "a local time that the zone's clocks skipped or showed twice; choose the column's `type: timestamp`: it "
          "stays without zone");
    if (is_ancient)
      return ancient("a time before 1582-10-15, which Spark and Hive shift", [&] { return builder_.Append(value); });
    builder_.UnsafeAppend(value);
    return Taken::value;
  }

 private:
  bool to_instant(int64_t& value) const {
    const int64_t seconds = value >= 0 ? value / 1'000'000 : -((-value + 999'999) / 1'000'000);
    const auto instants = zone_->instants_of(WallTime(std::chrono::seconds(seconds)));
    if (instants.kind != TimeZone::Kind::unique) return false;
    value = instants.first.time_since_epoch().count() * 1'000'000 + (value - seconds * 1'000'000);
    return true;
  }
  std::shared_ptr<const TimeZone> zone_;
};

// numeric's wire form: int16 digits in base 10,000, int16 weight of the first, uint16 sign, int16 display scale,
// digits.
class DecimalColumn final : public BuiltColumn<arrow::Decimal128Builder> {
 public:
  DecimalColumn(const PostgresValuePlan& plan, const Policies& policies)
      : BuiltColumn(plan.type),
        nan_("nan", policies.nan),
        infinity_("infinity", policies.infinity),
        precision_(plan.precision),
        scale_(plan.scale) {}
  void report_policies(const std::string& column, std::vector<PolicyUse>& uses) const override {
    nan_.report(column, uses);
    infinity_.report(column, uses);
  }
  Taken append(const PostgresField& field) override {
    if (field.size < 8) return wrong_size(field);
    const int digits = big_endian<int16_t>(field.data);
    const int weight = big_endian<int16_t>(field.data + 2);
    const auto sign = big_endian<uint16_t>(field.data + 4);
    if (sign == 0xC000) return by_policy(nan_, "NaN");
    if (sign == 0xD000 || sign == 0xF000) return by_policy(infinity_, "an infinite value");
    if (digits < 0 || field.size != 8 + digits * 2) return wrong_size(field);
    // A number of at most two groups before the point, in units of 10^-8 or larger, fits 64 bits.
    return weight <= 1 && scale_ <= 8 ? put<int64_t>(field, digits, weight, sign == 0x4000)
                                      : put<Int128>(field, digits, weight, sign == 0x4000);
  }

 private:
  template <class Int>
  Taken put(const PostgresField& field, int digits, int weight, bool is_negative) {
    // The value is the sum of digit[i] * 10,000^(weight - i); wanted in units of 10^-scale. The last group may reach
    // behind the scale, with noughts.
    Int value = 0;
    int places = digits == 0 ? scale_ : -(weight + 1) * 4;  // behind the point, of `value` so far
    for (int i = 0; i < digits; ++i) {
      int group = big_endian<int16_t>(field.data + 8 + i * 2);
      int shift = 10'000;
      places += 4;
      for (; places > scale_ && shift > 1; --places) {
        if (group % 10 != 0) return refuse(fmt::format("a number with more than {} digits behind the point", scale_));
        group /= 10;
        shift /= 10;
      }
      if (places > scale_) {  // wholly behind the scale
        if (group != 0) return refuse(fmt::format("a number with more than {} digits behind the point", scale_));
        places = scale_;
      }
      if (__builtin_mul_overflow(value, Int{shift}, &value) || __builtin_add_overflow(value, Int{group}, &value))
        return too_large();
    }
    for (; places < scale_; ++places)
      if (__builtin_mul_overflow(value, Int{10}, &value)) return too_large();
    const Int128 all = is_negative ? -Int128{value} : Int128{value};
    const arrow::Decimal128 decimal(static_cast<int64_t>(all >> 64), static_cast<uint64_t>(all));
    if (!decimal.FitsInPrecision(precision_)) return too_large();
    builder_.UnsafeAppend(decimal);
    return Taken::value;
  }
  Taken too_large() { return refuse(fmt::format("a number of more than {} digits", precision_)); }
  PolicyCounter nan_, infinity_;
  int precision_;
  int scale_;
};

// array_send: int32 dimensions, int32 has NULLs, uint32 element type, then for each dimension int32 length, int32 lower
// bound, then the elements: int32 size (-1 NULL), bytes.
class ListColumn final : public PostgresColumn {
 public:
  ListColumn(std::unique_ptr<PostgresColumn> elements, std::shared_ptr<arrow::DataType> type)
      : elements_(std::move(elements)), type_(std::move(type)) {
    keep(offsets_.Append(0));
  }
  Taken append(const PostgresField& field) override {
    if (field.size < 12) return wrong_form();
    const int dimensions = big_endian<int32_t>(field.data);
    if (dimensions == 0) return end_list(Taken::value);
    if (dimensions != 1)
      return refuse(
          fmt::format("an array of {} dimensions, where a list has one; choose `type: string`, or leave the column "
                      "out",
                      dimensions));
    if (field.size < 20) return wrong_form();
    const int length = big_endian<int32_t>(field.data + 12);
    const uint8_t* at = field.data + 20;
    const uint8_t* const end = field.data + field.size;
    constexpr int64_t element_bytes_min = 4;
    if (length < 0 || (end - at) / element_bytes_min < length) return wrong_form();
    if (const auto reserved = elements_->reserve(length); !reserved) return refuse(reserved.error().message);
    for (int i = 0; i < length; ++i) {
      if (end - at < 4) return wrong_form();
      const auto size = big_endian<int32_t>(at);
      at += 4;
      ++count_;
      if (size == -1) {
        elements_->append_null();
        continue;
      }
      if (size < 0 || end - at < size) return wrong_form();
      // A policy speaks of the element, not of the list.
      if (elements_->append({at, size}) == Taken::refused) return refuse(elements_->refusal());
      at += size;
    }
    return end_list(Taken::value);
  }
  Result<void> reserve(int64_t values) override {
    TRY(from_arrow(offsets_.Reserve(values), "build a column"));
    return from_arrow(validity_.Reserve(values), "build a column");
  }
  void append_null() override {
    keep(offsets_.Append(count_));
    keep(validity_.Append(false));
    has_nulls_ = true;
  }
  void report_policies(const std::string& column, std::vector<PolicyUse>& uses) const override {
    elements_->report_policies(column, uses);
  }
  int64_t value_bytes() const override { return elements_->value_bytes() + static_cast<int64_t>(count_) * 8; }
  Result<std::shared_ptr<arrow::Array>> finish() override {
    TRY(from_arrow(status_, "build a column"));
    TRY_ASSIGN(const auto values, elements_->finish());
    std::shared_ptr<arrow::Buffer> offsets, validity;
    const int64_t length = validity_.length();
    const int64_t nulls = validity_.false_count();
    TRY(from_arrow(offsets_.Finish(&offsets), "build a column"));
    TRY(from_arrow(validity_.Finish(&validity), "build a column"));
    count_ = 0;
    keep(offsets_.Append(0));
    return std::shared_ptr<arrow::Array>(
        std::make_shared<arrow::ListArray>(type_, length, offsets, values, nulls > 0 ? validity : nullptr, nulls));
  }

 private:
  Taken wrong_form() { return refuse("bytes on the wire that are no array"); }
  Taken end_list(Taken taken) {
    keep(offsets_.Append(count_));
    keep(validity_.Append(true));
    return taken;
  }
  void keep(const arrow::Status& status) {
    if (!status.ok() && status_.ok()) status_ = status;
  }
  std::unique_ptr<PostgresColumn> elements_;
  std::shared_ptr<arrow::DataType> type_;
  arrow::TypedBufferBuilder<int32_t> offsets_;
  arrow::TypedBufferBuilder<bool> validity_;
  int32_t count_ = 0;
  bool has_nulls_ = false;
  arrow::Status status_;
};

}  // namespace

std::unique_ptr<PostgresColumn> make_postgres_column(const PostgresValuePlan& plan, const PostgresValuePlan* element,
                                                     const Policies& policies, std::shared_ptr<const TimeZone> zone) {
  switch (plan.kind) {
    case PostgresKind::boolean: return std::make_unique<BoolColumn>(plan.type);
    case PostgresKind::int16: return std::make_unique<NumberColumn<arrow::Int16Builder, int16_t>>(plan.type);
    case PostgresKind::int32: return std::make_unique<NumberColumn<arrow::Int32Builder, int32_t>>(plan.type);
    case PostgresKind::int64: return std::make_unique<NumberColumn<arrow::Int64Builder, int64_t>>(plan.type);
    case PostgresKind::oid: return std::make_unique<NumberColumn<arrow::Int64Builder, uint32_t>>(plan.type);
    case PostgresKind::float32: return std::make_unique<NumberColumn<arrow::FloatBuilder, float>>(plan.type);
    case PostgresKind::float64: return std::make_unique<NumberColumn<arrow::DoubleBuilder, double>>(plan.type);
    case PostgresKind::decimal: return std::make_unique<DecimalColumn>(plan, policies);
    case PostgresKind::date: return std::make_unique<DateColumn>(plan.type, policies);
    case PostgresKind::wall_clock:
      return std::make_unique<TimestampColumn>(plan.type, policies, plan.is_zoned ? std::move(zone) : nullptr);
    case PostgresKind::instant: return std::make_unique<TimestampColumn>(plan.type, policies, nullptr);
    case PostgresKind::text: return std::make_unique<BytesColumn<arrow::StringBuilder>>(plan.type, policies);
    case PostgresKind::binary: return std::make_unique<BytesColumn<arrow::BinaryBuilder>>(plan.type, policies);
    case PostgresKind::list:
      return std::make_unique<ListColumn>(make_postgres_column(*element, nullptr, policies, std::move(zone)),
                                          plan.type);
  }
  return nullptr;
}

}  // namespace udon::data
