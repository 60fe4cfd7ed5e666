#include "plugins/data/postgres_hash.h"

#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include "base/text.h"
#include "plugins/data/canonical.h"
#include "plugins/data/text_repair.h"

namespace udon::data {
namespace {

using std::chrono::microseconds;

// PostgreSQL counts days and microseconds from here.
constexpr std::chrono::sys_days postgres_epoch = std::chrono::year(2000) / 1 / 1;

// Byte by byte, so that it shares nothing with the builders' way of reading.
int64_t read_signed(const uint8_t* data, int bytes) {
  int64_t value = static_cast<int8_t>(data[0]);
  for (int i = 1; i < bytes; ++i) value = value * 256 + data[i];
  return value;
}

uint64_t read_unsigned(const uint8_t* data, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value = value * 256 + data[i];
  return value;
}

// By way of its decimal digits: "0123" "4500" with the point behind the weight's group.
Int128 read_numeric(const uint8_t* data, int scale) {
  const int groups = static_cast<int>(read_signed(data, 2));
  const int weight = static_cast<int>(read_signed(data + 2, 2));
  const bool is_negative = read_unsigned(data + 4, 2) == 0x4000;
  std::string text;
  for (int i = 0; i < groups; ++i) {
    std::string group = std::to_string(read_unsigned(data + 8 + 2 * i, 2));
    text += std::string(4 - group.size(), '0') + group;
  }
  int point = (weight + 1) * 4;  // how many digits stand before it
  if (point < 0) {
    text.insert(0, static_cast<size_t>(-point), '0');
    point = 0;
  }
  text.resize(static_cast<size_t>(point + scale), '0');  // cuts noughts, or adds them
  Int128 value = 0;
  for (const char digit : text) value = value * 10 + (digit - '0');
  return is_negative ? -value : value;
}

int64_t read_time(const uint8_t* data, const TimeZone* zone) {
  const microseconds since_epoch{read_signed(data, 8)};
  const microseconds wall = postgres_epoch.time_since_epoch() + since_epoch;
  if (zone == nullptr) return wall.count();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(wall);
  const auto instants = zone->instants_of(WallTime(seconds));
  return microseconds(instants.first.time_since_epoch() + (wall - seconds)).count();
}

template <class T>
void append_bytes(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

double read_double(const uint8_t* data, int32_t size) {
  if (size == 4) {
    const auto bits = static_cast<uint32_t>(read_unsigned(data, 4));
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return static_cast<double>(value);
  }
  const uint64_t bits = read_unsigned(data, 8);
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace

PostgresHasher::PostgresHasher(const std::vector<PostgresColumnPlan>& plans, const Policies& policies,
                               std::shared_ptr<const TimeZone> zone)
    : plans_(plans),
      zone_(std::move(zone)),
      infinity_is_null_(policies.infinity == "null"),
      nan_is_null_(policies.nan == "null"),
      ancient_is_null_(policies.ancient_dates == "null"),
      invalid_is_null_(policies.invalid_text == "null"),
      invalid_is_replaced_(policies.invalid_text == "replace") {}

uint64_t PostgresHasher::hash(size_t column, const PostgresField& field) const {
  const PostgresValuePlan& plan = plans_[column].value;
  if (becomes_null(field, plan.kind)) return null_hash;
  switch (plan.kind) {
    case PostgresKind::boolean: return hash_bool(field.data[0] == 1);
    case PostgresKind::int16:
    case PostgresKind::int32:
    case PostgresKind::int64: return hash_int(read_signed(field.data, field.size));
    case PostgresKind::oid: return hash_int(static_cast<int64_t>(read_unsigned(field.data, field.size)));
    case PostgresKind::float32:
    case PostgresKind::float64: return hash_double(read_double(field.data, field.size));
    case PostgresKind::decimal: return hash_decimal(read_numeric(field.data, plan.scale));
    case PostgresKind::date: return hash_int(postgres_epoch.time_since_epoch().count() + read_signed(field.data, 4));
    case PostgresKind::wall_clock: return hash_int(read_time(field.data, plan.is_zoned ? zone_.get() : nullptr));
    case PostgresKind::instant: return hash_int(read_time(field.data, nullptr));
    case PostgresKind::text:
      // Seldom: checked only where a policy lets such text pass at all.
      if (invalid_is_replaced_ && !is_valid_utf8(field.text())) return hash_text(replace_invalid_utf8(field.text()));
      return hash_text(field.text());
    case PostgresKind::binary: return hash_bytes(field.data, static_cast<size_t>(field.size));
    case PostgresKind::list: return hash_list(field, *plans_[column].element);
  }
  return 0;
}

bool PostgresHasher::becomes_null(const PostgresField& field, PostgresKind kind) const {
  using namespace std::chrono;
  constexpr sys_days first_gregorian = year(1582) / 10 / 15;
  switch (kind) {
    case PostgresKind::date: {
      const int64_t since_epoch = read_signed(field.data, 4);
      if (since_epoch == INT32_MAX || since_epoch == INT32_MIN) return infinity_is_null_;
      return ancient_is_null_ && postgres_epoch + days(since_epoch) < first_gregorian;
    }
    case PostgresKind::wall_clock:
    case PostgresKind::instant: {
      const int64_t since_epoch = read_signed(field.data, 8);
      if (since_epoch == INT64_MAX || since_epoch == INT64_MIN) return infinity_is_null_;
      return ancient_is_null_ && since_epoch < microseconds(first_gregorian - postgres_epoch).count();
    }
    case PostgresKind::decimal:
      switch (read_unsigned(field.data + 4, 2)) {
        case 0xC000: return nan_is_null_;
        case 0xD000:
        case 0xF000: return infinity_is_null_;
        default: return false;
      }
    case PostgresKind::text: return invalid_is_null_ && !is_valid_utf8(field.text());
    default: return false;
  }
}

// The canonical bytes, for elements of lists.
void PostgresHasher::append_canonical(const PostgresField& field, const PostgresValuePlan& plan,
                                      std::string& out) const {
  switch (plan.kind) {
    case PostgresKind::boolean: out.push_back(field.data[0] ? '\1' : '\0'); return;
    case PostgresKind::int16:
    case PostgresKind::int32:
    case PostgresKind::int64: append_bytes(out, read_signed(field.data, field.size)); return;
    case PostgresKind::oid: append_bytes(out, static_cast<int64_t>(read_unsigned(field.data, field.size))); return;
    case PostgresKind::float32:
    case PostgresKind::float64: {
      const double value = read_double(field.data, field.size);
      if (value != value)
        append_bytes(out, uint64_t{0x7ff8000000000000ULL});
      else
        append_bytes(out, value == 0 ? 0.0 : value);
      return;
    }
    case PostgresKind::decimal: append_bytes(out, read_numeric(field.data, plan.scale)); return;
    case PostgresKind::date:
      append_bytes(out, int64_t{postgres_epoch.time_since_epoch().count() + read_signed(field.data, 4)});
      return;
    case PostgresKind::wall_clock:
      append_bytes(out, read_time(field.data, plan.is_zoned ? zone_.get() : nullptr));
      return;
    case PostgresKind::instant: append_bytes(out, read_time(field.data, nullptr)); return;
    case PostgresKind::text:
      out += invalid_is_replaced_ ? replace_invalid_utf8(field.text()) : std::string(field.text());
      return;
    case PostgresKind::binary: out += field.text(); return;
    case PostgresKind::list: return;  // lists hold no lists
  }
}

uint64_t PostgresHasher::hash_list(const PostgresField& field, const PostgresValuePlan& element) const {
  std::string bytes, value;
  if (read_signed(field.data, 4) == 1) {
    const int64_t length = read_signed(field.data + 12, 4);
    const uint8_t* at = field.data + 20;
    for (int64_t i = 0; i < length; ++i) {
      const auto size = static_cast<int32_t>(read_signed(at, 4));
      at += 4;
      const PostgresField one{at, size};
      const bool is_value = size >= 0 && !becomes_null(one, element.kind);
      value.clear();
      if (is_value) append_canonical(one, element, value);
      bytes.push_back(is_value ? '\1' : '\0');
      append_bytes(bytes, static_cast<int64_t>(value.size()));
      bytes += value;
      if (size > 0) at += size;
    }
  }
  return hash_text(bytes);
}

}  // namespace udon::data
