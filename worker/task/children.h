#pragma once
// The processes that a try has started: where they are born, what of them is recorded, and their end. The runner is
// their subreaper, so while it lives none can get away from it.
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/subprocess.h"
#include "spool/spool.h"

namespace udon {

class Children {
 public:
  // `cgroup`: born in there, if it isn't empty.
  Children(const Spool& spool, TryId id, Path cgroup);

  // From the operator's threads.
  Result<pid_t> start(SpawnRequest request);

  // From here on: the runner's own thread.
  bool has_started_any() const;
  // Orphans that came to us and have ended; those that the operator waits for are left to it.
  void reap_orphans();
  // Writes tree.json if it would change and is needed: where a control group holds them all, it isn't.
  void record();
  void kill_all();
  // After the operator's end: nothing waits for any of them any more. SIGTERM, after the grace SIGKILL, until none is
  // left or, after some seconds more, cannot be ended (another user's). `wait` lasts until a child ends, at most as
  // long as it is told.
  struct Ended {
    std::string what;         // there was, as text for the log; empty: nothing
    bool is_all_gone = true;  // proven: no process is left that could do anything
  };
  Ended end_all(const std::function<void(std::chrono::milliseconds)>& wait);

 private:
  const Spool& spool_;
  const TryId id_;
  mutable std::mutex mutex_;  // what follows
  Path cgroup_;
  std::set<pid_t> started_;
  bool is_grouped_ = true;  // all of them were born in the group
  std::vector<ProcessIdentity> recorded_;
};

}  // namespace udon
