#include "base/net/http_client.h"
#include "base/text.h"
#include "plugins/connection_test/looks.h"

namespace udon {

Result<Finding> look_at_http(const Connection& connection, const TestQuestion& question, std::stop_token stop) {
  TRY(check_features(question, connection.type, {}));
  std::string host = connection.host, scheme = connection.type;
  if (const size_t end = host.find("://"); end != std::string::npos) {  // as Airflow allows it
    scheme = lower_ascii(host.substr(0, end));
    host.erase(0, end + 3);
  }
  if (connection.schema == "http" || connection.schema == "https") scheme = connection.schema;
  if (host.empty()) return Error{ErrorKind::invalid, "it names no host"};
  if (host.find(':') != std::string::npos && !host.starts_with('[')) host = "[" + host + "]";
  HttpRequest request;
  request.url = scheme + "://" + host + (connection.port > 0 ? ":" + std::to_string(connection.port) : "") + "/";
  TRY_ASSIGN(const HttpUrl url, parse_http_url(request.url));
  request.timeouts.total = std::chrono::seconds(30);
  request.response_bytes_kept = 0;
  request.tls_authorities = connection.option("ssl_ca");
  request.tls_verified = lower_ascii(connection.option("ssl_mode")) != "required" &&
                         lower_ascii(connection.option("verify")) != "false" && connection.option("verify") != "0";
  HttpClient client;
  TRY_ASSIGN(const HttpResponse response, client.send(request, stop));
  Finding finding;
  const bool is_unverified_loopback = is_loopback(url.host) && request.tls_authorities.empty();
  finding.facts = Value::Map{{"address", url.origin()},
                             {"tls", tls_text(url.scheme == "https", request.tls_verified && !is_unverified_loopback)}};
  if (!response.header("server").empty()) finding.facts.set("server", std::string(response.header("server")));
  finding.ok("reach", "the server answers (status " + std::to_string(response.status) +
                          " of `/`, asked without credentials: whether they are good only a task's own request shows)");
  return finding;
}

}  // namespace udon
