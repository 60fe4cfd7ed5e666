#include "plugins/api/child_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "base/pidfd.h"
#include "base/pipe.h"

namespace udon {
namespace {

// In memory: it may hold secrets.
Result<FileDescriptor> make_input(std::string_view bytes) {
  FileDescriptor file(memfd_create("input", MFD_CLOEXEC));
  if (!file) return io_error("make", "a file in memory", errno);
  TRY(write_all(file.get(), bytes, "a file in memory"));
  if (lseek(file.get(), 0, SEEK_SET) != 0) return io_error("rewind", "a file in memory", errno);
  return file;
}

}  // namespace

ChildProcess::ChildProcess(TaskContext& context, OnOutput on_output)
    : ChildProcess([&context](SpawnRequest request) { return context.start_process(std::move(request)); },
                   context.stop_token(), std::move(on_output)) {}

ChildProcess::ChildProcess(Start start, std::stop_token stop, OnOutput on_output)
    : start_(std::move(start)), stop_(std::move(stop)), on_output_(std::move(on_output)) {}

Result<void> ChildProcess::start(SpawnRequest request, std::string_view input) {
  TRY_ASSIGN(Pipe output, make_pipe());
  TRY_ASSIGN(Pipe errors, make_pipe());
  FileDescriptor input_file;
  if (!input.empty()) {
    TRY_ASSIGN(input_file, make_input(input));
  }
  stop_event_ = FileDescriptor(eventfd(0, EFD_CLOEXEC));
  if (!stop_event_) return io_error("make", "an event", errno);
  request.stdin_fd = input_file.get();
  request.stdout_fd = output.write_end.get();
  request.stderr_fd = errors.write_end.get();
  TRY_ASSIGN(pid_, start_(std::move(request)));
  output_ = std::move(output.read_end);
  errors_ = std::move(errors.read_end);
  TRY_ASSIGN(process_, open_process(pid_));
  return {};
}

Result<ExitStatus> ChildProcess::wait() {
  const std::stop_callback on_stop(stop_, [this] {
    const uint64_t one = 1;
    static_cast<void>(!write(stop_event_.get(), &one, sizeof one));
  });
  bool is_stopped = false;
  for (bool has_ended = false; !has_ended;) {
    pollfd watched[] = {{process_.get(), POLLIN, 0},
                        {output_.get(), POLLIN, 0},
                        {errors_.get(), POLLIN, 0},
                        {is_stopped ? -1 : stop_event_.get(), POLLIN, 0}};
    if (poll(watched, std::size(watched), -1) < 0 && errno != EINTR) return io_error("wait for", "a command", errno);
    has_ended = watched[0].revents != 0;
    if (watched[1].revents != 0 || has_ended) drain(output_, STDOUT_FILENO);
    if (watched[2].revents != 0 || has_ended) drain(errors_, STDERR_FILENO);
    if (watched[3].revents != 0 && !has_ended) {
      is_stopped = true;  // the event stays open: who has written to it may not have come back from that yet
      // The whole group: bash alone would wait for the program in its foreground. It is not yet waited for, so the
      // number is still its own.
      kill(-pid_, SIGTERM);
    }
  }
  return wait_child(pid_);
}

// Takes what is there now; at most some megabytes, so that a flood on one pipe doesn't hide the other or the stop.
void ChildProcess::drain(FileDescriptor& pipe, int stream) {
  for (int i = 0; pipe && i < 64; ++i) {
    const ssize_t got = read(pipe.get(), buffer_, sizeof buffer_);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return;
    if (got == 0) {
      pipe.reset();
      return;
    }
    on_output_(stream, std::string_view(buffer_, static_cast<size_t>(got)));
  }
}

}  // namespace udon
