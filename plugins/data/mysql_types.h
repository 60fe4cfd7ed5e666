#pragma once
// What becomes of each column of a MySQL or MariaDB table: by what the catalog says of it, its Arrow type, how it is
// selected, how its wire value is to be read. The table of types in docs and tests follows this file.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "plugins/data/reader.h"
#include "plugins/db/mysql/row_stream.h"

namespace udon::data {

// A column as information_schema.columns has it.
struct MysqlCatalogColumn {
  std::string name;
  std::string data_type;    // "decimal", lower case
  std::string column_type;  // "decimal(12,2) unsigned"
  std::string charset;      // of text; empty: none
  int64_t octets_max = -1;  // of text and binary; -1: not said
  int precision = 0;        // of decimals, and bits
  int scale = 0;
  bool is_nullable = true;
  bool is_invisible = false;  // SELECT * leaves it out
  bool operator==(const MysqlCatalogColumn&) const = default;
};

enum class MysqlKind {
  boolean,  // bit(1)
  int8,
  int16,
  int32,
  int64,
  uint64,   // as decimal(20,0)
  bits,     // bit(2..63), as int64
  bits64,   // bit(64), as decimal(20,0)
  decimal,  // text of digits, as decimal(p,s)
  digits,   // text of digits that no decimal(38,s) holds, as it is
  float32,
  float64,
  date,
  datetime,  // a wall clock
  instant,   // TIMESTAMP, in a session whose zone is UTC; DATETIME with a declared zone is datetime with `zoned`
  time,      // text: [-]HHH:MM:SS.ffffff
  text,
  binary,
  geometry,  // WKB behind four bytes of SRID
};

struct MysqlColumnPlan {
  ColumnInfo info;
  MysqlKind kind = MysqlKind::text;
  bool is_zoned = false;     // datetime: its wall clock is of the request's zone, and becomes an instant
  bool is_unsigned = false;  // of integers
  int scale = 0;             // of decimals
  std::string select;        // the SQL expression
  // Character sets of which the server turns some stored bytes into '?' without a word: an expression that counts the
  // true question marks, to tell them apart. Empty: the conversion loses nothing, or makes invalid UTF-8, which we see.
  std::string question_marks;
};

// unsupported, naming column and type, if there is no exact place for it; not_found with the nearest name for a column
// that the table lacks.
Result<std::vector<MysqlColumnPlan>> plan_mysql_columns(const std::vector<MysqlCatalogColumn>& catalog,
                                                        const TableRequest& request);

// Does the server send what was planned? Otherwise the table was changed in between: conflict.
Result<void> check_mysql_result(const std::vector<MysqlColumnPlan>& plans, const std::vector<MysqlColumn>& columns);

}  // namespace udon::data
