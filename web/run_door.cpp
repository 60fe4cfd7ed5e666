#include "web/run_door.h"

#include <algorithm>

#include "base/text.h"
#include "web/resources/resources.h"

namespace udon::web {
namespace {

constexpr size_t task_ids_max = 1000;

Result<std::string> dag_id_in(const Value& body) {
  std::string dag_id = body.is_map() ? body.text("dag_id") : "";
  if (dag_id.empty()) return Error{ErrorKind::invalid, "dag_id: expected the id of a DAG"};
  return dag_id;
}

Result<std::optional<TimePoint>> time_in(const Value& body, std::string_view name) {
  const Value& value = body.get(name);
  if (value.is_null()) return std::optional<TimePoint>();
  if (!value.is_string()) return Error{ErrorKind::invalid, std::string(name) + ": expected a time as text"};
  TRY_ASSIGN(const TimePoint time, parse_time(value.as_string()));
  return std::optional(time);
}

Value shown(const DagRun& run) { return Value::Map{{"run_id", run.run_id}, {"state", to_string(run.state)}}; }

Result<Value> reset(World& world, const DagRun& run) {
  ClearTasks clear;
  clear.selection.dag_id = run.dag_id;
  clear.selection.run_id = run.run_id;
  TRY(world.control.submit(std::move(clear)));
  TRY_ASSIGN(const std::optional<DagRun> now, world.reader.run(run.dag_id, run.run_id));
  return shown(now ? *now : run);
}

constexpr const char* triggered_by_operator = "operator";

// Names the try: it is told to people, and by it a try knows the run that it has made. With its id: a run that was
// deleted and made again has a task instance of the same name, and a first try of it.
std::string note_of(const TryRequest& request) {
  return "triggered by " + to_string(request.key) + ", try " + std::to_string(request.try_number) + " (" +
         to_string(request.try_id) + ")";
}
// By what the history of the run begins with: the note itself may have been edited since.
Result<bool> was_made_by(World& world, const DagRun& run, const std::string& note) {
  if (run.triggered_by != triggered_by_operator) return false;
  // Before it stands that earlier runs of its name were deleted.
  constexpr int events_looked_at = 100;
  TRY_ASSIGN(const auto newest, world.reader.events(run.dag_id, run.run_id, "", {.limit = 1, .offset = 0}));
  const int64_t before_them = std::max<int64_t>(0, newest.total - events_looked_at);
  TRY_ASSIGN(const auto oldest,
             world.reader.events(run.dag_id, run.run_id, "", {.limit = events_looked_at, .offset = before_them}));
  return std::ranges::any_of(oldest.rows,
                             [&](const EventRecord& event) { return event.event == "command" && event.text == note; });
}

// Of a run that is asked about: its id or its logical date.
struct AskedRun {
  std::string run_id;
  std::optional<TimePoint> logical_date;
};

Result<AskedRun> asked_run(World& world, const TryRequest& request, const Value& question) {
  if (std::string run_id = question.text("run_id"); !run_id.empty()) return AskedRun{std::move(run_id), {}};
  TRY_ASSIGN(std::optional<TimePoint> date, time_in(question, "logical_date"));
  if (!date) {
    TRY_ASSIGN(const std::optional<DagRun> own, world.reader.run_by_number(request.run));
    if (!own || !own->logical_date)
      return Error{ErrorKind::invalid,
                   "run " + request.key.run_id + " has no logical date to look for: say `run_id` or `logical_date`"};
    const Value& earlier = question.get("earlier_us");
    date = *own->logical_date - Duration(earlier.is_int() ? earlier.as_int() : 0);
  }
  return AskedRun{{}, date};
}

Result<std::optional<DagRun>> find_run(World& world, const std::string& dag_id, const AskedRun& asked) {
  if (!asked.logical_date) return world.reader.run(dag_id, asked.run_id);
  RunFilter filter;
  filter.dag_ids = {dag_id};
  filter.logical_date_gte = filter.logical_date_lte = asked.logical_date;
  TRY_ASSIGN(Page<DagRun> found, world.reader.runs(filter, {.limit = 1, .offset = 0}));
  if (found.rows.empty()) return std::optional<DagRun>();
  return std::optional(std::move(found.rows.front()));
}

Result<void> need_tasks(World& world, const DagRecord& dag, const std::string& version,
                        const std::vector<std::string>& task_ids) {
  const DagInfoPtr info = world.dags.find(dag.dag_id, version);
  if (!info) return {};
  std::vector<std::string> known;
  for (const Task& task : info->dag->tasks) known.push_back(task.task_id);
  for (const std::string& task_id : task_ids)
    if (std::ranges::find(known, task_id) == known.end())
      return Error{ErrorKind::not_found,
                   "DAG `" + dag.dag_id + "` has no task `" + task_id + "`" + did_you_mean(task_id, known)};
  return {};
}

}  // namespace

Result<Value> trigger_for_try(World& world, const TryRequest& request, const Value& wish) {
  TRY_ASSIGN(const std::string dag_id, dag_id_in(wish));
  const std::string run_id = wish.text("run_id");
  if (const auto problem = problem_of_run_id(run_id)) return Error{ErrorKind::invalid, *problem};
  TRY_ASSIGN(const std::optional<DagRun> there, world.reader.run(dag_id, run_id));
  // Asked before, and the answer was lost: the run is made once.
  const std::string note = note_of(request);
  if (there) {
    TRY_ASSIGN(const bool is_made, was_made_by(world, *there, note));
    if (is_made || wish.get("is_own") == Value(true)) return shown(*there);
  }
  if (there && wish.get("reset") == Value(true)) return reset(world, *there);
  if (there)
    return Error{ErrorKind::conflict,
                 "DAG `" + dag_id + "` has a run " + run_id + ", which is " + std::string(to_string(there->state))};
  TriggerRun command;
  command.dag_id = dag_id;
  command.run_id = run_id;
  TRY_ASSIGN(command.logical_date, time_in(wish, "logical_date"));
  command.has_logical_date = command.logical_date.has_value();
  if (const Value& conf = wish.get("conf"); conf.is_map()) command.conf = conf;
  command.triggered_by = triggered_by_operator;
  command.note = note;
  const auto made = trigger_run(world, std::move(command));
  if (made) return shown(*made);
  if (made.error().kind != ErrorKind::conflict) return made.error();
  // Asked twice at once: the other has been carried out meanwhile.
  TRY_ASSIGN(const std::optional<DagRun> meanwhile, world.reader.run(dag_id, run_id));
  if (!meanwhile) return made.error();
  TRY_ASSIGN(const bool is_made, was_made_by(world, *meanwhile, note));
  if (is_made) return shown(*meanwhile);
  return made.error();
}

Result<Value> look_for_try(World& world, const TryRequest& request, const Value& question) {
  TRY_ASSIGN(const std::string dag_id, dag_id_in(question));
  std::vector<std::string> task_ids;
  if (const Value& list = question.get("task_ids"); list.is_list())
    for (const Value& task_id : list.as_list())
      if (task_id.is_string()) task_ids.push_back(task_id.as_string());
  if (task_ids.size() > task_ids_max)
    return Error{ErrorKind::invalid, "task_ids: more than " + std::to_string(task_ids_max)};
  TRY_ASSIGN(const DagRecord dag, need_dag(world, dag_id));
  TRY_ASSIGN(const AskedRun asked, asked_run(world, request, question));
  TRY_ASSIGN(const std::optional<DagRun> run, find_run(world, dag_id, asked));
  TRY(need_tasks(world, dag, run ? run->dag_version : dag.version, task_ids));
  Value tasks = Value::map();
  const auto shown_time = [](const std::optional<TimePoint>& time) {
    return time ? Value(format_time(*time)) : Value();
  };
  Value answer = Value::Map{{"run_id", Value()},
                            {"logical_date", shown_time(asked.logical_date)},
                            {"state", Value()},
                            {"is_paused", dag.is_paused},
                            {"tasks", Value::map()}};
  if (!run) return answer;
  for (const std::string& task_id : task_ids) {
    InstanceFilter filter;
    filter.dag_ids = {dag_id}, filter.run_ids = {run->run_id}, filter.task_ids = {task_id};
    Value states = Value::list();
    constexpr int page_rows = 1000;
    for (int64_t offset = 0;; offset += page_rows) {
      TRY_ASSIGN(const Page<InstanceRow> page, world.reader.instances(filter, {.limit = page_rows, .offset = offset}));
      for (const InstanceRow& row : page.rows) states.push_back(std::string(to_string(row.instance.state)));
      if (page.rows.empty() || offset + page_rows >= page.total) break;
    }
    tasks.set(task_id, std::move(states));
  }
  answer.set("run_id", run->run_id);
  answer.set("logical_date", shown_time(run->logical_date));
  answer.set("state", to_string(run->state));
  answer.set("tasks", std::move(tasks));
  return answer;
}

}  // namespace udon::web
