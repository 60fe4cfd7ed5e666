#include "scheduler/backfills.h"

#include <algorithm>

#include "base/limits.h"
#include "base/text.h"
#include "scheduler/commands.h"
#include "scheduler/params.h"
#include "scheduler/versions.h"

namespace udon {

namespace {

constexpr int page_rows = 1000;
constexpr int free_names_tried_max = 1000;
constexpr const char* triggered_by = "backfill";

Error invalid(std::string message) { return {ErrorKind::invalid, std::move(message)}; }
Error conflict(std::string message) { return {ErrorKind::conflict, std::move(message)}; }

std::string name_of(BackfillNumber number) { return "backfill " + std::to_string(number); }

void note(Turn& turn, const Backfill& row, const char* event, const std::string& user, const std::string& text) {
  EventRecord record;
  record.at = turn.now();
  record.event = event;
  record.dag_id = row.dag_id;
  record.user = user;
  record.text = name_of(row.number) + text;
  turn.apply(Move(NoteEvent{std::move(record)}));
}

// What the DAG runs by, that has no dates of its own; empty: it has.
std::string without_dates(const Schedule& schedule) {
  if (has_calendar(schedule)) return "";
  if (std::holds_alternative<OnceSchedule>(schedule.kind)) return "runs once";
  if (std::holds_alternative<ContinuousSchedule>(schedule.kind)) return "runs continuously";
  return schedule.assets ? "runs when assets change" : "has no schedule";
}

std::string text_of(const Backfill& row) {
  return ": " + format_time(row.from) + " to " + format_time(row.to) + (row.runs_backwards ? ", backwards" : "") +
         ", reprocess " + std::string(to_string(row.reprocess)) + ", max_active_runs " +
         std::to_string(row.max_active_runs);
}

}  // namespace

Result<const DagState*> Backfills::find_dag(const std::string& dag_id) const {
  const DagState* dag = state_.find_dag(dag_id);
  if (dag != nullptr && dag->shape) return dag;
  if (dag != nullptr && dag->record.is_stale) {
    return Error{ErrorKind::not_found, "DAG `" + dag_id + "` has no file any more (it was " + dag->record.file + ")"};
  }
  std::vector<std::string> ids;
  for (const auto& [id, other] : state_.dags()) ids.push_back(id);
  return Error{ErrorKind::not_found, "no DAG `" + dag_id + "`" + did_you_mean(dag_id, ids)};
}

Result<void> Backfills::check(const CreateBackfill& command, const Dag& dag, TimePoint now) const {
  const std::string name = "DAG `" + dag.dag_id + "`";
  if (const std::string why = without_dates(dag.schedule); !why.empty()) {
    return invalid(name + " " + why + ": there are no dates to backfill. `udon dags trigger " + dag.dag_id +
                   " --logical-date TIME` makes a run of one");
  }
  if (command.from > command.to) {
    return invalid("the range ends at " + format_time(command.to) + ", before it begins at " +
                   format_time(command.from));
  }
  if (command.from > now) return invalid("backfill cannot be executed for future dates");
  if (command.max_active_runs < 1) return invalid("max_active_runs has to be at least 1");
  const auto past = std::ranges::find_if(dag.tasks, &Task::depends_on_past);
  if (past != dag.tasks.end() && command.runs_backwards) {
    return invalid(name + " cannot be backfilled backwards: task `" + past->task_id + "` has depends_on_past");
  }
  if (past != dag.tasks.end() && command.reprocess == ReprocessBehavior::none) {
    return invalid(name + ": task `" + past->task_id +
                   "` has depends_on_past, so dates that have a run cannot be passed over: set the reprocess behavior "
                   "to failed or completed");
  }
  return check_conf(dag, command.conf);
}

Result<std::map<TimePoint, DagRun>> Backfills::runs_there(const CreateBackfill& command) {
  std::map<TimePoint, DagRun> runs;
  RunFilter filter;
  filter.dag_ids = {command.dag_id};
  filter.logical_date_gte = command.from;
  filter.logical_date_lte = command.to;
  filter.order_by = "logical_date";
  while (true) {
    TRY_ASSIGN(const auto page, history_.reader().runs(filter, {.limit = page_rows, .offset = 0}));
    for (const DagRun& run : page.rows) runs[*run.logical_date] = run;
    if (static_cast<int>(page.rows.size()) < page_rows) break;
    filter.logical_date_gte = *page.rows.back().logical_date + Duration(1);
  }
  const DagState* dag = state_.find_dag(command.dag_id);
  for (const RunNumber number : dag->runs) {
    const DagRun& run = state_.runs().at(number).row;
    if (run.logical_date && *run.logical_date >= command.from && *run.logical_date <= command.to)
      runs[*run.logical_date] = run;
  }
  return runs;
}

Result<CommandOutcome> Backfills::create(Turn& turn, const CreateBackfill& command) {
  TRY_ASSIGN(const DagState* dag, find_dag(command.dag_id));
  const Dag& definition = *dag->shape->dag;
  TRY(check(command, definition, turn.now()));
  if (dag->backfill != 0 && !command.dry_run) {
    return conflict("there is already an active backfill of DAG `" + command.dag_id + "`: " + name_of(dag->backfill));
  }
  Backfill row;
  row.number = state_.counters().last_backfill + 1;
  row.dag_id = command.dag_id;
  row.from = command.from;
  row.to = command.to;
  row.reprocess = command.reprocess;
  row.runs_backwards = command.runs_backwards;
  row.on_latest_version = command.on_latest_version;
  row.max_active_runs = command.max_active_runs;
  row.conf = command.conf;
  row.user = command.user;
  row.created_at = row.updated_at = turn.now();

  CommandOutcome outcome;
  std::map<TimePoint, DagRun> there;
  if (command.dry_run) {
    TRY_ASSIGN(there, runs_there(command));
  }
  // No `for`: what its condition declares g++ 12 ends before the third part, which would use it.
  Backfill cursor = row;
  while (const auto due = next_date_of(cursor, definition.schedule)) {
    cursor.last_date = due->logical_date;
    if (++row.dates > limits::backfill_dates_max) {
      return invalid("the range has more than " + std::to_string(limits::backfill_dates_max) +
                     " dates; take several shorter ones");
    }
    if (!command.dry_run) continue;
    const auto run = there.find(due->logical_date);
    const bool has_run = run != there.end();
    outcome.dates.push_back(
        {.due = *due,
         .action = action_on(row.reprocess, has_run ? std::optional(run->second.state) : std::nullopt),
         .run_id = has_run ? run->second.run_id : make_run_id(RunType::backfill, due->logical_date)});
  }
  if (row.dates == 0) {
    return invalid("the schedule of DAG `" + command.dag_id + "` (" + definition.schedule_text + ") has no date from " +
                   format_time(command.from) + " to " + format_time(command.to) + " that is over");
  }
  outcome.backfill = row;
  if (command.dry_run) return outcome;
  turn.apply(Move(SetBackfill{row}));
  note(turn, row, "command", command.user, " created" + text_of(row));
  return outcome;
}

Result<CommandOutcome> Backfills::change(Turn& turn, const ChangeBackfill& command) {
  const auto found = state_.backfills().find(command.number);
  if (found == state_.backfills().end()) {
    TRY_ASSIGN(const auto there, history_.reader().backfill(command.number));
    if (!there) return Error{ErrorKind::not_found, "there is no " + name_of(command.number)};
    return conflict(name_of(command.number) + " is already completed");
  }
  SetBackfill set{found->second.row};
  Backfill& row = set.row;
  const auto answer = [&] {
    CommandOutcome outcome;
    outcome.backfill = row;
    return outcome;
  };
  switch (command.change) {
    case ChangeBackfill::Change::pause:
    case ChangeBackfill::Change::unpause: {
      const bool is_paused = command.change == ChangeBackfill::Change::pause;
      if (row.is_paused == is_paused) return answer();
      row.is_paused = is_paused;
      row.updated_at = turn.now();
      turn.apply(Move(set));
      note(turn, row, "command", command.user, is_paused ? " paused" : " unpaused");
      return answer();
    }
    case ChangeBackfill::Change::cancel: break;
  }
  std::vector<RunNumber> queued;
  for (const auto& [order, run] : found->second.queued) queued.push_back(run);
  const std::string why = name_of(row.number) + " was cancelled" + (command.user.empty() ? "" : " by " + command.user);
  for (const RunNumber run : queued) turn.apply(fail_run(turn.now(), state_, run, why, command.user));
  row.is_cancelled = true;
  row.completed_at = row.updated_at = turn.now();
  turn.apply(Move(set));
  note(turn, row, "command", command.user, " cancelled");
  return answer();
}

Result<void> Backfills::take_dates(Turn& turn, BackfillNumber number, int& dates_left) {
  const BackfillState& backfill = state_.backfills().at(number);
  const DagState& dag = *state_.find_dag(backfill.row.dag_id);
  while (dates_left > 0 && turn.moves() < limits::moves_per_turn_max &&
         backfill.active() < backfill.row.max_active_runs) {
    SetBackfill set{backfill.row};
    set.row.updated_at = turn.now();
    const auto due = next_date_of(set.row, dag.shape->dag->schedule);
    if (due) {
      --dates_left;
      TRY(take(turn, set.row, dag, *due));
      set.row.last_date = due->logical_date;
    } else {
      set.row.has_all_dates = true;
    }
    turn.apply(Move(std::move(set)));
    if (!due) return {};
  }
  return {};
}

Result<void> Backfills::take(Turn& turn, Backfill& row, const DagState& dag, const DueRun& due) {
  TRY_ASSIGN(const auto there, run_of_date(row.dag_id, due.logical_date));
  switch (action_on(row.reprocess, there ? std::optional(there->state) : std::nullopt)) {
    case BackfillAction::create: ++row.created; return make_run(turn, row, dag, due);
    case BackfillAction::clear: {
      TRY_ASSIGN(const bool is_cleared, clear_run(turn, row, *there));
      ++(is_cleared ? row.cleared : row.skipped);
      return {};
    }
    case BackfillAction::skip_existing:
    case BackfillAction::skip_active: ++row.skipped; return {};
  }
  return {};
}

Result<std::optional<DagRun>> Backfills::run_of_date(const std::string& dag_id, TimePoint logical_date) {
  for (const RunNumber number : state_.find_dag(dag_id)->runs) {
    const DagRun& run = state_.runs().at(number).row;
    if (run.logical_date == logical_date) return std::optional(run);
  }
  RunFilter filter;
  filter.dag_ids = {dag_id};
  filter.logical_date_gte = filter.logical_date_lte = logical_date;
  TRY_ASSIGN(const auto of_date, history_.reader().runs(filter, {.limit = 1, .offset = 0}));
  const bool is_free = of_date.rows.empty() || state_.is_dropped(of_date.rows[0].number);
  return is_free ? std::optional<DagRun>() : std::optional(of_date.rows[0]);
}

Result<void> Backfills::make_run(Turn& turn, const Backfill& row, const DagState& dag, const DueRun& due) {
  AddRun add{.row = {}, .shape = dag.shape, .past = {}, .user = row.user};
  DagRun& run = add.row;
  run.number = state_.counters().last_run + 1;
  run.dag_id = row.dag_id;
  run.run_id = make_run_id(RunType::backfill, due.logical_date);
  run.type = RunType::backfill;
  run.logical_date = due.logical_date;
  run.data_interval = due.interval;
  run.run_after = due.run_after;
  run.queued_at = turn.now();
  run.conf = row.conf;
  run.triggered_by = triggered_by;
  run.triggering_user = row.user;
  run.dag_version = dag.shape->dag->version;
  run.backfill = row.number;
  for (int attempt = 2;; ++attempt) {
    TRY_ASSIGN(const auto taken, history_.taken_by_another(run, state_));
    if (!taken) break;
    // Somebody has given this name to a run of another date.
    if (attempt > free_names_tried_max) return Error{ErrorKind::unavailable, taken->problem};
    run.run_id = make_run_id(RunType::backfill, due.logical_date) + "_" + std::to_string(attempt);
  }
  TRY_ASSIGN(add.past, history_.past_of(run, *add.shape, state_));
  turn.apply(Move(std::move(add)));
  return {};
}

// False: it cannot be read any more.
Result<bool> Backfills::clear_run(Turn& turn, const Backfill& row, const DagRun& there) {
  if (const auto loaded = history_.bring_into_memory(there.dag_id, there.run_id, state_); !loaded) {
    if (is_of_store(loaded.error())) return loaded.error();
    note(turn, row, "scheduler", "", " passes over " + there.run_id + ": " + loaded.error().message);
    return false;
  }
  if (row.on_latest_version) {
    const auto changed = Versions(history_, state_).change(turn, there.number, row.user);
    if (!changed && is_of_store(changed.error())) return changed.error();
    if (!changed) {
      note(turn, row, "scheduler", "", " passes over " + there.run_id + ": " + changed.error().message);
      return false;
    }
  }
  DagRun as = state_.runs().at(there.number).row;
  as.type = RunType::backfill;
  as.backfill = row.number;
  as.triggered_by = triggered_by;
  as.triggering_user = row.user;
  if (row.conf.size() > 0) as.conf = row.conf;
  turn.apply(clear_all(turn.now(), state_, there.number, std::move(as), row.user));
  return true;
}

}  // namespace udon
