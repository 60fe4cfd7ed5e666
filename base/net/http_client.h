#pragma once
// HTTP/1.1 requests over libcurl. A client keeps its connections open for the next request to the same host.
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/result.h"

namespace udon {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// A part of an open file as a request's body. Read where it stands (pread), so that several requests can share a
// descriptor; the caller keeps it open.
struct FileRange {
  int fd = -1;
  int64_t offset = 0;
  int64_t length = 0;
  Path path;  // for messages
};

// A body that is made while it is sent. `read` fills what it can and gives 0 at the end; it is not asked again from the
// start, so such a request is not repeated when a kept connection turns out to be dead.
struct HttpBodySource {
  int64_t length = -1;  // -1: unknown, sent in chunks
  std::function<Result<size_t>(std::span<char>)> read;
};

struct HttpTimeouts {
  Duration connect = std::chrono::seconds(10);  // with name resolution and TLS
  Duration stall = std::chrono::seconds(60);    // no byte in either direction for so long
  Duration total{0};                            // 0: as long as bytes move
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;  // sent as it is: neither dot segments nor doubled slashes are touched
  HttpHeaders headers;
  // A string_view must outlive the request.
  std::variant<std::string, std::string_view, FileRange, HttpBodySource> body;
  HttpTimeouts timeouts;
  // Asks the server before a body is sent, so that a refusal or a redirect costs no upload.
  bool expect_continue = false;
  int64_t response_bytes_max = limits::http_body_bytes_max;  // of the body; a longer one is an error (data)
  int64_t response_bytes_kept = INT64_MAX;                   // of the body; what follows is read and dropped
  // Certificates are verified, except on loopback where no authority is given. A file of authorities instead of the
  // system's:
  Path tls_authorities;
  bool tls_verified = true;
  Path unix_socket;  // connects there instead of the URL's host
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;  // names in lower case; those of the last response only (not of 100 Continue)
  std::string body;
  // More than 1: a kept connection died under the request, which was sent again by a new one. The server may have
  // carried out the first, too.
  int times_sent = 1;
  // The first of that lower-case name, or nothing.
  std::string_view header(std::string_view name) const;
};

// Thread-safe. Redirects are answers like others: nothing is followed. The environment's proxies (https_proxy,
// no_proxy, …) are used, but never to this machine.
class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Any status is an answer. Errors name the host, never the query or a header: unavailable (not resolved, refused,
  // cut), timeout, cancelled, denied (certificate), data (answer too long), invalid (URL, header), or the body source's
  // own.
  Result<HttpResponse> send(const HttpRequest& request, std::stop_token stop = {});

 private:
  struct Slot;
  struct Pool;
  std::unique_ptr<Pool> pool_;
};

// "https://Host:443/a?b" → parts; invalid for anything but http and https. The host keeps the brackets of IPv6.
struct HttpUrl {
  std::string scheme;
  std::string host;               // lower case
  int port = 0;                   // 0: the scheme's
  std::string target;             // path and query as they stand, at least "/"
  std::string authority() const;  // "host" or "host:port", as in the Host header
  std::string origin() const { return scheme + "://" + authority(); }
};
Result<HttpUrl> parse_http_url(std::string_view url);
bool is_loopback(std::string_view host);  // localhost, 127.x.x.x, ::1

}  // namespace udon
