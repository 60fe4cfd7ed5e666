#pragma once
// Statements of people's own on a database, one after the other in one session: rows come as from any table reader,
// with the same exact types, so that all that is done with a table can be done with an answer.
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/value.h"
#include "connections/connection.h"
#include "plugins/data/reader.h"
#include "plugins/db/sql_text.h"

namespace udon::data {

struct Statement {
  std::string sql;                  // one statement, with :name parameters
  Value parameters = Value::map();  // those that it names
};

// The statements of `sql` (a text, in which a `;` separates them, or a list of texts, one statement each), each with
// its part of `parameters`. invalid: a name without a value, or a value that none of them names, with the nearest name.
Result<std::vector<Statement>> make_statements(const Value& sql, const Value& parameters, SqlDialect dialect);

// By its words, before anything runs: SELECT and its like, or something with RETURNING.
bool may_give_rows(const Statement& statement, SqlDialect dialect);
bool only_reads(const Statement& statement, SqlDialect dialect);

// The rows of one statement. Its open() runs the statement; no columns: it gave no rows, and is done.
class QueryRows : public TableReader, public BatchSource {
 public:
  std::vector<BatchSource*> sources() override { return {this}; }
  virtual int64_t rows_changed() const = 0;  // once it has ended; -1: it changes none
};

enum class Access { reads, writes };

// Used by one thread at a time, but for the stop token's callback.
class QuerySession {
 public:
  virtual ~QuerySession() = default;
  virtual Result<void> begin(Access access) = 0;
  virtual Result<void> commit() = 0;  // a session that ends without it has changed nothing
  // Rows changed; -1: it changes none. Rows that it gives are dropped.
  virtual Result<int64_t> execute(const Statement& statement) = 0;
  // To be read to its end, or destroyed, before the session's next statement. Destroyed early, it ends the session.
  virtual std::unique_ptr<QueryRows> rows(const Statement& statement) = 0;
};

struct QueryOptions {
  std::string program = "udon sql";  // shown in the server's list of sessions
  // What columns without a zone mean: instants among the parameters are compared with them as its wall clock. Without
  // it an instant against such a column is an error: MySQL would silently drop its offset.
  std::string timezone;
};

Result<SqlDialect> dialect_of(const Connection& connection);

// mysql (MariaDB too), postgresql, sqlite. Once `stop` is requested the statement that runs is ended, on the server
// too.
Result<std::unique_ptr<QuerySession>> open_query_session(const Connection& connection, const QueryOptions& options,
                                                         std::stop_token stop);

}  // namespace udon::data
