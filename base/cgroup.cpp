#include "base/cgroup.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"

namespace udon {
namespace {

// Where the version 2 hierarchy is mounted, and which part of it: fields 4 and 5 of a line of mountinfo, before " - ".
struct Mount {
  std::string root;
  std::string folder;
};
std::optional<Mount> find_mount() {
  const auto content = read_file("/proc/self/mountinfo");
  if (!content) return std::nullopt;
  for (const std::string& line : split(*content, '\n')) {
    if (line.find(" - cgroup2 ") == line.npos) continue;
    const auto fields = split(line, ' ');
    if (fields.size() > 5) return Mount{.root = fields[3], .folder = fields[4]};
  }
  return std::nullopt;
}

std::optional<std::string> own_group() {
  const auto content = read_file("/proc/self/cgroup");
  if (!content) return std::nullopt;
  for (const std::string& line : split(*content, '\n')) {
    if (line.starts_with("0::")) return line.substr(3);
  }
  return std::nullopt;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const auto& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

// All that the child needs, made before the fork: after it, no memory may be had, as another thread of the parent may
// have held the allocator's lock.
struct ChildPlan {
  std::vector<char*> argv;
  std::vector<char*> environment;
  const char* working_directory = nullptr;
  int descriptors[3] = {-1, -1, -1};  // all above 3
  int report = -1;                    // of a failure: errno; closed by exec
  SpawnGroup group = SpawnGroup::own_session;
};

[[noreturn]] void become(const ChildPlan& plan) {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &standard, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const bool is_grouped = plan.group == SpawnGroup::own_session ? setsid() >= 0 : setpgid(0, 0) == 0;
  bool is_ready = is_grouped && (!plan.working_directory || chdir(plan.working_directory) == 0);
  for (int target = 0; is_ready && target < 3; ++target) is_ready = dup2(plan.descriptors[target], target) >= 0;
  if (is_ready && dup3(plan.report, 3, O_CLOEXEC) == 3 && close_range(4, ~0U, 0) == 0) {
    execvpe(plan.argv[0], plan.argv.data(), plan.environment.data());
    const int error_number = errno;
    static_cast<void>(!write(3, &error_number, sizeof error_number));
  } else {
    const int error_number = errno;
    static_cast<void>(!write(plan.report, &error_number, sizeof error_number));
  }
  _exit(127);
}

// A copy above 3, out of the way of what the child puts at 0-3.
Result<FileDescriptor> moved_up(int fd) {
  FileDescriptor copy(fcntl(fd, F_DUPFD_CLOEXEC, 4));
  if (!copy) return io_error("duplicate", "descriptor " + std::to_string(fd), errno);
  return copy;
}

Error cannot_start(const SpawnRequest& request, int error_number) {
  std::error_code ignored;
  if (!request.working_directory.empty() && !std::filesystem::is_directory(request.working_directory, ignored)) {
    return io_error("start " + request.argv[0] + " in", request.working_directory, error_number);
  }
  return io_error("start", request.argv[0], error_number);
}

}  // namespace

std::optional<Path> find_cgroup_parent() {
  const auto mount = find_mount();
  auto group = own_group();
  if (!mount || !group) return std::nullopt;
  // In a container the mount may show a part of the hierarchy only.
  if (mount->root != "/" && group->starts_with(mount->root)) group->erase(0, mount->root.size());
  const Path parent = Path(mount->folder + "/" + *group).lexically_normal();
  const Path trial = parent / ("udon-trial-" + std::to_string(getpid()));
  if (!make_cgroup(trial)) return std::nullopt;
  const bool has_kill = access((trial / "cgroup.kill").c_str(), W_OK) == 0;
  const auto removed = remove_cgroup(trial);
  if (!has_kill || !removed) return std::nullopt;
  return parent;
}

Result<void> make_cgroup(const Path& group) {
  if (mkdir(group.c_str(), 0755) != 0 && errno != EEXIST) return io_error("make control group", group, errno);
  return {};
}

bool is_cgroup_empty(const Path& group) {
  const auto events = read_file(group / "cgroup.events");
  return !events || events->find("populated 0") != events->npos;
}

Result<void> kill_cgroup(const Path& group) {
  auto file = open_file(group / "cgroup.kill", O_WRONLY);
  if (!file) {
    if (file.error().kind == ErrorKind::not_found) return {};
    return file.error();
  }
  return write_all(file->get(), "1", group / "cgroup.kill");
}

Result<void> remove_cgroup(const Path& group) {
  if (rmdir(group.c_str()) == 0 || errno == ENOENT) return {};
  if (errno != EBUSY) return io_error("remove control group", group, errno);
  // Groups that were made below it by what ran inside.
  std::error_code error;
  for (std::filesystem::directory_iterator entry(group, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->is_directory(error)) TRY(remove_cgroup(entry->path()));
  }
  if (rmdir(group.c_str()) == 0 || errno == ENOENT) return {};
  if (errno == EBUSY) return Error{ErrorKind::conflict, "control group " + group.string() + " still has processes"};
  return io_error("remove control group", group, errno);
}

Result<pid_t> spawn_into_cgroup(const SpawnRequest& request, const Path& group) {
  TRY(check_spawn_request(request));
  TRY_ASSIGN(const FileDescriptor folder, open_file(group, O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(const FileDescriptor null, open_file("/dev/null", O_RDWR));
  FileDescriptor descriptors[3];
  const int wanted[3] = {request.stdin_fd, request.stdout_fd, request.stderr_fd};
  ChildPlan plan{.argv = pointers(request.argv), .environment = pointers(request.environment)};
  plan.group = request.group;
  if (!request.working_directory.empty()) plan.working_directory = request.working_directory.c_str();
  for (int target = 0; target < 3; ++target) {
    TRY_ASSIGN(descriptors[target], moved_up(wanted[target] < 0 ? null.get() : wanted[target]));
    plan.descriptors[target] = descriptors[target].get();
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return io_error("make", "a pipe", errno);
  const FileDescriptor report(ends[0]);
  FileDescriptor write_end(ends[1]);
  TRY_ASSIGN(FileDescriptor report_in_child, moved_up(write_end.get()));
  write_end.reset();
  plan.report = report_in_child.get();

  // Signals wait until the child has its own handling of them: a handler of ours must not run there.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  struct clone_args arguments {};
  arguments.flags = CLONE_INTO_CGROUP;
  arguments.exit_signal = SIGCHLD;
  arguments.cgroup = static_cast<uint64_t>(folder.get());
  const auto pid = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
  const int clone_error = errno;
  if (pid == 0) become(plan);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) {
    // Containers forbid clone3 with ENOSYS; EOPNOTSUPP and the rest say that this group takes no processes.
    if (clone_error == EAGAIN || clone_error == ENOMEM) return io_error("start", request.argv[0], clone_error);
    return Error{ErrorKind::unsupported, io_error("start a process inside", group, clone_error).message};
  }
  report_in_child.reset();
  int error_number = 0;
  ssize_t got = 0;
  do {
    got = read(report.get(), &error_number, sizeof error_number);
  } while (got < 0 && errno == EINTR);
  if (got != sizeof error_number) return pid;
  static_cast<void>(wait_child(pid));
  return cannot_start(request, error_number);
}

}  // namespace udon
