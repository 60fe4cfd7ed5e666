#include "worker/prober.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "base/limits.h"
#include "base/log.h"
#include "base/pidfd.h"
#include "base/text.h"
#include "executor/local/probe_messages.h"
#include "plugins/api/child_process.h"
#include "plugins/api/executable_plugin.h"
#include "plugins/api/plugin_host.h"
#include "plugins/spec/foreign.h"
#include "spool/process_tree.h"
#include "spool/spool.h"
#include "worker/external_job.h"
#include "worker/task/door.h"
#include "worker/task/task_log.h"
#include "worker/task/try_context.h"

namespace udon {
namespace {

using namespace std::chrono_literals;

// A poke takes seconds; a server that doesn't answer by then is asked again at the next one.
constexpr auto door_timeout = 10s;

// A child of a poke, killed with all its group when the poke should stop: it has nothing to tidy up.
class PokeChild {
 public:
  explicit PokeChild(std::stop_token stop) : stop_(std::move(stop)) {}

  Result<pid_t> start(SpawnRequest request, const TryRequest& of) {
    // By this mark it is found should we die.
    request.environment.push_back(std::string(try_id_variable) + "=" + to_string(of.try_id));
    request.group = SpawnGroup::own_session;
    TRY_ASSIGN(const pid_t pid, spawn(request));
    TRY_ASSIGN(process_, open_process(pid));
    killer_.emplace(stop_, Kill{&process_, pid});
    return pid;
  }

 private:
  struct Kill {
    FileDescriptor* process;
    pid_t pid;
    // Only of one that was not waited for: the number may be another's else.
    void operator()() const {
      if (send_signal(*process, 0)) ::kill(-pid, SIGKILL);
    }
  };
  const std::stop_token stop_;
  FileDescriptor process_;
  std::optional<std::stop_callback<Kill>> killer_;
};

class ProbeContext final : public TryContext {
 public:
  ProbeContext(const TryRequest& request, const Spool& spool, const Door& door, TaskLog& log, const Clock& clock,
               std::stop_token stop)
      : TryContext(request, spool, door, log, clock, stop), request_(request), child_(std::move(stop)) {}
  // Of the server's own log: nothing may be started here whose output could go anywhere.
  int log_descriptor() override { return STDERR_FILENO; }
  void allow_process() { may_start_ = true; }  // a sensor that is a program
  Result<pid_t> start_process(SpawnRequest request) override {
    return may_start_ ? child_.start(std::move(request), request_) : TryContext::start_process(std::move(request));
  }

 private:
  const TryRequest& request_;
  PokeChild child_;
  bool may_start_ = false;
};

class Prober {
 public:
  Prober(const ProberOptions& options, const Clock& clock, FileDescriptor output)
      : options_(options), spool_(options.home), clock_(clock), output_(std::move(output)), plugins_(options.plugins) {
    // Never joined: a poke that hangs must not keep the process from ending.
    for (int i = 0; i < options.threads; ++i) std::thread([this] { work(); }).detach();
  }

  PokeAnswer answer_of(const PokeOrder& order, const std::stop_token& stop) {
    const bool is_foreign = !options_.program.empty() && needs_a_child(order.request.operator_name);
    PokeAnswer answer = is_foreign ? in_a_child(order, stop) : in_this_process(order, stop);
    answer.number = order.number;
    return answer;
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
      const PokeAnswer answer = answer_of(order, stop);
      const std::string line = to_line(answer);
      lock.lock();
      stops_.erase(order.number);
      // Under the lock, so that lines stay whole. The server always listens; when it is gone, so are we.
      static_cast<void>(write_all(output_.get(), line, "the server"));
    }
  }

  static PokeAnswer failed(const Error& error) { return {.message = error.message, .error = error.kind}; }

  PokeAnswer in_this_process(const PokeOrder& order, const std::stop_token& stop) {
    const TryRequest& request = order.request;
    auto log = TaskLog::open(spool_.log_file(request), clock_, TaskLog::Limits{});
    if (!log) return failed(log.error());
    PokeAnswer answer;
    try {
      answer = poke(order, **log, stop);
    } catch (const std::exception& exception) {
      answer = failed({ErrorKind::invalid, std::string("the sensor threw an exception: ") + exception.what()});
    } catch (...) {
      answer = failed({ErrorKind::invalid, "the sensor threw an exception"});
    }
    answer.message = (*log)->redact(answer.message);
    const std::string_view verdict = answer.error                                  ? "error: "
                                     : order.purpose == PokeOrder::Purpose::cancel ? "cancelled: "
                                     : answer.has_failed                           ? "failed: "
                                     : answer.asks                                 ? "asks: "
                                     : answer.is_met                               ? "met: "
                                                                                   : "not met: ";
    (*log)->runner_line("udon: " + std::string(verdict) + answer.message);
    (*log)->finish();
    return answer;
  }

  struct FoundSensor {
    OperatorSpec spec;
    std::unique_ptr<Sensor> code;
    std::unique_ptr<ExternalJob> job;  // instead
    bool is_program = false;
  };

  Result<FoundSensor> of_object(const Path& object, const std::string& name) {
    TRY_ASSIGN(const LoadedOperator* found, plugins_.find(object, name));
    const PluginOperator& functions = *found->functions;
    if (functions.make_external_job) return FoundSensor{.spec = found->spec, .job = functions.make_external_job()};
    if (!functions.make_sensor) return not_a_sensor(found->spec);
    return FoundSensor{.spec = found->spec, .code = functions.make_sensor()};
  }

  static Error not_a_sensor(const OperatorSpec& spec) {
    return {ErrorKind::unsupported,
            "operator `" + spec.name + "` is a " + spec.kind + " without a sensor: the prober cannot look for it"};
  }

  Result<FoundSensor> find(const std::string& name) {
    auto own = of_object(name + ".so", name);
    if (own || own.error().kind != ErrorKind::not_found) return own;
    TRY_ASSIGN(const PluginIndex index, read_plugin_index(options_.home));
    const ForeignPlugin* plugin = index.find(name);
    if (!plugin) return own;
    TRY(check_unchanged(*plugin));
    if (plugin->form == PluginForm::object) return of_object(plugin->file, name);
    const auto spec = std::ranges::find(plugin->operators, name, &OperatorSpec::name);
    if (spec->kind != "sensor") return not_a_sensor(*spec);
    return FoundSensor{.spec = *spec, .code = make_executable_sensor(plugin->file, *spec), .is_program = true};
  }

  // An object from outside may crash or spoil the memory: not ours, in which everybody's pokes are.
  bool needs_a_child(const std::string& name) const {
    std::error_code ignored;
    if (std::filesystem::exists(options_.plugins / (name + ".so"), ignored)) return false;
    const auto index = read_plugin_index(options_.home);
    const ForeignPlugin* plugin = index ? index->find(name) : nullptr;
    return plugin && plugin->form == PluginForm::object;
  }

  PokeAnswer in_a_child(const PokeOrder& order, const std::stop_token& stop) {
    std::string said, complaint;
    PokeChild child(stop);
    ChildProcess process(
        [&](SpawnRequest request) { return child.start(std::move(request), order.request); }, stop,
        [&](int stream, std::string_view bytes) { (stream == STDOUT_FILENO ? said : complaint) += bytes; });
    const auto ran = [&]() -> Result<ExitStatus> {
      TRY(process.start({.argv = {options_.program.string(), "prober", "--once", "--home", options_.home.string()},
                         .environment = current_environment()},
                        to_line(ProberOrder(order))));
      return process.wait();
    }();
    if (!ran) return failed(ran.error());
    if (auto answer = parse_poke_answer(trim(said)); ran->succeeded() && answer) return *answer;
    if (stop.stop_requested()) return failed({ErrorKind::timeout, "the poke took too long and was ended"});
    const std::string crash = "operator `" + order.request.operator_name + "`: its poke ended with " + describe(*ran);
    // The log is this process's again: that of the child is gone.
    if (auto log = TaskLog::open(spool_.log_file(order.request), clock_, TaskLog::Limits{})) {
      if (!complaint.empty()) (*log)->output(STDERR_FILENO, complaint);
      (*log)->runner_line("udon: error: " + crash);
      (*log)->finish();
    }
    return failed({ErrorKind::invalid, crash + "; its plugin has crashed"});
  }

  PokeAnswer poke(const PokeOrder& order, TaskLog& log, const std::stop_token& stop) {
    const TryRequest& request = order.request;
    const auto found = find(request.operator_name);
    if (!found) return failed(found.error());
    const Door door({.socket = spool_.socket(),
                     .try_id = to_string(request.try_id),
                     .token = request.token,
                     .timeout = door_timeout},
                    stop);
    ProbeContext context(request, spool_, door, log, clock_, stop);
    if (const auto completed = context.complete_parameters(found->spec); !completed) {
      return failed(completed.error());
    }
    if (found->is_program) context.allow_process();
    if (found->job) return tend_job(*found->job, context, spool_.folder(request.try_id), order.purpose);
    if (order.purpose == PokeOrder::Purpose::cancel) {
      const auto cancelled = found->code->cancel(context);
      return cancelled ? PokeAnswer{.is_met = true} : failed(cancelled.error());
    }
    auto result = found->code->poke(context);
    if (!result) return failed(result.error());
    if (result->asks) return asking(*result, context);
    if (result->is_met && result->resumes) {
      return {.is_met = true,
              .message = std::move(result->message),
              .resumes = true,
              .event = std::move(result->return_value)};
    }
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

  static PokeAnswer asking(const Sensor::Poke& poke, ProbeContext& context) {
    auto question = parse_question(*poke.asks);
    if (!question) return failed(question.error());
    question->subject = context.redact(question->subject);
    question->body = context.redact(question->body);
    return {.message = question->subject, .asks = std::move(*question)};
  }

  const ProberOptions options_;
  const Spool spool_;
  const Clock& clock_;
  const FileDescriptor output_;
  PluginHost plugins_;
  std::mutex mutex_;  // what follows
  std::condition_variable has_work_;
  std::deque<PokeOrder> waiting_;
  std::map<int64_t, std::stop_source> stops_;
};

// What a library prints must not get into the answers: they have descriptors of their own.
struct Channels {
  FileDescriptor orders;
  FileDescriptor answers;
};
std::optional<Channels> take_channels() {
  signal(SIGPIPE, SIG_IGN);
  // Ctrl-C in the server's terminal is the server's: it tells us by closing the input.
  signal(SIGINT, SIG_IGN);
  Channels channels{.orders = FileDescriptor(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)),
                    .answers = FileDescriptor(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3))};
  const auto null = open_file("/dev/null", O_RDONLY);
  if (!channels.orders || !channels.answers || !null) {
    log_error("prober", "its standard input and output are not open; it is started by the server, not by hand");
    return std::nullopt;
  }
  dup2(null->get(), STDIN_FILENO);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  return channels;
}

// Calls `take` with each line until the input is closed.
void read_orders(const FileDescriptor& input, const std::function<void(ProberOrder)>& take) {
  std::string received;
  while (true) {
    char buffer[64 << 10];
    const ssize_t got = read(input.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    received.append(buffer, static_cast<size_t>(got));
    for (size_t end = 0; (end = received.find('\n')) != received.npos; received.erase(0, end + 1)) {
      auto order = parse_prober_order(std::string_view(received).substr(0, end));
      if (!order) {
        log_error("prober", order.error().message);
        _exit(1);
      }
      take(std::move(*order));
    }
  }
}

}  // namespace

int prober_main(const ProberOptions& options, const Clock& clock) {
  auto channels = take_channels();
  if (!channels) return 1;
  // Never destroyed: its threads use it until the process ends.
  auto& prober = *new Prober(options, clock, std::move(channels->answers));
  read_orders(channels->orders, [&](ProberOrder order) { prober.take(std::move(order)); });
  // Not by return: a poke may be in the middle of a library's code, which must not be torn down under it.
  _exit(0);
}

int poke_once_main(const ProberOptions& options, const Clock& clock) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  auto channels = take_channels();
  if (!channels) return 1;
  ProberOptions alone = options;
  alone.program.clear();  // the poke is carried out here
  alone.threads = 0;
  auto& prober = *new Prober(alone, clock, {});
  read_orders(channels->orders, [&](const ProberOrder& order) {
    if (const auto* poke = std::get_if<PokeOrder>(&order))
      static_cast<void>(write_all(channels->answers.get(), to_line(prober.answer_of(*poke, {})), "the prober"));
  });
  _exit(0);
}

}  // namespace udon
