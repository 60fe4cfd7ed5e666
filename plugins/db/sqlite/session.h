#pragma once
// One session with a SQLite database file, over libsqlite3, which no header of ours shows.
#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "connections/connection.h"

namespace udon {

struct SqliteOptions {
  // How long a lock of another process is waited for.
  std::chrono::milliseconds busy_timeout{30'000};
};

// sqlite:////absolute/path.db (four slashes). Options of the connection (its URI's query): mode=ro (read only), rw (the
// default: the file must be there) or rwc (it is made).
// Used by one thread at a time, but for the stop token's callback.
class SqliteSession {
 public:
  // not_found: there is no such file. invalid: a relative path, another mode. data: the file is no database.
  // Once `stop` is requested the statement that runs ends with `cancelled`, and so does every later one.
  static Result<std::unique_ptr<SqliteSession>> open(const Connection& connection, const SqliteOptions& options = {},
                                                     std::stop_token stop = {});
  ~SqliteSession();
  SqliteSession(const SqliteSession&) = delete;
  SqliteSession& operator=(const SqliteSession&) = delete;

  // Without values and rows.
  Result<void> execute(const std::string& sql);
  int64_t rows_changed() const;  // since the session was opened

  const std::string& path() const;  // for messages

  // For the module's own files.
  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  explicit SqliteSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace udon
