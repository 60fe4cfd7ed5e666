#include "worker/task/task_runner.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <thread>

#include "base/limits.h"
#include "base/pipe.h"
#include "model/retry.h"
#include "worker/task/cause_of_death.h"
#include "worker/task/children.h"
#include "worker/task/door.h"
#include "worker/task/operators.h"
#include "worker/task/task_log.h"
#include "worker/task/try_context.h"

namespace udon {
namespace {

using namespace std::chrono_literals;

// A scheduler that is being restarted is waited for; an hour would only hide that it is gone.
constexpr auto server_patience = 2min;
// A full disk: the work is done, its result is worth some waiting.
constexpr auto result_patience = 10min;
// An operator that doesn't return after its children were killed is given up.
constexpr auto abandon_after = std::chrono::duration_cast<Duration>(limits::kill_grace + 2s);
// Descendants are looked at soon, as short-lived trees need it most, then ever more rarely.
constexpr Duration first_record = 50ms;
constexpr Duration record_interval_max = 2s;

// The context of a try that has a process of its own.
class ProcessContext final : public TryContext {
 public:
  ProcessContext(const TryRequest& request, const Spool& spool, const Door& door, TaskLog& log, const Clock& clock,
                 std::stop_token stop, Children& children, int log_descriptor, std::function<void()> on_start)
      : TryContext(request, spool, door, log, clock, std::move(stop)),
        children_(children),
        log_descriptor_(log_descriptor),
        on_start_(std::move(on_start)) {}

  int log_descriptor() override { return log_descriptor_; }
  Result<pid_t> start_process(SpawnRequest request) override {
    std::call_once(evidence_once_, [this] {
      kills_before_ = MemoryKills::read();
      kernel_log_.emplace();
    });
    auto pid = children_.start(std::move(request));
    if (pid) last_started_ = *pid;
    on_start_();
    return pid;
  }
  CauseOfDeath cause_of(const ExitStatus& status) const {
    return find_cause(status, last_started_, kills_before_, MemoryKills::read(),
                      kernel_log_ ? kernel_log_->read() : std::string());
  }

 private:
  Children& children_;
  const int log_descriptor_;
  const std::function<void()> on_start_;
  std::once_flag evidence_once_;
  MemoryKills kills_before_;
  std::optional<KernelLog> kernel_log_;
  pid_t last_started_ = 0;
};

// What a library says while it aborts the process (an uncaught exception in a thread of its own) is in the pipe that
// only we read: without this it would die with us.
int crash_pipe = -1;
int crash_log = -1;
void save_last_words(int) {
  // The thread that reads the pipe may have half of them in its hands: it has this long to write them down.
  constexpr int pause_ms = 200;
  poll(nullptr, 0, pause_ms);  // no clock of ours may be asked in a signal's handler
  char buffer[4096];
  ssize_t got = 0;
  while ((got = read(crash_pipe, buffer, sizeof buffer)) > 0) {
    if (write(crash_log, buffer, static_cast<size_t>(got)) < 0) break;
  }
  signal(SIGABRT, SIG_DFL);
  raise(SIGABRT);
}

void wake(const FileDescriptor& event) {
  const uint64_t one = 1;
  static_cast<void>(!write(event.get(), &one, sizeof one));
}

class TaskRunner {
 public:
  TaskRunner(const RunnerOptions& options, const Spool& spool, const TryRequest& request, TaskLog& log,
             const Clock& clock, int signals)
      : options_(options),
        spool_(spool),
        request_(request),
        log_(log),
        clock_(clock),
        signals_(signals),
        children_(spool, request.try_id, options.cgroup),
        door_({.socket = spool.socket(),
               .try_id = to_string(request.try_id),
               .token = request.token,
               .patience = server_patience,
               .tell = [&log](const std::string& text) { log.runner_line("udon: " + text); }},
              stop_.get_token()) {}

  TryEnded run() {
    if (auto ready = open_descriptors(); !ready) return start_failed(ready.error());
    auto found = find_operator(request_.operator_name, options_.plugins, options_.home);
    if (!found) return start_failed(found.error());
    operator_ = std::move(*found);
    if (!operator_.is_built_in) take_over_output();
    context_.emplace(request_, spool_, door_, log_, clock_, stop_.get_token(), children_, log_write_.get(),
                     [this] { wake(event_); });
    started_at_ = clock_.now();
    began_ = clock_.monotonic();
    std::thread worker([this] { work(); });
    supervise();
    if (!is_done_) {
      // It hangs in the operator's code. Nothing of ours may be destroyed under it; it ends with the process.
      worker.detach();
      is_abandoned_ = true;
      children_.kill_all();
      log_.runner_line("udon: the operator doesn't stop: giving it up");
      return ended_by_stop();
    }
    worker.join();
    pump();
    return ended_of();
  }
  bool is_abandoned() const { return is_abandoned_; }
  std::optional<TimePoint> started_at() const { return started_at_; }

  // False: some of them are left.
  bool end_children() {
    const auto [left, is_all_gone] = children_.end_all([this](std::chrono::milliseconds at_most) {
      pollfd watched{signals_, POLLIN, 0};
      if (poll(&watched, 1, static_cast<int>(at_most.count())) > 0) take_signals();
    });
    if (!left.empty()) log_.runner_line("udon: ended what was left running: " + log_.redact(left));
    return is_all_gone;
  }

 private:
  enum class StopCause { none, signal, timeout };

  Result<void> open_descriptors() {
    event_ = FileDescriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event_) return io_error("make", "a pipe", errno);
    TRY_ASSIGN(Pipe log, make_pipe());
    log_read_ = std::move(log.read_end);
    log_write_ = std::move(log.write_end);
    return {};
  }

  // What libraries print by themselves belongs in the task's log too, masked.
  void take_over_output() {
    dup2(log_write_.get(), STDOUT_FILENO);
    dup2(log_write_.get(), STDERR_FILENO);
    crash_pipe = log_read_.get();
    crash_log = log_.descriptor();
    signal(SIGABRT, save_last_words);
  }

  TryEnded start_failed(const Error& error) {
    return {.result = TryEnded::Result::failed,
            .cause = EndCause::start_failed,
            .error_kind = error.kind,
            .message = error.message};
  }

  // In the operator's thread.
  void work() {
    try {
      const auto completed = context_->complete_parameters(operator_.spec);
      outcome_ = completed ? operator_.code->run(*context_) : Result<Outcome>(completed.error());
    } catch (const std::exception& exception) {
      exception_ = std::string("the operator threw an exception: ") + exception.what();
    } catch (...) {
      exception_ = "the operator threw an exception";
    }
    is_done_ = true;
    wake(event_);
  }

  void supervise() {
    Duration record_interval = first_record;
    Duration next_record = began_ + first_record;
    while (!is_done_) {
      const Duration now = clock_.monotonic();
      if (stop_cause_ == StopCause::none && request_.execution_timeout && now >= last_moment()) {
        stop(StopCause::timeout);
      }
      if (stop_cause_ != StopCause::none && now - stopped_at_ >= limits::kill_grace) {
        if (!has_killed_)
          log_.runner_line("udon: not ended within " + format_duration(limits::kill_grace) + ": killing it");
        has_killed_ = true;
        children_.kill_all();
      }
      if (stop_cause_ != StopCause::none && now - stopped_at_ >= abandon_after) return;
      if (children_.has_started_any() && now >= next_record) {
        children_.reap_orphans();
        children_.record();
        next_record = now + record_interval;
        record_interval = std::min(record_interval * 2, record_interval_max);
      }
      wait(next_wait(now, next_record));
    }
  }

  Duration next_wait(Duration now, Duration next_record) const {
    Duration wait = std::chrono::minutes(1);
    const auto until = [&](Duration moment) { wait = std::min(wait, std::max(moment - now, Duration(0))); };
    if (children_.has_started_any()) until(next_record);
    if (stop_cause_ == StopCause::none) {
      if (request_.execution_timeout) until(last_moment());
    } else if (!has_killed_) {
      until(stopped_at_ + limits::kill_grace);
    } else {
      wait = std::min<Duration>(wait, 100ms);  // what is being forked may have got away from one look
    }
    return wait;
  }

  Duration last_moment() const { return began_ + *request_.execution_timeout - request_.spent_before; }

  void wait(Duration at_most) {
    pollfd watched[] = {{event_.get(), POLLIN, 0}, {signals_, POLLIN, 0}, {log_read_.get(), POLLIN, 0}};
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(at_most).count();
    if (poll(watched, std::size(watched), static_cast<int>(milliseconds)) <= 0) return;
    if (watched[0].revents != 0) {
      uint64_t count = 0;
      static_cast<void>(!read(event_.get(), &count, sizeof count));
    }
    if (watched[1].revents != 0) take_signals();
    if (watched[2].revents != 0) pump();
  }

  void take_signals() {
    signalfd_siginfo info;
    while (read(signals_, &info, sizeof info) == sizeof info) {
      if (info.ssi_signo == SIGCHLD || stop_cause_ != StopCause::none) continue;
      stop_signal_ = static_cast<int>(info.ssi_signo);
      stop(StopCause::signal);
    }
  }

  void stop(StopCause cause) {
    stop_cause_ = cause;
    stopped_at_ = clock_.monotonic();
    log_.runner_line("udon: " + ended_by_stop().message + ": asking it to stop");
    stop_.request_stop();
  }

  void pump() {
    char buffer[64 << 10];
    for (int i = 0; i < 64; ++i) {
      const ssize_t got = read(log_read_.get(), buffer, sizeof buffer);
      if (got <= 0) return;
      log_.output(0, {buffer, static_cast<size_t>(got)});
    }
  }

  TryEnded ended_by_stop() const {
    TryEnded ended{.result = TryEnded::Result::failed};
    if (stop_cause_ == StopCause::timeout) {
      ended.cause = EndCause::timeout;
      ended.message = "execution_timeout of " + format_duration(*request_.execution_timeout) + " has passed";
      if (request_.spent_before > Duration(0)) ended.message += ", what it waited for included";
    } else {
      ended.cause = EndCause::signal;
      ended.message = "stopped by SIG" + std::string(sigabbrev_np(stop_signal_));
    }
    return ended;
  }

  TryEnded ended_of() {
    if (stop_cause_ != StopCause::none) {
      TryEnded ended = ended_by_stop();
      // What it was waiting for: a server that is silent is named here. A command has nothing to add.
      if (!outcome_ && outcome_.error().message != "stopped")
        ended.message += " (" + log_.redact(outcome_.error().message) + ")";
      return ended;
    }
    TryEnded ended{.result = TryEnded::Result::failed, .cause = EndCause::error};
    if (!exception_.empty()) {
      ended.message = log_.redact(exception_);
    } else if (!outcome_) {
      ended.error_kind = outcome_.error().kind;
      ended.message = log_.redact(outcome_.error().message);
    } else if (outcome_->exit && !outcome_->exit->succeeded()) {
      CauseOfDeath death = context_->cause_of(*outcome_->exit);
      ended.cause = death.cause;
      if (death.cause == EndCause::exit_code) ended.exit_code = outcome_->exit->exit_code;
      ended.message = death.message;
      if (!outcome_->message.empty()) ended.message += " (" + log_.redact(outcome_->message) + ")";
    } else if (outcome_->defer) {
      ended.result = TryEnded::Result::deferred;
      ended.cause = EndCause::finished;
      ended.message = log_.redact(outcome_->message);
      ended.deferring = Deferring{.state = std::move(outcome_->defer->state),
                                  .poke_interval = outcome_->defer->poke_interval,
                                  .timeout = outcome_->defer->timeout};
      outcome_->return_value = Value();
      take_xcoms(ended);
    } else {
      ended.result = outcome_->skipped ? TryEnded::Result::skipped : TryEnded::Result::success;
      ended.cause = EndCause::finished;
      ended.message = log_.redact(outcome_->message);
      take_xcoms(ended);
    }
    return ended;
  }

  void take_xcoms(TryEnded& ended) {
    ended.xcom = context_->take_xcoms();
    if (!outcome_->return_value.is_null()) ended.xcom.set("return_value", std::move(outcome_->return_value));
    for (const auto& [key, value] : ended.xcom.as_map()) {
      const auto size = static_cast<int64_t>(to_json(value).size());
      if (size <= limits::xcom_bytes_max) continue;
      TryEnded too_large{.result = TryEnded::Result::failed, .cause = EndCause::error, .error_kind = ErrorKind::data};
      too_large.message = "XCom `" + key + "` has " + std::to_string(size) + " bytes as JSON; at most " +
                          std::to_string(limits::xcom_bytes_max) +
                          " are kept. Large data goes to a file, its path to the XCom";
      ended = std::move(too_large);
      return;
    }
  }

  const RunnerOptions& options_;
  const Spool& spool_;
  const TryRequest& request_;
  TaskLog& log_;
  const Clock& clock_;
  const int signals_;
  FileDescriptor event_;
  FileDescriptor log_read_;
  FileDescriptor log_write_;
  std::stop_source stop_;
  Children children_;
  Door door_;
  FoundOperator operator_;
  std::optional<ProcessContext> context_;
  std::optional<TimePoint> started_at_;
  Duration began_{0};
  StopCause stop_cause_ = StopCause::none;
  int stop_signal_ = 0;
  Duration stopped_at_{0};
  bool has_killed_ = false;
  bool is_abandoned_ = false;
  // Written by the operator's thread before is_done_.
  Result<Outcome> outcome_ = Outcome{};
  std::string exception_;
  std::atomic<bool> is_done_ = false;
};

// Asks again while the disk is full: the work is done, only its result isn't down yet.
Result<void> write_result(const Spool& spool, const TryId& id, TryEnded ended, const Clock& clock, int signals) {
  const Duration deadline = clock.monotonic() + result_patience;
  while (true) {
    auto written = spool.write_result(id, ended);
    if (written) return written;
    if (written.error().kind == ErrorKind::data) {
      ended = {.result = TryEnded::Result::failed,
               .cause = EndCause::error,
               .error_kind = ErrorKind::data,
               .message = written.error().message,
               .started_at = ended.started_at,
               .at = ended.at};
      continue;
    }
    if (clock.monotonic() >= deadline) return written;
    pollfd watched{signals, POLLIN, 0};
    if (poll(&watched, 1, 1000) > 0) {
      signalfd_siginfo info;
      if (read(signals, &info, sizeof info) == sizeof info && info.ssi_signo != SIGCHLD) return written;
    }
  }
}

std::string outcome_line(const TryEnded& ended, Duration lasted) {
  std::string line = "udon: ";
  switch (ended.result) {
    case TryEnded::Result::success: line += "success"; break;
    case TryEnded::Result::failed: line += "failed"; break;
    case TryEnded::Result::skipped: line += "skipped"; break;
    case TryEnded::Result::deferred: line += "deferred"; break;
    case TryEnded::Result::resumed: line += "resumed"; break;
  }
  line += " after " + format_duration(std::chrono::floor<std::chrono::milliseconds>(lasted));
  return ended.message.empty() ? line : line + ": " + ended.message;
}

// Where tries are left, and there will be none.
std::string final_line(const TryRequest& request, const TryEnded& ended) {
  if (ended.result != TryEnded::Result::failed || request.try_number >= request.max_tries) return {};
  RetryPolicy policy;
  policy.retry_on = request.retry_on;
  policy.no_retry_on = request.no_retry_on;
  const std::string why = why_no_retry(policy, ended);
  return why.empty() ? why : "udon: " + why;
}

std::string first_line(const TryRequest& request) {
  return "udon: try " + std::to_string(request.try_number) + " of " + std::to_string(request.max_tries) + " of " +
         to_string(request.key) + ", operator " + request.operator_name;
}

FileDescriptor take_signals_over() {
  signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&signals, number);
  // Before any thread starts, so that all have them blocked. Children start with an empty mask.
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return FileDescriptor(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

}  // namespace

int run_try(const RunnerOptions& options, const Clock& clock) {
  const auto fail = [&](const Error& error) {
    std::fprintf(stderr, "udon-task %s: %s\n", to_string(options.id).c_str(), error.message.c_str());
    return error.kind == ErrorKind::conflict ? 3 : 1;
  };
  const Spool spool(options.home);
  const FileDescriptor signals = take_signals_over();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const auto identity = identity_of(getpid());
  if (!identity) return fail(identity.error());
  // First of all: whoever comes later must find us, and only one of us may go on.
  if (const auto first = spool.write_process(options.id, {*identity, options.cgroup}); !first)
    return fail(first.error());

  TryEnded ended{.result = TryEnded::Result::failed, .cause = EndCause::start_failed};
  bool is_abandoned = false;
  const auto request = spool.read_request(options.id);
  auto log = request ? TaskLog::open(spool.log_file(*request), clock, TaskLog::Limits{})
                     : Result<std::unique_ptr<TaskLog>>(request.error());
  const Duration began = clock.monotonic();
  if (log) {
    (*log)->runner_line(first_line(*request));
    // Never destroyed: a thread that was given up may still use it.
    auto& runner = *new TaskRunner(options, spool, *request, **log, clock, signals.get());
    ended = runner.run();
    is_abandoned = runner.is_abandoned();
    const bool is_all_gone = runner.end_children() && !is_abandoned;
    ended.started_at = runner.started_at();
    static_cast<void>(is_all_gone ? spool.put_by_staging(options.id) : remove_tree(spool.staging(options.id)));
    (*log)->finish();
    (*log)->runner_line(outcome_line(ended, clock.monotonic() - began));
    if (const std::string why = final_line(*request, ended); !why.empty()) (*log)->runner_line(why);
  } else {
    ended.error_kind = log.error().kind;
    ended.message = log.error().message;
  }
  ended.at = clock.now();
  const auto written = write_result(spool, options.id, ended, clock, signals.get());
  const int exit_code = written ? 0 : fail(written.error());
  // Not by return: destructors would run under a thread that was given up, and are of no use to anybody else either.
  if (is_abandoned || exit_code == 0) _exit(exit_code);
  return exit_code;
}

}  // namespace udon
