#include "tests/simulation/world.h"

#include <algorithm>
#include <future>

#include "dagfile/catalog.h"
#include "scheduler/loop.h"
#include "scheduler/plan.h"
#include "store/memory_store.h"
#include "tests/simulation/auditor.h"
#include "tests/simulation/people.h"
#include "tests/simulation/planted_store.h"
#include "tests/simulation/random_dag.h"

namespace udon::simulation {

using namespace std::chrono_literals;

namespace {

constexpr int parallelism = 4;
constexpr Duration priority_ageing = std::chrono::seconds(20);  // of what waits, much waits longer
constexpr int rest_turns_max = 30'000;
const char* const dag_ids[] = {"alpha", "beta", "gamma"};

// Now and then the day of, or before, a change of the clocks of one of the zones of random_dag.
TimePoint random_morning(Random& random) {
  const char* const mornings[] = {"2026-01-01T00:00:00Z", "2026-03-07T00:00:00Z", "2026-03-28T00:00:00Z",
                                  "2026-04-04T00:00:00Z", "2026-10-03T00:00:00Z", "2026-10-24T00:00:00Z",
                                  "2026-10-31T00:00:00Z"};
  return parse_time(mornings[random.below(std::size(mornings))]).value() + 90s + std::chrono::hours(random.below(72));
}

class World {
 public:
  explicit World(const Episode& episode)
      : episode_(episode),
        random_(episode.seed),
        clock_(random_morning(random_)),
        outside_(clock_, random_),
        planted_(store_, outside_),
        auditor_(store_, outside_, {.parallelism = parallelism, .priority_ageing = priority_ageing}),
        people_(random_, store_, episode.seed * 17 + 3, episode.has_crowds) {
    outside_.planted = episode.planted;
    outside_.complain = [this](std::string what) { auditor_.complain(std::move(what)); };
    outside_.on_begin = [this](const TryRequest& request) { auditor_.begins(request); };
    outside_.on_acknowledge = [this](const TryId& id, const Process* process) { auditor_.acknowledged(id, process); };
    outside_.step = [this] {
      if (steps_to_crash_ > 0 && --steps_to_crash_ == 0) throw Crash{};
    };
    choose_unkindness();
    planted_.commit_fault = [this] { return commit_fault(); };
    planted_.read_fault = [this] { return reads_fail_ != 0 && random_.one_in(reads_fail_); };
    put_pool("narrow", 2);
    for (const char* id : dag_ids) dags_[id] = random_dag(random_, id, ++generation_, clock_.now());
  }

  Story play() {
    live_again();
    offer();
    for (int i = 0; i < episode_.turns && !auditor_.problem(); ++i) {
      disturb();
      turn();
      send_notifications();
      pass_time();
    }
    if (!auditor_.problem()) come_to_rest();
    story_.reasons = auditor_.reasons();
    if (!auditor_.problem()) return story_;
    story_.problem = "turn " + std::to_string(story_.turns) + ": " + *auditor_.problem();
    tell_last_events();
    return story_;
  }

 private:
  void tell_last_events() {
    const auto events = store_.reader().events("", "", "", {.limit = 60, .offset = 0});
    if (!events) return;
    for (const EventRecord& event : events->rows) {
      story_.last_events += format_time(event.at) + " " + event.event + " " + event.dag_id + "/" + event.run_id + "/" +
                            event.task_id + "[" + std::to_string(event.map_index) + "] " + event.from + " → " +
                            event.to + " " + event.cause + " " + event.user + " " + event.text + "\n";
    }
  }

  void choose_unkindness() {
    const auto sometimes = [&](uint64_t once_in) { return random_.one_in(2) ? once_in : 0; };
    Unkindness& unkind = outside_.unkindness;
    unkind.slow_start = sometimes(4);
    unkind.lost_report = sometimes(15);
    unkind.doubled_report = sometimes(5);
    unkind.late_report = sometimes(6);
    unkind.refused_start = sometimes(25);
    unkind.hangs = sometimes(30);
    unkind.failures = random_.one_in(5) ? 0 : 4;
    unkind.dies = sometimes(20);
    crashes_ = sometimes(25);
    store_fails_ = sometimes(30);
    clock_jumps_ = sometimes(60);
    commands_ = 2 + random_.below(12);
  }

  PlantedStore::CommitFault commit_fault() {
    using Fault = PlantedStore::CommitFault;
    if (full_disk_turns_ > 0) return Fault::before_effect;
    if (store_fails_ == 0 || !random_.one_in(store_fails_)) return Fault::none;
    return random_.one_in(2) ? Fault::before_effect : Fault::after_effect;
  }

  void put_pool(const std::string& name, int slots) {
    Pool pool{.name = name, .slots = slots};
    pool.include_deferred = random_.one_in(3);
    if (!store_.settings().put_pool(pool, StoreSettings::Existing::replace)) auditor_.complain("put_pool");
  }

  // ---- the scheduler's lives

  void live_again() {
    for (;;) {
      loop_.reset();
      executors_.clear();
      auto queues = std::vector<std::string>{"default"};
      if (has_far_workers_) queues.push_back("far");
      executors_.push_back(std::make_unique<SimulatedExecutor>(outside_, 0, "here", TryKind::process, queues, 3));
      executors_.push_back(std::make_unique<SimulatedExecutor>(outside_, 1, "there", TryKind::process, queues, 2));
      executors_.push_back(std::make_unique<SimulatedExecutor>(outside_, 2, "prober", TryKind::probe, queues, 4));
      std::vector<Executor*> given;
      for (const auto& executor : executors_) given.push_back(executor.get());
      metrics_ = std::make_unique<Metrics>();
      loop_ = std::make_unique<Loop>(
          LoopOptions{.installation = "sim",
                      .parallelism = parallelism + (episode_.planted == Planted::wider_parallelism ? 3 : 0),
                      .priority_ageing = priority_ageing},
          clock_, planted_.reader(), planted_.writer(), planted_.settings(), given,
          [](const TryId& id) { return "token of " + to_string(id); }, *metrics_);
      auditor_.after_restart();
      try {
        if (loop_->start()) break;
      } catch (const Crash&) {
        ++story_.crashes;
      }
    }
    offer();
  }

  void die() {
    ++story_.crashes;
    if (!store_.outbox().recover(clock_.now(), "the server has died")) auditor_.complain("recover");
    outside_.scheduler_died();
    people_.lose_answers(auditor_);
    live_again();
  }

  void offer() {
    auto snapshot = std::make_shared<CatalogSnapshot>();
    snapshot->generation = ++offered_;
    for (const auto& [id, dag] : dags_) {
      if (!dag) continue;
      auditor_.know(dag);
      snapshot->dags[id] = doctored(dag, episode_.planted);
    }
    auditor_.allow_catalog_change();
    loop_->offer(snapshot);
  }

  void turn() {
    ++story_.turns;
    wake_at_.reset();
    outside_.advance();
    try {
      const auto next = loop_->turn();
      steps_to_crash_ = 0;
      if (!next) return auditor_.complain("the loop stops: " + next.error().message);
      wake_at_ = *next;
      if (wake_at_ && episode_.planted == Planted::sleeps_too_long) *wake_at_ += 1h;
    } catch (const Crash&) {
      return die();
    }
    if (full_disk_turns_ > 0) --full_disk_turns_;
    if (episode_.planted == Planted::marks_in_secret) mark_in_secret();
    outside_.advance();
    story_.commands += people_.hear_answers(loop_->state(), auditor_);
    story_.tries = loop_->state().counters().last_fence;
    if (!loop_->state().stopped().empty()) {
      ++story_.failed_commits;
      auditor_.after_restart();
      return;
    }
    auditor_.after_turn(loop_->state(), wake_at_);
  }

  void mark_in_secret() {
    MarkTasks mark{.state = TaskState::failed, .user = "mallory"};
    for (const auto& [number, run] : loop_->state().runs()) {
      for (const TaskSlot& slot : run.slots) {
        for (const TaskInstance& row : slot.instances) {
          if (row.state != TaskState::success) continue;
          mark.selection.dag_id = run.row.dag_id;
          mark.selection.run_id = run.row.run_id;
          mark.selection.tasks = {{row.task_id, row.map_index}};
        }
      }
    }
    if (!mark.selection.tasks.empty()) secret_ = loop_->enqueue(mark);
  }

  // ---- what happens to it

  void disturb() {
    if (random_.one_in(commands_)) people_.ask(*loop_, clock_.now(), auditor_);
    if (random_.one_in(60)) {
      put_pool("narrow", 1 + static_cast<int>(random_.below(3)));
      auditor_.allow_fewer_pool_slots();
      people_.keep(loop_->enqueue(PoolsChanged{}), PoolsChanged{});
    }
    if (random_.one_in(80)) {
      const char* id = dag_ids[random_.below(3)];
      dags_[id] = random_.one_in(4) ? nullptr : random_dag(random_, id, ++generation_, clock_.now());
      offer();
    }
    if (crashes_ != 0 && random_.one_in(crashes_)) steps_to_crash_ = 1 + static_cast<int>(random_.below(12));
    if (store_fails_ != 0 && random_.one_in(200)) full_disk_turns_ = 1 + static_cast<int>(random_.below(10));
    reads_fail_ = store_fails_ == 0 ? 0 : store_fails_ * 5;
    if (clock_jumps_ != 0 && random_.one_in(clock_jumps_)) {
      clock_.jump(Duration(static_cast<int64_t>(random_.below(14'400'000'000)) - 7'200'000'000));
    }
    if (random_.one_in(15)) {
      if (auto told = outside_.old_report()) {
        executors_[static_cast<size_t>(told->first)]->receive_again(std::move(told->second));
      }
    }
  }

  // The sender, on its own beside the loop. It may die with what it has sent untold, and with a restart that is
  // unknown.
  void send_notifications() {
    for (uint64_t i = postman_.below(3); i > 0; --i) {
      const auto row = store_.outbox().claim(clock_.now());
      if (!row || !*row) return;
      const Notification& taken = **row;
      const bool is_taken_in = !postman_.one_in(4);
      if (is_taken_in) auditor_.delivered(taken);
      if (postman_.one_in(10)) continue;  // its answer is lost
      const bool is_last = taken.sends > taken.notice.retries;
      const NotificationState state = is_taken_in ? NotificationState::sent
                                      : is_last   ? NotificationState::failed
                                                  : NotificationState::pending;
      const auto again = state == NotificationState::pending
                             ? std::optional(clock_.now() + resend_delay(taken.sends + 1))
                             : std::nullopt;
      for (int doubled = 0; doubled < 2; ++doubled) {
        const auto done = store_.outbox().finish(taken.number, taken.sends, state, again, clock_.now(), "");
        if (bool(done) != (doubled == 0)) return auditor_.complain("an answer counts other than once");
      }
    }
  }

  std::optional<TimePoint> next_event() const {
    std::optional<TimePoint> next = wake_at_;
    const auto consider = [&](std::optional<TimePoint> at) {
      if (at && (!next || *at < *next)) next = at;
    };
    consider(outside_.next_event());
    for (const auto& executor : executors_) consider(executor->next_report());
    return next;
  }

  void pass_time() {
    const auto next = next_event();
    Duration step = next ? *next - clock_.now() : Duration(60s);
    // Where nothing but a process without end is waited for, the calendar would leap out of its range.
    step = std::clamp(step, Duration(0), Duration(30 * 24h));
    if (random_.one_in(4)) step = Duration(random_.below(static_cast<uint64_t>(step.count()) + 1));
    if (random_.one_in(20)) step += Duration(random_.below(60'000'000));
    clock_.advance(step);
    outside_.advance();
  }

  // ---- the end

  // No faults and nobody who asks for anything: whatever there is has to come to its end.
  void come_to_rest() {
    outside_.unkindness = {};
    crashes_ = store_fails_ = clock_jumps_ = reads_fail_ = 0;
    full_disk_turns_ = steps_to_crash_ = 0;
    has_far_workers_ = true;
    for (auto& [fence, process] : outside_.processes()) {
      if (!process.is_killed) process.ends_at = std::min(process.ends_at, clock_.now() + Duration(1h));
    }
    put_pool("narrow", 100);
    put_pool("gone", 100);
    for (auto& [id, dag] : dags_) {
      if (dag) dag = without_calendar(*dag);
    }
    people_.lose_answers(auditor_);
    live_again();
    const TimePoint began = clock_.now();
    for (int i = 0; i < rest_turns_max && !auditor_.problem(); ++i) {
      turn();
      const bool waits_for_person =
          std::ranges::any_of(loop_->state().backfills(), [](const auto& entry) { return entry.second.row.is_paused; });
      const bool is_done =
          loop_->state().runs().empty() && !waits_for_person && outside_.processes().empty() && loop_->is_ready();
      if (is_done && next_event() == std::nullopt) break;
      if (is_done && clock_.now() > began + 24h) break;
      people_.help(loop_->state(), *loop_, auditor_);
      pass_time();
    }
    if (!auditor_.problem()) auditor_.at_rest(loop_->state());
  }

  Episode episode_;
  Story story_;
  Random random_;
  Random postman_{episode_.seed * 31 + 7};
  FakeClock clock_;
  MemoryStore store_;
  Outside outside_;
  PlantedStore planted_;
  Auditor auditor_;
  People people_;
  std::map<std::string, DagPtr> dags_;
  int generation_ = 0;
  uint64_t offered_ = 0;
  std::vector<std::unique_ptr<SimulatedExecutor>> executors_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<Loop> loop_;
  std::future<Result<CommandOutcome>> secret_;
  std::optional<TimePoint> wake_at_;
  bool has_far_workers_ = false;
  uint64_t crashes_ = 0, store_fails_ = 0, clock_jumps_ = 0, commands_ = 5, reads_fail_ = 0;
  int steps_to_crash_ = 0;
  int full_disk_turns_ = 0;
};

}  // namespace

Story play(const Episode& episode) { return World(episode).play(); }

}  // namespace udon::simulation
