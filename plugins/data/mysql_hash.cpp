#include "plugins/data/mysql_hash.h"

#include <algorithm>
#include <chrono>

#include "base/text.h"
#include "plugins/data/canonical.h"
#include "plugins/data/mysql_decode.h"
#include "plugins/data/text_repair.h"

namespace udon::data {
namespace {

// Any width, by its sign.
int64_t integer_of(const MysqlCell& cell, bool is_unsigned) {
  uint64_t bits = 0;
  for (size_t i = cell.size; i-- > 0;) bits = bits << 8 | cell.data[i];
  const bool is_negative = !is_unsigned && cell.size > 0 && (cell.data[cell.size - 1] & 0x80) != 0;
  if (is_negative && cell.size < 8) bits |= ~uint64_t{0} << (8 * cell.size);
  return static_cast<int64_t>(bits);
}

uint64_t big_endian(const MysqlCell& cell) {
  uint64_t bits = 0;
  for (size_t i = 0; i < cell.size; ++i) bits = bits * 256 + cell.data[i];
  return bits;
}

// Every digit counts, the point does not: the server prints exactly the scale's digits.
Int128 unscaled_of(std::string_view text) {
  const bool is_negative = !text.empty() && text[0] == '-';
  Int128 value = 0;
  for (size_t i = is_negative ? 1 : 0; i < text.size(); ++i)
    if (text[i] != '.') value = value * 10 + (text[i] - '0');
  return is_negative ? -value : value;
}

}  // namespace

MysqlHasher::MysqlHasher(const std::vector<MysqlColumnPlan>& plans, const TableRequest& request,
                         std::optional<WallClock> clock)
    : plans_(plans),
      clock_(std::move(clock)),
      zero_is_null_(request.policies.zero_dates == "null"),
      ancient_is_null_(request.policies.ancient_dates == "null"),
      invalid_is_null_(request.policies.invalid_text == "null"),
      invalid_is_replaced_(request.policies.invalid_text == "replace") {}

void MysqlHasher::hash(size_t column, std::span<const MysqlCell> cells, std::span<const MysqlCell> marks,
                       std::vector<uint64_t>& hashes) {
  const MysqlColumnPlan& plan = plans_[column];
  const auto each = [&](const auto& hash_value) {
    for (const MysqlCell& cell : cells) hashes.push_back(cell.is_null() ? null_hash : hash_value(cell));
  };
  using enum MysqlKind;
  switch (plan.kind) {
    case boolean: return each([](const MysqlCell& cell) { return hash_bool(big_endian(cell) != 0); });
    case int8:
    case int16:
    case int32:
    case int64: return each([&](const MysqlCell& cell) { return hash_int(integer_of(cell, plan.is_unsigned)); });
    case uint64:
      return each([](const MysqlCell& cell) {
        return hash_decimal(static_cast<Int128>(static_cast<uint64_t>(integer_of(cell, true))));
      });
    case bits: return each([](const MysqlCell& cell) { return hash_int(static_cast<int64_t>(big_endian(cell))); });
    case bits64: return each([](const MysqlCell& cell) { return hash_decimal(static_cast<Int128>(big_endian(cell))); });
    case decimal: return each([](const MysqlCell& cell) { return hash_decimal(unscaled_of(cell.text())); });
    case float32: return each([](const MysqlCell& cell) { return hash_double(read_little_endian<float>(cell.data)); });
    case float64: return each([](const MysqlCell& cell) { return hash_double(read_little_endian<double>(cell.data)); });
    case date:
    case datetime:
    case instant: return each([&](const MysqlCell& cell) { return hash_temporal(plan, cell); });
    case time: {
      std::string text;
      return each([&](const MysqlCell& cell) {
        format_mysql_time(cell, text);
        return hash_text(text);
      });
    }
    case digits:
    case binary: return each([](const MysqlCell& cell) { return hash_text(cell.text()); });
    case text:
      return each([&](const MysqlCell& cell) {
        const auto row = static_cast<size_t>(&cell - cells.data());
        return hash_characters(cell, marks.empty() ? std::nullopt : question_marks_of(marks[row]));
      });
    case geometry: return each([](const MysqlCell& cell) { return hash_bytes(cell.data + 4, cell.size - 4); });
  }
}

uint64_t MysqlHasher::hash_temporal(const MysqlColumnPlan& plan, const MysqlCell& cell) {
  using namespace std::chrono;
  MysqlDateTime parts;
  read_mysql_datetime(cell, parts);
  const year_month_day date{year(parts.year), month(static_cast<unsigned>(parts.month)),
                            day(static_cast<unsigned>(parts.day))};
  if (!date.ok() && zero_is_null_) return null_hash;
  const sys_days days(date);
  if (days < sys_days(year(1582) / October / 15) && ancient_is_null_) return null_hash;
  if (plan.kind == MysqlKind::date) return hash_int(days.time_since_epoch().count());
  const sys_time<microseconds> wall =
      days + hours(parts.hour) + minutes(parts.minute) + seconds(parts.second) + microseconds(parts.microsecond);
  int64_t value = wall.time_since_epoch().count();
  if (plan.is_zoned && clock_) (void)clock_->to_instant(value, value);
  return hash_int(value);
}

uint64_t MysqlHasher::hash_characters(const MysqlCell& cell, std::optional<int64_t> question_marks) const {
  const std::string_view text = cell.text();
  if (question_marks && invalid_is_null_ && std::count(text.begin(), text.end(), '?') != *question_marks)
    return null_hash;
  // Seldom: checked only where a policy lets such text pass at all.
  if (invalid_is_null_ && !is_valid_utf8(text)) return null_hash;
  return invalid_is_replaced_ && !is_valid_utf8(text) ? hash_text(replace_invalid_utf8(text)) : hash_text(text);
}

}  // namespace udon::data
