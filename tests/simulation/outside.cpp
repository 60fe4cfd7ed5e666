#include "tests/simulation/outside.h"

#include <algorithm>

#include "model/choice.h"

namespace udon::simulation {

using namespace std::chrono_literals;

Process* Outside::find(const TryId& id) {
  const auto found = processes_.find(id.fence);
  return found == processes_.end() ? nullptr : &found->second;
}

int Outside::live_of(InstanceNumber instance) const {
  return static_cast<int>(std::ranges::count_if(processes_, [&](const auto& entry) {
    return entry.second.request.instance == instance && entry.second.phase != Process::Phase::ended;
  }));
}

void Outside::choose(const TryRequest& request, Value& xcom) {
  if (request.operator_name == "short_circuit") {
    xcom.set("return_value", random_.one_in(2));
    if (random_.one_in(3)) xcom.set(ignores_rules_key, false);
    return;
  }
  Value chosen = Value::list();
  for (const Value& id : request.parameters.get("choose").as_list()) {
    if (random_.one_in(2)) chosen.push_back(id);
  }
  if (random_.one_in(20)) chosen.push_back("nobody");
  if (chosen.size() > 0 || random_.one_in(2)) xcom.set("return_value", std::move(chosen));
}

TryEnded Outside::plan_end(const TryRequest& request) {
  TryEnded end;
  end.result = TryEnded::Result::success;
  if (happens(unkindness.failures)) {
    end.result = TryEnded::Result::failed;
    const EndCause causes[] = {EndCause::exit_code, EndCause::signal, EndCause::out_of_memory, EndCause::error,
                               EndCause::timeout};
    end.cause = causes[random_.below(5)];
    if (end.cause == EndCause::error) {
      const ErrorKind kinds[] = {ErrorKind::invalid, ErrorKind::unavailable, ErrorKind::data, ErrorKind::not_found};
      end.error_kind = kinds[random_.below(4)];
    }
    if (end.cause == EndCause::exit_code) end.exit_code = 1 + static_cast<int>(random_.below(4));
    end.message = "failed as " + std::string(to_string(end.cause));
  } else if (happens(unkindness.failures * 2)) {
    end.result = TryEnded::Result::skipped;
    end.message = "nothing to do";
  } else {
    if (request.operator_name == "branch" || request.operator_name == "short_circuit") {
      choose(request, end.xcom);
    } else {
      // A list now and then something else: other tasks may be mapped over it.
      Value::List items;
      for (uint64_t i = random_.below(4); i > 0; --i) items.emplace_back("item " + std::to_string(i));
      if (random_.one_in(12)) {
        end.xcom.set("return_value", "no list");
      } else if (!random_.one_in(12)) {
        end.xcom.set("return_value", std::move(items));
      }
    }
  }
  if (happens(unkindness.dies)) {
    end = {};
    end.cause = EndCause::lost;
    end.message = "lost: its process is gone and left no result";
  }
  return end;
}

// By chances of its own: what else happens in an episode stays what it was.
void Outside::defer_or_go_on(const TryRequest& request, TryEnded& end) {
  Random chances(static_cast<uint64_t>(request.try_id.fence) * 6151 + 3);
  if (end.result != TryEnded::Result::success || end.cause != EndCause::finished) return;
  if (request.kind == TryKind::process && request.parameters.flag("defers") && chances.one_in(2)) {
    end = {};
    end.result = TryEnded::Result::deferred;
    end.deferring = Deferring{.state = Value::Map{{"left_by", request.try_id.fence}},
                              .poke_interval = Duration(5'000'000 + chances.below(60'000'000)),
                              .timeout = {}};
    if (chances.one_in(4)) end.deferring->timeout = Duration(60'000'000 + chances.below(600'000'000));
  } else if (request.kind == TryKind::probe && request.deferred_state && chances.one_in(2)) {
    end = {};
    end.result = TryEnded::Result::resumed;
    end.event = Value::Map{{"seen_by", request.try_id.fence}};
  }
}

// Whoever looks for it, or goes on, is given what the process has left.
void Outside::check_deferral(const TryRequest& request) {
  const std::pair key(request.instance, request.try_number);
  const auto left = deferred_.find(key);
  if (request.deferred_state && (left == deferred_.end() || left->second != *request.deferred_state))
    complain("try " + to_string(request.try_id) + " is given a state that no process of it has left");
  if (request.kind == TryKind::probe && request.parameters.flag("defers") && !request.deferred_state)
    complain("try " + to_string(request.try_id) + " waits, and what for is forgotten");
  if (!request.event) return;
  const auto seen = events_.find(key);
  if (seen == events_.end() || seen->second != *request.event)
    complain("try " + to_string(request.try_id) + " is given an event that nobody has seen");
}

void Outside::begin(const TryRequest& request, int executor) {
  // Starting twice changes nothing, as long as it is the same executor that is asked.
  if (const Process* there = find(request.try_id); there != nullptr && there->executor == executor) return;
  if (instance_of_.contains(request.try_id.fence))
    return complain("try " + to_string(request.try_id) + " starts twice");
  if (on_begin) on_begin(request);
  if (const int others = live_of(request.instance); others > 0) {
    complain("task instance " + to_string(request.key) + " is started while " + std::to_string(others) +
             " of its tries live");
  }
  Process process;
  process.request = request;
  process.executor = executor;
  process.begins_at = clock_.now() + (happens(unkindness.slow_start) ? Duration(random_.below(90'000'000))
                                                                     : Duration(random_.below(3'000)));
  Duration length(random_.below(120'000'000));
  if (random_.one_in(3)) length = Duration(random_.below(50'000));
  if (happens(unkindness.hangs)) length = 400h;
  process.end = plan_end(request);
  check_deferral(request);
  defer_or_go_on(request, process.end);
  if (request.kind == TryKind::probe && request.parameters.flag("asks")) {
    Random chances(static_cast<uint64_t>(request.try_id.fence) * 12289 + 5);
    Question question{.subject = "go on?", .options = {"Approve", "Reject"}};
    if (chances.one_in(2)) question.defaults = {"Reject"};
    if (chances.one_in(2)) question.reject = "Reject";
    question.fails_on_reject = chances.one_in(2);
    process.asks = std::move(question);
    // Until its time is over; or whoever looks after it dies of it.
    length = Duration(60'000'000 + chances.below(3'600'000'000));
    process.end = {};
    process.end.cause = EndCause::timeout;
    process.end.message = "nobody has answered";
  }
  if (request.kind == TryKind::probe && request.timeout && length > *request.timeout) {
    length = *request.timeout;
    process.end = {};
    process.end.cause = EndCause::timeout;
    process.end.message = "its timeout has passed";
  }
  // The runner enforces the timeout, unless it hangs itself: then the scheduler has to.
  if (request.execution_timeout && length > *request.execution_timeout && !random_.one_in(3)) {
    length = *request.execution_timeout;
    process.end = {};
    process.end.cause = EndCause::timeout;
    process.end.message = "execution_timeout has passed";
  }
  process.ends_at = process.begins_at + length;
  process.next_poke = process.begins_at;
  instance_of_[request.try_id.fence] = request.instance;
  processes_.emplace(request.try_id.fence, std::move(process));
}

bool Outside::end(const TryId& id, EndCause why, const std::string& message) {
  Process* process = find(id);
  if (process == nullptr) return false;
  if (process->phase == Process::Phase::ended || process->is_killed) return true;
  process->is_killed = true;
  if (planted == Planted::never_ends_what_is_killed) {
    process->ends_at = TimePoint::max();
    return true;
  }
  const TimePoint dead_at = clock_.now() + Duration(random_.below(5'000'000));
  if (process->ends_at <= dead_at) return true;  // it ends by itself before the signal bites
  process->ends_at = std::max(dead_at, clock_.now());
  process->end = {};
  process->end.cause = why;
  process->end.message = message;
  return true;
}

void Outside::acknowledged(const TryId& id) {
  const Process* process = find(id);
  if (process != nullptr && process->phase != Process::Phase::ended) {
    return complain("try " + to_string(id) + " is acknowledged while it lives");
  }
  if (on_acknowledge) on_acknowledge(id, process);
  processes_.erase(id.fence);
}

void Outside::advance() {
  for (auto& [fence, process] : processes_) {
    if (process.phase == Process::Phase::starting && process.is_killed) process.begins_at = process.ends_at;
    if (process.phase == Process::Phase::starting && process.begins_at <= clock_.now()) {
      process.phase = Process::Phase::running;
      process.end.started_at = process.begins_at;
    }
    if (process.phase == Process::Phase::running && process.ends_at <= clock_.now()) {
      process.phase = Process::Phase::ended;
      process.end.at = process.ends_at;
      const std::pair key(process.request.instance, process.request.try_number);
      if (process.end.deferring) deferred_[key] = process.end.deferring->state;
      if (process.end.result == TryEnded::Result::resumed) events_[key] = process.end.event;
    }
  }
}

std::optional<TimePoint> Outside::next_event() const {
  std::optional<TimePoint> next;
  const auto consider = [&](TimePoint at) {
    if (!next || at < *next) next = at;
  };
  for (const auto& [fence, process] : processes_) {
    switch (process.phase) {
      case Process::Phase::starting: consider(process.begins_at); break;
      case Process::Phase::running:
        consider(process.ends_at);
        if (process.request.kind == TryKind::probe) consider(process.next_poke);
        break;
      case Process::Phase::ended: break;
    }
  }
  return next;
}

void Outside::scheduler_died() {
  told_ends_.clear();
  std::erase_if(processes_,
                [&](const auto& entry) { return entry.second.phase == Process::Phase::starting && random_.one_in(2); });
}

std::optional<std::pair<int, Report>> Outside::old_report() {
  if (told_.empty()) return std::nullopt;
  while (told_.size() > 200) told_.pop_front();
  return told_[random_.below(told_.size())];
}

bool SimulatedExecutor::takes(TryKind kind, const std::string& queue) const {
  return kind == kind_ && std::ranges::find(queues_, queue) != queues_.end();
}

int SimulatedExecutor::live() const {
  return static_cast<int>(std::ranges::count_if(outside_.processes_, [&](const auto& entry) {
    return entry.second.executor == index_ && entry.second.phase != Process::Phase::ended;
  }));
}

int SimulatedExecutor::started() const {
  return static_cast<int>(std::ranges::count_if(outside_.processes_, [&](const auto& entry) {
    return entry.second.executor == index_ && entry.second.phase != Process::Phase::ended &&
           !entry.second.request.deferred_state;
  }));
}

int SimulatedExecutor::free_slots() const {
  const int more = outside_.planted == Planted::takes_more_than_it_has_room_for ? 2 : 0;
  return std::max(0, slots_ + more - live());
}

Result<void> SimulatedExecutor::start(const TryRequest& request) {
  outside_.step();
  if (!takes(request.kind, request.queue)) outside_.complain("a try is handed to an executor that does not take it");
  // What is deferred has been started: somebody has to take it.
  if (!outside_.processes_.contains(request.try_id.fence) && started() >= slots_ && !request.deferred_state) {
    outside_.complain("executor " + name_ + " is given more than it has room for");
  }
  if (outside_.happens(outside_.unkindness.refused_start)) {
    return Error{ErrorKind::io, "spawn: Resource temporarily unavailable"};
  }
  outside_.begin(request, index_);
  if (outside_.planted == Planted::hands_a_try_to_two) outside_.begin(request, index_ + 1);
  held_.try_emplace(request.try_id.fence, false);
  outside_.step();
  return {};
}

void SimulatedExecutor::send(const TryId& id, decltype(Report::what) what) {
  Report report{.try_id = id, .what = std::move(what)};
  const bool is_end = std::holds_alternative<TryEnded>(report.what);
  if (is_end && outside_.planted == Planted::swaps_results && held_.size() > 1) {
    for (const auto& [fence, told] : held_) {
      if (fence != id.fence) report.try_id.fence = fence;
    }
  }
  outside_.remember(index_, report);
  if (outside_.happens(outside_.unkindness.lost_report)) return;
  Random& random = outside_.random();
  TimePoint at = outside_.clock().now();
  if (outside_.happens(outside_.unkindness.late_report)) at += Duration(random.below(200'000'000));
  coming_.emplace_back(at, report);
  if (outside_.happens(outside_.unkindness.doubled_report)) {
    coming_.emplace_back(at + Duration(random.below(100'000'000)), std::move(report));
  }
}

void SimulatedExecutor::notice() {
  for (auto at = held_.begin(); at != held_.end();) {
    const auto found = outside_.processes_.find(at->first);
    if (found == outside_.processes_.end()) {
      at = held_.erase(at);
      continue;
    }
    Process& process = found->second;
    const TryId id = process.request.try_id;
    if (process.phase != Process::Phase::starting && !at->second) {
      at->second = true;
      send(id, TryStarted{.at = process.begins_at, .hostname = "host", .pid = static_cast<int64_t>(id.fence)});
    }
    if (process.phase == Process::Phase::running && process.request.kind == TryKind::probe &&
        process.next_poke <= outside_.clock().now()) {
      process.next_poke = outside_.clock().now() + process.request.poke_interval;
      if (process.asks)
        send(id, TryAsks{.at = outside_.clock().now(), .question = *process.asks});
      else
        send(id, StillWaiting{.at = outside_.clock().now(), .message = "not yet"});
    }
    if (process.phase == Process::Phase::ended) {
      process.is_reported = true;
      send(id, process.end);
      at = held_.erase(at);
      continue;
    }
    ++at;
  }
}

std::optional<TimePoint> SimulatedExecutor::next_report() const {
  std::optional<TimePoint> next;
  for (const auto& [at, report] : coming_) {
    if (!next || at < *next) next = at;
  }
  return next;
}

std::vector<Report> SimulatedExecutor::poll() {
  outside_.step();
  notice();
  std::vector<Report> reports;
  std::erase_if(coming_, [&](auto& entry) {
    if (entry.first > outside_.clock().now()) return false;
    Report& report = reports.emplace_back(std::move(entry.second));
    if (!std::holds_alternative<TryEnded>(report.what)) return true;
    outside_.told_ends_.push_back(report.try_id);
    const bool hides =
        outside_.planted == Planted::hides_ends_of_adopted_tries && adopted_.contains(report.try_id.fence);
    if (hides) report.try_id.fence += 1'000'000;
    return true;
  });
  return reports;
}

void SimulatedExecutor::acknowledge(const TryId& id) {
  outside_.step();
  held_.erase(id.fence);
  const Process* process = outside_.find(id);
  if (process != nullptr && process->executor != index_) return;
  outside_.acknowledged(id);
}

void SimulatedExecutor::kill(const TryId& id, EndCause why, const std::string& message) {
  outside_.step();
  const Process* process = outside_.find(id);
  if (process == nullptr || process->executor != index_) return send(id, TryUnknown{});
  // What it does not hold it takes over: a stray of an earlier life.
  held_.try_emplace(id.fence, process->phase != Process::Phase::starting);
  outside_.end(id, why, message);
}

void SimulatedExecutor::adopt(const TryRequest& request) {
  outside_.step();
  const Process* process = outside_.find(request.try_id);
  const bool lies = outside_.planted == Planted::lies_that_a_try_is_unknown && outside_.random().one_in(3);
  if (process == nullptr || process->executor != index_ || lies) return send(request.try_id, TryUnknown{});
  held_[request.try_id.fence] = false;
  adopted_.insert(request.try_id.fence);
  outside_.step();
}

void SimulatedExecutor::receive_again(Report report) {
  if (outside_.planted == Planted::tells_old_ends_of_the_current_try && std::holds_alternative<TryEnded>(report.what)) {
    const auto of = outside_.instance_of_.find(report.try_id.fence);
    for (const auto& [fence, process] : outside_.processes_) {
      if (of != outside_.instance_of_.end() && process.request.instance == of->second && process.executor == index_) {
        report.try_id.fence = fence;
      }
    }
  }
  coming_.emplace_back(outside_.clock().now(), std::move(report));
}

std::vector<TryId> SimulatedExecutor::leftovers() {
  outside_.step();
  std::vector<TryId> found;
  for (const auto& [fence, process] : outside_.processes_) {
    if (process.executor == index_) found.push_back(process.request.try_id);
  }
  return found;
}

std::vector<TryId> SimulatedExecutor::running() const {
  std::vector<TryId> running;
  for (const auto& [fence, told] : held_) {
    const auto found = outside_.processes_.find(fence);
    if (found != outside_.processes_.end()) running.push_back(found->second.request.try_id);
  }
  return running;
}

}  // namespace udon::simulation
