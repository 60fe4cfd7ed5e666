#include "plugins/data/postgres_hash.h"

#include <chrono>
#include <cstring>
#include <string>

#include "plugins/data/canonical.h"

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

// The canonical bytes, for elements of lists.
void append_canonical(const PostgresField& field, const PostgresValuePlan& plan, const TimeZone* zone,
                      std::string& out) {
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
    case PostgresKind::wall_clock: append_bytes(out, read_time(field.data, plan.is_zoned ? zone : nullptr)); return;
    case PostgresKind::instant: append_bytes(out, read_time(field.data, nullptr)); return;
    case PostgresKind::text:
    case PostgresKind::binary: out += field.text(); return;
    case PostgresKind::list: return;  // lists hold no lists
  }
}

uint64_t hash_list(const PostgresField& field, const PostgresValuePlan& element, const TimeZone* zone) {
  std::string bytes, value;
  if (read_signed(field.data, 4) == 1) {
    const int64_t length = read_signed(field.data + 12, 4);
    const uint8_t* at = field.data + 20;
    for (int64_t i = 0; i < length; ++i) {
      const auto size = static_cast<int32_t>(read_signed(at, 4));
      at += 4;
      value.clear();
      if (size >= 0) append_canonical({at, size}, element, zone, value);
      bytes.push_back(size >= 0 ? '\1' : '\0');
      append_bytes(bytes, static_cast<int64_t>(value.size()));
      bytes += value;
      if (size > 0) at += size;
    }
  }
  return hash_text(bytes);
}

}  // namespace

uint64_t hash_postgres_value(const PostgresField& field, const PostgresValuePlan& plan,
                             const PostgresValuePlan* element, const TimeZone* zone) {
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
    case PostgresKind::wall_clock: return hash_int(read_time(field.data, plan.is_zoned ? zone : nullptr));
    case PostgresKind::instant: return hash_int(read_time(field.data, nullptr));
    case PostgresKind::text:
    case PostgresKind::binary: return hash_bytes(field.data, static_cast<size_t>(field.size));
    case PostgresKind::list: return hash_list(field, *element, zone);
  }
  return 0;
}

}  // namespace udon::data
