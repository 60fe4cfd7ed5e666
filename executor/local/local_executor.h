#pragma once
// Runs tries as processes of this machine: each an udon-task in a session of its own that outlives us. The loop's
// thread only writes the request and spawns; all waiting, ending and cleaning up is the watcher's, a thread of its own.
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "executor/executor.h"
#include "executor/local/runner_template.h"
#include "executor/local/try_watcher.h"
#include "spool/spare_tries.h"
#include "spool/spool.h"

namespace udon {

enum class UseOfCgroups {
  where_possible,  // the proof that nothing of a tree is left
  never,
};

enum class UseOfTemplate {
  where_possible,  // runners are forks of one that was started once
  never,           // each is started by itself
};

struct LocalExecutorOptions {
  Path runner;  // udon-task
  int slots = 32;
  std::vector<std::string> queues = {"default"};
  std::vector<std::string> environment;  // of the tries; see environment_of_tries
  UseOfCgroups cgroups = UseOfCgroups::where_possible;
  UseOfTemplate runner_template = UseOfTemplate::where_possible;
  // From a kill to SIGKILL for everything: the runner's own grace, and time to write its result.
  Duration kill_grace = limits::kill_grace + std::chrono::seconds(2);
};

class LocalExecutor final : public Executor {
 public:
  // `wake` is called from the watcher's thread when poll() has something new. References outlive the executor; the
  // tries outlive it too.
  LocalExecutor(const Spool& spool, LocalExecutorOptions options, const Clock& clock, std::function<void()> wake);
  ~LocalExecutor() override;

  std::string name() const override { return "local"; }
  bool takes(TryKind kind, const std::string& queue) const override;
  bool is_for(TryKind kind) const override { return kind == TryKind::process; }
  int free_slots() const override;
  Result<void> start(const TryRequest& request) override;
  std::vector<Report> poll() override;
  void acknowledge(const TryId& id) override;
  void kill(const TryId& id, EndCause why, const std::string& message) override;
  void adopt(const TryRequest& request) override;
  std::vector<TryId> leftovers() override;
  std::vector<TryId> running() const override;

 private:
  enum class Known { live, ended, being_forgotten };

  void take_report(Report report);       // from the watcher's thread
  void take_forgotten(const TryId& id);  // likewise
  // False: the try is known already. A try that is just being forgotten is waited for: its folder is about to go.
  bool take_in(const TryId& id);
  Result<TryWatcher::Watch> start_runner(const TryRequest& request);
  Result<pid_t> spawn_runner(const TryId& id, const Path& cgroup) const;

  const Spool& spool_;
  SpareTries spares_;
  const LocalExecutorOptions options_;
  const std::vector<std::string> environment_;  // of runners, without their try's id
  const Clock& clock_;
  RunnerTemplate template_;
  const Path cgroup_parent_;  // empty: none can be made
  const std::string hostname_;
  mutable std::mutex mutex_;  // the next four
  std::condition_variable forgotten_;
  std::map<TryId, Known> known_;
  int live_ = 0;
  std::vector<Report> reports_;
  TryWatcher watcher_;  // last: its thread uses the rest
};

}  // namespace udon
