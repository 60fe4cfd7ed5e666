#include "plugins/data/mysql_decode.h"

#include <arrow/util/utf8.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/unicode.h"
#include "plugins/data/memory_pool.h"
#include "plugins/data/policy_counter.h"
#include "plugins/data/text_repair.h"
#include "plugins/data/text_times.h"

namespace udon::data {
namespace {

__extension__ typedef unsigned __int128 Uint128;

// Arrow's builders take values and what is NULL of them a block at a time for a fraction of what single ones cost.
template <class Builder, class Stored>
arrow::Status append_block(Builder& builder, const std::vector<Stored>& values, const uint8_t* valid) {
  const auto rows = static_cast<int64_t>(values.size());
  if constexpr (std::is_same_v<Builder, arrow::Decimal128Builder>) {
    static_assert(sizeof(Stored) == 16 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
    return builder.AppendValues(reinterpret_cast<const uint8_t*>(values.data()), rows, valid);
  } else {
    return builder.AppendValues(values.data(), rows, valid);
  }
}

// Of fixed width: `read(cell, value)` gives the value or a problem; ValueProblem::none with is_null by policy.
template <class Builder, class Read>
class FixedDecoder : public MysqlColumnDecoder {
 public:
  FixedDecoder(const std::shared_ptr<arrow::DataType>& type, Read read)
      : builder_(type, memory_pool()), read_(std::move(read)) {}

  void reserve(int64_t rows) override { reserved_ = builder_.Reserve(rows).ok(); }
  ValueProblem append(std::span<const MysqlCell> cells, std::span<const MysqlCell>, size_t& at) override {
    if (!reserved_) return ValueProblem::no_memory;
    values_.resize(cells.size());
    valid_.resize(cells.size());
    bool has_null = false;
    for (at = 0; at < cells.size(); ++at) {
      typename Read::Value value{};
      bool is_null = cells[at].is_null();
      if (!is_null) {
        const ValueProblem problem = read_(cells[at], value, is_null);
        if (problem != ValueProblem::none) return problem;
      }
      values_[at] = is_null ? typename Read::Value{} : value;
      valid_[at] = is_null ? 0 : 1;
      has_null |= is_null;
    }
    const bool done = append_block(builder_, values_, has_null ? valid_.data() : nullptr).ok();
    return done ? ValueProblem::none : ValueProblem::no_memory;
  }
  arrow::Result<std::shared_ptr<arrow::Array>> finish() override { return builder_.Finish(); }
  std::vector<PolicyUse> policy_uses() const override {
    if constexpr (requires { read_.uses(); })
      return read_.uses();
    else
      return {};
  }

 private:
  // Of a block. A bool is a byte to Arrow's builder.
  using Stored = std::conditional_t<std::is_same_v<typename Read::Value, bool>, uint8_t, typename Read::Value>;
  Builder builder_;
  Read read_;
  std::vector<Stored> values_;
  std::vector<uint8_t> valid_;
  bool reserved_ = false;
};

template <class Wire, class To>
struct ReadNumber {
  using Value = To;
  ValueProblem operator()(const MysqlCell& cell, Value& value, bool&) const {
    if (cell.size != sizeof(Wire)) return ValueProblem::malformed;
    value = static_cast<To>(read_little_endian<Wire>(cell.data));
    return ValueProblem::none;
  }
};

struct ReadUnsigned64 {
  using Value = arrow::Decimal128;
  ValueProblem operator()(const MysqlCell& cell, Value& value, bool&) const {
    if (cell.size != 8) return ValueProblem::malformed;
    value = arrow::Decimal128(0, read_little_endian<uint64_t>(cell.data));
    return ValueProblem::none;
  }
};

// BIT: big-endian, as many bytes as needed.
bool read_bits(const MysqlCell& cell, uint64_t& bits) {
  if (cell.size > 8) return false;
  bits = 0;
  for (size_t i = 0; i < cell.size; ++i) bits = bits << 8 | cell.data[i];
  return true;
}

struct ReadBoolean {
  using Value = bool;
  ValueProblem operator()(const MysqlCell& cell, Value& value, bool&) const {
    uint64_t bits = 0;
    if (!read_bits(cell, bits) || bits > 1) return ValueProblem::malformed;
    value = bits == 1;
    return ValueProblem::none;
  }
};

struct ReadBits {
  using Value = int64_t;
  ValueProblem operator()(const MysqlCell& cell, Value& value, bool&) const {
    uint64_t bits = 0;
    if (!read_bits(cell, bits) || bits >> 63 != 0) return ValueProblem::malformed;
    value = static_cast<int64_t>(bits);
    return ValueProblem::none;
  }
};

struct ReadBits64 {
  using Value = arrow::Decimal128;
  ValueProblem operator()(const MysqlCell& cell, Value& value, bool&) const {
    uint64_t bits = 0;
    if (!read_bits(cell, bits)) return ValueProblem::malformed;
    value = arrow::Decimal128(0, bits);
    return ValueProblem::none;
  }
};

// "-123.45" with exactly the scale's digits, as the server prints decimals.
struct ReadDecimal {
  using Value = arrow::Decimal128;
  int scale;

  ValueProblem operator()(const MysqlCell& cell, Value& value, bool&) const {
    std::string_view text = cell.text();
    const bool is_negative = text.starts_with('-');
    if (is_negative) text.remove_prefix(1);
    constexpr size_t digits_of_64_bits = 18;
    return text.size() <= digits_of_64_bits ? read_short(text, is_negative, value)
                                            : read_long(text, is_negative, value);
  }

 private:
  ValueProblem read_short(std::string_view text, bool is_negative, Value& value) const {
    const auto behind = static_cast<size_t>(scale);
    const size_t point = scale == 0 ? text.size() : text.size() - behind - 1;
    if (text.empty() || (scale > 0 && (text.size() <= behind || text[point] != '.'))) return ValueProblem::malformed;
    uint64_t unscaled = 0;
    bool is_number = true;
    const auto add = [&](std::string_view digits) {
      for (const char c : digits) {
        const auto digit = static_cast<uint64_t>(c - '0');  // of what is none a large one
        is_number &= digit <= 9;
        unscaled = unscaled * 10 + digit;
      }
    };
    add(text.substr(0, point));
    if (scale > 0) add(text.substr(point + 1));
    if (!is_number) return ValueProblem::malformed;
    const auto magnitude = static_cast<int64_t>(unscaled);
    value = arrow::Decimal128(is_negative ? -magnitude : magnitude);
    return ValueProblem::none;
  }

  // 18 digits at a time.
  ValueProblem read_long(std::string_view text, bool is_negative, Value& value) const {
    Uint128 unscaled = 0;
    uint64_t chunk = 0, power = 1;
    int digits = 0, after_point = -1;
    for (const char c : text) {
      if (c == '.' && after_point < 0) {
        after_point = 0;
        continue;
      }
      if (c < '0' || c > '9' || ++digits > 39) return ValueProblem::malformed;
      if (after_point >= 0) ++after_point;
      chunk = chunk * 10 + static_cast<uint64_t>(c - '0');
      power *= 10;
      if (power == 1'000'000'000'000'000'000) {
        unscaled = unscaled * power + chunk;
        chunk = 0, power = 1;
      }
    }
    if (digits == 0 || std::max(after_point, 0) != scale) return ValueProblem::malformed;
    unscaled = unscaled * power + chunk;
    value = arrow::Decimal128(static_cast<int64_t>(unscaled >> 64), static_cast<uint64_t>(unscaled));
    if (is_negative) value.Negate();
    return ValueProblem::none;
  }
};

// Where the months begin that most dates lie in: to look it up costs a fraction of the calendar's arithmetic.
class MonthTable {
 public:
  MonthTable() {
    for (int year = year_min; year <= year_max; ++year)
      for (int month = 1; month <= 12; ++month) first_days_.push_back(*days_of(year, month, 1));
    first_days_.push_back(*days_of(year_max + 1, 1, 1));
  }
  // False: another year, or no such day.
  bool find(const MysqlDateTime& parts, int32_t& days) const {
    if (parts.year < year_min || parts.year > year_max || parts.month < 1 || parts.month > 12) return false;
    const auto month = static_cast<size_t>((parts.year - year_min) * 12 + parts.month - 1);
    days = first_days_[month] + parts.day - 1;
    return parts.day >= 1 && days < first_days_[month + 1];
  }

 private:
  static constexpr int year_min = 1900, year_max = 2099;
  std::vector<int32_t> first_days_;
};

const MonthTable& month_table() {
  static const MonthTable table;
  return table;
}

// Days and wall clocks share their policies.
struct DatePolicies {
  std::string column;
  PolicyCounter zero, ancient;
  const MonthTable& months = month_table();

  DatePolicies(const MysqlColumnPlan& plan, const TableRequest& request)
      : column(plan.info.request.name),
        zero("zero_dates", request.policies.zero_dates),
        ancient("ancient_dates", request.policies.ancient_dates) {}

  ValueProblem days(const MysqlDateTime& parts, int32_t& days, bool& is_null) {
    if (!months.find(parts, days)) {
      const std::optional<int32_t> found = days_of(parts.year, parts.month, parts.day);
      if (!found) return by(zero.judge(), ValueProblem::zero_date, is_null);
      days = *found;
    }
    if (days >= gregorian_days) return ValueProblem::none;
    return by(ancient.judge(), ValueProblem::ancient_date, is_null);
  }
  static ValueProblem by(Verdict verdict, ValueProblem problem, bool& is_null) {
    is_null = verdict == Verdict::null;
    return verdict == Verdict::refuse ? problem : ValueProblem::none;
  }
  std::vector<PolicyUse> uses() const {
    std::vector<PolicyUse> all;
    zero.report(column, all);
    ancient.report(column, all);
    return all;
  }
};

struct ReadDate {
  using Value = int32_t;
  DatePolicies policies;

  ValueProblem operator()(const MysqlCell& cell, Value& value, bool& is_null) {
    MysqlDateTime parts;
    if (!read_mysql_datetime(cell, parts)) return ValueProblem::malformed;
    return policies.days(parts, value, is_null);
  }
  std::vector<PolicyUse> uses() const { return policies.uses(); }
};

struct ReadDateTime {
  using Value = int64_t;
  DatePolicies policies;
  std::optional<WallClock> clock;  // none: as it is

  ValueProblem operator()(const MysqlCell& cell, Value& value, bool& is_null) {
    MysqlDateTime parts;
    if (!read_mysql_datetime(cell, parts) || parts.hour > 23 || parts.minute > 59 || parts.second > 59 ||
        parts.microsecond > 999'999)
      return ValueProblem::malformed;
    int32_t days = 0;
    const ValueProblem problem = policies.days(parts, days, is_null);
    if (problem != ValueProblem::none || is_null) return problem;
    value = days * microseconds_per_day + ((parts.hour * 60 + parts.minute) * 60 + parts.second) * int64_t{1'000'000} +
            parts.microsecond;
    if (!clock) return ValueProblem::none;
    switch (clock->to_instant(value, value)) {
      case TimeZone::Kind::unique: return ValueProblem::none;
      case TimeZone::Kind::skipped: return ValueProblem::skipped_time;
      case TimeZone::Kind::repeated: return ValueProblem::repeated_time;
    }
    return ValueProblem::malformed;
  }
  std::vector<PolicyUse> uses() const { return policies.uses(); }
};

// Text and bytes as they are. Straight into the array's buffers, a block at a time: Arrow's builder asks for room and
// sets a bit for each value.
class BytesDecoder : public MysqlColumnDecoder {
 public:
  BytesDecoder(const MysqlColumnPlan& plan, const TableRequest& request)
      : type_(plan.info.type),
        bytes_max_(request.value_bytes_max),
        prefix_(plan.kind == MysqlKind::geometry ? 4 : 0),
        is_text_(plan.kind == MysqlKind::text),
        column_(plan.info.request.name),
        invalid_("invalid_text", request.policies.invalid_text) {
    arrow::util::InitializeUTF8();  // before it, ValidateUTF8 finds every text valid
  }

  void reserve(int64_t rows) override { reserved_ = offsets_.Reserve(rows + 1).ok() && valid_.Reserve(rows).ok(); }

  ValueProblem append(std::span<const MysqlCell> cells, std::span<const MysqlCell> marks, size_t& at) override {
    if (!reserved_) return ValueProblem::no_memory;
    if (marks.empty() && append_block(cells)) return ValueProblem::none;
    for (at = 0; at < cells.size(); ++at) {
      const ValueProblem problem = append(cells[at], marks.empty() ? std::nullopt : question_marks_of(marks[at]));
      if (problem != ValueProblem::none) return problem;
    }
    return ValueProblem::none;
  }
  arrow::Result<std::shared_ptr<arrow::Array>> finish() override {
    const int64_t rows = offsets_.length();
    const int64_t nulls = valid_.false_count();
    offsets_.UnsafeAppend(static_cast<int32_t>(bytes_.length()));
    std::shared_ptr<arrow::Buffer> valid;
    if (nulls > 0) {
      ARROW_ASSIGN_OR_RAISE(valid, valid_.Finish());
    } else {
      valid_.Reset();
    }
    ARROW_ASSIGN_OR_RAISE(auto offsets, offsets_.Finish());
    ARROW_ASSIGN_OR_RAISE(auto bytes, bytes_.Finish());
    return arrow::MakeArray(
        arrow::ArrayData::Make(type_, rows, {std::move(valid), std::move(offsets), std::move(bytes)}, nulls));
  }
  std::vector<PolicyUse> policy_uses() const override {
    std::vector<PolicyUse> uses;
    invalid_.report(column_, uses);
    return uses;
  }

 private:
  // All of them, or none and false: one has to be looked at by itself.
  bool append_block(std::span<const MysqlCell> cells) {
    size_t total = 0;
    for (const MysqlCell& cell : cells) {
      if (cell.is_null()) continue;
      if (cell.size < prefix_ || static_cast<int64_t>(cell.size - prefix_) > bytes_max_) return false;
      total += cell.size - prefix_;
    }
    if (!make_room(total)) return false;
    uint8_t* const begin = bytes_.mutable_data() + bytes_.length();
    uint8_t* out = begin;
    bool begins_within = false;  // one value with the rest of a character
    for (const MysqlCell& cell : cells) {
      if (cell.is_null() || cell.size == prefix_) continue;
      const uint8_t* const value = cell.data + prefix_;
      begins_within |= (*value & 0xc0) == 0x80;
      std::memcpy(out, value, cell.size - prefix_);
      out += cell.size - prefix_;
    }
    // Texts in a row are valid together, and none begins within a character: then each of them is valid.
    if (is_text_ && (begins_within || !arrow::util::ValidateUTF8(begin, static_cast<int64_t>(total)))) return false;
    auto offset = static_cast<int32_t>(bytes_.length());
    for (const MysqlCell& cell : cells) {
      offsets_.UnsafeAppend(offset);
      if (!cell.is_null()) offset += static_cast<int32_t>(cell.size - prefix_);
    }
    size_t row = 0;
    valid_.UnsafeAppend<true>(static_cast<int64_t>(cells.size()), [&] { return !cells[row++].is_null(); });
    bytes_.UnsafeAdvance(static_cast<int64_t>(total));
    return true;
  }

  ValueProblem append(const MysqlCell& cell, std::optional<int64_t> question_marks) {
    if (cell.is_null()) return append_null();
    if (cell.size < prefix_) return ValueProblem::malformed;
    const std::string_view bytes = cell.text().substr(prefix_);
    if (static_cast<int64_t>(bytes.size()) > bytes_max_) return ValueProblem::too_large;
    if (!is_text_) return append_bytes(bytes);
    if (question_marks && std::count(bytes.begin(), bytes.end(), '?') != *question_marks) {
      switch (invalid_.judge()) {
        case Verdict::refuse: return ValueProblem::unmapped_text;
        case Verdict::null: return append_null();
        case Verdict::take: return append_bytes(bytes);
      }
    }
    if (!arrow::util::ValidateUTF8(cell.data, static_cast<int64_t>(cell.size))) {
      switch (invalid_.judge()) {
        case Verdict::refuse: return ValueProblem::invalid_text;
        case Verdict::null: return append_null();
        case Verdict::take: return append_bytes(replace_invalid_utf8(bytes));
      }
    }
    return append_bytes(bytes);
  }
  ValueProblem append_null() {
    offsets_.UnsafeAppend(static_cast<int32_t>(bytes_.length()));
    valid_.UnsafeAppend(false);
    return ValueProblem::none;
  }
  ValueProblem append_bytes(std::string_view bytes) {
    if (!make_room(bytes.size())) return ValueProblem::no_memory;
    offsets_.UnsafeAppend(static_cast<int32_t>(bytes_.length()));
    valid_.UnsafeAppend(true);
    bytes_.UnsafeAppend(bytes.data(), static_cast<int64_t>(bytes.size()));
    return ValueProblem::none;
  }
  // Also for none: Arrow wants a place for it.
  bool make_room(size_t bytes) {
    const auto wanted = static_cast<int64_t>(bytes);
    if (bytes_.capacity() > 0 && wanted <= bytes_.capacity() - bytes_.length()) return true;
    if (bytes_.length() + wanted > arrow::kBinaryMemoryLimit) return false;
    // By half as much again, so that a column of long values is not moved for each.
    return bytes_.Reserve(std::max({wanted, bytes_.length() / 2, int64_t{1}})).ok();
  }

  std::shared_ptr<arrow::DataType> type_;
  arrow::TypedBufferBuilder<int32_t> offsets_{memory_pool()};
  arrow::TypedBufferBuilder<bool> valid_{memory_pool()};
  arrow::BufferBuilder bytes_{memory_pool()};
  int64_t bytes_max_;
  size_t prefix_;
  bool is_text_;
  std::string column_;
  PolicyCounter invalid_;
  bool reserved_ = false;
};

class TimeDecoder : public MysqlColumnDecoder {
 public:
  void reserve(int64_t rows) override { reserved_ = builder_.Reserve(rows).ok(); }
  ValueProblem append(std::span<const MysqlCell> cells, std::span<const MysqlCell>, size_t& at) override {
    if (!reserved_) return ValueProblem::no_memory;
    for (at = 0; at < cells.size(); ++at) {
      const bool is_null = cells[at].is_null();
      if (!is_null && !format_mysql_time(cells[at], text_)) return ValueProblem::malformed;
      if (!(is_null ? builder_.AppendNull() : builder_.Append(text_)).ok()) return ValueProblem::no_memory;
    }
    return ValueProblem::none;
  }
  arrow::Result<std::shared_ptr<arrow::Array>> finish() override { return builder_.Finish(); }

 private:
  arrow::StringBuilder builder_;
  std::string text_;
  bool reserved_ = false;
};

template <class Builder, class Read>
std::unique_ptr<MysqlColumnDecoder> fixed(const MysqlColumnPlan& plan, Read read) {
  return std::make_unique<FixedDecoder<Builder, Read>>(plan.info.type, std::move(read));
}

}  // namespace

std::unique_ptr<MysqlColumnDecoder> make_mysql_decoder(const MysqlColumnPlan& plan, const TableRequest& request,
                                                       const std::optional<WallClock>& clock) {
  using enum MysqlKind;
  switch (plan.kind) {
    case boolean: return fixed<arrow::BooleanBuilder>(plan, ReadBoolean{});
    case int8: return fixed<arrow::Int8Builder>(plan, ReadNumber<int8_t, int8_t>{});
    case int16:
      if (plan.info.source_type.starts_with("tinyint"))
        return fixed<arrow::Int16Builder>(plan, ReadNumber<uint8_t, int16_t>{});
      return fixed<arrow::Int16Builder>(plan, ReadNumber<int16_t, int16_t>{});
    case int32:
      if (plan.info.source_type.starts_with("smallint"))
        return fixed<arrow::Int32Builder>(plan, ReadNumber<uint16_t, int32_t>{});
      return fixed<arrow::Int32Builder>(plan, ReadNumber<int32_t, int32_t>{});
    case int64:
      if (plan.is_unsigned) return fixed<arrow::Int64Builder>(plan, ReadNumber<uint32_t, int64_t>{});
      return fixed<arrow::Int64Builder>(plan, ReadNumber<int64_t, int64_t>{});
    case uint64: return fixed<arrow::Decimal128Builder>(plan, ReadUnsigned64{});
    case bits: return fixed<arrow::Int64Builder>(plan, ReadBits{});
    case bits64: return fixed<arrow::Decimal128Builder>(plan, ReadBits64{});
    case decimal: return fixed<arrow::Decimal128Builder>(plan, ReadDecimal{plan.scale});
    case float32: return fixed<arrow::FloatBuilder>(plan, ReadNumber<float, float>{});
    case float64: return fixed<arrow::DoubleBuilder>(plan, ReadNumber<double, double>{});
    case date: return fixed<arrow::Date32Builder>(plan, ReadDate{DatePolicies(plan, request)});
    case datetime:
      return fixed<arrow::TimestampBuilder>(
          plan, ReadDateTime{DatePolicies(plan, request), plan.is_zoned ? clock : std::nullopt});
    case instant: return fixed<arrow::TimestampBuilder>(plan, ReadDateTime{DatePolicies(plan, request), std::nullopt});
    case time: return std::make_unique<TimeDecoder>();
    case digits:
    case text:
    case binary:
    case geometry: return std::make_unique<BytesDecoder>(plan, request);
  }
  return nullptr;
}

bool format_mysql_time(const MysqlCell& cell, std::string& text) {
  if (cell.size != 0 && cell.size != 8 && cell.size != 12) return false;
  bool is_negative = false;
  uint32_t days = 0, microsecond = 0;
  unsigned hour = 0, minute = 0, second = 0;
  if (cell.size >= 8) {
    is_negative = cell.data[0] != 0;
    days = read_little_endian<uint32_t>(cell.data + 1);
    hour = cell.data[5], minute = cell.data[6], second = cell.data[7];
  }
  if (cell.size == 12) microsecond = read_little_endian<uint32_t>(cell.data + 8);
  if (days > 100 || hour > 23 || minute > 59 || second > 59 || microsecond > 999'999) return false;
  text.clear();
  fmt::format_to(std::back_inserter(text), "{}{:02}:{:02}:{:02}.{:06}", is_negative ? "-" : "", days * 24 + hour,
                 minute, second, microsecond);
  return true;
}

std::string describe_mysql_cell(const MysqlColumnPlan& plan, const MysqlCell& cell) {
  constexpr size_t shown_bytes_max = 60;
  if (cell.is_null()) return "NULL";
  using enum MysqlKind;
  switch (plan.kind) {
    case date:
    case datetime:
    case instant: {
      MysqlDateTime parts;
      if (!read_mysql_datetime(cell, parts)) break;
      std::string text = fmt::format("{:04}-{:02}-{:02}", parts.year, parts.month, parts.day);
      if (plan.kind != date) text += fmt::format(" {:02}:{:02}:{:02}", parts.hour, parts.minute, parts.second);
      if (parts.microsecond != 0) text += fmt::format(".{:06}", parts.microsecond);
      return "'" + text + "'";
    }
    case int8:
    case int16:
    case int32:
    case int64:
    case uint64: {
      uint64_t bits = 0;
      std::memcpy(&bits, cell.data, std::min<size_t>(cell.size, sizeof bits));
      if (plan.is_unsigned || cell.size == 0 || cell.size >= 8)
        return plan.is_unsigned ? std::to_string(bits) : std::to_string(static_cast<int64_t>(bits));
      const unsigned unused = 64 - 8 * static_cast<unsigned>(cell.size);
      return std::to_string(static_cast<int64_t>(bits << unused) >> unused);
    }
    case text:
    case digits:
    case decimal: {
      std::string shown = replace_invalid_utf8(cell.text().substr(0, shown_bytes_max));
      return "'" + shown + (cell.size > shown_bytes_max ? "…'" : "'");
    }
    case time: {
      std::string text;
      if (format_mysql_time(cell, text)) return "'" + text + "'";
      break;
    }
    default: break;
  }
  std::string hex = "0x";
  for (size_t i = 0; i < std::min(cell.size, shown_bytes_max / 2); ++i) hex += fmt::format("{:02x}", cell.data[i]);
  return hex + (cell.size > shown_bytes_max / 2 ? "…" : "");
}

}  // namespace udon::data
