#include "executor/local/prober_executor.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/ensure.h"
#include "base/log.h"

namespace udon {
namespace {

using namespace std::chrono_literals;

constexpr Duration start_delay_min = 100ms;
constexpr Duration start_delay_max = 30s;
// Less would be a busy loop against somebody's database.
constexpr Duration poke_interval_min = 10ms;
constexpr int deaths_alone_max = 2;
// A system that does not answer is asked again whether it ends a job; then whoever killed it is told.
constexpr int cancels_max = 5;
constexpr Duration cancel_interval = 2s;

std::string this_hostname() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

}  // namespace

ProberExecutor::ProberExecutor(const Spool& spool, ProberExecutorOptions options, const Clock& clock,
                               std::function<void()> wake)
    : spool_(spool),
      options_(std::move(options)),
      clock_(clock),
      wake_(std::move(wake)),
      event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  ENSURE(event_, "the server starts with descriptors to spare");
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

ProberExecutor::~ProberExecutor() {
  thread_.request_stop();
  eventfd_write(event_.get(), 1);
}

bool ProberExecutor::takes(TryKind kind, const std::string& queue) const {
  return is_for(kind) && std::ranges::find(options_.queues, queue) != options_.queues.end();
}

int ProberExecutor::free_slots() const {
  const std::lock_guard lock(mutex_);
  return std::max(0, options_.slots - static_cast<int>(live_.size()));
}

Result<void> ProberExecutor::start(const TryRequest& request) {
  {
    const std::lock_guard lock(mutex_);
    if (known_.contains(request.try_id)) return {};
    // Before anybody pokes: the server's door knows by it what this try may ask for.
    TRY(spool_.write_request(request));
    known_.insert(request.try_id);
    live_.insert(request.try_id);
    orders_.emplace_back(request);
  }
  eventfd_write(event_.get(), 1);
  return {};
}

void ProberExecutor::adopt(const TryRequest& request) { static_cast<void>(start(request)); }

std::vector<Report> ProberExecutor::poll() {
  const std::lock_guard lock(mutex_);
  return std::exchange(reports_, {});
}

void ProberExecutor::give(Order order) {
  {
    const std::lock_guard lock(mutex_);
    orders_.push_back(std::move(order));
  }
  eventfd_write(event_.get(), 1);
}

void ProberExecutor::acknowledge(const TryId& id) {
  {
    const std::lock_guard lock(mutex_);
    known_.erase(id);
  }
  give(Forget{id});
}

void ProberExecutor::kill(const TryId& id, EndCause why, const std::string& message) { give(Kill{id, why, message}); }

std::vector<TryId> ProberExecutor::running() const {
  const std::lock_guard lock(mutex_);
  return {live_.begin(), live_.end()};
}

void ProberExecutor::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    wait(stop);
    hear();
    take_orders();
    act_on_deadlines();
    poke_what_is_due();
    if (link_) hear();  // sends what was just said
    if (std::exchange(has_reported_, false)) wake_();
  }
}

void ProberExecutor::wait(const std::stop_token& stop) {
  if (stop.stop_requested()) return;
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(time_to_next()).count();
  pollfd watched[] = {{event_.get(), POLLIN, 0},
                      {link_ ? link_->readable_fd() : -1, POLLIN, 0},
                      {link_ ? link_->writable_fd() : -1, POLLOUT, 0}};
  ::poll(watched, std::size(watched), static_cast<int>(milliseconds));
  eventfd_t count = 0;
  eventfd_read(event_.get(), &count);
}

Duration ProberExecutor::time_to_next() const {
  const Duration now = clock_.monotonic();
  Duration wait = 1min;
  const auto until = [&](Duration moment) { wait = std::clamp<Duration>(moment - now, Duration(0), wait); };
  const bool has_room = static_cast<int>(out_.size()) < options_.pokes_at_once;
  if (!due_.empty() && has_room && may_poke(probes_.at(due_.begin()->second))) {
    until(std::max(due_.begin()->first, link_ ? Duration(0) : start_again_at_));
  }
  for (const auto& [number, id] : out_) {
    const Probe& probe = probes_.at(id);
    until(probe.is_asked_to_stop ? probe.stop_at + options_.stop_grace : probe.stop_at);
  }
  return wait;
}

void ProberExecutor::take_orders() {
  std::vector<Order> orders;
  {
    const std::lock_guard lock(mutex_);
    orders.swap(orders_);
  }
  for (Order& order : orders) std::visit([this](auto& what) { take(what); }, order);
}

void ProberExecutor::take(TryRequest& order) {
  const TryId id = order.try_id;
  Probe& probe = probes_[id];
  probe.first_poke_at = order.first_poke_at.value_or(clock_.now());
  probe.request = std::move(order);
  probe.has_asked = probe.request.has_asked;
  if (probe.has_asked)
    wait_for_people(probe);
  else
    reschedule(probe, clock_.monotonic());
  report(id, TryStarted{.at = clock_.now(), .hostname = this_hostname(), .pid = link_ ? link_->pid() : getpid()});
}

void ProberExecutor::take(Kill& order) {
  const auto found = probes_.find(order.id);
  if (found == probes_.end()) {
    {
      const std::lock_guard lock(mutex_);
      if (known_.contains(order.id)) return;  // it has ended by itself, which was reported
    }
    return report(order.id, TryUnknown{});
  }
  Probe& probe = found->second;
  if (probe.kill) return;
  probe.kill = order;
  // A poke that is out may be in the middle of something: it is over when it answers, or with its prober.
  if (probe.number == 0) return end_with_what_it_waits_for(probe, {});
  if (probe.end) return;  // it is being cancelled
  probe.stop_at = std::min(probe.stop_at, clock_.monotonic());
}

void ProberExecutor::take(Forget& order) {
  if (const auto removed = spool_.remove(order.id); !removed) log_warning("prober", removed.error().message);
}

void ProberExecutor::hear() {
  if (!link_) return;
  const auto lines = link_->exchange();
  if (!lines) return replace_prober(lines.error().message);
  for (const std::string& line : *lines) {
    auto answer = parse_poke_answer(line);
    if (!answer) return replace_prober(answer.error().message);
    start_delay_ = Duration(0);
    take_answer(std::move(*answer));
  }
}

void ProberExecutor::take_answer(PokeAnswer answer) {
  const auto out = out_.find(answer.number);
  if (out == out_.end()) return;
  const TryId id = out->second;
  out_.erase(out);
  Probe& probe = probes_.at(id);
  probe.number = 0;
  probe.is_suspect = false;
  probe.deaths_alone = 0;
  if (probe.end) return take_cancelled(probe, answer);
  if (probe.kill) return end_with_what_it_waits_for(probe, {});
  if (answer.asks && !answer.error) {
    report(id, TryAsks{.at = clock_.now(), .question = std::move(*answer.asks)});
    probe.has_asked = true;
    return wait_for_people(probe);
  }
  if (answer.has_failed && !answer.error) {
    return end(id,
               {.result = TryEnded::Result::failed, .cause = EndCause::error, .message = std::move(answer.message)});
  }
  if (answer.is_met && answer.resumes && !answer.error) {
    return end(id, {.result = TryEnded::Result::resumed,
                    .cause = EndCause::finished,
                    .message = std::move(answer.message),
                    .event = std::move(answer.event)});
  }
  if (answer.error && !is_transient(*answer.error)) {
    return end(id, {.result = TryEnded::Result::failed,
                    .cause = EndCause::error,
                    .error_kind = answer.error,
                    .message = std::move(answer.message)});
  }
  if (answer.is_met && !answer.error) {
    return end(id, {.result = TryEnded::Result::success,
                    .cause = EndCause::finished,
                    .message = std::move(answer.message),
                    .xcom = std::move(answer.xcom)});
  }
  go_on_waiting(probe, std::move(answer.message));
}

void ProberExecutor::go_on_waiting(Probe& probe, std::string message) {
  const TryId id = probe.request.try_id;
  const auto& timeout = probe.request.timeout;
  if (timeout && clock_.now() - probe.first_poke_at >= *timeout) {
    return end_by_timeout(probe, message.empty() ? "" : "last seen: " + message);
  }
  Duration due = probe.sent_at + std::max(probe.request.poke_interval, poke_interval_min);
  if (timeout) {
    // Looked at once more when the time is over, not an interval later.
    const Duration left = *timeout - std::chrono::duration_cast<Duration>(clock_.now() - probe.first_poke_at);
    due = std::min(due, clock_.monotonic() + std::max(left, poke_interval_min));
  }
  reschedule(probe, due);
  report(id, StillWaiting{.at = clock_.now(), .message = std::move(message)});
}

void ProberExecutor::end_by_timeout(Probe& probe, const std::string& seen) {
  const std::string text = "the timeout of " + format_duration(*probe.request.timeout) + " has passed";
  end_with_what_it_waits_for(probe,
                             {.result = probe.request.soft_fail ? TryEnded::Result::skipped : TryEnded::Result::failed,
                              .cause = EndCause::timeout,
                              .message = seen.empty() ? text : text + "; " + seen});
}

void ProberExecutor::wait_for_people(Probe& probe) {
  const auto& timeout = probe.request.timeout;
  if (!timeout) {
    due_.erase({probe.due, probe.request.try_id});
    return;
  }
  const Duration left = *timeout - std::chrono::duration_cast<Duration>(clock_.now() - probe.first_poke_at);
  reschedule(probe, clock_.monotonic() + std::max(left, poke_interval_min));
}

void ProberExecutor::end_with_what_it_waits_for(Probe& probe, TryEnded ended) {
  const TryId id = probe.request.try_id;  // the probe goes with its end
  if (!probe.request.is_external_job && !probe.request.deferred_state) return end(id, std::move(ended));
  probe.end = std::move(ended);
  reschedule(probe, clock_.monotonic());
}

void ProberExecutor::take_cancelled(Probe& probe, const PokeAnswer& answer) {
  if (answer.error && is_transient(*answer.error) && ++probe.cancels < cancels_max)
    return reschedule(probe, clock_.monotonic() + cancel_interval);
  const TryId id = probe.request.try_id;
  TryEnded ended = std::move(*probe.end);
  if (probe.kill) ended.message = probe.kill->message;
  if (answer.error) {
    ended.message += "; what it waited for could not be cancelled: " + answer.message;
    if (probe.kill) probe.kill->message = ended.message;
  }
  end(id, std::move(ended));
}

void ProberExecutor::reschedule(Probe& probe, Duration due) {
  due_.erase({probe.due, probe.request.try_id});
  probe.due = due;
  due_.insert({due, probe.request.try_id});
}

void ProberExecutor::act_on_deadlines() {
  const Duration now = clock_.monotonic();
  std::string hanging;
  for (const auto& [number, id] : out_) {
    Probe& probe = probes_.at(id);
    if (!probe.is_asked_to_stop && now >= probe.stop_at) {
      probe.is_asked_to_stop = true;
      probe.stop_at = now;
      link_->send(to_line(PokeStop{number}));
    } else if (probe.is_asked_to_stop && now >= probe.stop_at + options_.stop_grace) {
      hanging = to_string(probe.request.key);
    }
  }
  if (!hanging.empty()) replace_prober("the poke of " + hanging + " hangs");
}

// After a prober's death those that were out are poked one by one: only so it shows which one it dies of.
bool ProberExecutor::may_poke(const Probe& probe) const {
  if (out_.empty()) return true;
  if (probe.is_suspect) return false;
  return !probes_.at(out_.begin()->second).is_suspect;
}

void ProberExecutor::poke_what_is_due() {
  const Duration now = clock_.monotonic();
  while (!due_.empty() && static_cast<int>(out_.size()) < options_.pokes_at_once) {
    const auto [due, id] = *due_.begin();
    Probe& probe = probes_.at(id);
    if (due > now) return;
    if (probe.has_asked && !probe.end) {
      end_by_timeout(probe, "nobody has answered");
      continue;
    }
    if (!may_poke(probe) || !have_prober()) return;
    due_.erase(due_.begin());
    probe.number = ++last_number_;
    probe.sent_at = now;
    probe.stop_at = now + options_.poke_time_max;
    probe.is_asked_to_stop = false;
    out_[probe.number] = id;
    link_->send(to_line(PokeOrder{.number = probe.number,
                                  .purpose = probe.end ? PokeOrder::Purpose::cancel : PokeOrder::Purpose::look,
                                  .request = probe.request}));
  }
}

bool ProberExecutor::have_prober() {
  if (link_) return true;
  const Duration now = clock_.monotonic();
  if (now < start_again_at_) return false;
  auto link = ProberLink::start(options_.argv, options_.environment);
  start_delay_ = std::clamp(start_delay_ * 2, start_delay_min, start_delay_max);
  start_again_at_ = now + start_delay_;
  if (!link) {
    log_error("prober", link.error().message);
    return false;
  }
  link_.emplace(std::move(*link));
  return true;
}

void ProberExecutor::replace_prober(const std::string& why) {
  const ExitStatus status = link_->end();
  link_.reset();
  log_warning("prober", why + "; it has ended (" + describe(status) + ") and is started again");
  const auto out = std::exchange(out_, {});
  const Duration now = clock_.monotonic();
  for (const auto& [number, id] : out) {
    Probe& probe = probes_.at(id);
    const bool was_hanging = probe.is_asked_to_stop && now >= probe.stop_at + options_.stop_grace;
    probe.number = 0;
    if (probe.end) {
      take_cancelled(probe, {.message = "the prober died", .error = ErrorKind::unavailable});
    } else if (probe.kill) {
      end_with_what_it_waits_for(probe, {});
    } else if (was_hanging) {
      const auto lasted = std::chrono::floor<std::chrono::seconds>(now - probe.sent_at);
      go_on_waiting(probe, "the poke did not come back within " + format_duration(lasted) + " and was given up");
    } else if (out.size() == 1 && ++probe.deaths_alone >= deaths_alone_max) {
      end(id, {.result = TryEnded::Result::failed,
               .cause = EndCause::error,
               .message = "the prober died of it (" + describe(status) + ")"});
    } else {
      probe.is_suspect = true;
      reschedule(probe, now);
    }
  }
}

void ProberExecutor::end(const TryId& id, TryEnded ended) {
  Probe& probe = probes_.at(id);
  if (probe.kill) {
    ended = {.result = TryEnded::Result::failed, .cause = probe.kill->why, .message = probe.kill->message};
  }
  ended.started_at = probe.first_poke_at;
  ended.at = clock_.now();
  due_.erase({probe.due, id});
  probes_.erase(id);
  report(id, std::move(ended));
}

void ProberExecutor::report(const TryId& id, decltype(Report::what) what) {
  const std::lock_guard lock(mutex_);
  if (std::holds_alternative<TryEnded>(what)) live_.erase(id);
  reports_.push_back({.try_id = id, .what = std::move(what)});
  has_reported_ = true;
}

}  // namespace udon
