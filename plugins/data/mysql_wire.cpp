#include "plugins/data/mysql_wire.h"

namespace udon::data {
namespace {

constexpr int8_t length_encoded = -1;
constexpr int8_t byte_length = -2;
constexpr uint8_t length_of_more_bytes = 0xfb;  // from here on the first byte is no length
// Stands for an empty value: not nullptr, which is NULL.
constexpr uint8_t nothing = 0;

int8_t width_of(MysqlWireType type) {
  switch (type) {
    case MysqlWireType::null: return 0;
    case MysqlWireType::tiny: return 1;
    case MysqlWireType::short_int:
    case MysqlWireType::year: return 2;
    case MysqlWireType::long_int:
    case MysqlWireType::int24:
    case MysqlWireType::float32: return 4;
    case MysqlWireType::long_long:
    case MysqlWireType::float64: return 8;
    case MysqlWireType::date:
    case MysqlWireType::datetime:
    case MysqlWireType::timestamp:
    case MysqlWireType::time: return byte_length;
    default: return length_encoded;
  }
}

// Moves `at` past the length; false if it does not fit.
bool read_length(const uint8_t*& at, const uint8_t* end, uint64_t& length) {
  if (at == end) return false;
  const uint8_t first = *at++;
  size_t bytes = 0;
  if (first < length_of_more_bytes) {
    length = first;
    return true;
  }
  if (first == 0xfc) bytes = 2;
  if (first == 0xfd) bytes = 3;
  if (first == 0xfe) bytes = 8;
  if (bytes == 0 || static_cast<size_t>(end - at) < bytes) return false;
  length = 0;
  for (size_t i = 0; i < bytes; ++i) length |= static_cast<uint64_t>(at[i]) << (8 * i);
  at += bytes;
  return true;
}

}  // namespace

MysqlRowSplitter::MysqlRowSplitter(const std::vector<MysqlColumn>& columns) {
  for (const MysqlColumn& column : columns) widths_.push_back(width_of(column.type));
}

bool MysqlRowSplitter::split(std::span<const uint8_t> packet, MysqlCell* cells, size_t stride) const {
  const size_t columns = widths_.size();
  const size_t bitmap = (columns + 2 + 7) / 8;
  if (packet.size() < 1 + bitmap || packet[0] != 0) return false;
  const uint8_t* nulls = packet.data() + 1;
  const uint8_t* at = nulls + bitmap;
  const uint8_t* const end = packet.data() + packet.size();
  unsigned null_bit = 1U << 2;  // the first two bits are no column's
  for (const int8_t width : widths_) {
    const bool is_null = (*nulls & null_bit) != 0;
    null_bit <<= 1;
    if (null_bit > 0xff) {
      null_bit = 1;
      ++nulls;
    }
    if (is_null) {
      *cells = {};
      cells += stride;
      continue;
    }
    uint64_t size = 0;
    if (width >= 0) {
      size = static_cast<uint64_t>(width);
    } else {
      if (at == end) return false;
      size = *at;
      if (width == byte_length || size < length_of_more_bytes)
        ++at;
      else if (!read_length(at, end, size))
        return false;
    }
    if (static_cast<uint64_t>(end - at) < size) return false;
    *cells = {size == 0 ? &nothing : at, static_cast<size_t>(size)};
    cells += stride;
    at += size;
  }
  return at == end;
}

}  // namespace udon::data
