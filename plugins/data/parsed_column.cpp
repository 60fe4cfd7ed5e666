#include "plugins/data/parsed_column.h"

#include <arrow/buffer.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/clock.h"
#include "base/text.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/canonical.h"
#include "plugins/data/memory_pool.h"

namespace udon::data {
namespace {

// Bytes that grow. What is kept of a column's values is in these: Arrow's builders look at each value whether there is
// room for it and for its bit, and mark each in a bitmap, though most columns have no NULL.
class GrowingBytes {
 public:
  // Where so many may be written, before add() says that they were. Null: there is no memory.
  uint8_t* room(int64_t bytes) {
    if (bytes > capacity_ - size_ && !grow(bytes)) return nullptr;
    return begin_ + size_;
  }
  void add(int64_t bytes) { size_ += bytes; }
  int64_t size() const { return size_; }
  uint8_t* begin() { return begin_; }

  // Those so far; there are none then.
  std::shared_ptr<arrow::Buffer> take() {
    if (buffer_ == nullptr) return arrow::Buffer::FromString({});  // Arrow asks for one where a column has only NULL
    first_capacity_ = std::clamp(size_ + size_ / 16, capacity_min, capacity_first_max);
    const bool is_tight = capacity_ - size_ <= std::max(size_ / 4, capacity_min);
    const arrow::Status shrunk = buffer_->Resize(size_, !is_tight);
    static_cast<void>(shrunk);  // where it fails it stays larger
    begin_ = nullptr;
    size_ = capacity_ = 0;
    return std::exchange(buffer_, nullptr);
  }

 private:
  static constexpr int64_t capacity_min = 256;  // a table may have a thousand columns
  static constexpr int64_t capacity_first_max = 1 << 20;

  bool grow(int64_t bytes) {
    const int64_t capacity = std::max({size_ + bytes, capacity_ * 2, first_capacity_});
    if (buffer_ == nullptr) {
      auto made = arrow::AllocateResizableBuffer(capacity, memory_pool());
      if (!made.ok()) return false;
      buffer_ = std::move(*made);
    } else if (!buffer_->Resize(capacity, false).ok()) {
      return false;
    }
    begin_ = buffer_->mutable_data();
    capacity_ = capacity;
    return true;
  }

  std::shared_ptr<arrow::ResizableBuffer> buffer_;
  uint8_t* begin_ = nullptr;
  int64_t size_ = 0, capacity_ = 0;
  int64_t first_capacity_ = capacity_min;  // as much as the last batch took: the next is like it
};

// What all columns have: how many values, and which of them are NULL, in a bitmap from the first NULL on. The only
// failure is memory; it is told at finish, so that append stays cheap.
class BuiltColumn : public ParsedColumn {
 public:
  explicit BuiltColumn(std::shared_ptr<arrow::DataType> type) : type_(std::move(type)) {}

 protected:
  void add_value() {
    if (nulls_ > 0) mark(true);
    ++length_;
  }
  void add_null() {
    if (nulls_++ == 0) {
      const int64_t whole_bytes = length_ / 8;
      if (uint8_t* const bytes = bits_.room(whole_bytes + 1); bytes != nullptr) {
        std::memset(bytes, 0xff, static_cast<size_t>(whole_bytes));
        bytes[whole_bytes] = static_cast<uint8_t>((1U << length_ % 8) - 1);
        bits_.add(whole_bytes + (length_ % 8 == 0 ? 0 : 1));
      } else {
        fail();
      }
    }
    mark(false);
    ++length_;
  }
  void fail(arrow::Status status = arrow::Status::OutOfMemory("there is no memory left")) {
    if (status_.ok()) status_ = std::move(status);
  }

  int64_t length() const { return length_; }
  // With the values' buffers.
  Result<std::shared_ptr<arrow::Array>> finish_with(arrow::BufferVector buffers) {
    TRY(from_arrow(std::exchange(status_, arrow::Status::OK()), "build a column"));
    if (nulls_ > 0) buffers.front() = bits_.take();
    return arrow::MakeArray(
        arrow::ArrayData::Make(type_, std::exchange(length_, 0), std::move(buffers), std::exchange(nulls_, 0)));
  }

 private:
  void mark(bool is_value) {
    if (length_ % 8 == 0) {
      uint8_t* const byte = bits_.room(1);
      if (byte == nullptr) return fail();
      *byte = 0;
      bits_.add(1);
    }
    if (length_ / 8 < bits_.size())
      bits_.begin()[length_ / 8] |= static_cast<uint8_t>((is_value ? 1U : 0U) << length_ % 8);
  }

  const std::shared_ptr<arrow::DataType> type_;
  arrow::Status status_;
  GrowingBytes bits_;
  int64_t length_ = 0, nulls_ = 0;
};

// Values of one size.
template <class Value>
class FixedColumn : public BuiltColumn {
 public:
  using BuiltColumn::BuiltColumn;
  void append_null() override {
    keep(Value{});
    add_null();
  }
  Result<std::shared_ptr<arrow::Array>> finish() override { return finish_with({nullptr, values_.take()}); }

 protected:
  void push(Value value) {
    keep(value);
    add_value();
  }

 private:
  void keep(Value value) {
    uint8_t* const place = values_.room(sizeof value);
    if (place == nullptr) return fail();
    std::memcpy(place, &value, sizeof value);
    values_.add(sizeof value);
  }
  GrowingBytes values_;
};

std::string_view without_plus(std::string_view text) {
  return text.size() > 1 && text[0] == '+' && text[1] != '-' ? text.substr(1) : text;
}

// So many digits are below 2^63, whatever they are.
constexpr size_t digits_of_int64 = 18;

template <class Int>
bool parse_int(std::string_view text, Int& value) {
  text = without_plus(text);
  const bool is_negative = text.starts_with('-');
  const std::string_view digits = text.substr(is_negative ? 1 : 0);
  if (digits.empty() || digits.size() > digits_of_int64) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
  }
  int64_t wide = 0;
  for (const char c : digits) {
    const unsigned digit = static_cast<unsigned char>(c) - unsigned{'0'};
    if (digit > 9) return false;
    wide = wide * 10 + digit;
  }
  if (is_negative) wide = -wide;
  value = static_cast<Int>(wide);
  return value == wide;
}

template <class Int>
class IntColumn final : public FixedColumn<Int> {
 public:
  using FixedColumn<Int>::FixedColumn;
  bool append(std::string_view text, uint64_t* hash) override {
    Int value{};
    if (!parse_int(text, value)) return false;
    this->push(value);
    if (hash != nullptr) *hash = hash_int(value);
    return true;
  }
  std::string expected(std::string_view) const override {
    return fmt::format("a whole number from {} to {}", std::numeric_limits<Int>::min(),
                       std::numeric_limits<Int>::max());
  }
};

template <class Real>
class RealColumn final : public FixedColumn<Real> {
 public:
  using FixedColumn<Real>::FixedColumn;
  bool append(std::string_view text, uint64_t* hash) override {
    text = without_plus(text);
    Real value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return false;
    this->push(value);
    if (hash != nullptr) *hash = hash_double(static_cast<double>(value));
    return true;
  }
  std::string expected(std::string_view) const override {
    return std::is_same_v<Real, float> ? "a finite number within the range of a float" : "a finite number";
  }
};

class BoolColumn final : public BuiltColumn {
 public:
  using BuiltColumn::BuiltColumn;
  bool append(std::string_view text, uint64_t* hash) override {
    const std::string lower = lower_ascii(text);
    const bool is_true = lower == "true" || lower == "1";
    if (!is_true && lower != "false" && lower != "0") return false;
    keep(is_true);
    add_value();
    if (hash != nullptr) *hash = hash_bool(is_true);
    return true;
  }
  std::string expected(std::string_view) const override { return "true, false, 1 or 0"; }
  void append_null() override {
    keep(false);
    add_null();
  }
  Result<std::shared_ptr<arrow::Array>> finish() override { return finish_with({nullptr, bits_.take()}); }

 private:
  void keep(bool is_true) {
    if (length() % 8 == 0) {
      uint8_t* const byte = bits_.room(1);
      if (byte == nullptr) return fail();
      *byte = 0;
      bits_.add(1);
    }
    if (length() / 8 < bits_.size())
      bits_.begin()[length() / 8] |= static_cast<uint8_t>((is_true ? 1U : 0U) << length() % 8);
  }
  GrowingBytes bits_;
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

// The same of those that are short, and have at most as many digits behind the point as the scale: nearly all.
std::optional<int64_t> parse_short_decimal(std::string_view text, int precision, int scale) {
  const bool is_negative = text.starts_with('-');
  if (is_negative) text.remove_prefix(1);
  if (text.empty() || text.size() > digits_of_int64) return std::nullopt;
  int64_t value = 0;
  size_t point = text.size();
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned digit = static_cast<unsigned char>(text[i]) - unsigned{'0'};
    if (digit <= 9) {
      value = value * 10 + digit;
    } else if (text[i] == '.' && point == text.size() && text.size() > 1) {
      point = i;
    } else {
      return std::nullopt;
    }
  }
  const int behind = point == text.size() ? 0 : static_cast<int>(text.size() - point) - 1;
  const int whole = static_cast<int>(point);
  if (behind > scale || whole + scale > precision || whole + scale > static_cast<int>(digits_of_int64))
    return std::nullopt;
  for (int i = behind; i < scale; ++i) value *= 10;
  return is_negative ? -value : value;
}

class DecimalColumn final : public FixedColumn<arrow::Decimal128> {
 public:
  explicit DecimalColumn(const std::shared_ptr<arrow::DataType>& type) : FixedColumn(type) {
    const auto& decimal = static_cast<const arrow::Decimal128Type&>(*type);
    precision_ = decimal.precision();
    scale_ = decimal.scale();
  }
  bool append(std::string_view text, uint64_t* hash) override {
    Int128 value = 0;
    if (const auto brief = parse_short_decimal(text, precision_, scale_))
      value = *brief;
    else if (const auto any = parse_decimal(text, precision_, scale_))
      value = *any;
    else
      return false;
    push(arrow::Decimal128(static_cast<int64_t>(value >> 64), static_cast<uint64_t>(value)));
    if (hash != nullptr) *hash = hash_decimal(value);
    return true;
  }
  std::string expected(std::string_view) const override {
    return fmt::format("a number with at most {} digits before the point and {} behind it", precision_ - scale_,
                       scale_);
  }

 private:
  int precision_ = 0;
  int scale_ = 0;
};

class TextColumn final : public BuiltColumn {
 public:
  using BuiltColumn::BuiltColumn;
  bool append(std::string_view text, uint64_t* hash) override {
    keep(text);
    add_value();
    if (hash != nullptr) *hash = hash_text(text);
    return true;
  }
  std::string expected(std::string_view) const override { return "a text"; }
  void append_null() override {
    keep({});
    add_null();
  }
  int64_t value_bytes() const override { return bytes_.size(); }
  Result<std::shared_ptr<arrow::Array>> finish() override {
    keep_end();  // each value's begin is kept so far
    return finish_with({nullptr, ends_.take(), bytes_.take()});
  }

 private:
  void keep_end() {
    const auto end = static_cast<int32_t>(bytes_.size());
    uint8_t* const place = ends_.room(sizeof end);
    if (place == nullptr) return fail();
    std::memcpy(place, &end, sizeof end);
    ends_.add(sizeof end);
  }
  void keep(std::string_view text) {
    keep_end();
    if (text.empty()) return;
    const auto size = static_cast<int64_t>(text.size());
    if (size > bytes_max - bytes_.size())
      return fail(arrow::Status::CapacityError("a batch of a column's texts has more than ", bytes_max, " bytes"));
    uint8_t* const place = bytes_.room(size);
    if (place == nullptr) return fail();
    std::memcpy(place, text.data(), text.size());
    bytes_.add(size);
  }

  static constexpr int64_t bytes_max = std::numeric_limits<int32_t>::max() - 1;  // as Arrow's builder
  GrowingBytes ends_, bytes_;
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

// Eight characters that are digits where there is a 0, and else what stands there.
struct Form {
  explicit constexpr Form(const char (&text)[9]) {
    for (int i = 7; i >= 0; --i) {
      word = word << 8 | static_cast<unsigned char>(text[i]);
      limits = limits << 8 | (text[i] == '0' ? 0x7f - 9 : 0x7f);
    }
  }
  uint64_t word = 0;
  uint64_t limits =
      0;  // added to a byte, they make its high bit 1 if that is more than a digit, or not as it should be
};
constexpr Form day_form("0000-00-"), time_form("00:00:00");

// Each digit's value in its byte, the first in the lowest.
inline std::optional<uint64_t> parse_form(const char* text, const Form& form) {
  uint64_t word = 0;
  std::memcpy(&word, text, sizeof word);
  word ^= form.word;
  if (((word | (word + form.limits)) & 0x8080808080808080ULL) != 0) return std::nullopt;
  return word;
}

int two_digits(uint64_t word, int at) {
  return static_cast<int>((word >> (at * 8) & 0xf) * 10 + (word >> (at * 8 + 8) & 0xf));
}

// "YYYY-MM-DD" at the start of text.
std::optional<std::chrono::sys_days> parse_date(std::string_view text) {
  if (text.size() < 10) return std::nullopt;
  const auto word = parse_form(text.data(), day_form);
  const auto day = parse_digits(text, 8, 2);
  if (!word || !day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(two_digits(*word, 0) * 100 + two_digits(*word, 2)),
                                         std::chrono::month(static_cast<unsigned>(two_digits(*word, 5))),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date);
}

// Before it the calendars of Spark and Hive differ from everybody's.
constexpr auto gregorian_begin = std::chrono::sys_days(std::chrono::year(1582) / 10 / 15);
constexpr std::string_view ancient =
    "a day from 1582-10-15 on; Spark and Hive shift earlier ones: take the column as string";

// "HH:MM[:SS]" at the start of text, which is cut off; in seconds.
std::optional<int> parse_time_of_day(std::string_view& text) {
  int hour = 0, minute = 0, second = 0;
  if (const auto word = text.size() < 8 ? std::nullopt : parse_form(text.data(), time_form)) {
    hour = two_digits(*word, 0);
    minute = two_digits(*word, 3);
    second = two_digits(*word, 6);
    text.remove_prefix(8);
  } else {
    const auto hours = parse_digits(text, 0, 2);
    const auto minutes = parse_digits(text, 3, 2);
    if (!hours || !minutes || text[2] != ':') return std::nullopt;
    hour = *hours;
    minute = *minutes;
    text.remove_prefix(5);
    if (text.starts_with(':')) {
      const auto seconds = parse_digits(text, 1, 2);
      if (!seconds) return std::nullopt;
      second = *seconds;
      text.remove_prefix(3);
    }
  }
  if (hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return (hour * 60 + minute) * 60 + second;
}

// Wall-clock microseconds of "YYYY-MM-DD[ T]HH:MM:SS[.f…]"; `rest` is what follows. A plain date is its midnight.
std::optional<int64_t> parse_wall_clock(std::string_view text, std::string_view& rest) {
  const auto date = parse_date(text);
  if (!date) return std::nullopt;
  int64_t micros = std::chrono::duration_cast<std::chrono::microseconds>(date->time_since_epoch()).count();
  rest = text.substr(10);
  if (rest.empty()) return micros;
  if (rest[0] != ' ' && rest[0] != 'T') return std::nullopt;
  rest.remove_prefix(1);
  const auto seconds = parse_time_of_day(rest);
  if (!seconds) return std::nullopt;
  micros += *seconds * 1'000'000LL;
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

class DateColumn final : public FixedColumn<int32_t> {
 public:
  using FixedColumn::FixedColumn;
  bool append(std::string_view text, uint64_t* hash) override {
    const auto date = text.size() == 10 ? parse_date(text) : std::nullopt;
    if (!date || *date < gregorian_begin) return false;
    const auto days = static_cast<int32_t>(date->time_since_epoch().count());
    push(days);
    if (hash != nullptr) *hash = hash_int(days);
    return true;
  }
  std::string expected(std::string_view text) const override {
    return text.size() == 10 && parse_date(text) ? std::string(ancient) : "a date YYYY-MM-DD";
  }
};

class TimestampColumn final : public FixedColumn<int64_t> {
 public:
  explicit TimestampColumn(const std::shared_ptr<arrow::DataType>& type)
      : FixedColumn(type), has_zone_(!static_cast<const arrow::TimestampType&>(*type).timezone().empty()) {}
  bool append(std::string_view text, uint64_t* hash) override {
    const auto micros = parse_timestamp(text, has_zone_);
    if (!micros || is_ancient(*micros)) return false;
    push(*micros);
    if (hash != nullptr) *hash = hash_int(*micros);
    return true;
  }
  std::string expected(std::string_view text) const override {
    if (parse_timestamp(text, has_zone_)) return std::string(ancient);
    return has_zone_ ? "an instant YYYY-MM-DD HH:MM:SS[.ffffff] with its offset (Z, +09:00)"
                     : "a time YYYY-MM-DD HH:MM:SS[.ffffff] without an offset (with one: timestamptz)";
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
    case Type::STRING:
    case Type::BINARY: return made(std::make_unique<TextColumn>(type));
    case Type::BOOL: return made(std::make_unique<BoolColumn>(type));
    case Type::INT8: return made(std::make_unique<IntColumn<int8_t>>(type));
    case Type::INT16: return made(std::make_unique<IntColumn<int16_t>>(type));
    case Type::INT32: return made(std::make_unique<IntColumn<int32_t>>(type));
    case Type::INT64: return made(std::make_unique<IntColumn<int64_t>>(type));
    case Type::FLOAT: return made(std::make_unique<RealColumn<float>>(type));
    case Type::DOUBLE: return made(std::make_unique<RealColumn<double>>(type));
    case Type::DECIMAL128: return made(std::make_unique<DecimalColumn>(type));
    case Type::DATE32: return made(std::make_unique<DateColumn>(type));
    case Type::TIMESTAMP: return made(std::make_unique<TimestampColumn>(type));
    default: return Error{ErrorKind::unsupported, "text has no form for " + type->ToString()};
  }
}

}  // namespace udon::data
