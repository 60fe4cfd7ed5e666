#pragma once
// Starting children and knowing them again. posix_spawn, never fork: the callers have threads. A child
// inherits descriptors 0-2 and nothing else, gets its own session, and default signal handling.
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace udon {

// Identity, because a pid alone is reused: the same three mean the same process, also after a restart of
// ours.
struct ProcessIdentity {
  std::string boot_id;  // /proc/sys/kernel/random/boot_id
  pid_t pid = 0;
  uint64_t start_time = 0;  // field 22 of /proc/<pid>/stat: clock ticks after boot
  bool operator==(const ProcessIdentity&) const = default;
};

std::string current_boot_id();
Result<ProcessIdentity> identity_of(pid_t pid);  // not_found if there is none, or it is a zombie
bool is_alive(const ProcessIdentity& identity);  // zombies are dead

enum class SpawnGroup {
  own_session,  // survives our terminal and our session
  own_group,    // stays in our session, so that whoever ends the session ends it too; a group for signals all the same
};

struct SpawnRequest {
  std::vector<std::string> argv;         // argv[0] is a path, or a name looked up in PATH
  std::vector<std::string> environment;  // "KEY=value", the whole of it
  Path working_directory;                // empty: ours
  int stdin_fd = -1;                     // -1: /dev/null
  int stdout_fd = -1;
  int stderr_fd = -1;
  SpawnGroup group = SpawnGroup::own_session;
};
Result<pid_t> spawn(const SpawnRequest& request);
// What spawn refuses before it starts anything: no program, or a text that a zero byte would cut.
Result<void> check_spawn_request(const SpawnRequest& request);

struct ExitStatus {
  int exit_code = 0;  // meaningful if signal == 0
  int signal = 0;
  bool succeeded() const { return signal == 0 && exit_code == 0; }
};
// "exit code 3", "killed by signal 9 (SIGKILL)".
std::string describe(const ExitStatus& status);
Result<ExitStatus> wait_child(pid_t pid);  // blocks; our own child only

// Runs until the child exits and collects what it printed until then (stdout_fd and stderr_fd are not used);
// for set-up and tests, not for tries. Output over bytes_max is an error (data). A child that takes too long
// is killed with its whole session; so it is (cancelled) when `stop` is asked for, within a tenth of a second.
struct CommandOutput {
  ExitStatus status;
  std::string standard_output;
  std::string standard_error;
};
Result<CommandOutput> run_command(const SpawnRequest& request, std::chrono::milliseconds timeout,
                                  int64_t bytes_max = 16 << 20, const std::stop_token& stop = {});

std::vector<std::string> current_environment();

}  // namespace udon
