#pragma once
// Shared by the .cpp files of this folder only: the one place that names libmariadb's types.
#include <mysql.h>
#include <memory>
#include <mutex>

#include "plugins/db/mysql/session.h"

namespace udon {

struct MysqlSession::Impl {
  struct Close {
    void operator()(MYSQL* mysql) const { mysql_close(mysql); }
  };
  std::unique_ptr<MYSQL, Close> mysql;
  Connection connection;
  MysqlOptions options;
  std::string address;
  bool is_verified = false;  // the server's certificate and name
  std::string login_advice;  // if the log-in is refused; empty: the usual
  std::stop_token stop;
  // Cuts the wait of the thread that uses the session. Built last, destroyed first: it touches the socket.
  std::optional<std::stop_callback<std::function<void()>>> on_stop;

  // The error that libmariadb holds now, or `cancelled` if we were stopped; `doing` is what failed.
  Error error(std::string_view doing);
  Error error(std::string_view doing, unsigned number, std::string_view text, std::string_view sqlstate);
  // The same of what is said while rows are computed: without the server's words where they may quote a value.
  Error row_error(std::string_view doing, unsigned number, std::string_view text, std::string_view sqlstate);
  // From a session of its own, in a few seconds at most; a server that cannot be reached notices the closed socket
  // later.
  void kill_query();
};

// What an error number means to a caller; `text` tells apart what one number stands for.
ErrorKind kind_of_mysql_error(unsigned number, std::string_view text);

}  // namespace udon
