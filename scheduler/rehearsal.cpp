#include "scheduler/rehearsal.h"

#include <algorithm>
#include <future>
#include <utility>
#include <variant>

#include "scheduler/loop.h"
#include "scheduler/plan.h"
#include "scheduler/state.h"
#include "scheduler/timed_executor.h"
#include "scheduler/why.h"
#include "store/memory_store.h"

namespace udon {
namespace {

constexpr int turns_without_time_max = 10'000;

class Stage {
 public:
  explicit Stage(const Rehearsal& rehearsal)
      : rehearsal_(rehearsal), clock_(rehearsal.from), executor_(rehearsal, clock_) {}

  Result<Rehearsed> play() {
    TRY(furnish());
    Loop loop(
        {.installation = "rehearsal",
         .dags_folder = "/",
         .parallelism = rehearsal_.parallelism,
         .priority_ageing = rehearsal_.priority_ageing},
        clock_, store_.reader(), store_.writer(), store_.settings(), {&executor_}, [](const TryId&) { return ""; },
        metrics_);
    TRY(loop.start());
    loop.offer(catalog());
    int turns_without_time = 0;
    while (clock_.now() < rehearsal_.to) {
      TRY_ASSIGN(const std::optional<TimePoint> wake_at, loop.turn());
      if (!loop.state().stopped().empty()) return Error{ErrorKind::io, loop.state().stopped()};
      TRY(note_waiting(loop.state()));
      TRY_ASSIGN(const bool has_cut, cut_endless(loop.state().counters().last_run));
      if (has_cut) loop.offer(catalog());
      TRY(note_answers());
      trigger(loop);
      TRY(note_runs(loop.state().counters().last_run));
      TRY(executor_.look_for_waiting([&](const Awaited& what) {
        return std::visit([&](const auto& awaited) { return look(loop.state(), awaited); }, what);
      }));
      std::optional<TimePoint> next = wake_at;
      if (!answers_.empty()) next = clock_.now();
      if (const auto report = executor_.next_report(); report && (!next || *report < *next)) next = report;
      if (!next) break;
      if (*next > clock_.now()) {
        clock_.advance(std::min(*next, rehearsal_.to) - clock_.now());
        turns_without_time = 0;
      } else if (++turns_without_time > turns_without_time_max) {
        return Error{ErrorKind::invalid, "time stands still at " + format_time(clock_.now()) +
                                             ": tries that take no time follow each other without end"};
      }
    }
    note_unmet(loop.state());
    TRY_ASSIGN(std::vector<RehearsedRun> made, runs());
    return Rehearsed{.runs = std::move(made),
                     .cut = std::move(cut_),
                     .behind = std::move(behind_),
                     .not_triggered = std::move(not_triggered_),
                     .usual_waits = executor_.take_usual()};
  }

 private:
  // Pools; and for each DAG that what was due before is done.
  Result<void> furnish() {
    for (const Pool& pool : rehearsal_.pools) TRY(store_.settings().put_pool(pool, StoreSettings::Existing::replace));
    Batch batch{.at = rehearsal_.from};
    TRY_ASSIGN(batch.epoch, store_.writer().acquire_epoch(rehearsal_.from));
    for (const DagPtr& dag : rehearsal_.dags) {
      for (size_t i = 0; i < dag->tasks.size(); ++i)
        if (dag->tasks[i].depends_on_past || dag->tasks[i].wait_for_downstream)
          past_tasks_[dag->dag_id].push_back(static_cast<int>(i));
      // With a version: it is not new, and so not paused by what its file says of new ones.
      DagRecord record{.dag_id = dag->dag_id, .file = dag->file, .version = dag->version};
      Schedule latest = dag->schedule;
      latest.catchup = false;
      const TimePoint before = rehearsal_.from - Duration(1);
      const auto due = next_due_run(latest, std::nullopt, before);
      if (due && due->run_after <= before) record.last_scheduled_logical_date = due->logical_date;
      last_before_[dag->dag_id] = record.last_scheduled_logical_date;
      batch.changes.emplace_back(PutDag{std::move(record)});
    }
    return store_.writer().commit(batch);
  }

  CatalogPtr catalog() const {
    auto snapshot = std::make_shared<CatalogSnapshot>();
    snapshot->generation = 1 + static_cast<uint64_t>(cut_.size());
    for (const DagPtr& dag : rehearsal_.dags)
      if (!cut_.contains(dag->dag_id)) snapshot->dags.emplace(dag->dag_id, dag);
    return snapshot;
  }

  // A DAG whose file is gone finishes its runs and makes no more. Counted now and then: a count costs what was made.
  Result<bool> cut_endless(RunNumber last_run) {
    if (last_run < next_count_) return false;
    next_count_ = last_run + std::max<int64_t>(1, rehearsal_.continuous_runs_max / 10);
    bool has_cut = false;
    for (const DagPtr& dag : rehearsal_.dags) {
      if (!std::holds_alternative<ContinuousSchedule>(dag->schedule.kind) || cut_.contains(dag->dag_id)) continue;
      RunFilter filter;
      filter.dag_ids = {dag->dag_id};
      TRY_ASSIGN(const Page<DagRun> made, store_.reader().runs(filter, {.limit = 1, .offset = 0}));
      if (made.total < rehearsal_.continuous_runs_max) continue;
      cut_.emplace(dag->dag_id, clock_.now());
      has_cut = true;
    }
    return has_cut;
  }

  void trigger(Loop& loop) {
    for (Triggering& asked : executor_.take_triggerings()) {
      const auto is_it = [&](const DagPtr& dag) { return dag->dag_id == asked.dag_id; };
      if (asked.is_dag_told_by_template()) {
        not_triggered_[asked.of] = "which DAG it triggers is told by a template";
      } else if (std::ranges::none_of(rehearsal_.dags, is_it)) {
        not_triggered_[asked.of] = "`" + asked.dag_id + "`, which it triggers, is not played; name it, too";
      } else {
        TriggerRun command{.dag_id = asked.dag_id, .run_id = asked.run_id};
        command.has_logical_date = false;  // two at one time would be one too many
        command.conf = std::move(asked.conf);
        command.triggered_by = "operator";
        answers_.emplace_back(asked.of, loop.enqueue(std::move(command)));
      }
    }
  }

  // Where a run is found that somebody waits for: each is looked at once.
  Result<void> note_runs(RunNumber last) {
    while (last_noted_ < last) {
      TRY_ASSIGN(const auto run, store_.reader().run_by_number(++last_noted_));
      if (!run) continue;
      by_id_[{run->dag_id, run->run_id}] = run->number;
      if (run->logical_date) by_date_[{run->dag_id, *run->logical_date}] = run->number;
    }
    return {};
  }

  Result<Look> look(const State&, const Triggering& asked) {
    TRY_ASSIGN(const auto run, store_.reader().run(asked.dag_id, asked.run_id));
    return Look{.is = !run || is_finished(run->state) ? Look::Is::over : Look::Is::waiting, .message = {}};
  }
  Result<Look> look(const State& state, const AwaitedRun& awaited) {
    const std::optional<RunNumber> number = number_of(awaited);
    if (!number) return was_before(awaited) ? Look{.is = Look::Is::over, .message = {}} : no_run_yet(awaited);
    std::map<std::string, std::vector<TaskState>> tasks;
    if (const ActiveRun* active = state.find_run(*number)) {
      for (const std::string& task_id : awaited.task_ids)
        if (const int task = active->dag().index_of(task_id); task >= 0)
          for (const TaskInstance& row : active->slots[static_cast<size_t>(task)].instances)
            tasks[task_id].push_back(row.state);
      return look_at(awaited, active->row, tasks);
    }
    // It has ended; nothing of it changes any more.
    const auto seen = ended_.find(*number);
    if (seen != ended_.end()) return look_at(awaited, seen->second.row, seen->second.tasks);
    TRY_ASSIGN(const auto run, store_.reader().run_by_number(*number));
    if (!run) return no_run_yet(awaited);
    TRY_ASSIGN(const std::vector<TaskInstance> instances, store_.reader().instances_of(*number));
    for (const TaskInstance& row : instances) tasks[row.task_id].push_back(row.state);
    const auto kept = ended_.emplace(*number, EndedRun{.row = *run, .tasks = std::move(tasks)}).first;
    return look_at(awaited, kept->second.row, kept->second.tasks);
  }
  std::optional<RunNumber> number_of(const AwaitedRun& awaited) const {
    if (awaited.logical_date) {
      const auto found = by_date_.find({awaited.dag_id, *awaited.logical_date});
      return found == by_date_.end() ? std::nullopt : std::optional(found->second);
    }
    const auto found = by_id_.find({awaited.dag_id, awaited.run_id});
    return found == by_id_.end() ? std::nullopt : std::optional(found->second);
  }
  // What was due before has been run, and has gone well.
  bool was_before(const AwaitedRun& awaited) const {
    if (!awaited.logical_date || *awaited.logical_date >= rehearsal_.from) return false;
    const auto dag = std::ranges::find(rehearsal_.dags, awaited.dag_id, [](const DagPtr& one) { return one->dag_id; });
    return dag != rehearsal_.dags.end() &&
           was_due((*dag)->schedule, *awaited.logical_date, last_before_.at(awaited.dag_id));
  }

  // Each is there after the turn that follows the question.
  Result<void> note_answers() {
    for (auto& [of, answer] : std::exchange(answers_, {}))
      if (const auto made = answer.get(); !made) not_triggered_[of] = made.error().message;
    return {};
  }

  // Why what could run does not: asked when it is first seen so.
  Result<void> note_waiting(const State& state) {
    if (state.counters().last_instance > rehearsal_.instances_max)
      return Error{ErrorKind::invalid, "more than " + std::to_string(rehearsal_.instances_max) +
                                           " task instances until " + format_time(clock_.now()) +
                                           ": name fewer DAGs, or a shorter time"};
    for (const auto& [group, runs] : state.ready())
      for (const auto& [number, tasks] : runs)
        for (const ReadyTask& entry : tasks)
          for (const int position : state.slot({number, entry.task}).ready)
            note_waiting(state, {number, entry.task, position});
    for (const auto& [dag_id, tasks] : past_tasks_)
      if (const DagState* dag = state.find_dag(dag_id))
        for (const RunNumber number : dag->runs) note_held(state, state.runs().at(number), tasks);
    return {};
  }
  void note_waiting(const State& state, InstanceRef at) {
    const TaskInstance& row = state.instance(at);
    if (waits_.contains(row.number)) return;
    Reason reason = why(clock_.now(), state, at);
    if (reason.kind == ReasonKind::ready) return;
    waits_.emplace(row.number, Wait{std::move(reason), row.scheduled_at.value_or(clock_.now())});
  }
  // By what became of the run before, and by nothing else.
  void note_held(const State& state, const ActiveRun& run, const std::vector<int>& tasks) {
    if (run.row.state != RunState::running || !run.past) return;
    for (const int task : tasks) {
      if (!held_by_past(state, run, task)) continue;
      const TaskSlot& slot = run.slots[static_cast<size_t>(task)];
      for (const int position : slot.undecided) {
        const InstanceNumber number = slot.instances[static_cast<size_t>(position)].number;
        if (waits_.contains(number)) continue;
        Reason reason = why(clock_.now(), state, InstanceRef{run.row.number, task, position});
        if (reason.holders != std::vector{run.past->run_id}) continue;
        reason.holders.clear();  // the text names it
        waits_.emplace(number, Wait{std::move(reason), clock_.now()});
      }
    }
  }

  // What has not come at the end: looked for in vain so far, or not begun for want of room.
  void note_unmet(const State& state) {
    for (const auto& [fence, live] : state.tries()) {
      const TaskInstance& row = state.instance(live.at);
      if (row.state != TaskState::deferred || live.poke.empty()) continue;
      waits_.insert_or_assign(row.number,
                              Wait{why(clock_.now(), state, live.at), row.start_date.value_or(clock_.now())});
    }
    for (const auto& [dag_id, dag] : state.dags()) {
      const auto& next = dag.record.next_run_after;
      const bool is_full = dag.running + static_cast<int>(dag.queued.size()) >= dag.max_active_runs;
      if (dag.shape && is_full && next && *next < rehearsal_.to) behind_.emplace(dag_id, *next);
    }
  }

  Result<std::vector<RehearsedRun>> runs() {
    constexpr int page = 1000;
    std::vector<RehearsedRun> all;
    RunFilter filter;
    filter.order_by = "run_after";
    for (int64_t offset = 0;; offset += page) {
      TRY_ASSIGN(const Page<DagRun> rows, store_.reader().runs(filter, {.limit = page, .offset = offset}));
      for (const DagRun& row : rows.rows) {
        RehearsedRun& run = all.emplace_back(RehearsedRun{.row = row, .tasks = {}});
        TRY_ASSIGN(const std::vector<TaskInstance> instances, store_.reader().instances_of(row.number));
        for (const TaskInstance& instance : instances) {
          RehearsedTask& task = run.tasks.emplace_back(RehearsedTask{.row = instance, .waited = {}, .waited_time = {}});
          const auto found = waits_.find(instance.number);
          if (found == waits_.end()) continue;
          const std::optional<TimePoint> until = end_of_wait(instance);
          if (until && *until <= found->second.since) continue;
          task.waited = found->second.reason;
          if (until) task.waited_time = *until - found->second.since;
        }
      }
      if (static_cast<int>(rows.rows.size()) < page) return all;
    }
  }

  // Nothing: it waits still.
  static std::optional<TimePoint> end_of_wait(const TaskInstance& row) {
    if (row.state == TaskState::deferred) return std::nullopt;
    return row.queued_at ? row.queued_at : row.end_date;
  }

  const Rehearsal& rehearsal_;
  FakeClock clock_;
  MemoryStore store_;
  Metrics metrics_;
  TimedExecutor executor_;
  struct Wait {
    Reason reason;
    TimePoint since{};
  };
  std::map<InstanceNumber, Wait> waits_;
  std::map<std::string, std::vector<int>> past_tasks_;  // by DAG: those that depend on the run before
  std::map<std::string, TimePoint> cut_, behind_;
  std::vector<std::pair<std::string, std::future<Result<CommandOutcome>>>> answers_;
  std::map<std::string, std::string> not_triggered_;
  struct EndedRun {
    DagRun row;
    std::map<std::string, std::vector<TaskState>> tasks;
  };
  std::map<RunNumber, EndedRun> ended_;  // that somebody waits for
  std::map<std::pair<std::string, std::string>, RunNumber> by_id_;
  std::map<std::pair<std::string, TimePoint>, RunNumber> by_date_;
  std::map<std::string, std::optional<TimePoint>> last_before_;  // by DAG: the logical date of what was due last
  RunNumber last_noted_ = 0;
  RunNumber next_count_ = 0;
};

}  // namespace

Result<Rehearsed> rehearse(const Rehearsal& rehearsal) { return Stage(rehearsal).play(); }

}  // namespace udon
