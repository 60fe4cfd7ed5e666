#include "web/http_server.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

#include <httplib.h>
#include "base/ensure.h"
#include "base/log.h"
#include "base/text.h"
#include "base/unix_socket.h"

namespace udon::web {
namespace {

// An answer's head and a body up to this size go out together: one packet for most.
constexpr size_t send_chunk_bytes = 64 << 10;
constexpr size_t receive_bytes = 16 << 10;
// A thread that has had nothing to do for so long ends.
constexpr auto thread_idle = std::chrono::seconds(10);
// Where a request's Content-Type stands while httplib reads the body.
constexpr const char* content_type_aside = "x-udon-content-type";

struct Connection {
  FileDescriptor fd;
  Peer peer;
  std::string in;  // received, not yet parsed: from in_at
  size_t in_at = 0;
  Duration idle_since{};
  bool is_busy = false;  // a thread serves it; guarded by Impl::mutex
  bool has_buffered() const { return in_at < in.size(); }
};

// What httplib reads a request from and prints the answer to. Counts what comes in: 0.11 limits neither the headers nor
// a chunked body.
class ConnectionStream final : public httplib::Stream {
 public:
  ConnectionStream(Connection& connection, const HttpServerOptions& options, const Clock& clock)
      : connection_(connection), options_(options), clock_(clock) {
    began_ = clock.monotonic();
    deadline_ = began_ + std::min(options.header_timeout, options.request_timeout);
    bytes_left_ = options.header_bytes_max;
  }

  void headers_are_done() {
    deadline_ = began_ + options_.request_timeout;
    // Chunk sizes and trailers come on top of the body.
    bytes_left_ = options_.body_bytes_max + options_.body_bytes_max / 4 + options_.header_bytes_max;
  }
  // What follows is not worth reading: httplib would read a refused body to its end, however long.
  void refuse_body() { bytes_left_ = 0; }
  // Whether what was read is one whole request, so that another may follow.
  bool is_in_step() const { return !read_failed_ && !write_failed_; }
  bool flush() {
    const bool sent = send_all(out_.data(), out_.size());
    out_.clear();
    return sent;
  }

  bool is_readable() const override { return connection_.has_buffered() || wait_for(POLLIN, Duration{0}); }
  bool is_writable() const override { return !write_failed_; }
  ssize_t read(char* target, size_t size) override {
    if (bytes_left_ <= 0 || (!connection_.has_buffered() && !receive())) {
      read_failed_ = true;
      return -1;
    }
    const size_t taken = std::min({size, connection_.in.size() - connection_.in_at, static_cast<size_t>(bytes_left_)});
    std::memcpy(target, connection_.in.data() + connection_.in_at, taken);
    connection_.in_at += taken;
    bytes_left_ -= static_cast<int64_t>(taken);
    return static_cast<ssize_t>(taken);
  }
  ssize_t write(const char* data, size_t size) override {
    const auto written = static_cast<ssize_t>(size);
    if (out_.size() + size <= send_chunk_bytes) {
      out_.append(data, size);
      return write_failed_ ? -1 : written;
    }
    return flush() && send_all(data, size) ? written : -1;
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override { ip = connection_.peer.address, port = 0; }
  void get_local_ip_and_port(std::string& ip, int& port) const override { ip.clear(), port = 0; }
  // Only compared with FD_SETSIZE, which means nothing here: we poll.
  socket_t socket() const override { return 0; }

 private:
  bool receive() {
    connection_.in.resize(receive_bytes);
    connection_.in_at = 0;
    while (true) {
      const ssize_t got = ::recv(connection_.fd.get(), connection_.in.data(), connection_.in.size(), 0);
      if (got > 0) {
        connection_.in.resize(static_cast<size_t>(got));
        return true;
      }
      if (got < 0 && errno == EINTR) continue;
      const Duration left = deadline_ - clock_.monotonic();
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) && left > Duration{0} && wait_for(POLLIN, left))
        continue;
      connection_.in.clear();
      return false;
    }
  }
  bool send_all(const char* data, size_t size) {
    while (!write_failed_ && size > 0) {
      const ssize_t sent = ::send(connection_.fd.get(), data, size, MSG_NOSIGNAL);
      if (sent > 0) {
        data += sent;
        size -= static_cast<size_t>(sent);
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        if (!wait_for(POLLOUT, options_.response_timeout)) give_up();
      } else if (errno != EINTR) {
        write_failed_ = true;
      }
    }
    return !write_failed_;
  }
  // The kernel, too, must not hold on to what nobody takes: closing now resets the connection.
  void give_up() {
    const linger none{1, 0};
    ::setsockopt(connection_.fd.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
    write_failed_ = true;
  }
  bool wait_for(short events, Duration at_most) const {
    pollfd waiting{connection_.fd.get(), events, 0};
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(at_most).count();
    return ::poll(&waiting, 1, static_cast<int>(milliseconds)) == 1;
  }

  Connection& connection_;
  const HttpServerOptions& options_;
  const Clock& clock_;
  Duration began_, deadline_;
  int64_t bytes_left_;
  std::string out_;
  bool read_failed_ = false, write_failed_ = false;
};

// httplib's parser and printer without its sockets.
class Codec final : public httplib::Server {
 public:
  Codec(const HttpServerOptions& options, const HttpServer::Handler& handler)
      : body_bytes_max_(options.body_bytes_max), handler_(handler) {
    set_payload_max_length(static_cast<size_t>(options.body_bytes_max));
    // Only printed, in a header that some clients obey.
    set_keep_alive_timeout(std::chrono::floor<std::chrono::seconds>(options.keep_alive).count());
    set_keep_alive_max_count(1'000'000);
    const auto answer = [this](const httplib::Request& from, httplib::Response& to) { respond(from, to); };
    Get("/", answer), Post("/", answer), Put("/", answer), Patch("/", answer), Delete("/", answer),
        Options("/", answer);
    // What httplib itself refuses gets our form of an error, too.
    set_error_handler(HandlerWithResponse([this](const httplib::Request&, httplib::Response& to) {
      if (!to.body.empty()) return HandlerResponse::Unhandled;
      const std::string why =
          to.status == 413   ? "Request Entity Too Large: a body may have " + std::to_string(body_bytes_max_) + " bytes"
          : to.status == 414 ? "URI Too Long"
          : to.status == 415 ? "Unsupported Media Type"
          : to.status < 500  ? "Bad Request"
                             : "Internal Server Error";
      to.set_content(error_response(to.status, why).body, "application/json");
      return HandlerResponse::Handled;
    }));
  }

  // One request. False: the connection is at its end.
  bool serve(ConnectionStream& stream, const Peer& peer, bool close_after) {
    current_peer() = &peer;
    bool is_closed = false, close_wanted = close_after;
    const bool went_well = process_request(stream, close_after, is_closed, [&](httplib::Request& request) {
      stream.headers_are_done();
      // Routing is the router's: httplib's is by regular expression on a path that it has already decoded.
      request.path = "/";
      const uint64_t length = request.get_header_value<uint64_t>("Content-Length", 0);
      const bool is_chunked = request.has_header("Transfer-Encoding");
      // Of a GET it would take the body for the next request; and two statements of one length are a way to hide one.
      if ((request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS")
              ? is_chunked || length > 0
              : is_chunked && length > 0)
        close_wanted = true;
      // A request that states neither has no body (RFC 9112, 6.3); httplib would read on until the client hangs up.
      if (!is_chunked && !request.has_header("Content-Length")) request.set_header("Content-Length", "0");
      if (length > static_cast<uint64_t>(body_bytes_max_)) stream.refuse_body();
      // Left to itself it would unpack ten megabytes to any size, pack every small answer, and cut answers into ranges.
      if (request.headers.erase("Content-Encoding") > 0) request.set_header("x-udon-encoded", "1");
      request.headers.erase("Accept-Encoding");
      // A body is a body: httplib would take a form apart, and refuse one above 8 KiB (`curl -d` calls all forms).
      request.headers.erase(content_type_aside);
      if (const auto type = request.headers.find("Content-Type"); type != request.headers.end()) {
        request.set_header(content_type_aside, std::string(type->second));
        request.headers.erase("Content-Type");
      }
      request.headers.erase("Range");
      request.ranges.clear();
    });
    current_peer() = nullptr;
    return stream.flush() && stream.is_in_step() && went_well && !is_closed && !close_wanted;
  }

 private:
  // The peer of the request that this thread is answering: httplib has no place of its own for it.
  static const Peer*& current_peer() {
    static thread_local const Peer* peer = nullptr;
    return peer;
  }

  void respond(const httplib::Request& from, httplib::Response& to) const {
    Response response;
    Result<Request> request = parse_target(from.target);
    if (!request) {
      response = error_response(request.error());
    } else if (from.has_header("x-udon-encoded")) {
      response = error_response(415, "Unsupported Media Type: send the body without Content-Encoding");
    } else {
      request->method = from.method;
      request->body = from.body;
      request->peer = *current_peer();
      for (const auto& [name, value] : from.headers)
        request->headers.emplace_back(lower_ascii(name) == content_type_aside ? "content-type" : lower_ascii(name),
                                      value);
      response = handler_(*request);
    }
    to.status = response.status;
    for (const auto& [name, value] : response.headers) to.set_header(name, value);
    to.set_header("X-Content-Type-Options", "nosniff");
    to.set_header("Cache-Control", "no-store");
    if (!response.content_type.empty()) to.set_content(std::move(response.body), response.content_type);
  }

  const int64_t body_bytes_max_;
  const HttpServer::Handler& handler_;
};

Result<void> prepare_listener(int fd, int backlog, const std::string& what) {
  if (::listen(fd, backlog) != 0) return io_error("listen on", what, errno);
  return {};
}

}  // namespace

struct HttpServer::Impl {
  using ConnectionPtr = std::shared_ptr<Connection>;

  Impl(HttpServerOptions options_in, const Clock& clock_in, Handler handler_in)
      : options(options_in), clock(clock_in), handler(std::move(handler_in)), codec(options, handler) {}

  Result<void> add_listener(FileDescriptor fd, bool is_local) {
    TRY(prepare_listener(fd.get(), options.backlog, "socket"));
    listeners.push_back({std::move(fd), is_local});
    return {};
  }
  void wake() {
    const uint64_t one = 1;
    // Fails only if the counter is full, and then it is awake anyway.
    [[maybe_unused]] const ssize_t written = ::write(waker.get(), &one, sizeof one);
  }
  void watch(int fd, uint32_t events, int operation) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (::epoll_ctl(epoll.get(), operation, fd, &event) != 0)
      log_warning("web", "epoll_ctl: " + std::string(std::strerror(errno)));
  }

  void wait_loop();
  void accept_all(const FileDescriptor& listener, bool is_local);
  void sweep();
  void hand_out(ConnectionPtr connection);  // with the lock held
  ConnectionPtr take_ready();               // likewise; null: there is nothing, or nothing that may be served now
  void work();
  void serve(Connection& connection);

  struct Listener {
    FileDescriptor fd;
    bool is_local = false;
  };

  const HttpServerOptions options;
  const Clock& clock;
  const Handler handler;
  Codec codec;
  std::vector<Listener> listeners;  // filled before start
  std::vector<Path> socket_files;
  FileDescriptor epoll, waker;
  std::thread waiter;
  bool accept_paused = false;  // the waiter's: out of descriptors

  std::mutex mutex;  // everything below
  std::condition_variable has_work, has_ended;
  std::unordered_map<int, ConnectionPtr> connections;
  std::deque<ConnectionPtr> ready_local, ready_remote;
  int remote_served = 0;
  std::unordered_map<std::thread::id, std::thread> threads;
  std::vector<std::thread> ended;  // to be joined
  int idle_threads = 0, busy = 0;
  bool is_stopping = false, is_started = false;
};

HttpServer::HttpServer(HttpServerOptions options, const Clock& clock, Handler handler)
    : impl_(std::make_unique<Impl>(options, clock, std::move(handler))) {}
HttpServer::~HttpServer() { stop(); }

Result<int> HttpServer::listen_tcp(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string where = host + ":" + std::to_string(port);
  if (const int problem =
          ::getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(), &hints, &found))
    return Error{ErrorKind::invalid, "listen on " + where + ": " + ::gai_strerror(problem)};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  FileDescriptor fd(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return io_error("socket for", where, errno);
  const int yes = 1;
  // So that a restart need not wait for old connections to time out. No SO_REUSEPORT: two servers would share a port.
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (::bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0) {
    const int why = errno;
    if (why == EADDRINUSE)
      return Error{ErrorKind::unavailable,
                   "listen on " + where + ": another program has this port; choose one with UDON__WEB__PORT"};
    return io_error("listen on", where, why);
  }
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &length) != 0)
    return io_error("getsockname", where, errno);
  const int actual = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                                       : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
  TRY(impl_->add_listener(std::move(fd), false));
  return actual;
}

Result<void> HttpServer::listen_unix(const Path& path) {
  TRY_ASSIGN(const UnixAddress address, UnixAddress::of(path));
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return io_error("replace", path, errno);
  FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return io_error("socket for", path, errno);
  if (::bind(fd.get(), address.get(), address.size()) != 0) return io_error("bind", path, errno);
  // Until listen() nobody can connect, so nobody ever meets another mode.
  if (::chmod(path.c_str(), 0600) != 0) return io_error("chmod", path, errno);
  TRY(impl_->add_listener(std::move(fd), true));
  impl_->socket_files.push_back(path);
  return {};
}

Result<void> HttpServer::start() {
  impl_->epoll = FileDescriptor(::epoll_create1(EPOLL_CLOEXEC));
  impl_->waker = FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!impl_->epoll || !impl_->waker) return io_error("start", "web server", errno);
  impl_->watch(impl_->waker.get(), EPOLLIN, EPOLL_CTL_ADD);
  for (const Impl::Listener& listener : impl_->listeners) impl_->watch(listener.fd.get(), EPOLLIN, EPOLL_CTL_ADD);
  impl_->is_started = true;
  impl_->waiter = std::thread([impl = impl_.get()] { impl->wait_loop(); });
  return {};
}

void HttpServer::stop() {
  {
    const std::lock_guard lock(impl_->mutex);
    if (!impl_->is_started || impl_->is_stopping) return;
    impl_->is_stopping = true;
  }
  for (const Path& file : impl_->socket_files) ::unlink(file.c_str());
  impl_->wake();
  impl_->waiter.join();
  impl_->listeners.clear();
  std::unique_lock lock(impl_->mutex);
  std::erase_if(impl_->connections, [](const auto& entry) { return !entry.second->is_busy; });
  impl_->has_work.notify_all();
  if (!impl_->has_ended.wait_for(lock, impl_->options.stop_grace, [&] { return impl_->busy == 0; })) {
    // A read or write on these now ends; what is still inside a handler ends with it.
    for (const auto& [fd, connection] : impl_->connections) ::shutdown(fd, SHUT_RDWR);
  }
  impl_->has_ended.wait(lock, [&] { return impl_->threads.empty(); });
  impl_->connections.clear();
  lock.unlock();
  for (std::thread& thread : impl_->ended) thread.join();  // nobody adds to them any more
}

void HttpServer::Impl::wait_loop() {
  std::array<epoll_event, 256> events;
  while (true) {
    // Wakes once a second to close what has been idle for too long.
    const int count = ::epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()), 1000);
    {
      const std::lock_guard lock(mutex);
      if (is_stopping) return;
    }
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      const auto listener =
          std::find_if(listeners.begin(), listeners.end(), [&](const Listener& l) { return l.fd.get() == fd; });
      if (listener != listeners.end()) {
        accept_all(listener->fd, listener->is_local);
        continue;
      }
      if (fd == waker.get()) continue;
      const std::lock_guard lock(mutex);
      const auto found = connections.find(fd);
      if (found != connections.end() && !found->second->is_busy) hand_out(found->second);
    }
    sweep();
  }
}

void HttpServer::Impl::accept_all(const FileDescriptor& listener, bool is_local) {
  while (true) {
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    FileDescriptor fd(
        ::accept4(listener.get(), reinterpret_cast<sockaddr*>(&from), &length, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK && !accept_paused) {
        // Out of descriptors or memory: look again in a second instead of spinning on what we cannot take.
        log_warning("web", "cannot take a connection: " + std::string(std::strerror(errno)));
        accept_paused = true;
        for (const Listener& l : listeners) watch(l.fd.get(), 0, EPOLL_CTL_MOD);
      }
      return;
    }
    auto connection = std::make_shared<Connection>();
    connection->peer.is_local_socket = is_local;
    if (is_local) {
      ucred credentials{};
      socklen_t size = sizeof credentials;
      if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0)
        connection->peer.uid = credentials.uid;
    } else {
      const int yes = 1;
      ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      std::array<char, NI_MAXHOST> host{};
      if (::getnameinfo(reinterpret_cast<sockaddr*>(&from), length, host.data(), host.size(), nullptr, 0,
                        NI_NUMERICHOST) == 0)
        connection->peer.address = host.data();
    }
    connection->idle_since = clock.monotonic();
    const int number = fd.get();
    connection->fd = std::move(fd);
    const std::lock_guard lock(mutex);
    const int most = options.connections_max + (is_local ? options.local_connections : 0);
    if (static_cast<int>(connections.size()) >= most) continue;  // closes it
    connections.emplace(number, std::move(connection));
    watch(number, EPOLLIN | EPOLLONESHOT, EPOLL_CTL_ADD);
  }
}

void HttpServer::Impl::sweep() {
  if (accept_paused) {
    accept_paused = false;
    for (const Listener& l : listeners) watch(l.fd.get(), EPOLLIN, EPOLL_CTL_MOD);
  }
  const Duration now = clock.monotonic();
  std::vector<std::thread> to_join;
  {
    const std::lock_guard lock(mutex);
    to_join.swap(ended);
  }
  for (std::thread& thread : to_join) thread.join();
  const std::lock_guard lock(mutex);
  std::erase_if(connections, [&](const auto& entry) {
    return !entry.second->is_busy && now - entry.second->idle_since > options.keep_alive;
  });
}

void HttpServer::Impl::hand_out(ConnectionPtr connection) {
  connection->is_busy = true;
  ++busy;
  (connection->peer.is_local_socket ? ready_local : ready_remote).push_back(std::move(connection));
  const auto waiting = static_cast<int>(ready_local.size() + ready_remote.size());
  if (waiting > idle_threads && static_cast<int>(threads.size()) < options.threads_max + options.local_threads) {
    try {
      std::thread thread([this] { work(); });  // begins by taking the lock that we hold
      const auto id = thread.get_id();
      threads.emplace(id, std::move(thread));
    } catch (const std::system_error&) {
      // No more threads to be had: those that are there will come round to it. With none, there is nobody.
      ENSURE(!threads.empty(), "the web server cannot start a single thread");
    }
  }
  has_work.notify_one();
}

HttpServer::Impl::ConnectionPtr HttpServer::Impl::take_ready() {
  ConnectionPtr taken;
  if (!ready_local.empty()) {
    taken = std::move(ready_local.front());
    ready_local.pop_front();
  } else if (!ready_remote.empty() && remote_served < options.threads_max) {
    taken = std::move(ready_remote.front());
    ready_remote.pop_front();
    ++remote_served;
  }
  return taken;
}

void HttpServer::Impl::work() {
  std::unique_lock lock(mutex);
  while (true) {
    ConnectionPtr connection = take_ready();
    if (!connection) {
      if (is_stopping) break;
      ++idle_threads;
      const bool woken =
          has_work.wait_for(lock, thread_idle, [&] { return (connection = take_ready()) || is_stopping; });
      --idle_threads;
      if (!woken) break;
      if (!connection) continue;
    }
    const bool is_remote = !connection->peer.is_local_socket;
    lock.unlock();
    serve(*connection);
    lock.lock();
    --busy;
    if (is_remote) --remote_served;
    if (is_stopping) has_ended.notify_all();
  }
  const auto self = threads.find(std::this_thread::get_id());
  ended.push_back(std::move(self->second));
  threads.erase(self);
  has_ended.notify_all();
}

void HttpServer::Impl::serve(Connection& connection) {
  const int fd = connection.fd.get();
  bool goes_on = true;
  do {
    bool close_after = false;
    {
      const std::lock_guard lock(mutex);
      close_after = is_stopping;
    }
    ConnectionStream stream(connection, options, clock);
    goes_on = codec.serve(stream, connection.peer, close_after) && !close_after;
  } while (goes_on && connection.has_buffered());
  const std::lock_guard lock(mutex);
  connection.is_busy = false;
  if (!goes_on || is_stopping) {
    connections.erase(fd);  // our caller still holds it; closed when it lets go
    return;
  }
  connection.idle_since = clock.monotonic();
  watch(fd, EPOLLIN | EPOLLONESHOT, EPOLL_CTL_MOD);
}

}  // namespace udon::web
