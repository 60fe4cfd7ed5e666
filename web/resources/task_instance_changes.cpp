// Clearing, marking, killing, and why a task instance is where it is. All but the last are commands to the loop.
#include <algorithm>
#include <map>

#include "base/limits.h"
#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"
#include "web/unmapped.h"

namespace udon::web {
namespace {

// ["task", ["mapped", 3]]: a task with all its map indexes, one of them.
void read_task_ids(const std::optional<Value>& list, Selection& selection, Problems& problems) {
  if (!list) return;
  int64_t index = 0;
  for (const Value& entry : list->as_list()) {
    const bool is_pair = entry.is_list() && entry.size() == 2 && entry.as_list()[0].is_string() &&
                         entry.as_list()[1].is_int() && entry.as_list()[1].as_int() >= -1 &&
                         entry.as_list()[1].as_int() < limits::map_length_max;
    if (entry.is_string())
      selection.tasks.emplace_back(entry.as_string(), -1);
    else if (is_pair)
      selection.tasks.emplace_back(entry.as_list()[0].as_string(), static_cast<int>(entry.as_list()[1].as_int()));
    else
      problems.add("value_error", {"body", "task_ids", index},
                   "Value error, expected a task id, or a list of a task id and a map index");
    ++index;
  }
}

Response show_changed(Value::List rows) {
  const auto total = static_cast<int64_t>(rows.size());
  return json_response(200, show_list_with_cursors("task_instances", std::move(rows), total));
}

Result<Response> answer_with(World& world, RunNumber run, const CommandOutcome& outcome) {
  TRY_ASSIGN(Value::List rows, show_instances(world, run, outcome.instances));
  return show_changed(std::move(rows));
}

Result<DagRun> need_run_of(World& world, const std::string& dag_id, const std::string& run_id) {
  TRY_ASSIGN(std::optional<DagRun> run, world.reader.run(dag_id, run_id));
  if (!run) return Error{ErrorKind::not_found, "Dag Run id " + run_id + " not found in dag " + dag_id};
  return *std::move(run);
}

// The runs that a change is about: the one that is named, with those of earlier and later logical dates if so asked; or
// those between two dates.
struct RunsAsked {
  std::optional<DagRun> named;
  bool past = false;
  bool future = false;
  std::optional<TimePoint> start, end;  // inclusive

  bool is_one() const { return named && !past && !future; }
};

// Oldest first.
Result<std::vector<DagRun>> runs_of(World& world, const std::string& dag_id, const RunsAsked& asked) {
  if (asked.is_one()) return std::vector<DagRun>{*asked.named};
  RunFilter filter;
  filter.dag_ids = {dag_id};
  filter.order_by = "logical_date";
  filter.logical_date_gte = asked.start;
  filter.logical_date_lte = asked.end;
  if (asked.named) {
    if (!asked.named->logical_date)
      return Error{ErrorKind::invalid, "Cannot use include_past or include_future with no logical_date: run " +
                                           asked.named->run_id + " has none"};
    filter.logical_date_gte = filter.logical_date_lte = asked.named->logical_date;
  } else if (!filter.logical_date_gte && !filter.logical_date_lte) {
    filter.logical_date_lte = TimePoint::max();  // one without a logical date is in no range
  }
  if (asked.past) filter.logical_date_gte.reset();
  if (asked.future) filter.logical_date_lte.reset();
  TRY_ASSIGN(Page<DagRun> page, world.reader.runs(filter, {.limit = limits::runs_changed_max, .offset = 0}));
  if (page.total > limits::runs_changed_max)
    return Error{ErrorKind::invalid, "that is about " + std::to_string(page.total) + " runs; at most " +
                                         std::to_string(limits::runs_changed_max) +
                                         " are changed at once: give a start_date and an end_date"};
  std::erase_if(page.rows, [](const DagRun& run) { return !run.logical_date; });
  return std::move(page.rows);
}

// Whose tasks are meant: those of the version that a run has, or of the newest, with which it is to go on.
enum class Of { its_version, newest_version };

// What of `asked` a run has that was not named itself: its version may lack tasks, and it may have mapped fewer.
// Nothing: none of it.
Result<std::optional<Selection>> selection_in(World& world, const DagRun& run, Selection asked, Of of) {
  asked.run_id = run.run_id;
  if (asked.tasks.empty()) return std::optional(std::move(asked));
  std::string version = run.dag_version;
  if (of == Of::newest_version) {
    TRY_ASSIGN(const DagRecord dag, need_dag(world, run.dag_id));
    version = dag.version;
  }
  const DagInfoPtr info = world.dags.find(run.dag_id, version);
  std::vector<std::pair<std::string, int>> there;
  for (const auto& [task_id, map_index] : asked.tasks) {
    if (!info) continue;
    // A task, or all that lie in a task group.
    std::vector<std::string> meant;
    if (info->dag->index_of(task_id) >= 0) meant.push_back(task_id);
    for (const int task : meant.empty() ? info->dag->tasks_in(task_id) : std::vector<int>{})
      meant.push_back(info->dag->tasks[static_cast<size_t>(task)].task_id);
    if (meant.empty()) continue;
    if (map_index >= 0) {
      InstanceFilter filter;
      filter.dag_ids = {run.dag_id}, filter.run_ids = {run.run_id}, filter.task_ids = meant;
      filter.map_index = map_index;
      TRY_ASSIGN(const Page<InstanceRow> rows, world.reader.instances(filter, {.limit = 1, .offset = 0}));
      if (rows.total < std::ssize(meant)) continue;
    }
    there.emplace_back(task_id, map_index);
  }
  if (there.empty()) return std::optional<Selection>();
  asked.tasks = std::move(there);
  return std::optional(std::move(asked));
}

// All of them, or none; what has been changed, run by run.
template <class C>
Result<Value::List> change_runs(World& world, const RunsAsked& asked, const C& command, Of of) {
  const Selection& selection = command.selection;
  TRY_ASSIGN(const std::vector<DagRun> runs, runs_of(world, selection.dag_id, asked));
  Value::List rows;
  ChangeRuns several;
  for (const DagRun& run : runs) {
    C one = command;
    one.selection.run_id = run.run_id;
    if (!asked.named || run.number != asked.named->number) {
      TRY_ASSIGN(auto there, selection_in(world, run, selection, of));
      if (!there) continue;
      one.selection = *std::move(there);
    }
    several.changes.emplace_back(std::move(one));
  }
  if (runs.empty()) return rows;
  if (several.changes.empty())
    return Error{ErrorKind::not_found, "none of " + std::to_string(runs.size()) + " runs of DAG `" + selection.dag_id +
                                           "` has the task `" + selection.tasks.front().first + "`"};
  const auto one = [&] {
    return std::visit([](auto& change) { return Command(std::move(change)); }, several.changes[0]);
  };
  TRY_ASSIGN(const CommandOutcome outcome,
             world.control.submit(several.changes.size() == 1 ? one() : Command(std::move(several))));
  std::map<std::string, std::vector<TaskInstanceKey>> changed;
  for (const TaskInstanceKey& key : outcome.instances) changed[key.run_id].push_back(key);
  for (const DagRun& run : runs) {
    TRY_ASSIGN(Value::List shown, show_instances(world, run.number, changed[run.run_id]));
    for (Value& row : shown) rows.push_back(std::move(row));
  }
  return rows;
}

Result<Response> clear(World& world, const Call& call) {
  Problems problems;
  BodyFields body(call.request, problems);
  ClearTasks command;
  Selection& selection = command.selection;
  selection.dag_id = call.part("dag_id");
  command.dry_run = body.flag("dry_run").value_or(true);
  selection.only_failed = body.flag("only_failed").value_or(true);
  selection.only_running = body.flag("only_running").value_or(false);
  selection.upstream = body.flag("include_upstream").value_or(false);
  selection.downstream = body.flag("include_downstream").value_or(false);
  RunsAsked asked{.past = body.flag("include_past").value_or(false),
                  .future = body.flag("include_future").value_or(false),
                  .start = body.time("start_date"),
                  .end = body.time("end_date")};
  command.on_latest_version = body.flag("run_on_latest_version").value_or(false);
  body.flag("reset_dag_runs"), body.flag("prevent_running_task");
  body.text("note");
  const auto run_id = body.text("dag_run_id");
  read_task_ids(body.list("task_ids"), selection, problems);
  body.only({"dry_run", "start_date", "end_date", "only_failed", "only_running", "reset_dag_runs", "task_ids",
             "dag_run_id", "include_upstream", "include_downstream", "include_future", "include_past",
             "run_on_latest_version", "prevent_running_task", "note"});
  if (asked.start && asked.end && *asked.start > *asked.end)
    problems.add("value_error", {"body"}, "Value error, end_date is sooner than start_date");
  if (run_id && (asked.start || asked.end))
    problems.add("value_error", {"body"},
                 "Value error, Exactly one of dag_run_id or (start_date and end_date) must be provided");
  if (!problems.empty()) return problems.response();
  TRY(need_dag(world, selection.dag_id));
  if (!run_id && !asked.start && !asked.end)
    return Error{ErrorKind::invalid, "give dag_run_id, or start_date and end_date (one is enough): which runs"};
  if (run_id) {
    TRY_ASSIGN(asked.named, need_run_of(world, selection.dag_id, *run_id));
  }
  command.user = call.user.name;
  TRY_ASSIGN(Value::List rows,
             change_runs(world, asked, command, command.on_latest_version ? Of::newest_version : Of::its_version));
  return show_changed(std::move(rows));
}

Result<Response> mark(World& world, const Call& call) {
  Problems problems;
  BodyFields body(call.request, problems);
  MarkTasks command;
  Selection& selection = command.selection;
  const auto state = body.choice("new_state", {"success", "failed", "skipped"});
  const auto note = body.text("note");
  selection.upstream = body.flag("include_upstream").value_or(false);
  selection.downstream = body.flag("include_downstream").value_or(false);
  RunsAsked asked{.past = body.flag("include_past").value_or(false),
                  .future = body.flag("include_future").value_or(false)};
  body.only({"new_state", "note", "include_upstream", "include_downstream", "include_future", "include_past"});
  std::optional<int> map_index;
  if (call.path.contains("map_index"))
    map_index = path_integer(call, "map_index", problems);
  else if (const auto given = QueryFields(call.request, problems).integer("map_index", -1))
    map_index = static_cast<int>(*given);
  if (!problems.empty()) return problems.response();
  if (note) return Error{ErrorKind::invalid, "this server keeps no notes on task instances; a run's note it does"};
  TRY_ASSIGN(const DagRun run, need_run(world, call));
  const std::string& task_id = call.part("task_id");
  InstanceFilter filter;
  filter.dag_ids = {run.dag_id}, filter.run_ids = {run.run_id}, filter.task_ids = {task_id};
  if (map_index && *map_index >= 0) filter.map_index = map_index;
  TRY_ASSIGN(Page<InstanceRow> there, world.reader.instances(filter, {.limit = 1, .offset = 0}));
  if (there.rows.empty() && map_index.value_or(-1) < 0) {
    TRY_ASSIGN(there.rows, unmapped_of(world, run, task_id));
  }
  if (there.rows.empty())
    return Error{ErrorKind::not_found, "The Task Instance with dag_id: `" + run.dag_id + "`, run_id: `" + run.run_id +
                                           "` and task_id: `" + task_id + "` was not found"};
  if (!state) {
    TRY_ASSIGN(const Value shown, InstanceShower(world).show(there.rows.front()));
    return json_response(200, show_list_with_cursors("task_instances", {shown}, 1));
  }
  command.state = *parse_task_state(*state);
  selection.dag_id = run.dag_id;
  selection.run_id = run.run_id;
  selection.tasks = {{task_id, map_index.value_or(-1)}};
  command.user = call.user.name;
  asked.named = run;
  TRY_ASSIGN(Value::List rows, change_runs(world, asked, command, Of::its_version));
  if (rows.empty()) return Error{ErrorKind::conflict, "Task id " + task_id + " is already in " + *state + " state"};
  return show_changed(std::move(rows));
}

Result<Response> kill(World& world, const Call& call) {
  Problems problems;
  BodyFields body(call.request, problems);
  KillTasks command;
  read_task_ids(body.list("task_ids", BodyFields::Need::required), command.selection, problems);
  body.only({"task_ids"});
  if (!problems.empty()) return problems.response();
  TRY_ASSIGN(const DagRun run, need_run(world, call));
  command.selection.dag_id = run.dag_id;
  command.selection.run_id = run.run_id;
  command.user = call.user.name;
  TRY_ASSIGN(const CommandOutcome outcome, world.control.submit(std::move(command)));
  return answer_with(world, run.number, outcome);
}

Result<Response> why(World& world, const Call& call) {
  Problems problems;
  const auto map_index = path_integer(call, "map_index", problems);
  if (!problems.empty()) return problems.response();
  TRY_ASSIGN(const InstanceRow row, need_instance(world, call, *map_index < 0 ? std::nullopt : map_index));
  Result<Reason> reason = world.control.why({row.dag_id, row.run_id, row.instance.task_id, row.instance.map_index});
  if (!reason && reason.error().kind == ErrorKind::not_found && row.instance.number < 0) {
    // Never mapped, and its run is out of the scheduler's memory.
    TRY_ASSIGN(const DagRun run, need_run(world, call));
    reason = Reason{.kind = ReasonKind::finished,
                    .text = "it was never mapped, and its run is " + std::string(to_string(run.state))};
  }
  if (!reason) return reason.error();
  if (reason->kind == ReasonKind::running)
    if (const auto waits = world.source_waits.of(row.instance.fence, world.clock.monotonic())) {
      reason->kind = ReasonKind::source_bounds;
      reason->text += "; " + *waits;
    }
  Value shown = to_value(*reason);
  shown.set("dag_id", row.dag_id);
  shown.set("dag_run_id", row.run_id);
  shown.set("task_id", row.instance.task_id);
  shown.set("map_index", row.instance.map_index);
  shown.set("state", row.instance.state == TaskState::none ? Value() : Value(to_string(row.instance.state)));
  return json_response(200, shown);
}

}  // namespace

void add_task_instance_changes(Router& router, World& world) {
  const std::string run = "dags/{dag_id}/dagRuns/{dag_run_id}", instance = run + "/taskInstances/{task_id}";
  router.add("POST", "/api/v2/dags/{dag_id}/clearTaskInstances", at_least(Role::user),
             "Clears task instances, so that they run again",
             [&world](const Call& call) { return clear(world, call); });
  router.add("PATCH", "/api/v2/" + instance, at_least(Role::user), "Marks a task instance, with all its map indexes",
             [&world](const Call& call) { return mark(world, call); });
  router.add("PATCH", "/api/v2/" + instance + "/{map_index}", at_least(Role::user), "Marks a mapped task instance",
             [&world](const Call& call) { return mark(world, call); });
  router.add("POST", "/api/udon/" + run + "/kill", at_least(Role::user),
             "Ends live tries; their task instances fail without a retry",
             [&world](const Call& call) { return kill(world, call); });
  router.add("GET", "/api/udon/" + instance + "/{map_index}/why", at_least(Role::viewer),
             "Why a task instance is where it is (map index -1: not mapped)",
             [&world](const Call& call) { return why(world, call); });
}

}  // namespace udon::web
