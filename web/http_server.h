#pragma once
// Carries requests and answers over TCP and unix sockets. cpp-httplib parses and prints HTTP; the sockets are ours,
// because its own accept loop leaks descriptors into children, keeps a thread per idle connection and has a backlog of
// five. One thread waits (epoll) for new connections and for the next request of idle ones; others answer, each busy
// only while a request is.
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/result.h"
#include "web/http.h"

namespace udon::web {

struct HttpServerOptions {
  // An answer may block on the loop's commit, so there are more than cores; an idle thread ends after a while.
  int threads_max = 256;
  int connections_max = 4096;
  // On top of these, for the local socket alone: strangers who keep all the others busy must not keep tries from their
  // connections, nor the operator from the command line.
  int local_threads = 32;
  int local_connections = 1024;
  int backlog = 1024;
  int64_t body_bytes_max = limits::http_body_bytes_max;
  int64_t header_bytes_max = 64 << 10;
  Duration header_timeout = std::chrono::seconds(10);    // from a request's first byte to the end of its head
  Duration request_timeout = std::chrono::seconds(60);   // from its first byte to its last
  Duration response_timeout = std::chrono::seconds(60);  // a reader that takes nothing for so long is let go
  Duration keep_alive = std::chrono::seconds(75);        // idle connections
  Duration stop_grace = std::chrono::seconds(5);         // for requests in progress when the server stops
};

class HttpServer {
 public:
  using Handler = std::function<Response(const Request&)>;

  // `clock` must outlive it. The handler is called from many threads and must not throw.
  HttpServer(HttpServerOptions options, const Clock& clock, Handler handler);
  ~HttpServer();  // stops

  // Before start. Port 0 takes a free one; the port is returned. unavailable: the address is taken.
  Result<int> listen_tcp(const std::string& host, int port);
  // The socket is mode 0600 from the moment it can be connected to. A file that is there is replaced: the caller holds
  // the installation's lock.
  Result<void> listen_unix(const Path& path);
  Result<void> start();
  // No new connections, idle ones are closed, requests in progress get their grace. Called twice: nothing.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace udon::web
