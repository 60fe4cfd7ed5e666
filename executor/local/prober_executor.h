#pragma once
// Looks after what waits without a process: sensors. One long-lived child, the prober, carries out the pokes; when each
// is due is decided here. A prober that dies or hangs is replaced and loses nothing: a poke has no memory.
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "executor/executor.h"
#include "executor/local/probe_messages.h"
#include "executor/local/prober_link.h"
#include "spool/spool.h"

namespace udon {

struct ProberExecutorOptions {
  std::vector<std::string> argv;         // starts the prober: {"udon", "prober", …}
  std::vector<std::string> environment;  // see environment_of_tries
  std::vector<std::string> queues = {"default"};
  int slots = 100'000;                                // what waits costs some kilobytes each
  int pokes_at_once = 16;                             // as many as the prober has threads
  Duration poke_time_max = std::chrono::seconds(60);  // then it is asked to stop
  Duration stop_grace = limits::kill_grace;           // and after this the prober is replaced
};

class ProberExecutor final : public Executor {
 public:
  // `wake` is called from this executor's own thread. References outlive it.
  ProberExecutor(const Spool& spool, ProberExecutorOptions options, const Clock& clock, std::function<void()> wake);
  ~ProberExecutor() override;

  std::string name() const override { return "prober"; }
  bool takes(TryKind kind, const std::string& queue) const override;
  bool is_for(TryKind kind) const override { return kind == TryKind::probe; }
  int free_slots() const override;
  Result<void> start(const TryRequest& request) override;
  std::vector<Report> poll() override;
  void acknowledge(const TryId& id) override;
  void kill(const TryId& id, EndCause why, const std::string& message) override;
  // Pokes again at once: nothing of a waiting try is anywhere but in its request.
  void adopt(const TryRequest& request) override;
  std::vector<TryId> running() const override;

 private:
  struct Kill {
    TryId id;
    EndCause why = EndCause::killed;
    std::string message;
  };
  struct Forget {
    TryId id;
  };
  using Order = std::variant<TryRequest, Kill, Forget>;

  struct Probe {
    TryRequest request;
    TimePoint first_poke_at{};
    Duration due{0};
    int64_t number = 0;  // of the poke that is out; 0: none is
    Duration sent_at{0};
    Duration stop_at{0};  // when the poke is asked to stop
    bool is_asked_to_stop = false;
    // It was out when a prober died: poked alone from then on, until an answer clears it or a second death convicts it.
    bool is_suspect = false;
    int deaths_alone = 0;
    std::optional<Kill> kill;
    // People have been asked: it is not looked at again, only its timeout is waited for.
    bool has_asked = false;
    // How it is to end once what it waits for is cancelled; and how often that was tried.
    std::optional<TryEnded> end;
    int cancels = 0;
  };

  void run(const std::stop_token& stop);
  void wait(const std::stop_token& stop);
  Duration time_to_next() const;
  void take_orders();
  void take(TryRequest& order);
  void take(Kill& order);
  void take(Forget& order);
  void hear();
  void take_answer(PokeAnswer answer);
  void act_on_deadlines();
  void poke_what_is_due();
  bool may_poke(const Probe& probe) const;
  bool have_prober();
  void replace_prober(const std::string& why);
  void reschedule(Probe& probe, Duration due);
  void go_on_waiting(Probe& probe, std::string message);
  void wait_for_people(Probe& probe);
  void end_by_timeout(Probe& probe, const std::string& seen);
  // Ends it; first what it waits for, if that is to end with it.
  void end_with_what_it_waits_for(Probe& probe, TryEnded ended);
  void take_cancelled(Probe& probe, const PokeAnswer& answer);
  void end(const TryId& id, TryEnded ended);
  void report(const TryId& id, decltype(Report::what) what);
  void give(Order order);

  const Spool& spool_;
  const ProberExecutorOptions options_;
  const Clock& clock_;
  const std::function<void()> wake_;
  FileDescriptor event_;
  mutable std::mutex mutex_;  // the next four
  std::vector<Order> orders_;
  std::set<TryId> known_;  // until their end was committed
  std::set<TryId> live_;
  std::vector<Report> reports_;
  // The thread's own.
  std::map<TryId, Probe> probes_;
  std::set<std::pair<Duration, TryId>> due_;  // of those that are not out
  std::map<int64_t, TryId> out_;
  std::optional<ProberLink> link_;
  int64_t last_number_ = 0;
  Duration start_again_at_{0};
  Duration start_delay_{0};
  bool has_reported_ = false;
  std::jthread thread_;  // last: uses the rest
};

}  // namespace udon
