#include "executor/local/try_watcher.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/cgroup.h"
#include "base/ensure.h"
#include "base/log.h"
#include "base/pidfd.h"

namespace udon {
namespace {

using namespace std::chrono_literals;

// A short task's start and end then cost the loop one turn and one commit, not two.
constexpr Duration start_report_delay = 5ms;
constexpr Duration first_look_interval = 10ms;
constexpr Duration look_interval_max = 500ms;
// From spawn to the runner's first act; a machine that is short of everything needs long.
constexpr Duration boot_patience = 10s;
constexpr int clean_looks_needed = 2;

}  // namespace

TryWatcher::TryWatcher(const Spool& spool, SpareTries& spares, const Clock& clock, Duration kill_grace,
                       std::string hostname, Listener listener)
    : spool_(spool),
      spares_(spares),
      clock_(clock),
      kill_grace_(kill_grace),
      hostname_(std::move(hostname)),
      listener_(std::move(listener)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      order_event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  ENSURE(epoll_ && order_event_, "the server starts with descriptors to spare");
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  ENSURE(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, order_event_.get(), &event) == 0, "an event can be waited for");
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

TryWatcher::~TryWatcher() {
  thread_.request_stop();
  eventfd_write(order_event_.get(), 1);
}

void TryWatcher::give(Order order) {
  {
    const std::lock_guard lock(mutex_);
    orders_.push_back(std::move(order));
  }
  eventfd_write(order_event_.get(), 1);
}

void TryWatcher::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(time_to_next());
    epoll_event events[64];
    const int count = epoll_wait(epoll_.get(), events, std::size(events), static_cast<int>(wait.count()));
    ENSURE(count >= 0 || errno == EINTR, "an epoll can be waited for");
    // Entries go only by an order, so that no event's entry is gone.
    for (int i = 0; i < count; ++i) {
      if (events[i].data.ptr) on_exit(*static_cast<Entry*>(events[i].data.ptr));
    }
    take_orders();
    act_on_deadlines();
    if (std::exchange(has_reported_, false)) {
      wake_at_.reset();
      listener_.wake();
    }
  }
}

Duration TryWatcher::time_to_next() const {
  const Duration now = clock_.monotonic();
  Duration wait = 1min;
  const auto until = [&](Duration moment) { wait = std::clamp<Duration>(moment - now, Duration(0), wait); };
  if (wake_at_) until(*wake_at_);
  for (const auto& [id, entry] : entries_) {
    if (entry.phase == Phase::sweeping) until(entry.next_look);
    if (entry.phase == Phase::running && entry.kill) until(entry.kill_deadline);
  }
  return wait;
}

void TryWatcher::take_orders() {
  eventfd_t count = 0;
  eventfd_read(order_event_.get(), &count);
  std::vector<Order> orders;
  {
    const std::lock_guard lock(mutex_);
    orders.swap(orders_);
  }
  for (Order& order : orders) std::visit([this](auto& what) { take(what); }, order);
}

void TryWatcher::take(Watch& order) {
  Entry& entry = entries_[order.id];
  entry.id = order.id;
  entry.child = order.pid;
  entry.cgroup = std::move(order.cgroup);
  entry.process = std::move(order.process);
  watch_process(entry);
  if (!wake_at_) wake_at_ = clock_.monotonic() + start_report_delay;
}

void TryWatcher::watch_process(Entry& entry) {
  epoll_event event{.events = EPOLLIN, .data = {.ptr = &entry}};
  ENSURE(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, entry.process.get(), &event) == 0, "a process can be waited for");
}

void TryWatcher::take(Adopt& order) {
  Entry& entry = entries_[order.id];
  entry.id = order.id;
  if (take_over(entry)) return;
  // Nobody ran it, or its runner is just starting: that shows while we look for it.
  entry.boot_deadline = clock_.monotonic() + boot_patience;
  sweep_from_now(entry, TryUnknown{});
}

// False: no runner of it has said that it runs.
bool TryWatcher::take_over(Entry& entry) {
  const auto runner = spool_.read_process(entry.id);
  if (!runner) log_warning("executor", "try " + to_string(entry.id) + ": " + runner.error().message);
  if (!runner || !*runner) return false;
  entry.cgroup = (*runner)->cgroup;
  if (auto process = open_process((*runner)->identity)) {
    entry.process = std::move(*process);
    entry.phase = Phase::running;
    watch_process(entry);
    report(entry.id, TryStarted{.at = clock_.now(), .hostname = hostname_, .pid = (*runner)->identity.pid});
    if (entry.kill) static_cast<void>(send_signal(entry.process, SIGTERM));
    return true;
  }
  // The result is its last act, so it is read after the process is known to be gone.
  const auto result = spool_.read_result(entry.id);
  if (result && *result) {
    entry.has_result = true;
    end(entry, std::move(**result));
  } else {
    sweep_from_now(entry, lost("the process of the try was gone when the scheduler came back, and left no result"));
  }
  return true;
}

void TryWatcher::take(Kill& order) {
  const auto found = entries_.find(order.id);
  if (found == entries_.end()) return report(order.id, TryUnknown{});
  Entry& entry = found->second;
  if (entry.phase == Phase::ended || entry.kill) return;
  entry.kill = order;
  entry.kill_deadline = clock_.monotonic() + kill_grace_;
  if (entry.phase == Phase::running) static_cast<void>(send_signal(entry.process, SIGTERM));
}

void TryWatcher::take(Forget& order) {
  entries_.erase(order.id);
  if (const auto removed = spares_.remove(order.id); !removed) log_warning("executor", removed.error().message);
  listener_.forgotten(order.id);
}

void TryWatcher::on_kill_deadline(Entry& entry) {
  entry.kill_deadline += kill_grace_;
  static_cast<void>(send_signal(entry.process, SIGKILL));
  if (!entry.cgroup.empty()) static_cast<void>(kill_cgroup(entry.cgroup));
}

void TryWatcher::on_exit(Entry& entry) {
  if (entry.phase != Phase::running) return;
  std::optional<ExitStatus> status;
  if (entry.child != 0) {
    if (const auto waited = wait_child(entry.child)) status = *waited;
  }
  // Closing takes it out of the epoll too: no other descriptor refers to it.
  entry.process.reset();
  const auto result = spool_.read_result(entry.id);
  if (!result) log_warning("executor", "try " + to_string(entry.id) + ": " + result.error().message);
  if (result && *result) {
    entry.has_result = true;
    return end(entry, std::move(**result));
  }
  TryEnded ended = lost("its runner is gone and left no result");
  if (status) {
    const auto runner = spool_.read_process(entry.id);
    const bool has_begun = runner && *runner;
    if (!has_begun) ended.cause = EndCause::start_failed;
    ended.message = "its runner ended (" + describe(*status) + ") " +
                    (has_begun ? "and left no result" : "before it had begun; what it said is in the server's log");
    if (status->signal == SIGKILL) ended.message += "; perhaps it was killed for want of memory";
  }
  sweep_from_now(entry, std::move(ended));
}

void TryWatcher::sweep_from_now(Entry& entry, std::variant<TryEnded, TryUnknown> verdict) {
  entry.phase = Phase::sweeping;
  entry.verdict = std::move(verdict);
  entry.clean_looks = 0;
  entry.look_interval = first_look_interval;
  entry.next_look = clock_.monotonic();
}

void TryWatcher::act_on_deadlines() {
  const Duration now = clock_.monotonic();
  if (wake_at_ && now >= *wake_at_) has_reported_ = true;
  std::vector<Entry*> due;
  for (auto& [id, entry] : entries_) {
    if (entry.phase == Phase::running && entry.kill && now >= entry.kill_deadline) on_kill_deadline(entry);
    if (entry.phase == Phase::sweeping && now >= entry.next_look) due.push_back(&entry);
  }
  if (due.empty()) return;
  // One for all: after a crash there may be thousands.
  const ProcessTable table = ProcessTable::read();
  for (Entry* entry : due) look(*entry, table);
}

void TryWatcher::look(Entry& entry, const ProcessTable& table) {
  TreeMarks marks{.id = entry.id};
  const auto runner = spool_.read_process(entry.id);
  if (runner && *runner) {
    if (entry.boot_deadline != Duration(0)) {
      entry.boot_deadline = Duration(0);
      if (take_over(entry)) return;
    }
    marks.runner = (*runner)->identity;
    entry.cgroup = (*runner)->cgroup;
  }
  if (auto recorded = spool_.read_tree(entry.id)) marks.recorded = std::move(*recorded);
  const auto left = find_tree(table, marks);
  const bool has_group = !entry.cgroup.empty() && !is_cgroup_empty(entry.cgroup);
  const Duration now = clock_.monotonic();
  const bool may_be_starting = now < entry.boot_deadline && !entry.kill && !left.empty();
  if (left.empty() && !has_group) {
    ++entry.clean_looks;
  } else {
    entry.clean_looks = 0;
    if (!may_be_starting) {
      if (has_group) static_cast<void>(kill_cgroup(entry.cgroup));
      const auto killed = signal_processes(left, SIGKILL);
      if (!killed && !std::exchange(entry.has_warned, true)) {
        log_warning("executor", "try " + to_string(entry.id) + ": cannot end " + killed.error().message);
      }
      entry.look_interval = std::min(entry.look_interval * 2, look_interval_max);
    }
  }
  const bool is_over = entry.clean_looks >= clean_looks_needed;
  if (is_over && may_end(entry)) return end(entry, std::move(entry.verdict));
  entry.next_look = now + entry.look_interval;
}

// Of a try that nobody seems to have begun, a runner may still be on its way: an earlier scheduler's last act. It finds
// the door shut, or has found it open just now.
bool TryWatcher::may_end(const Entry& entry) const {
  if (!std::holds_alternative<TryUnknown>(entry.verdict)) return true;
  const auto is_barred = spool_.bar_runners(entry.id);
  if (!is_barred) log_warning("executor", "try " + to_string(entry.id) + ": " + is_barred.error().message);
  return !is_barred || *is_barred;
}

void TryWatcher::end(Entry& entry, std::variant<TryEnded, TryUnknown> verdict) {
  entry.phase = Phase::ended;
  entry.process.reset();
  // The runner has ended its tree before it wrote its result; should it have failed to, this is the place to notice.
  if (!entry.cgroup.empty() && !remove_cgroup(entry.cgroup) && !is_cgroup_empty(entry.cgroup)) {
    static_cast<void>(kill_cgroup(entry.cgroup));
    return sweep_from_now(entry, std::move(verdict));
  }
  entry.cgroup.clear();
  if (auto* ended = std::get_if<TryEnded>(&verdict)) {
    if (entry.kill) {
      ended->result = TryEnded::Result::failed;
      ended->cause = entry.kill->why;
      ended->error_kind.reset();
      ended->message = entry.kill->message;
      ended->xcom = Value::map();
    }
    if (!entry.has_result) tell_log(entry, ended->message);
    report(entry.id, std::move(*ended));
  } else {
    report(entry.id, TryUnknown{});
  }
}

// Before the end is reported: once it is committed, the request that names the log is removed.
void TryWatcher::tell_log(const Entry& entry, const std::string& message) const {
  const auto told = spool_.append_to_log(entry.id, clock_.now(), "udon: failed: " + message);
  if (!told) log_warning("executor", "try " + to_string(entry.id) + ": " + told.error().message);
}

TryEnded TryWatcher::lost(const std::string& message) const {
  return {.result = TryEnded::Result::failed, .cause = EndCause::lost, .message = message, .at = clock_.now()};
}

void TryWatcher::report(const TryId& id, decltype(Report::what) what) {
  listener_.report({.try_id = id, .what = std::move(what)});
  has_reported_ = true;
}

}  // namespace udon
