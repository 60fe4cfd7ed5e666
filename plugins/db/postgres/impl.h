#pragma once
// Shared by the .cpp files of this folder only: the one place that names libpq's types.
#include <libpq-fe.h>

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>

#include "plugins/db/postgres/session.h"

namespace udon {

struct PostgresSession::Impl {
  struct Close {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  std::unique_ptr<PGconn, Close> pq;
  struct FreeCancel {
    void operator()(PGcancel* cancel) const { PQfreeCancel(cancel); }
  };
  std::unique_ptr<PGcancel, FreeCancel> cancel;  // where and by which key the server is told to end a query
  std::string address;
  std::string login;
  int server_version = 0;    // libpq forgets it with the connection
  bool is_verified = false;  // where TLS is used, the server's certificate and name were
  RowErrors row_errors = RowErrors::hidden;
  std::stop_token stop;
  // Cuts the wait of the thread that uses the session. Built last, destroyed first: it touches the socket.
  std::optional<std::stop_callback<std::function<void()>>> on_stop;

  // What libpq says of a result (or, without one, of the connection), or `cancelled` if we were stopped.
  Error error(std::string_view doing, const PGresult* result);
  // Of a session that is given up: the server need not go on.
  void end_query();
};

struct FreeResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using PostgresResult = std::unique_ptr<PGresult, FreeResult>;

// What an SQLSTATE means to a caller.
ErrorKind kind_of_sqlstate(std::string_view sqlstate);

}  // namespace udon
