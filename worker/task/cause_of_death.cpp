#include "worker/task/cause_of_death.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "base/file.h"
#include "base/text.h"

namespace udon {
namespace {

// The number after "<name> " in a file of such lines.
std::optional<int64_t> counter_in(const Path& path, std::string_view name) {
  const auto content = read_file(path);
  if (!content) return std::nullopt;
  for (const std::string& line : split(*content, '\n')) {
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ' ') continue;
    int64_t value = 0;
    const std::string_view digits = std::string_view(line).substr(name.size() + 1);
    if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec == std::errc()) return value;
  }
  return std::nullopt;
}

// Version 2 has one hierarchy; version 1 names its controllers, and systemd and Docker mount memory where we look.
std::optional<int64_t> kills_in_our_group() {
  const auto groups = read_file("/proc/self/cgroup");
  if (!groups) return std::nullopt;
  for (const std::string& line : split(*groups, '\n')) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    const Path root = "/sys/fs/cgroup";
    std::optional<int64_t> kills;
    if (controllers.find(",memory,") != controllers.npos) {
      kills = counter_in(Path(root / "memory").string() + group + "/memory.oom_control", "oom_kill");
      // In a container the group's own folder is mounted as the root.
      if (!kills) kills = counter_in(root / "memory" / "memory.oom_control", "oom_kill");
    } else if (line.starts_with("0::")) {
      kills = counter_in(root.string() + group + "/memory.events", "oom_kill");
    }
    if (kills) return kills;
  }
  return std::nullopt;
}

bool has_grown(const std::optional<int64_t>& before, const std::optional<int64_t>& after) {
  return before && after && *after > *before;
}

}  // namespace

MemoryKills MemoryKills::read() {
  return {.in_our_group = kills_in_our_group(), .on_machine = counter_in("/proc/vmstat", "oom_kill")};
}

KernelLog::KernelLog() {
  auto file = open_file("/dev/kmsg", O_RDONLY | O_NONBLOCK);
  if (file && lseek(file->get(), 0, SEEK_END) >= 0) file_ = std::move(*file);
}

std::string KernelLog::read() const {
  std::string text;
  char record[8 << 10];
  while (file_) {
    const ssize_t got = ::read(file_.get(), record, sizeof record);
    if (got > 0) {
      text.append(record, static_cast<size_t>(got));
    } else if (got == 0 || (errno != EPIPE && errno != EINTR)) {
      break;  // EPIPE: records were overwritten meanwhile; the next read goes on behind them
    }
  }
  return text;
}

CauseOfDeath find_cause(const ExitStatus& status, pid_t pid, const MemoryKills& before, const MemoryKills& after,
                        const std::string& kernel_log) {
  CauseOfDeath found{.cause = status.signal == 0 ? EndCause::exit_code : EndCause::signal, .message = describe(status)};
  // A shell says 137 when a program that it ran was killed so.
  const bool is_through_shell = status.signal == 0 && status.exit_code == 128 + SIGKILL;
  if (status.signal != SIGKILL && !is_through_shell) return found;
  if (kernel_log.find("Killed process " + std::to_string(pid) + " (") != kernel_log.npos) {
    return {EndCause::out_of_memory, found.message + " by the kernel's out-of-memory killer, as its log says"};
  }
  if (has_grown(before.in_our_group, after.in_our_group)) {
    return {EndCause::out_of_memory,
            found.message +
                ": out of memory: the memory limit of its control group was reached and the kernel killed " +
                std::to_string(*after.in_our_group - *before.in_our_group) + " process(es) of it meanwhile"};
  }
  if (has_grown(before.on_machine, after.on_machine)) {
    found.cause = EndCause::out_of_memory;
    found.message += ", very likely by the out-of-memory killer: the kernel killed " +
                     std::to_string(*after.on_machine - *before.on_machine) +
                     " process(es) for want of memory meanwhile";
  } else if (!is_through_shell && before.on_machine && after.on_machine) {
    found.message += ", by somebody else: the kernel's count of out-of-memory kills has not changed";
  } else if (!is_through_shell) {
    found.message += ", perhaps by the out-of-memory killer: this machine doesn't tell";
  }
  return found;
}

}  // namespace udon
