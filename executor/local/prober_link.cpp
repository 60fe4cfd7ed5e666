#include "executor/local/prober_link.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/limits.h"

namespace udon {

// Sockets, not pipes: sending to one whose other end is closed can be told not to raise SIGPIPE.
Result<ProberLink> ProberLink::start(const std::vector<std::string>& argv,
                                     const std::vector<std::string>& environment) {
  int to_child[2];
  int from_child[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, to_child) != 0) return io_error("make", "a socket", errno);
  ProberLink link;
  link.input_ = FileDescriptor(to_child[0]);
  const FileDescriptor child_input(to_child[1]);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, from_child) != 0) return io_error("make", "a socket", errno);
  link.output_ = FileDescriptor(from_child[0]);
  const FileDescriptor child_output(from_child[1]);
  for (const int fd : {to_child[0], from_child[0]}) {
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) return io_error("make", "a socket", errno);
  }
  SpawnRequest request{.argv = argv, .environment = environment};
  request.stdin_fd = child_input.get();
  request.stdout_fd = child_output.get();
  request.stderr_fd = STDERR_FILENO;
  TRY_ASSIGN(link.pid_, spawn(request));
  return link;
}

ProberLink::~ProberLink() {
  if (output_) end();
}

void ProberLink::send(std::string_view line) { unsent_ += line; }

Result<std::vector<std::string>> ProberLink::exchange() {
  while (!unsent_.empty()) {
    const ssize_t sent = ::send(input_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) return io_error("send to", "the prober", errno);
    unsent_.erase(0, static_cast<size_t>(sent));
  }
  std::vector<std::string> lines;
  while (true) {
    char buffer[64 << 10];
    const ssize_t got = read(output_.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return lines;
    if (got < 0) return io_error("hear", "the prober", errno);
    // What it said last is still good; that it has gone shows at the next look.
    if (got == 0) {
      if (!lines.empty()) return lines;
      return Error{ErrorKind::unavailable, "the prober has closed its output"};
    }
    received_.append(buffer, static_cast<size_t>(got));
    for (size_t end = 0; (end = received_.find('\n')) != received_.npos; received_.erase(0, end + 1)) {
      lines.push_back(received_.substr(0, end));
    }
    if (received_.size() > static_cast<size_t>(limits::result_bytes_max)) {
      return Error{ErrorKind::data,
                   "the prober says more than " + std::to_string(limits::result_bytes_max) + " bytes in one line"};
    }
  }
}

ExitStatus ProberLink::end() {
  input_.reset();
  output_.reset();
  ::kill(pid_, SIGKILL);
  const auto status = wait_child(pid_);
  return status ? *status : ExitStatus{};
}

}  // namespace udon
