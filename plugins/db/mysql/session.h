#pragma once
// One session with a MySQL or MariaDB server, over libmariadb, which no header of ours shows.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "connections/connection.h"
#include "plugins/db/row_error.h"

namespace udon {

// Rows of a small answer, as the text protocol gives them. NULL is nothing.
struct MysqlTable {
  std::vector<std::string> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;

  // The value in that column of that row; nothing if there is no such column or it is NULL. Case counts not.
  const std::optional<std::string>& at(size_t row, std::string_view column) const;
  bool has_column(std::string_view column) const;
};

struct MysqlOptions {
  std::chrono::seconds connect_timeout{10};
  // The longest that an answer may take; zero: as long as the server wants. A peer that is gone without a word is
  // noticed anyway, by TCP keepalive, after about a minute.
  std::chrono::seconds answer_timeout{0};
  std::string program = "udon";  // shown in the server's list of sessions (connect attribute program_name)
  RowErrors row_errors = RowErrors::hidden;
};

// For SET SESSION, which needs no right: the server waits a week for a reader that takes nothing, because it uploads
// slowly or stands still (plugins/data/pace.h). By default it cuts the session after a minute.
inline constexpr const char* patient_server = "net_write_timeout = 604800, wait_timeout = 604800";

// Options of a connection (its URI's query):
//   ssl_mode     disabled, required (encrypted, not verified) or verify_identity; the default is verify_identity, on
//                loopback and for Unix sockets disabled
//   ssl_ca, ssl_capath, ssl_cert, ssl_key   files; without ssl_ca the system's authorities are trusted
//   unix_socket  path, instead of host and port
//   connect_timeout  seconds
//   auth         aws_iam: the password is a token of RDS, made for each session (connections/secrets/rds_token.h)
// Used by one thread at a time, but for the stop token's callback.
class MysqlSession {
 public:
  // denied: user or password, rights, a certificate that does not fit. unavailable: nobody answers; both name
  // host:port. Once `stop` is requested every wait ends with `cancelled`, and the server is told to end the query.
  static Result<std::unique_ptr<MysqlSession>> connect(const Connection& connection, const MysqlOptions& options = {},
                                                       std::stop_token stop = {});
  ~MysqlSession();
  MysqlSession(const MysqlSession&) = delete;
  MysqlSession& operator=(const MysqlSession&) = delete;

  Result<MysqlTable> query(const std::string& sql);
  Result<void> execute(const std::string& sql);

  // 'text' as this session reads it, for statements that take no bound values.
  std::string literal(std::string_view text) const;

  const std::string& address() const;  // "host:port", for messages
  std::string server_version() const;  // "10.11.6-MariaDB"
  bool is_mariadb() const;
  uint64_t thread_id() const;  // what KILL takes
  bool is_encrypted() const;
  bool is_verified() const;  // encrypted, and the server's certificate and name were verified

  // For the module's own files.
  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  explicit MysqlSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace udon
