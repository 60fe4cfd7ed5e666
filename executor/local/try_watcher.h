#pragma once
// Waits for the ends of tries, ends them, takes over those of an earlier scheduler, and cleans up behind them:
// everything about local tries that takes time, in one thread. Whatever happened, a try is reported ended only when
// nothing of its tree is left.
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "model/report.h"
#include "spool/process_tree.h"
#include "spool/spare_tries.h"
#include "spool/spool.h"

namespace udon {

class TryWatcher {
 public:
  // A child of ours that was just started, and reported as such.
  struct Watch {
    TryId id;
    pid_t pid = 0;
    FileDescriptor process;
    Path cgroup;
  };
  struct Adopt {
    TryId id;
  };
  struct Kill {
    TryId id;
    EndCause why = EndCause::killed;
    std::string message;
  };
  // Its end was committed.
  struct Forget {
    TryId id;
  };
  using Order = std::variant<Watch, Adopt, Kill, Forget>;

  // Called from the watcher's thread; wake once after one or more reports.
  struct Listener {
    std::function<void(Report)> report;
    std::function<void(const TryId&)> forgotten;
    std::function<void()> wake;
  };
  TryWatcher(const Spool& spool, SpareTries& spares, const Clock& clock, Duration kill_grace, std::string hostname,
             Listener listener);
  ~TryWatcher();

  void give(Order order);  // from any thread, doesn't wait

 private:
  enum class Phase {
    running,   // its runner lives
    sweeping,  // its runner is gone without a result, or never was: what is left of its tree is looked for and killed
    ended,     // reported
  };
  struct Entry {
    TryId id;
    Phase phase = Phase::running;
    pid_t child = 0;  // if the runner is our own child
    FileDescriptor process;
    Path cgroup;
    std::optional<Kill> kill;
    Duration kill_deadline{0};
    // Sweeping.
    std::variant<TryEnded, TryUnknown> verdict;  // what will be reported
    int clean_looks = 0;
    Duration next_look{0};
    Duration look_interval{0};
    bool has_warned = false;
    bool has_result = false;    // its runner has said how it ended, in the log too
    Duration boot_deadline{0};  // till then a runner that was started but hasn't said so yet is let live
  };

  void run(const std::stop_token& stop);
  void take_orders();
  void take(Watch& order);
  void take(Adopt& order);
  void take(Kill& order);
  void take(Forget& order);
  bool take_over(Entry& entry);
  void watch_process(Entry& entry);
  void on_exit(Entry& entry);
  void on_kill_deadline(Entry& entry);
  void sweep_from_now(Entry& entry, std::variant<TryEnded, TryUnknown> verdict);
  void look(Entry& entry, const ProcessTable& table);
  bool may_end(const Entry& entry) const;
  void end(Entry& entry, std::variant<TryEnded, TryUnknown> verdict);
  void act_on_deadlines();
  Duration time_to_next() const;
  TryEnded lost(const std::string& message) const;
  void tell_log(const Entry& entry, const std::string& message) const;
  void report(const TryId& id, decltype(Report::what) what);

  const Spool& spool_;
  SpareTries& spares_;
  const Clock& clock_;
  const Duration kill_grace_;
  const std::string hostname_;
  const Listener listener_;
  FileDescriptor epoll_;
  FileDescriptor order_event_;
  std::mutex mutex_;  // orders_
  std::vector<Order> orders_;
  // The thread's own.
  std::map<TryId, Entry> entries_;
  bool has_reported_ = false;
  std::optional<Duration> wake_at_;  // for what was reported by others: the start of a try
  std::jthread thread_;              // last: uses the rest
};

}  // namespace udon
