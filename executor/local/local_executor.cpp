#include "executor/local/local_executor.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "base/cgroup.h"
#include "base/log.h"
#include "base/pidfd.h"
#include "spool/process_tree.h"

namespace udon {
namespace {

std::string this_hostname() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

std::vector<std::string> environment_of_runners(const LocalExecutorOptions& options, const Spool& spool) {
  std::vector<std::string> environment = options.environment;
  environment.push_back("UDON_HOME=" + spool.home().string());
  return environment;
}

}  // namespace

LocalExecutor::LocalExecutor(const Spool& spool, LocalExecutorOptions options, const Clock& clock,
                             std::function<void()> wake)
    : spool_(spool),
      spares_(spool),
      options_(std::move(options)),
      environment_(environment_of_runners(options_, spool)),
      clock_(clock),
      template_({.runner = options_.runner, .home = spool.home(), .environment = environment_}, clock),
      cgroup_parent_(options_.cgroups == UseOfCgroups::where_possible ? find_cgroup_parent().value_or(Path()) : Path()),
      hostname_(this_hostname()),
      watcher_(spool, spares_, clock, options_.kill_grace, hostname_,
               {.report = [this](Report report) { take_report(std::move(report)); },
                .forgotten = [this](const TryId& id) { take_forgotten(id); },
                .wake = std::move(wake)}) {}

LocalExecutor::~LocalExecutor() = default;

bool LocalExecutor::takes(TryKind kind, const std::string& queue) const {
  return is_for(kind) && std::ranges::find(options_.queues, queue) != options_.queues.end();
}

int LocalExecutor::free_slots() const {
  const std::lock_guard lock(mutex_);
  return std::max(0, options_.slots - live_);
}

Result<pid_t> LocalExecutor::spawn_runner(const TryId& id, const Path& cgroup) const {
  SpawnRequest runner{.argv = {options_.runner, spool_.home(), to_string(id)}, .environment = environment_};
  runner.environment.push_back(std::string(try_id_variable) + "=" + to_string(id));
  if (!cgroup.empty()) runner.argv.push_back(cgroup);
  // What the runner can't tell in the try's log (that it cannot open it) is for the server's.
  runner.stderr_fd = STDERR_FILENO;
  return spawn(runner);
}

Result<TryWatcher::Watch> LocalExecutor::start_runner(const TryRequest& request) {
  TryWatcher::Watch watch{.id = request.try_id};
  if (!cgroup_parent_.empty()) {
    const Path group = cgroup_parent_ / ("udon-" + to_string(request.try_id));
    if (make_cgroup(group)) watch.cgroup = group;
  }
  Result<pid_t> pid = Error{ErrorKind::unsupported, "no template of runners is wanted"};
  if (options_.runner_template == UseOfTemplate::where_possible) pid = template_.start(request.try_id, watch.cgroup);
  if (!pid) pid = spawn_runner(request.try_id, watch.cgroup);
  if (!pid) {
    if (!watch.cgroup.empty()) static_cast<void>(remove_cgroup(watch.cgroup));
    return pid.error();
  }
  watch.pid = *pid;
  auto process = open_process(*pid);
  // Out of descriptors: a child that we can't watch must not run. It has barely begun.
  if (!process) {
    static_cast<void>(::kill(*pid, SIGKILL));
    static_cast<void>(wait_child(*pid));
    return process.error();
  }
  watch.process = std::move(*process);
  return watch;
}

bool LocalExecutor::take_in(const TryId& id) {
  std::unique_lock lock(mutex_);
  forgotten_.wait(lock, [&] {
    const auto found = known_.find(id);
    return found == known_.end() || found->second != Known::being_forgotten;
  });
  const bool is_new = known_.emplace(id, Known::live).second;
  if (is_new) ++live_;
  return is_new;
}

Result<void> LocalExecutor::start(const TryRequest& request) {
  if (!take_in(request.try_id)) return {};
  const auto written = spares_.write_request(request);
  auto watch = written ? start_runner(request) : Result<TryWatcher::Watch>(written.error());
  if (!watch) {
    static_cast<void>(spares_.remove(request.try_id));
    const std::lock_guard lock(mutex_);
    known_.erase(request.try_id);
    --live_;
    return watch.error();
  }
  {
    const std::lock_guard lock(mutex_);
    reports_.push_back(
        {.try_id = request.try_id, .what = TryStarted{.at = clock_.now(), .hostname = hostname_, .pid = watch->pid}});
  }
  watcher_.give(std::move(*watch));
  return {};
}

std::vector<Report> LocalExecutor::poll() {
  const std::lock_guard lock(mutex_);
  return std::exchange(reports_, {});
}

void LocalExecutor::take_report(Report report) {
  const std::lock_guard lock(mutex_);
  if (!std::holds_alternative<TryStarted>(report.what)) {
    // Of a try that was never known (a kill of what is not there) only the answer remains.
    const auto found = known_.find(report.try_id);
    if (found != known_.end() && found->second == Known::live) {
      --live_;
      found->second = Known::ended;
    }
  }
  reports_.push_back(std::move(report));
}

void LocalExecutor::take_forgotten(const TryId& id) {
  const std::lock_guard lock(mutex_);
  known_.erase(id);
  forgotten_.notify_all();
}

void LocalExecutor::acknowledge(const TryId& id) {
  {
    const std::lock_guard lock(mutex_);
    // Of an earlier scheduler's try, which nobody adopted, there may still be a folder.
    const auto [known, is_new] = known_.emplace(id, Known::being_forgotten);
    if (!is_new && known->second == Known::live) --live_;
    known->second = Known::being_forgotten;
  }
  watcher_.give(TryWatcher::Forget{id});
}

void LocalExecutor::kill(const TryId& id, EndCause why, const std::string& message) {
  watcher_.give(TryWatcher::Kill{id, why, message});
}

void LocalExecutor::adopt(const TryRequest& request) {
  if (take_in(request.try_id)) watcher_.give(TryWatcher::Adopt{request.try_id});
}

std::vector<TryId> LocalExecutor::leftovers() {
  const auto found = spool_.tries();
  if (found) return *found;
  log_warning("executor", "what earlier tries left over cannot be looked for: " + found.error().message);
  return {};
}

std::vector<TryId> LocalExecutor::running() const {
  const std::lock_guard lock(mutex_);
  std::vector<TryId> ids;
  for (const auto& [id, state] : known_) {
    if (state == Known::live) ids.push_back(id);
  }
  return ids;
}

}  // namespace udon
