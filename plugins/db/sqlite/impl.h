#pragma once
// Shared by the .cpp files of this folder only: the one place that names libsqlite3's types.
#include <sqlite3.h>

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>

#include "plugins/db/sqlite/session.h"

namespace udon {

struct SqliteSession::Impl {
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  std::unique_ptr<sqlite3, Close> db;
  std::string path;
  std::stop_token stop;
  // Built last, destroyed first: it touches the database.
  std::optional<std::stop_callback<std::function<void()>>> on_stop;

  // What SQLite says now, or `cancelled` if we were stopped.
  Error error(std::string_view doing) const;
};

}  // namespace udon
