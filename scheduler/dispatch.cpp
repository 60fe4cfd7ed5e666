#include "scheduler/dispatch.h"

#include <algorithm>

#include "base/limits.h"
#include "base/log.h"
#include "scheduler/context.h"

namespace udon {

namespace {

using namespace std::chrono_literals;

// How often we compare what we believe to be running with what the executors list. A report that was lost on its way
// is found by this; reports come at once otherwise.
constexpr Duration look_interval = 60s;
// The runner ends a try at its timeout, with a grace between its two signals; past this we do it ourselves.
constexpr Duration overdue_after = 4 * Duration(limits::kill_grace);

}  // namespace

Dispatcher::Dispatcher(std::string installation, std::string dags_folder,
                       std::function<std::string(const std::string&)> folder_of_bundle, const Clock& clock,
                       std::vector<Executor*> executors, std::function<std::string(const TryId&)> make_token,
                       History& history)
    : installation_(std::move(installation)),
      dags_folder_(std::move(dags_folder)),
      folder_of_bundle_(std::move(folder_of_bundle)),
      clock_(clock),
      executors_(std::move(executors)),
      make_token_(std::move(make_token)),
      history_(history),
      looked_at_(clock.monotonic()) {}

void Dispatcher::describe(State& state) const {
  std::vector<ExecutorState> executors;
  for (const Executor* executor : executors_) executors.push_back({executor->name(), executor->free_slots()});
  state.set_executors(std::move(executors));
}

std::vector<int> Dispatcher::takers(TryKind kind, const std::string& queue) const {
  std::vector<int> takers;
  for (size_t i = 0; i < executors_.size(); ++i) {
    if (executors_[i]->takes(kind, queue)) takers.push_back(static_cast<int>(i));
  }
  return takers;
}

void Dispatcher::describe_queues(State& state) const {
  for (const auto& [group, runs] : state.ready()) {
    state.set_takers(group.kind, group.queue, takers(group.kind, group.queue));
  }
}

std::vector<Received> Dispatcher::poll() {
  std::vector<Received> received = std::exchange(own_, {});
  for (size_t i = 0; i < executors_.size(); ++i) {
    for (Report& report : executors_[i]->poll()) {
      if (std::holds_alternative<TryUnknown>(report.what) && is_known_elsewhere(static_cast<int>(i), report.try_id))
        continue;
      received.push_back({static_cast<int>(i), std::move(report)});
    }
  }
  return received;
}

// After a restart we do not know who has a try: only when none of those that may have it knows it, it is unknown.
bool Dispatcher::is_known_elsewhere(int executor, const TryId& id) {
  const auto found = held_.find(id.fence);
  if (id.installation != installation_ || found == held_.end()) return false;
  Held& held = found->second;
  if (held.executor != executor) return true;  // another one has it, or is being asked
  if (held.to_ask.empty()) return false;
  held.executor = held.to_ask.front();
  held.to_ask.erase(held.to_ask.begin());
  held.is_told_to_end = false;
  executors_[static_cast<size_t>(held.executor)]->adopt(asked_.at(id.fence));
  return true;
}

TryRequest Dispatcher::request_for(const State& state, Fence fence) {
  TryRequest request = make_request(state, fence, installation_);
  const Dag& dag = state.runs().at(state.tries().at(fence).at.run).dag();
  request.dags_folder = dag.bundle.empty() || !folder_of_bundle_ ? dags_folder_ : folder_of_bundle_(dag.bundle);
  request.token = make_token_(request.try_id);
  const LiveTry& live = state.tries().at(fence);
  const ActiveRun& run = state.runs().at(live.at.run);
  const Task& task = run.dag().tasks[static_cast<size_t>(live.at.task)];
  // A sensor's time counts over all its tries. Each external job has its own.
  if (task.kind == OperatorKind::sensor && request.first_poke_at && request.try_number > 1) {
    const int retries = task.retry.retries;
    // A store that does not answer now makes the sensor's time a little longer, no more.
    if (auto first = history_.first_poke_at(run.instance(live.at), retries); first && *first) {
      request.first_poke_at = **first;
    }
  }
  return request;
}

void Dispatcher::take_over(const State& state) {
  for (const auto& [fence, live] : state.tries()) {
    if (!held_.contains(fence)) adopt(state, fence);
  }
  end_tries(state);
}

// Ended and committed before a crash, but not yet forgotten; or alive though nobody's current try. Their reports are
// stale: that ends the living and forgets the dead.
void Dispatcher::clear_up(const State& state) {
  for (Executor* executor : executors_) {
    for (const TryId& id : executor->leftovers()) {
      if (id.installation != installation_ || state.tries().contains(id.fence)) continue;
      TryRequest request;
      request.try_id = id;
      executor->adopt(request);
    }
  }
}

void Dispatcher::adopt(const State& state, Fence fence) {
  const LiveTry& live = state.tries().at(fence);
  TryRequest request = request_for(state, fence);
  Held& held = held_[fence];
  const int had_it = held.executor;
  held = {};
  // Those that take its queue first, then the others of its kind: which queues they take may have been another list
  // when it was started.
  held.to_ask = takers(live.kind, request.queue);
  for (size_t i = 0; i < executors_.size(); ++i) {
    const int executor = static_cast<int>(i);
    if (executors_[i]->is_for(live.kind) && std::ranges::find(held.to_ask, executor) == held.to_ask.end())
      held.to_ask.push_back(executor);
  }
  std::ranges::stable_partition(held.to_ask, [&](int executor) { return executor == had_it; });
  if (held.to_ask.empty()) return report(fence, TryUnknown{});
  held.executor = held.to_ask.front();
  held.to_ask.erase(held.to_ask.begin());
  set_deadline(state, fence, held);
  const TryRequest& kept = asked_[fence] = std::move(request);
  executors_[static_cast<size_t>(held.executor)]->adopt(kept);
}

void Dispatcher::hand_out(const State& state, const std::vector<Fence>& started) {
  for (const Fence fence : started) {
    if (state.tries().at(fence).executor >= 0)
      start(state, fence, state.tries().at(fence).executor);
    else
      start_waiting(state, fence);
  }
  end_tries(state);
}

// A try that was deferred just now: whoever looks after what waits takes it, one with room first.
void Dispatcher::start_waiting(const State& state, Fence fence) {
  const LiveTry& live = state.tries().at(fence);
  const Task& task = state.runs().at(live.at.run).dag().tasks[static_cast<size_t>(live.at.task)];
  std::vector<int> able = takers(live.kind, task.queue);
  for (size_t i = 0; i < executors_.size(); ++i) {
    if (executors_[i]->is_for(live.kind) && std::ranges::find(able, static_cast<int>(i)) == able.end())
      able.push_back(static_cast<int>(i));
  }
  if (able.empty()) return report(fence, TryUnknown{});
  const auto has_room = [&](int executor) { return executors_[static_cast<size_t>(executor)]->free_slots() > 0; };
  const auto found = std::ranges::find_if(able, has_room);
  start(state, fence, found == able.end() ? able.front() : *found);
}

void Dispatcher::start(const State& state, Fence fence, int executor) {
  const TryRequest request = request_for(state, fence);
  held_[fence].executor = executor;
  const Result<void> done = executors_[static_cast<size_t>(executor)]->start(request);
  if (done) return;
  report(fence, TryEnded{.result = TryEnded::Result::failed,
                         .cause = EndCause::start_failed,
                         .error_kind = done.error().kind,
                         .message = "it could not be started: " + done.error().message,
                         .started_at = {},
                         .at = clock_.now()});
}

void Dispatcher::end_tries(const State& state) {
  for (const Fence fence : state.ending()) {
    const LiveTry& live = state.tries().at(fence);
    const auto held = held_.find(fence);
    if (held == held_.end() || held->second.is_told_to_end || held->second.executor < 0) continue;
    held->second.is_told_to_end = true;
    executors_[static_cast<size_t>(held->second.executor)]->kill(id_of(fence), live.kill_cause, live.note);
  }
}

void Dispatcher::acknowledge(const Received& received) {
  const TryId& id = received.report.try_id;
  if (received.executor >= 0) executors_[static_cast<size_t>(received.executor)]->acknowledge(id);
  if (id.installation != installation_) return;
  const auto held = held_.find(id.fence);
  if (held == held_.end()) return;
  if (held->second.deadline) deadlines_.erase({*held->second.deadline, id.fence});
  held_.erase(held);
  asked_.erase(id.fence);
}

void Dispatcher::end_stray(const Received& received) {
  if (received.executor < 0) return;
  executors_[static_cast<size_t>(received.executor)]->kill(received.report.try_id, EndCause::killed,
                                                           "another try has taken its place");
}

void Dispatcher::has_started(const State& state, const Received& received) {
  const Fence fence = received.report.try_id.fence;
  const auto held = held_.find(fence);
  if (held == held_.end() || !state.tries().contains(fence)) return;
  // After a restart: it speaks while another one is being asked, whose word is not taken for it any more.
  if (received.executor >= 0 && held->second.executor != received.executor) {
    held->second.executor = received.executor;
    held->second.is_told_to_end = false;
  }
  held->second.to_ask.clear();
  asked_.erase(fence);
  if (!held->second.deadline) set_deadline(state, fence, held->second);
}

void Dispatcher::set_deadline(const State& state, Fence fence, Held& held) {
  const LiveTry& live = state.tries().at(fence);
  const ActiveRun& run = state.runs().at(live.at.run);
  const Task& task = run.dag().tasks[static_cast<size_t>(live.at.task)];
  const DeferralPtr deferral = run.deferral_of(live.at);
  std::optional<Duration> most = task.execution_timeout;
  if (live.kind == TryKind::probe) {
    most = waiting_time_of(task, deferral);
    if (most) *most += deferral ? deferral->what.poke_interval : task.poke_interval;
  } else if (most) {
    *most = std::max(*most - spent_before(run.instance(live.at), deferral), Duration(0));
  }
  if (!most) return;
  held.deadline = clock_.monotonic() + *most + overdue_after;
  deadlines_.insert({*held.deadline, fence});
}

void Dispatcher::look_after(const State& state) {
  const Duration now = clock_.monotonic();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const Fence fence = deadlines_.begin()->second;
    deadlines_.erase(deadlines_.begin());
    const auto held = held_.find(fence);
    if (held == held_.end()) continue;
    held->second.deadline.reset();
    if (!state.tries().contains(fence) || held->second.is_told_to_end) continue;
    held->second.is_told_to_end = true;
    log_warning("scheduler", "try " + to_string(id_of(fence)) + " is past its timeout and was not ended by its runner");
    executors_[static_cast<size_t>(held->second.executor)]->kill(
        id_of(fence), EndCause::timeout, "its timeout has passed, and its runner did not end it");
  }
  if (now < looked_at_ + look_interval) return;
  looked_at_ = now;
  find_lost(state);
}

void Dispatcher::find_lost(const State& state) {
  std::vector<std::set<TryId>> listed;
  for (const Executor* executor : executors_) {
    const std::vector<TryId> running = executor->running();
    listed.emplace_back(running.begin(), running.end());
  }
  for (const auto& [fence, live] : state.tries()) {
    const auto held = held_.find(fence);
    const bool is_listed = held != held_.end() && held->second.executor >= 0 &&
                           listed[static_cast<size_t>(held->second.executor)].contains(id_of(fence));
    if (is_listed) continue;
    // Not dead: not listed. Ask; the answer says which.
    if (held != held_.end() && held->second.deadline) deadlines_.erase({*held->second.deadline, fence});
    adopt(state, fence);
  }
  for (auto& [fence, held] : held_) held.is_told_to_end = false;  // said again, in case it was not heard
  end_tries(state);
}

std::optional<Duration> Dispatcher::next_look() const {
  std::optional<Duration> next;
  if (!held_.empty()) next = looked_at_ + look_interval;
  if (!deadlines_.empty() && (!next || deadlines_.begin()->first < *next)) next = deadlines_.begin()->first;
  return next;
}

}  // namespace udon
