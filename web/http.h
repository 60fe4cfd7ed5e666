#pragma once
// A request and its answer as values, so that routes and resources are tested without a socket. The server that carries
// them is http_server.h.
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/value.h"

namespace udon::web {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Who is at the other end.
struct Peer {
  bool is_local_socket = false;  // came in over $UDON_HOME/run/udon.sock
  std::optional<uid_t> uid;      // of the process there, where the kernel says it (SO_PEERCRED)
  std::string address;           // of a TCP peer
};

struct Request {
  std::string method;             // upper case
  std::vector<std::string> path;  // percent-decoded segments; split before decoding, so "%2F" stays inside one
  Pairs query;                    // decoded, in order; a name may come several times
  Pairs headers;                  // names in lower case
  std::string body;
  Peer peer;

  const std::string* header(std::string_view lower_case_name) const;  // the first, or nullptr
};
// "/api/v2/dags?limit=5" into path and query; invalid: a % without two hex digits, or a byte string that is not UTF-8.
Result<Request> parse_target(std::string_view target);

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  Pairs headers;
};
Response json_response(int status, const Value& value);
Response no_content();
// {"detail": …}, the form of every error of the API.
Response error_response(int status, Value detail);
// The status that an error of ours becomes: not_found 404, conflict 409, invalid 400, …
int status_of(ErrorKind kind);
Response error_response(const Error& error);

}  // namespace udon::web
