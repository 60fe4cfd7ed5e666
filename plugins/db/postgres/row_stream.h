#pragma once
// A statement with bound values and its rows, one at a time in the text format: for whatever COPY does not take.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "plugins/db/postgres/session.h"

namespace udon {

class PostgresRowStream {
 public:
  // Values are sent apart from the text, for $1, $2, …; nothing is NULL. The session serves nothing else until the
  // stream has ended; destroyed before, it ends the session. A statement that gives no rows has been done then, and has
  // no columns.
  static Result<std::unique_ptr<PostgresRowStream>> open(PostgresSession& session, const std::string& sql,
                                                         const std::vector<std::optional<std::string>>& values = {});
  ~PostgresRowStream();
  PostgresRowStream(const PostgresRowStream&) = delete;
  PostgresRowStream& operator=(const PostgresRowStream&) = delete;

  const std::vector<std::string>& columns() const;

  enum class Step { row, end, failed };
  Step next();
  // Of the row that is there, until the next call of next(); nothing is NULL.
  std::optional<std::string_view> field(size_t column) const;
  Error error() const;
  uint64_t rows() const;         // so far
  int64_t rows_changed() const;  // at the end, of INSERT, UPDATE, DELETE, MERGE and COPY; -1: it changes none

 private:
  struct Impl;
  explicit PostgresRowStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace udon
