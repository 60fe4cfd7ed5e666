#include "scheduler/rehearsed_waits.h"

#include <algorithm>

#include "base/text.h"
#include "dagfile/templates.h"

namespace udon {
namespace {

Result<Value> parameters_of(const TryRequest& request) {
  const auto unknown = [] { return Error{ErrorKind::unavailable, "only its try can ask for that"}; };
  TemplateLookups lookups;
  lookups.variable = [&](const std::string&) -> Result<Value> { return unknown(); };
  lookups.connection = [&](const std::string&) -> Result<Value> { return unknown(); };
  lookups.xcom = [&](const std::string&, const std::string&, std::optional<int>) -> Result<Value> { return unknown(); };
  auto rendered = render(request.parameters, request.context, lookups);
  if (!rendered)
    return Error{ErrorKind::unavailable, "what it waits for is told by a template: " + rendered.error().message};
  return rendered;
}

std::vector<std::string> texts(const Value& list) {
  std::vector<std::string> all;
  if (!list.is_list()) return all;
  for (const Value& value : list.as_list())
    if (value.is_string()) all.push_back(value.as_string());
  return all;
}

// Absent: none.
Result<Duration> duration_in(const Value& parameters, const char* name) {
  const Value& value = parameters.get(name);
  if (value.is_null()) return Duration(0);
  if (value.is_int()) return Duration(value.as_int());
  if (!value.is_string()) return Error{ErrorKind::invalid, std::string(name) + ": expected a duration"};
  return parse_duration(value.as_string());
}

bool has(const std::vector<std::string>& list, std::string_view text) {
  return std::ranges::find(list, text) != list.end();
}

}  // namespace

Result<AwaitedRun> awaited_run_of(const TryRequest& request) {
  TRY_ASSIGN(const Value parameters, parameters_of(request));
  AwaitedRun awaited{.dag_id = parameters.text("external_dag_id"),
                     .run_id = parameters.text("run_id"),
                     .logical_date = {},
                     .task_ids = texts(parameters.get("external_task_ids")),
                     .allowed = texts(parameters.get("allowed_states")),
                     .failing = texts(parameters.get("failed_states"))};
  if (awaited.allowed.empty()) awaited.allowed = {"success"};
  if (!awaited.run_id.empty()) return awaited;
  const std::string named = parameters.text("logical_date"), own = request.context.text("logical_date");
  if (named.empty() && own.empty())
    return Error{ErrorKind::invalid,
                 "run " + request.key.run_id + " has no logical date to look for: say `run_id` or `logical_date`"};
  TRY_ASSIGN(awaited.logical_date, parse_time(named.empty() ? own : named));
  if (!named.empty()) return awaited;
  TRY_ASSIGN(const Duration earlier, duration_in(parameters, "execution_delta"));
  *awaited.logical_date -= earlier;
  return awaited;
}

Result<TimePoint> awaited_moment_of(const TryRequest& request) {
  TRY_ASSIGN(const Value parameters, parameters_of(request));
  TRY_ASSIGN(const TimePoint moment, parse_time(parameters.text("at")));
  TRY_ASSIGN(const Duration plus, duration_in(parameters, "plus"));
  return moment + plus;
}

Look no_run_yet(const AwaitedRun& awaited) {
  return {.is = Look::Is::waiting,
          .message = "DAG " + awaited.dag_id + " has no run " +
                     (awaited.logical_date ? "of logical date " + format_time(*awaited.logical_date) : awaited.run_id) +
                     " yet"};
}

Look look_at(const AwaitedRun& awaited, const DagRun& run, const std::map<std::string, std::vector<TaskState>>& tasks) {
  const std::string where = " in run " + run.run_id + " of DAG " + run.dag_id;
  // By state, how many.
  std::map<std::string, std::map<std::string, int>> seen;
  for (const std::string& task_id : awaited.task_ids) {
    auto& counts = seen[task_id];
    if (const auto found = tasks.find(task_id); found != tasks.end())
      for (const TaskState state : found->second) ++counts[std::string(to_string(state))];
  }
  if (awaited.task_ids.empty()) seen["it"][std::string(to_string(run.state))] = 1;
  std::vector<std::string> waiting;
  for (const auto& [name, counts] : seen) {
    std::vector<std::string> parts;
    for (const auto& [state, count] : counts) parts.push_back(std::to_string(count) + " " + state);
    const std::string text = name + ": " + (parts.empty() ? "no task instance yet" : join(parts, ", "));
    const auto is_failing = [&](const auto& entry) { return has(awaited.failing, entry.first); };
    const auto is_allowed = [&](const auto& entry) { return has(awaited.allowed, entry.first); };
    if (std::ranges::any_of(counts, is_failing)) return {.is = Look::Is::failed, .message = text + where};
    if (counts.empty() || !std::ranges::all_of(counts, is_allowed)) waiting.push_back(text);
  }
  if (waiting.empty()) return {.is = Look::Is::over, .message = "done" + where};
  return {.is = Look::Is::waiting, .message = join(waiting, "; ") + where};
}

std::optional<std::string> problem_of(const AwaitedRun& awaited, const Dag& dag) {
  std::vector<std::string> known;
  for (const Task& task : dag.tasks) known.push_back(task.task_id);
  for (const std::string& task_id : awaited.task_ids)
    if (!has(known, task_id))
      return "DAG `" + dag.dag_id + "` has no task `" + task_id + "`" + did_you_mean(task_id, known);
  return std::nullopt;
}

bool was_due(const Schedule& schedule, TimePoint logical_date, std::optional<TimePoint> last) {
  if (schedule.start_date && logical_date < *schedule.start_date) return false;
  if (!has_calendar(schedule)) return true;
  if (!last || logical_date > *last) return false;
  const auto found = first_date_from(schedule, logical_date);
  return found && found->logical_date == logical_date;
}

}  // namespace udon
