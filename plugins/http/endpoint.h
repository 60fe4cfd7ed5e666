#pragma once
// Where a request goes and with whose credentials: the parameters `connection`, `url` and `query` together.
#include <optional>
#include <string>

#include "base/net/http_client.h"
#include "base/result.h"
#include "base/value.h"
#include "connections/connection.h"

namespace udon {

struct HttpEndpoint {
  std::string url;      // never shown: the connection's path may be a secret (web hooks), and so may a query
  std::string shown;    // for messages: the origin, and the path that `url` names, without its query
  HttpHeaders headers;  // the connection's: credentials and the like, for its own origin only
  Path tls_authorities;
  bool is_tls_verified = true;
};

// `url`: absolute; or, with a connection, what follows its address, and may be empty. invalid: says which of them is
// wrong, also where an absolute URL is not of the connection's host, whose credentials would go elsewhere.
Result<HttpEndpoint> make_endpoint(const std::optional<Connection>& connection, const std::string& url,
                                   const Value& query);

// "a=1&b=x%20y": of texts, numbers, booleans and lists of them (the name repeated); null is left out.
Result<std::string> form_encoded(const Value& fields, std::string_view what);

// What a Location header names, seen from `url`.
Result<std::string> resolve_location(const std::string& url, const std::string& location);

}  // namespace udon
