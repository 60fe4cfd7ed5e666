#pragma once
// Why a command died, as far as this machine tells: its exit status, and evidence of the kernel's out-of-memory killer.
#include <optional>
#include <string>

#include "base/file.h"
#include "base/subprocess.h"
#include "model/report.h"

namespace udon {

// Numbers of kills so far; taken before a command starts and compared after it was killed.
struct MemoryKills {
  std::optional<int64_t> in_our_group;  // of the memory control group that we are in
  std::optional<int64_t> on_machine;
  static MemoryKills read();
};

struct CauseOfDeath {
  EndCause cause = EndCause::exit_code;
  std::string message;  // "exit code 3", "killed by signal 9 (SIGKILL), by the kernel's out-of-memory killer …"
};
// `pid`: of the command; the kernel's log names the processes that it killed.
CauseOfDeath find_cause(const ExitStatus& status, pid_t pid, const MemoryKills& before, const MemoryKills& after,
                        const std::string& kernel_log);

// What the kernel says from now on, as far as we may read it.
class KernelLog {
 public:
  KernelLog();
  std::string read() const;

 private:
  FileDescriptor file_;
};

}  // namespace udon
