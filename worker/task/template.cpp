#include "worker/task/template.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "spool/process_tree.h"
#include "worker/task/operators.h"

namespace udon {
namespace {

#if defined(__SANITIZE_THREAD__)
constexpr bool can_fork = false;  // its runtime has a thread of its own, which a raw clone does not take along
#else
constexpr bool can_fork = true;
#endif

// 0: we are the fork. Its parent is ours: the server waits for it as if it had started it. fork(2) cannot do that, and
// what glibc's adds to the system call is for other threads, of which there are none; but for the thread's own number,
// which glibc keeps: the kernel writes it to the same place that glibc has told it about at our start.
Result<pid_t> fork_for_parent() {
  int* thread_number = nullptr;
  if (!can_fork || prctl(PR_GET_TID_ADDRESS, &thread_number) != 0 || !thread_number || *thread_number != getpid())
    return Error{ErrorKind::unsupported, "a process that knows its own number cannot be forked here"};
  clone_args arguments{};
  arguments.flags = CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
  arguments.child_tid = reinterpret_cast<uint64_t>(thread_number);
  // No exit_signal: with CLONE_PARENT it is ours.
  const long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return io_error("fork", "a runner", errno);
  return static_cast<pid_t>(pid);
}

// What the kernel shows of our start to whoever looks for a try's processes.
void write_over(char* mark, const std::string& id) {
  const size_t size = std::strlen(mark);
  if (id.size() > size) return;  // the server never asks for such a one
  std::memset(mark, 0, size);
  std::memcpy(mark, id.data(), id.size());
}

void become_runner(char* mark, const TryId& id) {
  const std::string text = to_string(id);
  char* const in_environment = std::getenv(std::string(try_id_variable).c_str());
  if (in_environment) write_over(in_environment, text);
  write_over(mark, text);
  setsid();
}

bool is_server_gone(const FileDescriptor& socket) {
  pollfd watched{socket.get(), 0, 0};
  return poll(&watched, 1, 0) != 0;
}

}  // namespace

std::optional<TemplateOrder> serve_as_template(char* mark) {
  FileDescriptor socket(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  const FileDescriptor nothing(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!socket || !nothing || dup2(nothing.get(), STDIN_FILENO) < 0) return std::nullopt;
  prepare_operators();
  while (true) {
    char message[template_message_bytes_max];
    const ssize_t got = recv(socket.get(), message, sizeof message, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;
    auto order = parse_template_order({message, static_cast<size_t>(got)});
    // Nobody would look after it. The next server takes the try for one that never began, as it is.
    if (is_server_gone(socket)) return std::nullopt;
    const auto runner = order ? fork_for_parent() : Result<pid_t>(order.error());
    if (runner && *runner == 0) {
      become_runner(mark, order->id);
      return std::move(*order);
    }
    const std::string answer = to_message(runner);
    if (send(socket.get(), answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return std::nullopt;
  }
}

}  // namespace udon
