#include "base/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/ensure.h"
#include "base/pipe.h"
#include "base/text.h"

namespace udon {
namespace {

struct ProcessStat {
  char state = 0;
  pid_t session = 0;
  uint64_t start_time = 0;
};

Error no_such_process(pid_t pid) { return {ErrorKind::not_found, "there is no process " + std::to_string(pid)}; }

Result<ProcessStat> read_stat(pid_t pid) {
  const Path path = "/proc/" + std::to_string(pid) + "/stat";
  auto content = read_file(path);
  if (!content) return content.error().kind == ErrorKind::not_found ? no_such_process(pid) : content.error();
  // The second field is the program's name in parentheses and may itself hold spaces and parentheses: the
  // last ')' is its end. What follows is field 3 and on.
  const size_t name_end = content->rfind(')');
  if (name_end == content->npos || name_end + 2 > content->size()) {
    return Error{ErrorKind::io, "read " + path.string() + ": it has no process name"};
  }
  const auto fields = split(std::string_view(*content).substr(name_end + 2), ' ');
  constexpr size_t first_field = 3;
  if (fields.size() <= 22 - first_field || fields[0].size() != 1) {
    return Error{ErrorKind::io, "read " + path.string() + ": it has too few fields"};
  }
  const auto number = [&](size_t field, auto& value) {
    const std::string& text = fields[field - first_field];
    return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc();
  };
  ProcessStat stat{.state = fields[0][0]};
  if (!number(6, stat.session) || !number(22, stat.start_time)) {
    return Error{ErrorKind::io, "read " + path.string() + ": a field is no number"};
  }
  return stat;
}

class SpawnActions {
 public:
  SpawnActions() { check(posix_spawn_file_actions_init(&actions_)); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;

  // -1: /dev/null. A source among 0-2 is first moved out of the way, or an earlier action would have replaced
  // it.
  Result<void> redirect(int source, int target) {
    if (source < 0) {
      check(posix_spawn_file_actions_addopen(&actions_, target, "/dev/null", O_RDWR, 0));
      return {};
    }
    if (source <= 2 && source != target) {
      moved_[target] = FileDescriptor(fcntl(source, F_DUPFD_CLOEXEC, 3));
      if (!moved_[target]) return io_error("duplicate", "descriptor " + std::to_string(source), errno);
      source = moved_[target].get();
    }
    // Onto itself is no accident: posix_spawn then clears close-on-exec.
    check(posix_spawn_file_actions_adddup2(&actions_, source, target));
    return {};
  }
  void change_directory(const Path& path) { check(posix_spawn_file_actions_addchdir_np(&actions_, path.c_str())); }
  void close_from(int first) { check(posix_spawn_file_actions_addclosefrom_np(&actions_, first)); }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  static void check(int error_number) { ENSURE(error_number == 0, "only a lack of memory fails here"); }
  posix_spawn_file_actions_t actions_;
  FileDescriptor moved_[3];
};

class SpawnAttributes {
 public:
  explicit SpawnAttributes(SpawnGroup group) {
    ENSURE(posix_spawnattr_init(&attributes_) == 0, "only a lack of memory fails here");
    const int group_flag = group == SpawnGroup::own_session ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP;
    posix_spawnattr_setflags(&attributes_,
                             static_cast<short>(group_flag | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK));
    posix_spawnattr_setpgroup(&attributes_, 0);
    sigset_t signals;
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(&attributes_, &signals);
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes_, &signals);
  }
  ~SpawnAttributes() { posix_spawnattr_destroy(&attributes_); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

// posix_spawn's own interface is not const although it changes nothing.
std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const auto& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

// The group at once; then what made a group of its own (as a shell's job control does) but stayed in the
// session. The leader must not have been reaped, or its number could be another's.
void kill_session(pid_t leader) {
  kill(-leader, SIGKILL);
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc()) continue;
    const auto stat = read_stat(pid);
    if (stat && stat->session == leader) kill(pid, SIGKILL);
  }
}

// A child that we started and must not leave behind, whichever way we leave.
class OwnChild {
 public:
  explicit OwnChild(pid_t pid) : pid_(pid) {}
  ~OwnChild() {
    if (pid_ == 0) return;
    kill_session(pid_);
    static_cast<void>(wait_child(pid_));
  }
  OwnChild(const OwnChild&) = delete;
  OwnChild& operator=(const OwnChild&) = delete;
  Result<ExitStatus> wait() { return wait_child(std::exchange(pid_, 0)); }

 private:
  pid_t pid_;
};

// Takes what is there now; closes our end when the other one is closed.
Result<void> drain(FileDescriptor& pipe, std::string& text, int64_t bytes_max) {
  char buffer[64 << 10];
  while (pipe) {
    const ssize_t got = read(pipe.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return {};
    if (got < 0) return io_error("read", "a pipe", errno);
    if (got == 0) pipe.reset();
    text.append(buffer, static_cast<size_t>(got));
    if (static_cast<int64_t>(text.size()) > bytes_max) {
      return Error{ErrorKind::data, "it printed more than " + std::to_string(bytes_max) + " bytes"};
    }
  }
  return {};
}

Result<CommandOutput> collect(pid_t pid, FileDescriptor output, FileDescriptor errors,
                              std::chrono::milliseconds timeout, int64_t bytes_max, const std::stop_token& stop) {
  using std::chrono::steady_clock;
  OwnChild child(pid);
  // By system call: Debian 12's <sys/pidfd.h> lacks the extern "C".
  FileDescriptor process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process) return io_error("watch", "process " + std::to_string(pid), errno);
  const auto deadline =
      steady_clock::now() + std::min<std::chrono::milliseconds>(timeout, std::chrono::hours(24 * 365));
  CommandOutput collected;
  // Until the child's exit, not until the pipes' end: a daemon that it leaves behind keeps them open.
  for (bool has_exited = false; !has_exited;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0) {
      return Error{ErrorKind::timeout, "not finished after " + std::to_string(timeout.count()) + " ms, killed"};
    }
    if (stop.stop_requested()) return Error{ErrorKind::cancelled, "stopped before it had finished"};
    const int64_t look_after = stop.stop_possible() ? 100 : 60'000;
    pollfd watched[] = {{process.get(), POLLIN, 0}, {output.get(), POLLIN, 0}, {errors.get(), POLLIN, 0}};
    const int ready = poll(watched, std::size(watched), static_cast<int>(std::min(left.count(), look_after)));
    if (ready < 0 && errno != EINTR) return io_error("wait for", "process " + std::to_string(pid), errno);
    if (ready <= 0) continue;
    has_exited = watched[0].revents != 0;
    TRY(drain(output, collected.standard_output, bytes_max));
    TRY(drain(errors, collected.standard_error, bytes_max - static_cast<int64_t>(collected.standard_output.size())));
  }
  TRY_ASSIGN(collected.status, child.wait());
  return collected;
}

}  // namespace

Result<Pipe> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return io_error("make", "a pipe", errno);
  Pipe made{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
  // Our end only: the child's programs don't expect EAGAIN.
  if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return io_error("make", "a pipe", errno);
  return made;
}

std::string current_boot_id() {
  static const std::string id = [] {
    const auto content = read_file("/proc/sys/kernel/random/boot_id");
    ENSURE(content.has_value(), "every Linux has a boot id; without it a process of before a reboot can look alive");
    return std::string(trim(*content));
  }();
  return id;
}

Result<ProcessIdentity> identity_of(pid_t pid) {
  TRY_ASSIGN(const ProcessStat stat, read_stat(pid));
  if (stat.state == 'Z' || stat.state == 'X') return no_such_process(pid);
  return ProcessIdentity{.boot_id = current_boot_id(), .pid = pid, .start_time = stat.start_time};
}

bool is_alive(const ProcessIdentity& identity) {
  const auto now = identity_of(identity.pid);
  return now && *now == identity;
}

Result<void> check_spawn_request(const SpawnRequest& request) {
  if (request.argv.empty() || request.argv[0].empty()) return Error{ErrorKind::invalid, "start: no program is named"};
  const auto has_nul = [](const std::string& text) { return text.find('\0') != text.npos; };
  if (std::ranges::any_of(request.argv, has_nul) || std::ranges::any_of(request.environment, has_nul)) {
    return Error{ErrorKind::invalid,
                 "start " + request.argv[0] + ": an argument or variable has a zero byte and would be cut there"};
  }
  return {};
}

Result<pid_t> spawn(const SpawnRequest& request) {
  TRY(check_spawn_request(request));
  SpawnActions actions;
  TRY(actions.redirect(request.stdin_fd, 0));
  TRY(actions.redirect(request.stdout_fd, 1));
  TRY(actions.redirect(request.stderr_fd, 2));
  if (!request.working_directory.empty()) actions.change_directory(request.working_directory);
  actions.close_from(3);
  const SpawnAttributes attributes(request.group);
  const auto argv = pointers(request.argv);
  const auto environment = pointers(request.environment);
  pid_t pid = 0;
  const int error_number =
      posix_spawnp(&pid, request.argv[0].c_str(), actions.get(), attributes.get(), argv.data(), environment.data());
  if (error_number == 0) return pid;
  // The kernel's number doesn't tell a missing program from a missing folder.
  std::error_code ignored;
  if (!request.working_directory.empty() && !std::filesystem::is_directory(request.working_directory, ignored)) {
    return io_error("start " + request.argv[0] + " in", request.working_directory, error_number);
  }
  return io_error("start", request.argv[0], error_number);
}

std::string describe(const ExitStatus& status) {
  if (status.signal == 0) return "exit code " + std::to_string(status.exit_code);
  const char* name = sigabbrev_np(status.signal);
  return "killed by signal " + std::to_string(status.signal) + (name ? " (SIG" + std::string(name) + ")" : "");
}

Result<ExitStatus> wait_child(pid_t pid) {
  int status = 0;
  pid_t got = 0;
  do {
    got = waitpid(pid, &status, 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && errno == ECHILD) {
    return Error{ErrorKind::not_found, "process " + std::to_string(pid) + " is no child of ours"};
  }
  if (got < 0) return io_error("wait for", "process " + std::to_string(pid), errno);
  if (WIFSIGNALED(status)) return ExitStatus{.exit_code = 0, .signal = WTERMSIG(status)};
  return ExitStatus{.exit_code = WEXITSTATUS(status), .signal = 0};
}

Result<CommandOutput> run_command(const SpawnRequest& request, std::chrono::milliseconds timeout, int64_t bytes_max,
                                  const std::stop_token& stop) {
  TRY_ASSIGN(Pipe output, make_pipe());
  TRY_ASSIGN(Pipe errors, make_pipe());
  SpawnRequest piped = request;
  piped.stdout_fd = output.write_end.get();
  piped.stderr_fd = errors.write_end.get();
  TRY_ASSIGN(const pid_t pid, spawn(piped));
  output.write_end.reset();
  errors.write_end.reset();
  auto collected = collect(pid, std::move(output.read_end), std::move(errors.read_end), timeout, bytes_max, stop);
  if (!collected) return collected.error().within(request.argv[0]);
  return collected;
}

std::vector<std::string> current_environment() {
  std::vector<std::string> variables;
  for (char** variable = environ; variable && *variable; ++variable) variables.emplace_back(*variable);
  return variables;
}

}  // namespace udon
