#include <httplib.h>
#include <sys/socket.h>

#include <optional>

#include "base/text.h"
#include "base/unix_socket.h"
#include "cli/api.h"

namespace udon::cli {
namespace {

std::string words_of(httplib::Error error) {
  switch (error) {
    case httplib::Error::Connection: return "nobody takes a connection there";
    case httplib::Error::ConnectionTimeout: return "no connection in time";
    case httplib::Error::Read: return "it closed the connection, or was silent for too long";
    case httplib::Error::Write: return "it does not take the request";
    case httplib::Error::SSLConnection:
    case httplib::Error::SSLLoadingCerts:
    case httplib::Error::SSLServerVerification: return "its certificate cannot be verified";
    default: return httplib::to_string(error);
  }
}

class HttpApi final : public Api {
 public:
  HttpApi(std::unique_ptr<httplib::Client> client, std::string token, std::string where,
          std::optional<UnixAddress> address)
      : client_(std::move(client)), token_(std::move(token)), where_(std::move(where)), address_(std::move(address)) {
    client_->set_keep_alive(true);
    client_->set_tcp_nodelay(true);
    client_->set_connection_timeout(10);
    // A command is answered after its commit, which waits for the loop.
    client_->set_read_timeout(120);
    client_->set_write_timeout(60);
  }

  Result<ApiAnswer> send(const std::string& method, const std::string& target, const std::string& body,
                         const std::string& accept) override {
    httplib::Request request;
    request.method = method;
    request.path = target;
    request.body = body;
    request.set_header("Accept", accept);
    request.set_header("Host", "localhost");
    request.set_header("X-Udon-Client", "cli");
    if (!body.empty()) request.set_header("Content-Type", "application/json");
    if (!token_.empty()) request.set_header("Authorization", "Bearer " + token_);
    try {
      const httplib::Result result = client_->send(request);
      if (!result) return Error{ErrorKind::unavailable, "no answer from " + where_ + ": " + words_of(result.error())};
      return ApiAnswer{result->status, result->body, result->get_header_value("Airflow-Continuation-Token")};
    } catch (const std::exception& e) {
      return Error{ErrorKind::unavailable, where_ + ": " + e.what()};
    }
  }
  bool is_live() const override { return true; }

 private:
  std::unique_ptr<httplib::Client> client_;
  const std::string token_, where_;
  const std::optional<UnixAddress> address_;  // of the socket, which the client knows by its path
};

}  // namespace

Result<std::unique_ptr<Api>> connect_to_server(const std::string& url, const std::string& token) {
  if (!url.starts_with("http://") && !url.starts_with("https://"))
    return Error{ErrorKind::invalid, "UDON_SERVER is a URL such as http://127.0.0.1:8080, not `" + url + "`"};
  std::string base = url;
  while (!base.empty() && base.back() == '/') base.pop_back();
  try {
    auto client = std::make_unique<httplib::Client>(base);
    if (!client->is_valid()) return Error{ErrorKind::invalid, "UDON_SERVER is no URL of a server: `" + url + "`"};
    return std::unique_ptr<Api>(std::make_unique<HttpApi>(std::move(client), token, base, std::nullopt));
  } catch (const std::exception& e) {
    return Error{ErrorKind::invalid, "UDON_SERVER `" + url + "`: " + e.what()};
  }
}

Result<std::unique_ptr<Api>> connect_to_socket(const Path& socket) {
  Result<UnixAddress> address = UnixAddress::of(socket);
  if (!address && address.error().kind == ErrorKind::not_found) return std::unique_ptr<Api>();
  if (!address) return address.error();
  const FileDescriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!probe) return io_error("socket for", socket, errno);
  if (::connect(probe.get(), address->get(), address->size()) != 0) {
    // A file that nobody listens on is what a killed server leaves.
    if (errno == ENOENT || errno == ECONNREFUSED) return std::unique_ptr<Api>();
    return io_error("connect to", socket, errno);
  }
  auto client = std::make_unique<httplib::Client>(address->path());
  client->set_address_family(AF_UNIX);
  return std::unique_ptr<Api>(std::make_unique<HttpApi>(std::move(client), "", socket.string(), *std::move(address)));
}

}  // namespace udon::cli
