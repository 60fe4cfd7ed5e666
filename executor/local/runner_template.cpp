#include "executor/local/runner_template.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "base/subprocess.h"
#include "spool/process_tree.h"
#include "spool/template_messages.h"

namespace udon {

RunnerTemplate::~RunnerTemplate() { end(); }

Result<pid_t> RunnerTemplate::start(const TryId& id, const Path& cgroup) {
  if (pid_ == 0 && clock_.monotonic() < begin_again_at_)
    return Error{ErrorKind::unavailable, "there is no template of runners now"};
  // Of another installation the ids may be longer than the place for them.
  if (pid_ != 0 && to_string(id).size() > mark_size_) end();
  auto begun = pid_ == 0 ? begin(id.installation) : Result<void>();
  auto runner = begun ? ask(id, cgroup) : Result<pid_t>(begun.error());
  if (runner) return runner;
  end();
  begin_again_at_ = clock_.monotonic() + options_.pause_after_failure;
  log_warning("executor", "the template of runners is given up, each is started by itself for some time: " +
                              runner.error().message);
  return runner;
}

Result<void> RunnerTemplate::begin(const std::string& installation) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return io_error("make", "a socket", errno);
  FileDescriptor ours(ends[0]);
  const FileDescriptor its(ends[1]);
  const std::string mark = template_mark(installation);
  SpawnRequest request{.argv = {options_.runner, options_.home, mark}, .environment = options_.environment};
  request.environment.push_back(std::string(try_id_variable) + "=" + mark);
  request.stdin_fd = its.get();
  // As a runner's: what it can't tell in a try's log is for the server's.
  request.stderr_fd = STDERR_FILENO;
  TRY_ASSIGN(pid_, spawn(request));
  socket_ = std::move(ours);
  mark_size_ = mark.size();
  return {};
}

Result<pid_t> RunnerTemplate::ask(const TryId& id, const Path& cgroup) {
  const auto order = to_message(TemplateOrder{.id = id, .cgroup = cgroup});
  if (send(socket_.get(), order.data(), order.size(), MSG_NOSIGNAL) < 0) return io_error("write to", "it", errno);
  const Duration deadline = clock_.monotonic() + options_.answer_patience;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock_.monotonic());
    if (left.count() <= 0) return Error{ErrorKind::timeout, "it gives no answer"};
    pollfd watched{socket_.get(), POLLIN, 0};
    if (poll(&watched, 1, static_cast<int>(left.count())) <= 0) continue;
    char answer[template_message_bytes_max];
    const ssize_t got = recv(socket_.get(), answer, sizeof answer, MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return io_error("read from", "it", errno);
    if (got == 0) return Error{ErrorKind::unavailable, "it has ended"};
    return parse_template_answer({answer, static_cast<size_t>(got)});
  }
}

void RunnerTemplate::end() {
  if (pid_ == 0) return;
  // Its forks are no children of its own and know nothing of this.
  socket_.reset();
  static_cast<void>(kill(pid_, SIGKILL));
  static_cast<void>(wait_child(pid_));
  pid_ = 0;
}

}  // namespace udon
