#include "tests/simulation/people.h"

#include <algorithm>
#include <set>

#include "scheduler/commands.h"
#include "scheduler/plan.h"

namespace udon::simulation {

namespace {
const char* const dag_ids[] = {"alpha", "beta", "gamma", "nobody"};
}

Selection People::random_selection(Random& random) {
  Selection selection;
  const auto runs = store_.reader().runs({}, {.limit = 12, .offset = 0});
  if (!runs || runs->rows.empty()) return selection;
  const DagRun& run = runs->rows[random.below(runs->rows.size())];
  selection.dag_id = run.dag_id;
  selection.run_id = run.run_id;
  const auto instances = store_.reader().instances_of(run.number);
  if (instances && !instances->empty() && !random.one_in(4)) {
    const TaskInstance& row = (*instances)[random.below(instances->size())];
    selection.tasks.emplace_back(row.task_id, random.one_in(2) ? row.map_index : -1);
  }
  if (random.one_in(40)) selection.tasks.emplace_back("no_such_task", -1);
  // Not every run has it.
  if (random.one_in(16)) selection.tasks.emplace_back("each", random.one_in(2) ? 0 : -1);
  selection.upstream = random.one_in(5);
  selection.downstream = random.one_in(3);
  selection.only_failed = random.one_in(6);
  selection.only_running = random.one_in(8);
  return selection;
}

Command People::random_command(TimePoint now) {
  const std::string dag_id = dag_ids[random_.below(4)];
  const Selection selection = random_selection(random_);
  switch (random_.below(12)) {
    case 0: return SetPaused{.dag_id = dag_id, .paused = random_.one_in(3), .user = "ada"};
    case 1:
    case 2: return ClearTasks{.selection = selection, .dry_run = random_.one_in(6), .user = "ada"};
    case 3: {
      const TaskState states[] = {TaskState::success, TaskState::failed, TaskState::skipped, TaskState::queued};
      return MarkTasks{
          .selection = selection, .state = states[random_.below(random_.one_in(9) ? 4 : 3)], .user = "ada"};
    }
    case 4: return KillTasks{.selection = selection, .user = "ada"};
    case 5: {
      const RunState states[] = {RunState::success, RunState::failed, RunState::queued, RunState::running};
      return MarkRun{
          .dag_id = selection.dag_id, .run_id = selection.run_id, .state = states[random_.below(4)], .user = "ada"};
    }
    case 6: return SetRunNote{.dag_id = selection.dag_id, .run_id = selection.run_id, .note = "seen", .user = "ada"};
    case 7: return DeleteRun{.dag_id = selection.dag_id, .run_id = selection.run_id, .user = "ada"};
    default: break;
  }
  if (others_.one_in(6)) {
    CreateAssetEvent event{.asset = others_.one_in(3) ? "made by alpha" : "outside", .user = "ada"};
    if (others_.one_in(2)) event.extra.set("rows", static_cast<int64_t>(others_.below(100)));
    if (others_.one_in(20)) event.asset = "";
    return event;
  }
  TriggerRun trigger{.dag_id = dag_id};
  trigger.user = "ada";
  trigger.triggered_by = "rest_api";
  if (random_.one_in(5)) trigger.run_id = "by_hand_" + std::to_string(random_.below(5));
  if (random_.one_in(6)) trigger.has_logical_date = false;
  if (random_.one_in(6)) trigger.logical_date = now - std::chrono::minutes(random_.below(60));
  if (random_.one_in(8)) trigger.run_after = now + std::chrono::minutes(random_.below(60));
  if (random_.one_in(6)) trigger.conf.set("size", random_.one_in(2) ? Value(5) : Value("large"));
  return trigger;
}

Command People::random_clean(TimePoint now) {
  CleanStep step{.before = now - std::chrono::minutes(chances_.below(90)), .user = "ada"};
  if (chances_.one_in(3)) step.dag_ids = {dag_ids[chances_.below(3)]};
  step.dry_run = chances_.one_in(5);
  return step;
}

// Two or three runs at once: all of them, or none. Who asks for it is asked for nothing else.
Command People::random_change_of_runs() {
  ChangeRuns several;
  std::set<std::pair<std::string, std::string>> runs;
  const std::string user = "crowd-" + std::to_string(++crowd_);
  const bool is_clear = crowds_.one_in(2);
  for (int i = 0; i < 3; ++i) {
    Selection selection = random_selection(crowds_);
    if (!runs.insert({selection.dag_id, selection.run_id}).second) continue;
    if (is_clear) {
      several.changes.emplace_back(
          ClearTasks{.selection = std::move(selection), .on_latest_version = crowds_.one_in(2), .user = user});
    } else {
      several.changes.emplace_back(
          MarkTasks{.selection = std::move(selection), .state = TaskState::success, .user = user});
    }
  }
  return several;
}

// While it is paused, that run waits.
Command People::clear_run_of(const Backfill& backfill) {
  ClearTasks clear;
  clear.user = "ada";
  RunFilter filter;
  filter.dag_ids = {backfill.dag_id};
  filter.types = {RunType::backfill};
  const auto runs = store_.reader().runs(filter, {.limit = 5, .offset = 0});
  if (runs && !runs->rows.empty()) {
    const DagRun& run = runs->rows[chances_.below(runs->rows.size())];
    clear.selection.dag_id = run.dag_id;
    clear.selection.run_id = run.run_id;
  }
  return clear;
}

Command People::random_backfill(TimePoint now) {
  const auto active = store_.reader().backfills({.only_active = true}, {.limit = 20, .offset = 0});
  if (active && !active->rows.empty() && !chances_.one_in(4)) {
    using Change = ChangeBackfill::Change;
    const Change changes[] = {Change::pause, Change::unpause, Change::cancel, Change::unpause};
    const Backfill& row = active->rows[chances_.below(active->rows.size())];
    if (row.is_paused && chances_.one_in(2)) return clear_run_of(row);
    return ChangeBackfill{.number = row.number, .change = changes[chances_.below(4)], .user = "ada"};
  }
  const ReprocessBehavior behaviors[] = {ReprocessBehavior::none, ReprocessBehavior::failed,
                                         ReprocessBehavior::completed};
  CreateBackfill create{.dag_id = dag_ids[chances_.below(chances_.one_in(10) ? 4 : 3)]};
  // Of a schedule of minutes, or of one time a day.
  const auto unit = chances_.one_in(2) ? std::chrono::minutes(10) : std::chrono::minutes(60 * 24);
  create.from = now - unit * static_cast<int>(1 + chances_.below(12));
  create.to = create.from + unit * static_cast<int>(1 + chances_.below(10));
  create.reprocess = behaviors[chances_.below(3)];
  create.runs_backwards = chances_.one_in(3);
  create.max_active_runs = 1 + static_cast<int>(chances_.below(3));
  if (chances_.one_in(8)) create.conf.set("size", chances_.one_in(2) ? Value(5) : Value("large"));
  create.dry_run = chances_.one_in(6);
  create.user = "ada";
  return create;
}

// Twice now and then: the second comes too late.
void People::answer_somebody(Loop& loop) {
  QuestionFilter filter;
  if (!answers_.one_in(4)) filter.states = {TaskState::deferred};
  const auto asked = store_.reader().questions(filter, {.limit = 8, .offset = 0});
  if (!asked || asked->rows.empty()) return;
  const QuestionRow& row = asked->rows[answers_.below(asked->rows.size())];
  AnswerQuestion answer;
  answer.key = {row.instance.dag_id, row.instance.run_id, row.instance.instance.task_id,
                row.instance.instance.map_index};
  answer.chosen = {answers_.one_in(3) ? "Reject" : "Approve"};
  if (answers_.one_in(20)) answer.chosen = {"Perhaps"};
  answer.user = answers_.one_in(2) ? "ada" : "grace";
  keep(loop.enqueue(answer), answer);
  if (!answers_.one_in(3)) return;
  answer.chosen = {"Reject"};
  keep(loop.enqueue(answer), answer);
}

void People::ask(Loop& loop, TimePoint now, Auditor&) {
  if (answers_.one_in(4)) answer_somebody(loop);
  // Only if asked for: the episodes of a seed stay what they were.
  if (asks_for_crowds_ && crowds_.one_in(8)) {
    const Command several = random_change_of_runs();
    keep(loop.enqueue(several), several);
  }
  const bool is_of_backfill = asks_for_backfills_ && chances_.one_in(4);
  Command command = is_of_backfill                               ? random_backfill(now)
                    : asks_for_backfills_ && chances_.one_in(12) ? random_clean(now)
                                                                 : random_command(now);
  // Of a DAG whose file has changed meanwhile, more often than not.
  if (auto* clear = std::get_if<ClearTasks>(&command); clear != nullptr && versions_.one_in(2)) {
    clear->on_latest_version = true;
    clear->only_new = versions_.one_in(5);
  }
  if (auto* create = std::get_if<CreateBackfill>(&command)) create->on_latest_version = versions_.one_in(2);
  keep(loop.enqueue(command), command);
}

int People::hear_answers(const State& state, Auditor& auditor) {
  int heard = 0;
  std::erase_if(open_, [&](auto& open) {
    auto& [command, answer] = open;
    if (answer.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return false;
    ++heard;
    const auto outcome = answer.get();
    if (outcome) {
      promise(state, command, *outcome, auditor);
    } else if (outcome.error().kind == ErrorKind::unavailable) {
      forget(command, auditor);
    } else if (const auto* several = std::get_if<ChangeRuns>(&command)) {
      none_has_changed(*several, auditor);
    }
    return true;
  });
  return heard;
}

// Nobody knows whether it was carried out.
void People::forget(const Command& command, Auditor& auditor) {
  if (const auto names = run_of(command)) auditor.forget_run(names->first, names->second);
  const auto* several = std::get_if<ChangeRuns>(&command);
  if (several == nullptr) return;
  for (const auto& change : several->changes) {
    const Selection selection = std::visit([](const auto& one) { return one.selection; }, change);
    auditor.forget_run(selection.dag_id, selection.run_id);
  }
}

// One of them was refused: then nothing stands in the history of any.
void People::none_has_changed(const ChangeRuns& several, Auditor& auditor) {
  const std::string user = std::visit([](const auto& one) { return one.user; }, several.changes.front());
  for (const auto& change : several.changes) {
    const Selection selection = std::visit([](const auto& one) { return one.selection; }, change);
    const auto events = store_.reader().events(selection.dag_id, selection.run_id, "", {.limit = 200, .offset = 0});
    for (const EventRecord& event : events ? events->rows : std::vector<EventRecord>{}) {
      if (event.user == user)
        auditor.complain("a change of several runs was refused, and changed run " + selection.run_id);
    }
  }
}

void People::promise(const State& state, const Command& command, const CommandOutcome& outcome, Auditor& auditor) {
  auditor.allow(outcome);
  if (const auto* trigger = std::get_if<TriggerRun>(&command)) {
    const auto there = store_.reader().run(trigger->dag_id, outcome.run->run_id);
    if (!there || !*there) auditor.complain("run " + outcome.run->run_id + " was promised and is not in the store");
    return;
  }
  if (std::holds_alternative<CreateBackfill>(command) || std::holds_alternative<ChangeBackfill>(command)) {
    const bool is_dry = std::holds_alternative<CreateBackfill>(command) && std::get<CreateBackfill>(command).dry_run;
    const auto there = store_.reader().backfill(outcome.backfill->number);
    if (!is_dry && (!there || !*there)) auditor.complain("a backfill was promised and is not in the store");
    return;
  }
  if (std::holds_alternative<AnswerQuestion>(command)) {
    const AskedQuestion& asked = *outcome.question;
    auditor.answered(asked);
    const bool fails = asked.question.fails_on_reject && is_rejection(asked.question, *asked.answer);
    for (const TaskInstanceKey& key : outcome.instances)
      auditor.expect(key, fails ? TaskState::failed : TaskState::success);
    return;
  }
  if (std::holds_alternative<ChangeRuns>(command)) {
    for (const TaskInstanceKey& key : outcome.instances) auditor.forget(key);
    return;
  }
  if (const auto* clean = std::get_if<CleanStep>(&command)) return auditor.cleaned(*clean, *outcome.cleaned);
  // Another run may come to bear its name.
  if (const auto* gone = std::get_if<DeleteRun>(&command)) return auditor.forget_run(gone->dag_id, gone->run_id);
  if (const auto names = run_of(command); names && !std::holds_alternative<SetRunNote>(command)) {
    const bool is_dry = std::holds_alternative<ClearTasks>(command) && std::get<ClearTasks>(command).dry_run;
    if (!is_dry) {
      for (const TaskInstanceKey& key : outcome.instances) auditor.forget(key);
    }
    if (!std::holds_alternative<KillTasks>(command) && !std::holds_alternative<MarkTasks>(command)) return;
    const auto* mark = std::get_if<MarkTasks>(&command);
    const ActiveRun* run = state.find_run(names->first, names->second);
    if (run == nullptr) return;
    for (const auto& [fence, live] : state.tries()) {
      if (live.at.run != run->row.number || !live.becomes) continue;
      const TaskInstanceKey key = key_of(*run, run->instance(live.at));
      if (std::ranges::find(outcome.instances, key) == outcome.instances.end()) continue;
      const TaskState wish = mark == nullptr ? TaskState::failed : mark->state;
      // Marking one well clears what had failed behind it, which may be live only as something to begin anew.
      if (*live.becomes == wish) auditor.expect(key, wish);
    }
  }
}

void People::lose_answers(Auditor& auditor) {
  for (auto& [command, answer] : open_) forget(command, auditor);
  open_.clear();
}

void People::help(const State& state, Loop& loop, Auditor&) {
  if (!open_.empty() || !state.stopped().empty()) return;
  for (const auto& [id, dag] : state.dags()) {
    if (dag.record.is_paused) {
      const SetPaused unpause{.dag_id = id, .paused = false, .user = "ada"};
      keep(loop.enqueue(unpause), unpause);
    }
  }
  for (const auto& [number, backfill] : state.backfills()) {
    if (!backfill.row.is_paused) continue;
    const ChangeBackfill unpause{.number = number, .change = ChangeBackfill::Change::unpause, .user = "ada"};
    keep(loop.enqueue(unpause), unpause);
  }
  if (!open_.empty() || !state.tries().empty() || !state.retry_timers().empty()) return;
  for (const auto& [number, run] : state.runs()) {
    for (size_t i = 0; i < run.slots.size(); ++i) {
      const TaskSlot& slot = run.slots[i];
      if (slot.undecided.empty() && !slot.instances.empty()) continue;
      if (run.row.state != RunState::running || !held_by_past(state, run, static_cast<int>(i))) continue;
      MarkTasks mark{.state = TaskState::success, .user = "ada"};
      mark.selection.dag_id = run.row.dag_id;
      mark.selection.run_id = run.row.run_id;
      mark.selection.tasks.emplace_back(run.dag().tasks[i].task_id, -1);
      keep(loop.enqueue(mark), mark);
      return;
    }
  }
}

}  // namespace udon::simulation
