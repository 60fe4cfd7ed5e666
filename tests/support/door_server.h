#pragma once
// The server's end of the tries' socket, for tests: answers each request with what a function makes of it.
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/unix_socket.h"

namespace udon::test {

class DoorServer {
 public:
  // `answer` gets the whole request and gives the whole response; empty: the connection is closed without a word.
  DoorServer(const Path& socket, std::function<std::string(const std::string& request)> answer)
      : answer_(std::move(answer)) {
    REQUIRE(make_directories(socket.parent_path()));
    unlink(socket.c_str());
    const auto address = UnixAddress::of(socket);
    REQUIRE(address);
    listener_ = FileDescriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(bind(listener_.get(), address->get(), address->size()) == 0);
    REQUIRE(listen(listener_.get(), 64) == 0);
    thread_ = std::thread([this] { run(); });
  }
  ~DoorServer() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  static std::string json(int status, const std::string& body) {
    return "HTTP/1.1 " + std::to_string(status) +
           " X\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

 private:
  void run() {
    while (true) {
      const FileDescriptor peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!peer) return;
      std::string request;
      char buffer[4096];
      while (request.find("\r\n\r\n") == request.npos) {
        const ssize_t got = read(peer.get(), buffer, sizeof buffer);
        if (got <= 0) break;
        request.append(buffer, static_cast<size_t>(got));
      }
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      const std::string response = answer_(request);
      static_cast<void>(!send(peer.get(), response.data(), response.size(), MSG_NOSIGNAL));
    }
  }

  const std::function<std::string(const std::string&)> answer_;
  FileDescriptor listener_;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace udon::test
