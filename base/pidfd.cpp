#include "base/pidfd.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace udon {

// By system call: Debian 12's <sys/pidfd.h> lacks the extern "C".
Result<FileDescriptor> open_process(pid_t pid) {
  const auto fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) return io_error("watch process", std::to_string(pid), errno);
  return FileDescriptor(fd);
}

Result<FileDescriptor> open_process(const ProcessIdentity& identity) {
  TRY_ASSIGN(FileDescriptor process, open_process(identity.pid));
  // After opening: from here on the number cannot be given to another.
  if (!is_alive(identity)) {
    return Error{ErrorKind::not_found, "there is no process " + std::to_string(identity.pid) + " any more"};
  }
  return process;
}

Result<void> send_signal(const FileDescriptor& process, int signal) {
  if (syscall(SYS_pidfd_send_signal, process.get(), signal, nullptr, 0) != 0) {
    return io_error("send signal " + std::to_string(signal) + " to", "a process", errno);
  }
  return {};
}

}  // namespace udon
