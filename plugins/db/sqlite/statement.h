#pragma once
// A prepared statement and its rows, one at a time: no row is stored, no value converted.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"
#include "plugins/db/sqlite/session.h"

namespace udon {

// SQLite's storage classes: of each value, not of a column.
enum class SqliteClass { null, integer, real, text, blob };

struct SqliteColumn {
  std::string name;
  std::string declared_type;  // as CREATE TABLE has it; empty: an expression
};

class SqliteStatement {
 public:
  // Prepares and binds ?1, ?2, … (text, integers, doubles, booleans, NULL). Nothing has run yet.
  static Result<std::unique_ptr<SqliteStatement>> prepare(SqliteSession& session, const std::string& sql,
                                                          const std::vector<Value>& values = {});
  ~SqliteStatement();
  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;

  const std::vector<SqliteColumn>& columns() const;  // empty: it gives no rows
  bool is_read_only() const;

  // True: a row is there. False: the end; the statement has done all its work.
  Result<bool> next();
  uint64_t rows() const;  // so far

  // Of the row that is there; texts and blobs are valid until the next call of next().
  SqliteClass class_of(size_t column) const;
  int64_t integer(size_t column) const;
  double real(size_t column) const;
  std::string_view bytes(size_t column) const;  // of text and blob

 private:
  struct Impl;
  explicit SqliteStatement(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace udon
