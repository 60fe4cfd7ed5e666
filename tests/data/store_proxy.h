#pragma once
// Stands between a client and the real store: passes each request on as it came, and does what a test says before or
// after it.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/file.h"
#include "tests/support/fault_server.h"

namespace udon::test {

class StoreProxy {
 public:
  // `endpoint`: "http://127.0.0.1:port". `before` may answer instead of the store; `after` is told what was done.
  // Requests are numbered from 0, in the order in which they came.
  using Before = std::function<std::optional<FaultReply>(int number, const SeenRequest&)>;
  using After = std::function<std::optional<FaultReply>(int number, const SeenRequest&)>;
  StoreProxy(const std::string& endpoint, Before before, After after)
      : port_(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))),
        before_(std::move(before)),
        after_(std::move(after)) {}

  std::string url() const { return server_.url(); }
  int count() const { return count_; }

 private:
  FaultReply handle(const SeenRequest& seen) {
    const int number = count_++;
    if (before_) {
      if (auto instead = before_(number, seen)) return *instead;
    }
    FaultReply answer{.bytes = pass_on(seen), .then = FaultReply::Then::close};
    if (after_) {
      if (auto instead = after_(number, seen)) return *instead;
    }
    return answer;
  }

  std::string pass_on(const SeenRequest& seen) const {
    std::string text = seen.method + " " + seen.target +
                       " HTTP/1.1\r\nconnection: close\r\ncontent-length: " + std::to_string(seen.body.size()) + "\r\n";
    for (const auto& [name, value] : seen.headers) {
      if (name == "connection" || name == "content-length" || name == "transfer-encoding" || name == "expect") continue;
      text += name + ": " + value + "\r\n";
    }
    text += "\r\n" + seen.body;
    const FileDescriptor peer(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(peer.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("the store does not answer");
    for (std::string_view rest = text; !rest.empty();) {
      const ssize_t n = ::send(peer.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (n <= 0) break;
      rest.remove_prefix(static_cast<size_t>(n));
    }
    std::string answer;
    char buffer[65536];
    for (ssize_t n = 0; (n = ::recv(peer.get(), buffer, sizeof buffer, 0)) > 0;)
      answer.append(buffer, static_cast<size_t>(n));
    return answer;
  }

  const int port_;
  const Before before_;
  const After after_;
  std::atomic<int> count_ = 0;
  FaultServer server_{[this](const SeenRequest& seen) { return handle(seen); }};
};

}  // namespace udon::test
