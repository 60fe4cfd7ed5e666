#pragma once
// A prepared statement's rows in the binary protocol, one packet at a time, straight from the connection's buffer: no
// row is stored, no value converted.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/value.h"
#include "plugins/db/mysql/session.h"

namespace udon {

// The wire types of the binary protocol, with the protocol's numbers.
enum class MysqlWireType : uint8_t {
  tiny = 1,
  short_int = 2,
  long_int = 3,
  float32 = 4,
  float64 = 5,
  null = 6,
  timestamp = 7,
  long_long = 8,
  int24 = 9,
  date = 10,
  time = 11,
  datetime = 12,
  year = 13,
  varchar = 15,
  bit = 16,
  json = 245,
  new_decimal = 246,
  enumeration = 247,
  set = 248,
  tiny_blob = 249,
  medium_blob = 250,
  long_blob = 251,
  blob = 252,
  var_string = 253,
  string = 254,
  geometry = 255,
};

struct MysqlColumn {
  std::string name;
  MysqlWireType type = MysqlWireType::null;
  bool is_unsigned = false;
  bool is_binary = false;  // character set "binary"
  uint64_t length = 0;     // display length: of decimals and bits
  unsigned decimals = 0;   // of decimals; fraction digits of times
};

class MysqlRowStream {
 public:
  // Prepares, binds the values to the statement's `?` in order (text, integers, doubles, booleans, NULL), executes. The
  // session serves nothing else until the stream has ended or is destroyed; destroyed early, it ends the session. A
  // statement that gives no rows has been done then, and has no columns.
  static Result<std::unique_ptr<MysqlRowStream>> open(MysqlSession& session, const std::string& sql,
                                                      const std::vector<Value>& values = {});
  ~MysqlRowStream();
  MysqlRowStream(const MysqlRowStream&) = delete;
  MysqlRowStream& operator=(const MysqlRowStream&) = delete;

  const std::vector<MysqlColumn>& columns() const;
  int64_t rows_changed() const;  // of a statement without columns; -1: it changes none

  enum class Step { row, end, failed };
  // row: `packet` is valid until the next call: one zero byte, the NULL bitmap (offset 2), the values. end: the server
  // said so. failed: error() tells; a lost connection names how far it got.
  Step next(std::span<const uint8_t>& packet);
  Error error() const;
  uint64_t rows() const;

 private:
  struct Impl;
  explicit MysqlRowStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace udon
