#include "scheduler/why.h"

#include <algorithm>
#include <climits>

#include "base/ensure.h"
#include "base/text.h"
#include "scheduler/plan.h"
#include "scheduler/upstream.h"

namespace udon {

namespace {

constexpr size_t holders_max = 20;  // enough to see who; a page of names helps nobody

std::string name_of(const TaskInstance& row) {
  return row.task_id + (row.map_index < 0 ? "" : "[" + std::to_string(row.map_index) + "]");
}

std::string count_of(int64_t count, const char* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

class Asking {
 public:
  Asking(TimePoint now, const State& state, const ActiveRun& run, int task, int map_index)
      : now_(now),
        state_(state),
        run_(run),
        task_(run.dag().tasks[static_cast<size_t>(task)]),
        index_(task),
        map_index_(run.shape->mapped_group[static_cast<size_t>(task)] < 0 ? whole : map_index),
        slot_(run.slots[static_cast<size_t>(task)]),
        dag_(*state.find_dag(run.row.dag_id)) {}

  Reason of(const TaskInstance& row) {
    me_ = &row;
    switch (row.state) {
      case TaskState::none: return undecided();
      case TaskState::scheduled: return ready();
      case TaskState::up_for_retry: return between_tries(row);
      case TaskState::queued:
      case TaskState::running:
      case TaskState::deferred:
      case TaskState::restarting: return live(row);
      case TaskState::up_for_reschedule:
      case TaskState::success:
      case TaskState::failed:
      case TaskState::skipped:
      case TaskState::upstream_failed:
      case TaskState::removed: return why_finished(row);
    }
    ENSURE(false, "a task state outside its enum");
  }

  Reason undecided() const {
    if (is_finished(run_.row.state)) {
      return {.kind = ReasonKind::finished,
              .text = "it was not started, and its run is " + std::string(to_string(run_.row.state))};
    }
    if (!state_.stopped().empty()) return stopped();
    if (run_.row.state == RunState::queued) return run_queued();
    // Its list comes anew: until then nothing is decided for one index, only for all.
    const bool awaits_list = run_.shape->mapped_group[static_cast<size_t>(index_)] >= 0 && !slot_.length;
    switch (upstream_verdict(run_, index_, awaits_list ? whole : map_index_)) {
      case TriggerVerdict::wait: return upstream();
      case TriggerVerdict::run:
        if (auto held = held_by_past(state_, run_, index_)) {
          return {.kind = ReasonKind::upstream,
                  .text = std::string("it depends on the run before: ") + *held,
                  .holders = {run_.past->run_id}};
        }
        if (task_.expand && !slot_.length && !inputs_are_done()) return upstream();
        break;
      case TriggerVerdict::skip:
      case TriggerVerdict::upstream_failed: break;
    }
    return {.kind = ReasonKind::ready, .text = "its upstream is done: the next turn decides"};
  }

 private:
  QuestionPtr question(const TaskInstance& row) const {
    const bool is_mapped = task_.expand.has_value();
    const auto position = slot_.position_of(row.map_index, is_mapped);
    return position ? run_.question_of({run_.row.number, index_, *position}) : nullptr;
  }

  Reason stopped() const {
    return {.kind = ReasonKind::dispatch_stopped, .text = "nothing is started: " + state_.stopped()};
  }

  bool inputs_are_done() const {
    return std::ranges::all_of(task_.expand->inputs, [&](const MapInput& input) {
      const auto* source = std::get_if<std::string>(&input.source);
      const int index = source == nullptr ? -1 : run_.dag().index_of(*source);
      if (index < 0) return true;
      const TaskSlot& slot = run_.slots[static_cast<size_t>(index)];
      return slot.missing() == 0 &&
             std::ranges::all_of(slot.instances, [](const TaskInstance& row) { return is_finished(row.state); });
    });
  }

  Reason run_queued() const {
    if (dag_.record.is_paused) return paused();
    if (const BackfillState* backfill = state_.backfill_of(run_.row)) return queued_in(*backfill);
    if (run_.row.run_after > now_) {
      return {.kind = ReasonKind::not_yet_due,
              .text = "its run is due at " + format_time(run_.row.run_after),
              .holders = {},
              .until = run_.row.run_after};
    }
    const int runs_max = dag_.max_active_runs;
    if (dag_.running < runs_max) return {.kind = ReasonKind::ready, .text = "its run starts with the next turn"};
    Reason reason{.kind = ReasonKind::run_queued,
                  .text = "its run waits: " + count_of(dag_.running, "run") + " of DAG `" + run_.row.dag_id +
                          "` are active, as many as max_active_runs allows"};
    for (const RunNumber number : dag_.runs) {
      const DagRun& other = state_.runs().at(number).row;
      if (other.state == RunState::running && state_.backfill_of(other) == nullptr) hold(reason, other.run_id);
    }
    return reason;
  }

  Reason queued_in(const BackfillState& backfill) const {
    const std::string name = "backfill " + std::to_string(backfill.row.number);
    if (backfill.row.is_paused) {
      return {.kind = ReasonKind::backfill_paused,
              .text = name + " is paused: `udon backfill unpause " + std::to_string(backfill.row.number) + "`"};
    }
    if (backfill.running < backfill.row.max_active_runs) {
      return {.kind = ReasonKind::ready, .text = "its run starts with the next turn"};
    }
    Reason reason{.kind = ReasonKind::run_queued,
                  .text = "its run waits: " + count_of(backfill.running, "run") + " of " + name +
                          " are active, as many as its own max_active_runs allows"};
    for (const RunNumber number : dag_.runs) {
      const DagRun& other = state_.runs().at(number).row;
      if (other.state == RunState::running && state_.backfill_of(other) == &backfill) hold(reason, other.run_id);
    }
    return reason;
  }

  Reason paused() const {
    return {.kind = ReasonKind::dag_paused,
            .text = "DAG `" + run_.row.dag_id + "` is paused: `udon dags unpause " + run_.row.dag_id + "`"};
  }

  static void hold(Reason& reason, std::string who) {
    if (reason.holders.size() < holders_max) reason.holders.push_back(std::move(who));
  }

  Reason upstream() const {
    Reason reason{.kind = ReasonKind::upstream};
    std::vector<std::string> named;
    int64_t open = 0;
    const auto waits_for = [&](const std::string& name, std::string_view how, int64_t count) {
      open += count;
      hold(reason, name);
      if (named.size() < 3) named.push_back("`" + name + "` (" + std::string(how) + ")");
    };
    for (const int index : all_before()) {
      const TaskSlot& slot = run_.slots[static_cast<size_t>(index)];
      const std::string& id = run_.dag().tasks[static_cast<size_t>(index)].task_id;
      if (map_index_ >= 0 && is_inner_edge(*run_.shape, index, index_)) {
        const TaskState there = state_at(slot, map_index_);
        if (!is_finished(there)) waits_for(id + "[" + std::to_string(map_index_) + "]", to_string(there), 1);
        continue;
      }
      for (const TaskInstance& row : slot.instances) {
        if (!is_finished(row.state)) waits_for(name_of(row), to_string(row.state), 1);
      }
      if (slot.missing() > 0) waits_for(id, "not mapped yet", slot.missing());
    }
    const auto others = open - static_cast<int64_t>(named.size());
    reason.text = "waits for " + join(named, ", ") + (others > 0 ? " and " + std::to_string(others) + " more" : "");
    if (task_.trigger_rule != TriggerRule::all_success) {
      reason.text += " (trigger rule " + std::string(to_string(task_.trigger_rule)) + ")";
    }
    if (task_.expand && !slot_.length) reason.text += "; it is mapped over what " + map_sources() + " returns";
    return reason;
  }

  // Directly before it, its setups, and what it is to be mapped over.
  std::vector<int> all_before() const {
    std::vector<int> before = task_.upstream;
    const std::vector<int>& setups = run_.shape->setups[static_cast<size_t>(index_)];
    before.insert(before.end(), setups.begin(), setups.end());
    if (!task_.expand || slot_.length) return before;
    for (const MapInput& input : task_.expand->inputs) {
      const auto* source = std::get_if<std::string>(&input.source);
      const int index = source == nullptr ? -1 : run_.dag().index_of(*source);
      if (index >= 0 && std::ranges::find(before, index) == before.end()) before.push_back(index);
    }
    return before;
  }

  std::string map_sources() const {
    std::vector<std::string> named;
    for (const MapInput& input : task_.expand->inputs)
      if (const auto* source = std::get_if<std::string>(&input.source)) named.push_back("`" + *source + "`");
    return join(named, " and ");
  }

  Reason between_tries(const TaskInstance& row) const {
    if (!state_.stopped().empty()) return stopped();
    Reason reason{.kind = ReasonKind::retry_delay, .text = {}, .holders = {}, .until = row.next_try_at};
    reason.text = "try " + std::to_string(row.try_number) + " of " + std::to_string(row.max_tries) + " failed (" +
                  (row.note.empty() ? "no reason given" : row.note) + "); the next one is due at " +
                  format_time(row.next_try_at.value_or(now_));
    return reason;
  }

  Reason live(const TaskInstance& row) const {
    const LiveTry& live = state_.tries().at(row.fence);
    const std::string where = live.hostname.empty() ? "" : " on " + live.hostname;
    if (live.becomes) {
      const bool is_anew = *live.becomes == TaskState::none;
      return {.kind = ReasonKind::ending_old_try,
              .text = live.note + ": try " + std::to_string(row.try_number) + " is being ended; then it " +
                      (is_anew ? "starts anew" : "is " + std::string(to_string(*live.becomes)))};
    }
    if (row.state == TaskState::queued) {
      return {.kind = ReasonKind::handed_out,
              .text = "handed out as try " + std::to_string(row.try_number) + "; it has not said yet that it runs"};
    }
    if (const QuestionPtr asked = question(row)) {
      Reason reason{.kind = ReasonKind::answer, .text = {}, .holders = asked->question.assignees};
      reason.text = "waits for an answer of " +
                    (asked->question.assignees.empty() ? std::string("anybody who may change runs")
                                                       : join(asked->question.assignees, ", ")) +
                    " since " + format_time(asked->asked_at) + ": " + asked->question.subject + " (" +
                    join(asked->question.options, " / ") + "): `udon tasks respond " + run_.row.dag_id + " " +
                    run_.row.run_id + " " + row.task_id +
                    (row.map_index < 0 ? "" : " --map-index " + std::to_string(row.map_index)) + " --choose …`";
      return reason;
    }
    if (row.state == TaskState::deferred) {
      const std::string saw = live.poke.empty()
                                  ? "it has not been looked at yet"
                                  : live.poke + " (seen at " + format_time(live.poked_at.value_or(now_)) + ")";
      return {.kind = ReasonKind::sensor, .text = "waits outside: " + saw};
    }
    return {.kind = ReasonKind::running,
            .text = "runs" + where + " since " + format_time(row.start_date.value_or(now_)) + ", try " +
                    std::to_string(row.try_number) + " of " + std::to_string(row.max_tries)};
  }

  Reason ready() const {
    if (!state_.stopped().empty()) return stopped();
    if (dag_.record.is_paused) return paused();
    if (task_.needs_no_try)
      return {.kind = ReasonKind::ready, .text = "the next turn ends it: there is nothing to run"};
    const ReadyGroup group = group_of(task_);
    const std::vector<int>& takers = state_.takers(group.kind, group.queue);
    if (takers.empty()) {
      return {.kind = ReasonKind::no_worker,
              .text = "no worker for the queue `" + group.queue + "`" +
                      (group.kind == TryKind::probe ? ", which is to look at sensors" : "") +
                      ": a server takes those of its setting core.queues"};
    }
    const auto pool = state_.pools().find(group.pool);
    if (pool == state_.pools().end()) return unknown_pool();
    if (const auto missing = state_.missing_connection(group)) return unknown_connection(*missing);
    const bool takes_slots = group.kind == TryKind::process || pool->second.pool.include_deferred;
    if (takes_slots && pool->second.free() < group.pool_slots) return full_pool(pool->second);
    if (group.kind == TryKind::process) {
      if (run_.occupying >= run_.dag().max_active_tasks) return max_active_tasks();
      if (state_.processes() >= state_.parallelism()) {
        return {.kind = ReasonKind::parallelism,
                .text = count_of(state_.processes(), "task instance") +
                        " run over all DAGs, as many as parallelism allows"};
      }
    }
    if (auto reason = max_active_tis()) return *reason;
    if (std::ranges::none_of(takers, [&](int e) { return state_.executors()[static_cast<size_t>(e)].free > 0; })) {
      std::vector<std::string> names;
      for (const int e : takers) names.push_back(state_.executors()[static_cast<size_t>(e)].name);
      return {.kind = ReasonKind::parallelism,
              .text = "every worker of queue `" + group.queue + "` is busy (" + join(names, ", ") + ")"};
    }
    const auto keeps = takes_slots ? kept() : std::nullopt;
    if (keeps && !is_me(keeps->holder)) return kept_pool(pool->second, *keeps);
    return {.kind = ReasonKind::ready, .text = "the next turn starts it"};
  }

  std::optional<KeptPool> kept() const {
    const auto all = start_ready(now_, state_, INT_MAX).kept;
    const auto found = all.find(task_.pool);
    return found == all.end() ? std::nullopt : std::optional(found->second);
  }

  bool is_me(InstanceRef at) const {
    return at.task_ref() == TaskRef{run_.row.number, index_} && &state_.instance(at) == me_;
  }

  Reason kept_pool(const PoolState& pool, const KeptPool& kept) const {
    const ActiveRun& run = state_.runs().at(kept.holder.run);
    const TaskInstance& row = run.instance(kept.holder);
    const std::string who = to_string(key_of(run, row));
    const int slots = run.dag().tasks[static_cast<size_t>(kept.holder.task)].pool_slots;
    return {.kind = ReasonKind::pool_full,
            .text = "what is free of pool `" + task_.pool + "` (" + std::to_string(pool.free()) + " of " +
                    std::to_string(pool.pool.slots) + " slots) is kept for " + who + ", which needs " +
                    std::to_string(slots) + " and waits since " + format_time(row.scheduled_at.value_or(now_)),
            .holders = {who},
            .until = kept.until};
  }

  Reason unknown_pool() const {
    std::vector<std::string> names;
    for (const auto& [name, pool] : state_.pools()) names.push_back(name);
    return {.kind = ReasonKind::pool_unknown,
            .text = "there is no pool `" + task_.pool + "`" + did_you_mean(task_.pool, names)};
  }

  Reason unknown_connection(const std::string& id) const {
    const auto& stored = state_.connections()->stored;
    const std::vector<std::string> names(stored.begin(), stored.end());
    return {.kind = ReasonKind::connection_unknown,
            .text = "there is no connection `" + id + "`" + did_you_mean(id, names) + " (`udon connections add " + id +
                    " URI`)"};
  }

  Reason full_pool(const PoolState& pool) const {
    const std::string slots = count_of(task_.pool_slots, "slot");
    Reason reason{.kind = ReasonKind::pool_full};
    if (pool.pool.slots >= 0 && task_.pool_slots > pool.pool.slots) {
      reason.text = "it needs " + slots + " of pool `" + task_.pool + "`, which has only " +
                    std::to_string(pool.pool.slots) + ": it can never start";
    } else {
      reason.text = "it needs " + slots + " of pool `" + task_.pool + "`, where " +
                    std::to_string(std::max<int64_t>(0, pool.free())) + " of " + std::to_string(pool.pool.slots) +
                    " are free";
      const auto keeps = pool.free() > 0 ? kept() : std::nullopt;
      if (keeps && is_me(keeps->holder)) reason.text += "; these are kept for it, as it has waited long";
    }
    hold_live(reason, [&](const Task& other, const LiveTry& live) {
      return other.pool == task_.pool && (live.kind == TryKind::process || pool.pool.include_deferred);
    });
    return reason;
  }

  template <class F>
  void hold_live(Reason& reason, F&& holds) const {
    for (const auto& [fence, live] : state_.tries()) {
      if (reason.holders.size() >= holders_max) return;
      const ActiveRun& run = state_.runs().at(live.at.run);
      if (holds(run.dag().tasks[static_cast<size_t>(live.at.task)], live)) {
        hold(reason, to_string(key_of(run, run.instance(live.at))));
      }
    }
  }

  Reason max_active_tasks() const {
    Reason reason{.kind = ReasonKind::max_active_tasks,
                  .text = count_of(run_.occupying, "task instance") +
                          " of this run are active, as many as "
                          "max_active_tasks of DAG `" +
                          run_.row.dag_id + "` allows"};
    hold_live(reason, [&](const Task&, const LiveTry& live) {
      return live.at.run == run_.row.number && live.kind == TryKind::process;
    });
    return reason;
  }

  std::optional<Reason> max_active_tis() const {
    const auto full = [&](int64_t live, int most, const char* name) {
      Reason reason{.kind = ReasonKind::max_active_tis,
                    .text = count_of(live, "task instance") + " of `" + task_.task_id + "` are active; " + name +
                            " is " + std::to_string(most)};
      hold_live(reason, [&](const Task& other, const LiveTry& at) {
        return other.task_id == task_.task_id && state_.runs().at(at.at.run).row.dag_id == run_.row.dag_id;
      });
      return reason;
    };
    if (task_.max_active_tis_per_dagrun && slot_.live() >= *task_.max_active_tis_per_dagrun) {
      return full(slot_.live(), *task_.max_active_tis_per_dagrun, "max_active_tis_per_dagrun");
    }
    if (!task_.max_active_tis_per_dag) return std::nullopt;
    const auto found = dag_.live_tasks.find(task_.task_id);
    const int64_t live = found == dag_.live_tasks.end() ? 0 : found->second;
    if (live < *task_.max_active_tis_per_dag) return std::nullopt;
    return full(live, *task_.max_active_tis_per_dag, "max_active_tis_per_dag");
  }

  TimePoint now_;
  const State& state_;
  const ActiveRun& run_;
  const Task& task_;
  int index_;
  int map_index_;  // of a task of a mapped group, else `whole`
  const TaskSlot& slot_;
  const DagState& dag_;
  const TaskInstance* me_ = nullptr;  // null: it is not there yet
};

}  // namespace

Reason why(TimePoint now, const State& state, InstanceRef at) {
  const ActiveRun& run = state.runs().at(at.run);
  return Asking(now, state, run, at.task, run.instance(at).map_index).of(run.instance(at));
}

std::optional<Reason> why(TimePoint now, const State& state, const TaskInstanceKey& key) {
  const ActiveRun* run = state.find_run(key.dag_id, key.run_id);
  if (run == nullptr) return std::nullopt;
  const int task = run->dag().index_of(key.task_id);
  if (task < 0) return std::nullopt;
  const TaskSlot& slot = run->slots[static_cast<size_t>(task)];
  const bool is_mapped = run->dag().tasks[static_cast<size_t>(task)].expand.has_value();
  if (const auto position = slot.position_of(key.map_index, is_mapped)) {
    return why(now, state, InstanceRef{run->row.number, task, *position});
  }
  const bool is_to_come = key.map_index < 0 ? slot.instances.empty() : slot.length && key.map_index < *slot.length;
  if (is_to_come) return Asking(now, state, *run, task, key.map_index).undecided();
  return std::nullopt;
}

Reason why_finished(const TaskInstance& instance) {
  std::string text = "it is " + std::string(to_string(instance.state));
  if (instance.end_date) text += " since " + format_time(*instance.end_date);
  if (!instance.note.empty()) text += ": " + instance.note;
  return {.kind = ReasonKind::finished, .text = std::move(text)};
}

}  // namespace udon
