#pragma once
// Bytes over a socket, as they are: to send what no well-behaved client would.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <string>

#include "base/file.h"
#include "tests/base/temporary_folder.h"

namespace udon::test {

class RawClient {
 public:
  static RawClient tcp(int port) {
    RawClient client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(client.fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    return client;
  }
  static RawClient local(const Path& path) {
    RawClient client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.string().size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.c_str(), path.string().size());
    REQUIRE(::connect(client.fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    return client;
  }

  // False: the server has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // One answer: its head and as many bytes as Content-Length says. Empty: closed without one.
  std::string receive() {
    std::string& text = buffered_;
    size_t end = std::string::npos;
    while ((end = text.find("\r\n\r\n")) == std::string::npos)
      if (!fill()) return std::exchange(text, {});
    size_t length = 0;
    const size_t header = text.find("Content-Length: ");
    if (header != std::string::npos && header < end) length = std::stoul(text.substr(header + 16));
    while (text.size() < end + 4 + length)
      if (!fill()) break;
    std::string answer = text.substr(0, end + 4 + length);
    text.erase(0, answer.size());
    return answer;
  }
  std::string ask(std::string_view bytes) {
    send(bytes);
    return receive();
  }
  // Nothing more comes and the server's side is closed.
  bool is_closed() { return buffered_.empty() && !fill(); }
  int descriptor() const { return fd_.get(); }

 private:
  explicit RawClient(int fd) : fd_(fd) { REQUIRE(fd >= 0); }
  bool fill() {
    pollfd waiting{fd_.get(), POLLIN, 0};
    INFO("the server neither answers nor closes");
    REQUIRE(::poll(&waiting, 1, 30'000) == 1);
    char bytes[4096];
    const ssize_t got = ::recv(fd_.get(), bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    buffered_.append(bytes, static_cast<size_t>(got));
    return true;
  }
  FileDescriptor fd_;
  std::string buffered_;
};

}  // namespace udon::test
