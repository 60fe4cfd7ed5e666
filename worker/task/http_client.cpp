#include "worker/task/http_client.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/limits.h"
#include "base/text.h"
#include "base/unix_socket.h"

namespace udon {
namespace {

using Steady = std::chrono::steady_clock;

constexpr size_t head_bytes_max = 64 << 10;

// One connection, non-blocking, with one deadline over everything and an ear for the wish to stop.
class Channel {
 public:
  Channel(const Path& socket, std::chrono::milliseconds timeout, const std::stop_token& stop)
      : socket_(socket),
        deadline_(Steady::now() + timeout),
        stop_event_(eventfd(0, EFD_CLOEXEC)),
        on_stop_(stop, Wake{this}) {}

  Result<void> connect() {
    const auto address = UnixAddress::of(socket_);
    if (!address) {
      return Error{ErrorKind::unavailable,
                   "connect to the server at " + socket_.string() + ": " + address.error().message};
    }
    fd_ = FileDescriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd_) return io_error("make a socket for", socket_, errno);
    while (::connect(fd_.get(), address->get(), address->size()) != 0) {
      // Of a unix socket EAGAIN means that the server's queue is full; there is nothing to poll for.
      if (errno != EAGAIN && errno != EINTR) return broken("connect to", errno);
      TRY(wait_for(-1, 0, std::chrono::milliseconds(5)));
    }
    return {};
  }

  Result<void> send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent >= 0) {
        bytes.remove_prefix(static_cast<size_t>(sent));
      } else if (errno == EAGAIN) {
        TRY(wait_for(fd_.get(), POLLOUT));
      } else if (errno != EINTR) {
        return broken("ask", errno);
      }
    }
    return {};
  }

  // Appends what comes next; false: the other side has closed.
  Result<bool> receive(std::string& text) {
    while (true) {
      char buffer[64 << 10];
      const ssize_t got = recv(fd_.get(), buffer, sizeof buffer, 0);
      if (got > 0) {
        text.append(buffer, static_cast<size_t>(got));
        return true;
      }
      if (got == 0) return false;
      if (errno == EAGAIN) {
        TRY(wait_for(fd_.get(), POLLIN));
      } else if (errno != EINTR) {
        return broken("listen to", errno);
      }
    }
  }

  Error is_wrong(const std::string& why) const {
    return {ErrorKind::data, "the server at " + socket_.string() + " gave an answer that is " + why};
  }
  Error is_cut() const {
    return {ErrorKind::unavailable, "the server at " + socket_.string() + " closed the connection in mid-answer"};
  }

 private:
  struct Wake {
    Channel* channel;
    void operator()() const {
      const uint64_t one = 1;
      static_cast<void>(!write(channel->stop_event_.get(), &one, sizeof one));
    }
  };

  Error broken(const std::string& what, int error_number) const {
    return {ErrorKind::unavailable, io_error(what + " the server at", socket_, error_number).message};
  }

  // fd -1: only lets the time pass.
  Result<void> wait_for(int fd, short events, std::chrono::milliseconds at_most = std::chrono::hours(24)) {
    while (true) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Steady::now());
      if (left.count() <= 0) return Error{ErrorKind::timeout, "the server at " + socket_.string() + " doesn't answer"};
      pollfd watched[] = {{stop_event_.get(), POLLIN, 0}, {fd, events, 0}};
      const int ready =
          poll(watched, 2, static_cast<int>(std::min({left, at_most, std::chrono::milliseconds(60'000)}).count()));
      if (ready < 0 && errno != EINTR) return broken("wait for", errno);
      if (watched[0].revents != 0) return Error{ErrorKind::cancelled, "asked to stop while waiting for the server"};
      if (ready > 0 || fd < 0) return {};
    }
  }

  const Path socket_;
  const Steady::time_point deadline_;
  FileDescriptor fd_;
  FileDescriptor stop_event_;
  std::stop_callback<Wake> on_stop_;
};

struct Head {
  int status = 0;
  std::optional<size_t> length;
  bool is_chunked = false;
};

Result<Head> parse_head(const Channel& channel, std::string_view text) {
  Head head;
  const auto lines = split(text, '\n');
  const auto status = split(trim(lines[0]), ' ');
  if (status.size() < 2 || !status[0].starts_with("HTTP/1.") ||
      std::from_chars(status[1].data(), status[1].data() + status[1].size(), head.status).ec != std::errc()) {
    return channel.is_wrong("no HTTP/1.1");
  }
  for (size_t i = 1; i < lines.size(); ++i) {
    const size_t colon = std::min(lines[i].find(':'), lines[i].size());
    const std::string name = lower_ascii(std::string_view(lines[i]).substr(0, colon));
    const std::string_view value = trim(std::string_view(lines[i]).substr(std::min(colon + 1, lines[i].size())));
    if (name == "content-length") {
      size_t length = 0;
      if (std::from_chars(value.data(), value.data() + value.size(), length).ec != std::errc()) {
        return channel.is_wrong("of no known length");
      }
      head.length = length;
    } else if (name == "transfer-encoding") {
      head.is_chunked = lower_ascii(value) == "chunked";
    }
  }
  return head;
}

Result<std::string> take_chunks(Channel& channel, std::string received) {
  std::string body;
  const auto more = [&]() -> Result<void> {
    TRY_ASSIGN(const bool is_open, channel.receive(received));
    if (!is_open) return channel.is_cut();
    return {};
  };
  while (true) {
    size_t end = 0;
    while ((end = received.find("\r\n")) == received.npos) TRY(more());
    size_t length = 0;
    if (std::from_chars(received.data(), received.data() + end, length, 16).ec != std::errc()) {
      return channel.is_wrong("cut into chunks wrongly");
    }
    if (length == 0) return body;  // trailers are of no use to us, and the connection ends here
    if (body.size() + length > static_cast<size_t>(limits::http_body_bytes_max)) return channel.is_wrong("too long");
    while (received.size() < end + 2 + length + 2) TRY(more());
    body.append(received, end + 2, length);
    received.erase(0, end + 2 + length + 2);
  }
}

}  // namespace

Result<HttpResponse> ask_over_socket(const Path& socket, const HttpRequest& request, std::chrono::milliseconds timeout,
                                     const std::stop_token& stop) {
  Channel channel(socket, timeout, stop);
  std::string text = request.method + " " + request.target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
  for (const auto& [name, value] : request.headers) text += name + ": " + value + "\r\n";
  if (!request.body.empty() || request.method != "GET") {
    text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  text += "\r\n" + request.body;
  TRY(channel.connect());
  TRY(channel.send(text));

  std::string received;
  size_t head_end = 0;
  while ((head_end = received.find("\r\n\r\n")) == received.npos) {
    if (received.size() > head_bytes_max) return channel.is_wrong("no HTTP/1.1");
    TRY_ASSIGN(const bool is_open, channel.receive(received));
    if (!is_open) return channel.is_cut();
  }
  TRY_ASSIGN(const Head head, parse_head(channel, std::string_view(received).substr(0, head_end)));
  received.erase(0, head_end + 4);
  if (head.is_chunked) {
    TRY_ASSIGN(std::string body, take_chunks(channel, std::move(received)));
    return HttpResponse{.status = head.status, .body = std::move(body)};
  }
  while (!head.length || received.size() < *head.length) {
    if (received.size() > static_cast<size_t>(limits::http_body_bytes_max)) return channel.is_wrong("too long");
    TRY_ASSIGN(const bool is_open, channel.receive(received));
    if (is_open) continue;
    if (head.length) return channel.is_cut();
    break;
  }
  if (head.length) received.resize(*head.length);
  return HttpResponse{.status = head.status, .body = std::move(received)};
}

}  // namespace udon
