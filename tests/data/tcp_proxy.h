#pragma once
// Passes bytes between a client and a server, until the server has sent so many: then something happens, and the bytes
// go on or the connection ends.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <stdexcept>
#include <thread>

#include "base/file.h"

namespace udon::test {

class TcpProxy {
 public:
  enum class Then { close, go_on };
  // `at`: called by the proxy's thread when the server has sent `bytes`, in so many of the connections, one after the
  // other; nothing flows meanwhile.
  TcpProxy(int server_port, int64_t bytes, std::function<Then()> at, int times = 1)
      : server_port_(server_port), bytes_(bytes), at_(std::move(at)), times_(times) {
    listener_ = FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_.get(), 8) != 0)
      throw std::runtime_error("a test's proxy has no address");
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  ~TcpProxy() {
    thread_.request_stop();
    ::shutdown(listener_.get(), SHUT_RDWR);
  }
  int port() const { return port_; }
  bool has_happened() const { return happened_ == times_; }

 private:
  static sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const FileDescriptor client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client) return;
      const FileDescriptor server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const sockaddr_in address = loopback(server_port_);
      if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) continue;
      pass(client.get(), server.get(), stop);
    }
  }
  void pass(int client, int server, const std::stop_token& stop) {
    int64_t sent = 0;
    bool has_happened = false;
    pollfd both[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    char buffer[65536];
    while (!stop.stop_requested()) {
      if (::poll(both, 2, 100) < 0) return;
      for (int i = 0; i < 2; ++i) {
        if (both[i].revents == 0) continue;
        const ssize_t n = ::recv(both[i].fd, buffer, sizeof buffer, 0);
        if (n <= 0) return;
        for (ssize_t done = 0; done < n;) {
          const ssize_t m = ::send(both[1 - i].fd, buffer + done, static_cast<size_t>(n - done), MSG_NOSIGNAL);
          if (m <= 0) return;
          done += m;
        }
        if (i == 1) sent += n;
        if (sent >= bytes_ && !has_happened && happened_ < times_) {
          has_happened = true;
          ++happened_;
          if (at_() == Then::close) return;
        }
      }
    }
  }

  const int server_port_;
  const int64_t bytes_;
  const std::function<Then()> at_;
  const int times_;
  FileDescriptor listener_;
  int port_ = 0;
  std::atomic<int> happened_ = 0;
  std::jthread thread_;
};

}  // namespace udon::test
