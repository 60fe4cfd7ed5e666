// Clearing, marking, killing, and why a task instance is where it is. All but the last are commands to the loop.
#include <algorithm>
#include <map>

#include "base/limits.h"
#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"
#include "web/task_tree.h"
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

// The nearest name is that of the newest of the runs.
Error none_has(World& world, const std::vector<DagRun>& runs, const Selection& selection) {
  const std::string& id = selection.tasks.front().first;
  const DagInfoPtr info = world.dags.find(selection.dag_id, runs.back().dag_version);
  const bool is_unknown = info && info->dag->index_of(id) < 0 && info->dag->find_group(id) == nullptr;
  return {ErrorKind::not_found, "none of " + std::to_string(runs.size()) + " runs of DAG `" + selection.dag_id +
                                    "` has the task `" + id + "`" +
                                    (is_unknown ? hinting_at_tasks(*info->dag, id) : "")};
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
  if (several.changes.empty()) return none_has(world, runs, selection);
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

enum class Named { task, group };
enum class Doing { it, dry_run };

// The tasks that a mark names. not_found: there is no such task or group, or it has no such map index.
Result<std::vector<std::string>> tasks_to_mark(World& world, const DagRun& run, Named named, const std::string& id,
                                               std::optional<int> map_index) {
  const DagInfoPtr info = world.dags.find(run.dag_id, run.dag_version);
  std::vector<std::string> tasks{id};
  if (named == Named::group) {
    TRY_ASSIGN(const DagInfoPtr known, need_version_of(world, run));
    TRY(need_group(*known->dag, id));
    tasks.clear();
    for (const int task : known->dag->tasks_in(id))
      tasks.push_back(known->dag->tasks[static_cast<size_t>(task)].task_id);
  }
  InstanceFilter filter;
  filter.dag_ids = {run.dag_id}, filter.run_ids = {run.run_id}, filter.task_ids = tasks;
  if (map_index && *map_index >= 0) filter.map_index = map_index;
  TRY_ASSIGN(const Page<InstanceRow> there, world.reader.instances(filter, {.limit = 1, .offset = 0}));
  if (there.total > 0) return tasks;
  if (map_index.value_or(-1) < 0) {
    TRY_ASSIGN(const std::vector<InstanceRow> unmapped, unmapped_of(world, run, tasks));
    if (!unmapped.empty()) return tasks;
  }
  if (named == Named::group)
    return Error{ErrorKind::not_found, "No task instances found for task group '" + id + "' in dag run '" + run.run_id +
                                           "'" + (map_index ? " at map index " + std::to_string(*map_index) : "")};
  return Error{ErrorKind::not_found, "The Task Instance with dag_id: `" + run.dag_id + "`, run_id: `" + run.run_id +
                                         "` and task_id: `" + id + "` was not found" +
                                         (info && info->dag->index_of(id) < 0 ? hinting_at_tasks(*info->dag, id) : "")};
}

// All task instances of these tasks, as they are.
Result<Response> show_unmarked(World& world, const DagRun& run, const std::vector<std::string>& tasks,
                               std::optional<int> map_index) {
  InstanceFilter filter;
  filter.dag_ids = {run.dag_id}, filter.run_ids = {run.run_id}, filter.task_ids = tasks;
  if (map_index && *map_index >= 0) filter.map_index = map_index;
  InstanceShower shower(world);
  Value::List rows;
  for (PageRequest page{.limit = 1000, .offset = 0};; page.offset += page.limit) {
    TRY_ASSIGN(const Page<InstanceRow> found, world.reader.instances(filter, page));
    for (const InstanceRow& row : found.rows) {
      TRY_ASSIGN(Value shown, shower.show(row));
      rows.push_back(std::move(shown));
    }
    if (page.offset + page.limit >= found.total) break;
  }
  if (rows.empty()) {
    TRY_ASSIGN(const std::vector<InstanceRow> unmapped, unmapped_of(world, run, tasks));
    for (const InstanceRow& row : unmapped) {
      TRY_ASSIGN(Value shown, shower.show(row));
      rows.push_back(std::move(shown));
    }
  }
  return show_changed(std::move(rows));
}

// A task instance, all of a task, or a task group with what lies in it.
Result<Response> mark(World& world, const Call& call, Named named, Doing doing) {
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
  const std::string& id = call.part(named == Named::group ? "group_id" : "task_id");
  TRY_ASSIGN(const std::vector<std::string> tasks, tasks_to_mark(world, run, named, id, map_index));
  if (!state) return show_unmarked(world, run, tasks, map_index);
  command.state = *parse_task_state(*state);
  command.dry_run = doing == Doing::dry_run;
  selection.dag_id = run.dag_id;
  selection.run_id = run.run_id;
  selection.tasks = {{id, map_index.value_or(-1)}};
  command.user = call.user.name;
  asked.named = run;
  TRY_ASSIGN(Value::List rows, change_runs(world, asked, command, Of::its_version));
  if (rows.empty() && doing == Doing::it)
    return Error{ErrorKind::conflict, named == Named::group
                                          ? "All task instances in the group are already in " + *state + " state"
                                          : "Task id " + id + " is already in " + *state + " state"};
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
  const std::string group = run + "/taskGroupInstances/{group_id}";
  const auto add_mark = [&](const std::string& path, Named named, const std::string& what) {
    router.add("PATCH", "/api/v2/" + path, at_least(Role::user), "Marks " + what,
               [&world, named](const Call& call) { return mark(world, call, named, Doing::it); });
    router.add("PATCH", "/api/v2/" + path + "/dry_run", at_least(Role::user), "What would be marked: " + what,
               [&world, named](const Call& call) { return mark(world, call, named, Doing::dry_run); });
  };
  add_mark(instance, Named::task, "a task instance, with all its map indexes");
  add_mark(instance + "/{map_index}", Named::task, "a mapped task instance");
  add_mark(group, Named::group, "the task instances of a task group");
  router.add("POST", "/api/udon/" + run + "/kill", at_least(Role::user),
             "Ends live tries; their task instances fail without a retry",
             [&world](const Call& call) { return kill(world, call); });
  router.add("GET", "/api/udon/" + instance + "/{map_index}/why", at_least(Role::viewer),
             "Why a task instance is where it is (map index -1: not mapped)",
             [&world](const Call& call) { return why(world, call); });
}

}  // namespace udon::web
