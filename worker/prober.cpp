#include "worker/prober.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "base/limits.h"
#include "base/log.h"
#include "executor/local/probe_messages.h"
#include "plugins/api/plugin_host.h"
#include "spool/spool.h"
#include "worker/task/door.h"
#include "worker/task/task_log.h"
#include "worker/task/try_context.h"

namespace udon {
namespace {

using namespace std::chrono_literals;

// A poke takes seconds; a server that doesn't answer by then is asked again at the next one.
constexpr auto door_timeout = 10s;

class ProbeContext final : public TryContext {
 public:
  ProbeContext(const TryRequest& request, const Spool& spool, const Door& door, TaskLog& log, const Clock& clock,
               std::stop_token stop)
      : TryContext(request, spool, door, log, clock, std::move(stop)) {}
  // Of the server's own log: nothing may be started here whose output could go anywhere.
  int log_descriptor() override { return STDERR_FILENO; }
};

class Prober {
 public:
  Prober(const ProberOptions& options, const Clock& clock, FileDescriptor output)
      : spool_(options.home), clock_(clock), output_(std::move(output)), plugins_(options.plugins) {
    // Never joined: a poke that hangs must not keep the process from ending.
    for (int i = 0; i < options.threads; ++i) std::thread([this] { work(); }).detach();
  }

  void take(ProberOrder order) {
    const std::lock_guard lock(mutex_);
    if (auto* poke = std::get_if<PokeOrder>(&order)) {
      stops_.emplace(poke->number, std::stop_source());
      waiting_.push_back(std::move(*poke));
      has_work_.notify_one();
    } else if (const auto found = stops_.find(std::get<PokeStop>(order).number); found != stops_.end()) {
      found->second.request_stop();
    }
  }

 private:
  [[noreturn]] void work() {
    while (true) {
      std::unique_lock lock(mutex_);
      has_work_.wait(lock, [this] { return !waiting_.empty(); });
      const PokeOrder order = std::move(waiting_.front());
      waiting_.pop_front();
      const std::stop_token stop = stops_.at(order.number).get_token();
      lock.unlock();
      PokeAnswer answer = poke(order.request, stop);
      answer.number = order.number;
      const std::string line = to_line(answer);
      lock.lock();
      stops_.erase(order.number);
      // Under the lock, so that lines stay whole. The server always listens; when it is gone, so are we.
      static_cast<void>(write_all(output_.get(), line, "the server"));
    }
  }

  PokeAnswer failed(const Error& error) const { return {.message = error.message, .error = error.kind}; }

  PokeAnswer poke(const TryRequest& request, const std::stop_token& stop) {
    auto log = TaskLog::open(spool_.log_file(request), clock_, TaskLog::Limits{});
    if (!log) return failed(log.error());
    PokeAnswer answer;
    try {
      answer = poke(request, **log, stop);
    } catch (const std::exception& exception) {
      answer = failed({ErrorKind::invalid, std::string("the sensor threw an exception: ") + exception.what()});
    } catch (...) {
      answer = failed({ErrorKind::invalid, "the sensor threw an exception"});
    }
    answer.message = (*log)->redact(answer.message);
    const std::string_view verdict = answer.error ? "error: " : answer.is_met ? "met: " : "not met: ";
    (*log)->runner_line("udon: " + std::string(verdict) + answer.message);
    (*log)->finish();
    return answer;
  }

  PokeAnswer poke(const TryRequest& request, TaskLog& log, const std::stop_token& stop) {
    const auto found = plugins_.find(request.operator_name + ".so", request.operator_name);
    if (!found) return failed(found.error());
    if (!(*found)->functions->make_sensor) {
      return failed({ErrorKind::unsupported, "operator `" + request.operator_name + "` is a " + (*found)->spec.kind +
                                                 "; the prober pokes sensors only"});
    }
    const Door door({.socket = spool_.socket(),
                     .try_id = to_string(request.try_id),
                     .token = request.token,
                     .timeout = door_timeout},
                    stop);
    ProbeContext context(request, spool_, door, log, clock_, stop);
    if (const auto completed = context.complete_parameters((*found)->spec); !completed) {
      return failed(completed.error());
    }
    auto result = (*found)->functions->make_sensor()->poke(context);
    if (!result) return failed(result.error());
    PokeAnswer answer{.is_met = result->is_met, .message = std::move(result->message)};
    if (!answer.is_met) return answer;
    answer.xcom = context.take_xcoms();
    if (!result->return_value.is_null()) answer.xcom.set("return_value", std::move(result->return_value));
    if (static_cast<int64_t>(to_json(answer.xcom).size()) > limits::xcom_bytes_max) {
      return failed({ErrorKind::data,
                     "the sensor's XComs have more than " + std::to_string(limits::xcom_bytes_max) + " bytes as JSON"});
    }
    return answer;
  }

  const Spool spool_;
  const Clock& clock_;
  const FileDescriptor output_;
  PluginHost plugins_;
  std::mutex mutex_;  // what follows
  std::condition_variable has_work_;
  std::deque<PokeOrder> waiting_;
  std::map<int64_t, std::stop_source> stops_;
};

}  // namespace

int prober_main(const ProberOptions& options, const Clock& clock) {
  signal(SIGPIPE, SIG_IGN);
  // Ctrl-C in the server's terminal is the server's: it tells us by closing the input.
  signal(SIGINT, SIG_IGN);
  // What a library prints must not get into the answers.
  const FileDescriptor input(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  FileDescriptor output(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  const auto null = open_file("/dev/null", O_RDONLY);
  if (!input || !output || !null) {
    log_error("prober", "its standard input and output are not open; it is started by the server, not by hand");
    return 1;
  }
  dup2(null->get(), STDIN_FILENO);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  // Never destroyed: its threads use it until the process ends.
  auto& prober = *new Prober(options, clock, std::move(output));
  std::string received;
  while (true) {
    char buffer[64 << 10];
    const ssize_t got = read(input.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    // Not by return: a poke may be in the middle of a library's code, which must not be torn down under it.
    if (got <= 0) _exit(0);
    received.append(buffer, static_cast<size_t>(got));
    for (size_t end = 0; (end = received.find('\n')) != received.npos; received.erase(0, end + 1)) {
      auto order = parse_prober_order(std::string_view(received).substr(0, end));
      if (!order) {
        log_error("prober", order.error().message);
        _exit(1);
      }
      prober.take(std::move(*order));
    }
  }
}

}  // namespace udon
