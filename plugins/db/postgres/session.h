#pragma once
// One session with a PostgreSQL server, over libpq, which no header of ours shows.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "connections/connection.h"
#include "plugins/db/row_error.h"

namespace udon {

// Rows of a small answer, in the text format. NULL is nothing.
struct PostgresTable {
  std::vector<std::string> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;

  // The value in that column of that row; nothing if there is no such column or it is NULL.
  const std::optional<std::string>& at(size_t row, std::string_view column) const;
};

struct PostgresOptions {
  std::chrono::seconds connect_timeout{10};
  // The longest that a statement may take on the server; zero: as long as it wants.
  std::chrono::seconds statement_timeout{0};
  std::string program = "udon";  // application_name
  RowErrors row_errors = RowErrors::hidden;
  // Tables are read whole: a policy of row security that hides rows is an error (denied), unless the connection says
  // row_security=on.
  bool all_rows = false;
};

// Options of a connection (its URI's query): ssl_mode disabled, required, verify_identity (the default off loopback) or
// libpq's own sslmode; ssl_ca, ssl_cert, ssl_key (or libpq's sslrootcert, sslcert, sslkey): files, without ssl_ca the
// system's authorities; connect_timeout in seconds; auth=aws_iam: the password is a token of RDS, made for each
// session; row_security; options, target_session_attrs as libpq has them. Used by one thread at a time, but for the
// stop token's callback.
class PostgresSession {
 public:
  // denied: user, password, rights, a certificate that does not fit. unavailable: nobody answers; both name host:port.
  // Once `stop` is requested every wait ends with `cancelled`, and the server is told to end the query.
  static Result<std::unique_ptr<PostgresSession>> connect(const Connection& connection,
                                                          const PostgresOptions& options = {},
                                                          std::stop_token stop = {});
  ~PostgresSession();
  PostgresSession(const PostgresSession&) = delete;
  PostgresSession& operator=(const PostgresSession&) = delete;

  // Values are sent apart from the text, for $1, $2, …; nothing is NULL.
  Result<PostgresTable> query(const std::string& sql, const std::vector<std::optional<std::string>>& values = {});
  Result<void> execute(const std::string& sql);
  // The types that the server infers for $1, $2, … of a statement: their OIDs.
  Result<std::vector<uint32_t>> parameter_types(const std::string& sql);
  // The same, and the columns that the statement will give; nothing of it is run.
  struct Description {
    struct Column {
      std::string name;
      uint32_t type = 0;  // OID; of a domain its base type's
      int32_t modifier = -1;
    };
    std::vector<uint32_t> parameters;
    std::vector<Column> columns;  // empty: it gives no rows
  };
  Result<Description> describe(const std::string& sql);
  // 'text' or E'text', for statements that take no parameters (COPY).
  Result<std::string> literal(std::string_view text);

  const std::string& address() const;  // "host:port", for messages
  int server_version() const;          // 150018
  bool is_encrypted() const;
  bool is_verified() const;  // encrypted, and the server's certificate and name are what they should be

  // For the module's own files.
  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  explicit PostgresSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace udon
