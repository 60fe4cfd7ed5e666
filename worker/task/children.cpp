#include "worker/task/children.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>

#include "base/cgroup.h"
#include "base/limits.h"
#include "base/text.h"
#include "spool/process_tree.h"

namespace udon {
namespace {

using Steady = std::chrono::steady_clock;

// What cannot be killed by then belongs to another user or hangs in the kernel.
constexpr auto kill_patience = std::chrono::seconds(10);

std::string name_of(const ProcessIdentity& process) {
  const auto name = read_file("/proc/" + std::to_string(process.pid) + "/comm");
  return std::to_string(process.pid) + (name ? " (" + std::string(trim(*name)) + ")" : "");
}

}  // namespace

Children::Children(const Spool& spool, TryId id, Path cgroup)
    : spool_(spool), id_(std::move(id)), cgroup_(std::move(cgroup)), is_grouped_(!cgroup_.empty()) {}

Result<pid_t> Children::start(SpawnRequest request) {
  const std::string mark = std::string(try_id_variable) + "=";
  std::erase_if(request.environment, [&](const std::string& variable) { return variable.starts_with(mark); });
  request.environment.push_back(mark + to_string(id_));
  // In the runner's session: one more way to find it when the runner is gone.
  request.group = SpawnGroup::own_group;
  // Over the start: a child that has ended must be known before anybody reaps orphans.
  const std::lock_guard lock(mutex_);
  Result<pid_t> pid = cgroup_.empty() ? spawn(request) : spawn_into_cgroup(request, cgroup_);
  if (!pid && pid.error().kind == ErrorKind::unsupported) {
    is_grouped_ = false;
    cgroup_.clear();
    pid = spawn(request);
  }
  if (pid) started_.insert(*pid);
  return pid;
}

bool Children::has_started_any() const {
  const std::lock_guard lock(mutex_);
  return !started_.empty();
}

void Children::reap_orphans() {
  while (true) {
    siginfo_t info{};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    const std::lock_guard lock(mutex_);
    // The kernel shows this one again until the operator has waited for it; orphans behind it keep until then.
    if (started_.contains(info.si_pid)) return;
    waitpid(info.si_pid, nullptr, WNOHANG);
  }
}

void Children::record() {
  const std::lock_guard lock(mutex_);
  if (is_grouped_ || started_.empty()) return;
  auto descendants = own_descendants();
  if (descendants == recorded_) return;
  // Without it a later scheduler knows a little less; the next time comes soon.
  if (spool_.write_tree(id_, descendants)) recorded_ = std::move(descendants);
}

void Children::kill_all() {
  const std::lock_guard lock(mutex_);
  if (!cgroup_.empty()) static_cast<void>(kill_cgroup(cgroup_));
  static_cast<void>(signal_processes(own_descendants(), SIGKILL));
}

Children::Ended Children::end_all(const std::function<void(std::chrono::milliseconds)>& wait) {
  const auto begin = Steady::now();
  std::string names;
  bool is_asked = false;
  while (true) {
    int result = 0;
    while ((result = waitpid(-1, nullptr, WNOHANG)) > 0) continue;
    if (result < 0) return {.what = names};  // no child, so no descendant: orphans of theirs would be ours
    const auto left = own_descendants();
    if (!is_asked) {
      for (const ProcessIdentity& process : left) names += (names.empty() ? "" : ", ") + name_of(process);
      static_cast<void>(signal_processes(left, SIGTERM));
      is_asked = !left.empty();
    }
    const auto passed = Steady::now() - begin;
    if (passed >= limits::kill_grace) kill_all();
    if (passed >= limits::kill_grace + kill_patience)
      return {.what = names + " (some could not be ended)", .is_all_gone = false};
    wait(std::chrono::milliseconds(100));
  }
}

}  // namespace udon
