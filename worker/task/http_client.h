#pragma once
// HTTP/1.1 over a unix socket, one request a connection: the little that a try needs to ask its server. Our own,
// because Debian's libcpp-httplib.so brings OpenSSL, whose start-up alone costs more than a small task.
#include <chrono>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace udon {

struct HttpRequest {
  std::string method = "GET";
  std::string target;  // path and query, percent-encoded
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;  // JSON, if there is any
};
struct HttpResponse {
  int status = 0;
  std::string body;
};

// unavailable: nobody listens, or the connection broke; timeout; cancelled; data: what came is no HTTP, or more than
// limits::http_body_bytes_max.
Result<HttpResponse> ask_over_socket(const Path& socket, const HttpRequest& request, std::chrono::milliseconds timeout,
                                     const std::stop_token& stop);

}  // namespace udon
