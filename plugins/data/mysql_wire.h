#pragma once
// A row packet of the binary protocol, cut into the cells of its columns. Nothing is converted here; lengths are
// checked, because what comes over a network is not ours.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "plugins/db/mysql/row_stream.h"

namespace udon::data {

struct MysqlCell {
  const uint8_t* data = nullptr;  // nullptr: NULL
  size_t size = 0;
  bool is_null() const { return data == nullptr; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data), size}; }
};

// A date or wall clock as the wire has it; absent parts are 0.
struct MysqlDateTime {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  int64_t microsecond = 0;
};

class MysqlRowSplitter {
 public:
  explicit MysqlRowSplitter(const std::vector<MysqlColumn>& columns);
  // False: the packet is not a row of these columns. Cells point into it; the next column's is `stride` behind.
  bool split(std::span<const uint8_t> packet, MysqlCell* cells, size_t stride = 1) const;

 private:
  std::vector<int8_t> widths_;  // bytes; -1: a length stands before the value; -2: one byte of length does
};

// Of a column that counts the true question marks of another: none if that is NULL.
inline std::optional<int64_t> question_marks_of(const MysqlCell& cell) {
  if (cell.is_null()) return std::nullopt;
  int64_t count = 0;
  std::memcpy(&count, cell.data, std::min(cell.size, sizeof count));
  return count;
}

template <class T>
T read_little_endian(const uint8_t* data) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  T value;
  std::memcpy(&value, data, sizeof value);
  return value;
}

// Of a temporal cell: 0, 4, 7 or 11 bytes. False: any other length.
inline bool read_mysql_datetime(const MysqlCell& cell, MysqlDateTime& value) {
  value = {};
  if (cell.size != 0 && cell.size != 4 && cell.size != 7 && cell.size != 11) return false;
  if (cell.size >= 4) {
    value.year = read_little_endian<uint16_t>(cell.data);
    value.month = cell.data[2];
    value.day = cell.data[3];
  }
  if (cell.size >= 7) {
    value.hour = cell.data[4];
    value.minute = cell.data[5];
    value.second = cell.data[6];
  }
  if (cell.size == 11) value.microsecond = read_little_endian<uint32_t>(cell.data + 7);
  return true;
}

}  // namespace udon::data
