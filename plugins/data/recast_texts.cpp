#include <algorithm>
#include <array>

#include "base/text.h"
#include "plugins/data/recast_each.h"
#include "plugins/data/text_repair.h"
#include "plugins/data/text_times.h"

namespace udon::data {
namespace {

const std::vector<Trouble> of_days{Trouble::zero_date, Trouble::ancient_date};

Trouble trouble_of(TimeProblem problem, Trouble wrong_form, bool is_ancient) {
  switch (problem) {
    case TimeProblem::none: return is_ancient ? Trouble::ancient_date : Trouble::none;
    case TimeProblem::no_such_day: return Trouble::zero_date;
    case TimeProblem::wrong_form: return wrong_form;
  }
  return wrong_form;
}

using UuidBytes = std::array<uint8_t, 16>;

// Lower case only: a text in upper case would come back as another.
bool parse_uuid(std::string_view text, UuidBytes& bytes) {
  if (text.size() != 36) return false;
  size_t digits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_hyphen = i == 8 || i == 13 || i == 18 || i == 23;
    if (is_hyphen != (text[i] == '-')) return false;
    if (is_hyphen) continue;
    const size_t digit = std::string_view("0123456789abcdef").find(text[i]);
    if (digit == std::string_view::npos) return false;
    uint8_t& byte = bytes[digits++ / 2];
    byte = static_cast<uint8_t>(byte << 4 | digit);
  }
  return true;
}

Made uuid_from_text(const Order& order) {
  return order.each<arrow::FixedSizeBinaryBuilder, UuidBytes>({}, load_text, [](std::string_view text, UuidBytes& out) {
    return parse_uuid(text, out) ? Trouble::none : Trouble::no_uuid;
  });
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
    case uuid: return uuid_from_text(order);
    default: return recast_digits(order);
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

}  // namespace

Made recast_text(const Order& order) {
  switch (order.column.text_form) {
    case TextForm::opaque: return nullptr;
    case TextForm::digits: return recast_digits(order);
    case TextForm::characters: return from_characters(order);
    case TextForm::time: return from_times(order);
    case TextForm::interval: return from_intervals(order);
    case TextForm::uuid: return order.target.kind == DataType::Kind::uuid ? uuid_from_text(order) : nullptr;
  }
  return nullptr;
}

Made recast_bytes(const Order& order) {
  if (order.column.text_form != TextForm::characters) return nullptr;
  if (order.target.kind == DataType::Kind::uuid)
    return order.each<arrow::FixedSizeBinaryBuilder, UuidBytes>({}, load_text,
                                                                [](std::string_view bytes, UuidBytes& out) {
                                                                  if (bytes.size() != out.size())
                                                                    return Trouble::no_uuid;
                                                                  std::ranges::copy(bytes, out.begin());
                                                                  return Trouble::none;
                                                                });
  if (order.target.kind != DataType::Kind::string) return nullptr;
  return order.each<arrow::StringBuilder, std::string>(
      {Trouble::invalid_text}, load_text, [](std::string_view bytes, std::string& out) {
        const bool is_valid = is_valid_utf8(bytes);
        out = is_valid ? std::string(bytes) : replace_invalid_utf8(bytes);
        return is_valid ? Trouble::none : Trouble::invalid_text;
      });
}

Made recast_time(const Order& order) {
  switch (order.column.type->id()) {
    case arrow::Type::DATE32: return from_days(order);
    case arrow::Type::TIMESTAMP: return from_wall_clocks(order);
    default: return nullptr;
  }
}

}  // namespace udon::data
