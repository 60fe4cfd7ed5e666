#include "tests/support/fault_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <stdexcept>

#include "base/text.h"

namespace udon::test {
namespace {

class Reader {
 public:
  explicit Reader(int fd) : fd_(fd) {}
  // Nothing: the client is gone.
  std::optional<std::string> until(std::string_view mark) {
    size_t at = 0;
    while ((at = buffer_.find(mark)) == buffer_.npos) {
      if (!more()) return std::nullopt;
    }
    std::string text = buffer_.substr(0, at);
    buffer_.erase(0, at + mark.size());
    return text;
  }
  std::optional<std::string> exactly(size_t count) {
    while (buffer_.size() < count) {
      if (!more()) return std::nullopt;
    }
    std::string text = buffer_.substr(0, count);
    buffer_.erase(0, count);
    return text;
  }
  bool more() {
    char chunk[65536];
    const ssize_t n = ::recv(fd_, chunk, sizeof chunk, 0);
    if (n <= 0) return false;
    buffer_.append(chunk, static_cast<size_t>(n));
    return true;
  }

 private:
  const int fd_;
  std::string buffer_;
};

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

std::optional<SeenRequest> read_request(Reader& reader, int fd) {
  const auto head = reader.until("\r\n\r\n");
  if (!head) return std::nullopt;
  SeenRequest request;
  bool is_first = true;
  for (const std::string& line : split(*head, '\n')) {
    const std::string_view text = trim(line);
    if (is_first) {
      const auto words = split(text, ' ');
      request.method = words.at(0);
      request.target = words.at(1);
      is_first = false;
    } else if (const size_t colon = text.find(':'); colon != text.npos) {
      request.headers[lower_ascii(text.substr(0, colon))] = trim(text.substr(colon + 1));
    }
  }
  if (request.header("expect") == "100-continue") send_all(fd, "HTTP/1.1 100 Continue\r\n\r\n");
  if (request.header("transfer-encoding") == "chunked") {
    for (;;) {
      const auto size = reader.until("\r\n");
      if (!size) return std::nullopt;
      const auto chunk = reader.exactly(std::stoul(*size, nullptr, 16));
      if (!chunk || !reader.until("\r\n")) return std::nullopt;
      if (chunk->empty()) break;
      request.body += *chunk;
    }
  } else if (const std::string length = request.header("content-length"); !length.empty()) {
    const auto body = reader.exactly(std::stoul(length));
    if (!body) return std::nullopt;
    request.body = *body;
  }
  return request;
}

}  // namespace

std::string SeenRequest::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

FaultReply reply(int status, std::string_view body, std::string_view headers) {
  return {.bytes = "HTTP/1.1 " + std::to_string(status) + " Status\r\n" + std::string(headers) +
                   "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body)};
}

FaultReply hang_up() { return {.then = FaultReply::Then::close}; }

FaultServer::FaultServer(Handler handler, const Path& unix_socket) : handler_(std::move(handler)) {
  const int family = unix_socket.empty() ? AF_INET : AF_UNIX;
  listener_ = FileDescriptor(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  std::strncpy(local.sun_path, unix_socket.c_str(), sizeof local.sun_path - 1);
  const auto* name = unix_socket.empty() ? reinterpret_cast<sockaddr*>(&address) : reinterpret_cast<sockaddr*>(&local);
  socklen_t size = unix_socket.empty() ? sizeof address : sizeof local;
  if (::bind(listener_.get(), name, size) != 0 || ::listen(listener_.get(), 64) != 0) {
    throw std::runtime_error("a test's server has no address");
  }
  if (unix_socket.empty()) {
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  acceptor_ = std::jthread([this] { accept_all(); });
}

FaultServer::~FaultServer() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  connections_.clear();  // joins them
}

std::vector<SeenRequest> FaultServer::requests() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

void FaultServer::accept_all() {
  for (int number = 1;; ++number) {
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const std::lock_guard lock(mutex_);
    if (is_over_) {
      ::close(fd);
      return;
    }
    open_.push_back(fd);
    connections_.emplace_back([this, fd, number] { serve(fd, number); });
  }
}

void FaultServer::serve(int fd, int number) {
  Reader reader(fd);
  while (auto request = read_request(reader, fd)) {
    request->connection = number;
    {
      const std::lock_guard lock(mutex_);
      seen_.push_back(*request);
    }
    const FaultReply answer = handler_(*request);
    if (!send_all(fd, answer.bytes) || answer.then == FaultReply::Then::close) break;
    if (answer.then == FaultReply::Then::fall_silent) {
      while (reader.more()) {
      }
      break;
    }
  }
  const std::lock_guard lock(mutex_);
  std::erase(open_, fd);
  ::close(fd);
}

}  // namespace udon::test
