// When runs should have ended, and when they will have at their usual pace: ours, Airflow tells of a deadline when it
// has passed.
#include <algorithm>

#include "base/text.h"
#include "model/forecast.h"
#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

constexpr int successes_looked_at = 1000;  // of a DAG: as many as `udon dags simulate` asks for

Result<Habits> habits_of(World& world, const std::string& dag_id) {
  InstanceFilter filter;
  filter.dag_ids = {dag_id};
  filter.states = {TaskState::success};
  filter.order_by = "-start_date";
  TRY_ASSIGN(const auto page, world.reader.instances(filter, {.limit = successes_looked_at, .offset = 0}));
  Habits habits;
  for (const InstanceRow& row : page.rows)
    habits.add(row.instance.task_id, row.run_id, row.instance.map_index, row.instance.start_date,
               row.instance.end_date);
  return habits;
}

std::string name_of(const ForecastStep& step) {
  return step.task_id + (step.map_index < 0 ? "" : "[" + std::to_string(step.map_index) + "]");
}

Value show(const ForecastStep& step) {
  return Value::Map{{"task_id", step.task_id},
                    {"map_index", step.map_index},
                    {"is_done", step.is_done},
                    {"start_date", show_time(step.start)},
                    {"end_date", show_time(step.end)},
                    {"usual_seconds", step.usual ? Value(static_cast<double>(step.usual->count()) / 1e6) : Value()}};
}

std::string shown_duration(Duration duration) {
  return format_duration(std::max(std::chrono::floor<std::chrono::seconds>(duration), std::chrono::seconds(1)));
}

// In words: what became of it, or what is to be expected.
std::string words_of(const DagRun& run, const Dag& dag, TimePoint at, const Forecast& forecast, TimePoint now) {
  const auto shown = [&](TimePoint time) {
    return format_local_time(std::chrono::floor<std::chrono::seconds>(time), dag.schedule.timezone);
  };
  const std::string by = shown(at), then = shown(forecast.end);
  const bool is_late = forecast.end > at;
  std::string words;
  if (is_finished(run.state)) {
    if (!is_late) return "it ended in time";
    words = "it ended " + shown_duration(forecast.end - at) + " late";
  } else if (now >= at) {
    words = "it is late since " + by;
    if (forecast.end > now) words += "; at the usual pace it ends at " + then;
  } else if (is_late) {
    words = "at the usual pace this will be late at " + by + ": it ends at " + then;
  } else {
    words = "at the usual pace it ends at " + then + ", in time";
  }
  const ForecastStep* blamed = is_late || now >= at ? step_to_blame(forecast, at, now) : nullptr;
  if (blamed != nullptr) words += "; `" + name_of(*blamed) + "` is why";
  if (!forecast.unknown.empty())
    words += "; counted without " + join(forecast.unknown, ", ") + ", of which no success is known";
  return words;
}

Result<Value::List> rows_of(World& world, const DagRun& run, std::map<std::string, Habits>& habits) {
  Value::List rows;
  const DagInfoPtr info = world.dags.find(run.dag_id, run.dag_version);
  if (!info || info->dag->deadlines.empty()) return rows;
  const Dag& dag = *info->dag;
  auto known = habits.find(run.dag_id);
  if (known == habits.end()) {
    TRY_ASSIGN(Habits of_dag, habits_of(world, run.dag_id));
    known = habits.emplace(run.dag_id, std::move(of_dag)).first;
  }
  TRY_ASSIGN(const auto instances, world.reader.instances_of(run.number));
  const TimePoint now = world.clock.now();
  const Forecast expected = forecast(dag, run, instances, known->second, now);
  Value::List path, unknown;
  for (const ForecastStep& step : expected.path) path.push_back(show(step));
  for (const std::string& task : expected.unknown) unknown.emplace_back(task);
  for (const Deadline& deadline : dag.deadlines) {
    const auto at = deadline_of(run, deadline);
    const bool has_ended = is_finished(run.state);
    const bool is_late = at && expected.end > *at;
    const bool is_missed = at && (has_ended ? is_late : now >= *at);
    const ForecastStep* blamed = at && (is_late || is_missed) ? step_to_blame(expected, *at, now) : nullptr;
    rows.push_back(Value::Map{
        {"dag_id", run.dag_id},
        {"dag_run_id", run.run_id},
        {"state", to_string(run.state)},
        {"of", to_string(deadline.of)},
        {"after", format_duration(deadline.after)},
        {"deadline_time", show_time(at)},
        {"missed", is_missed},
        {"expected_end_date", has_ended ? Value() : show_time(expected.end)},
        {"will_be_late", !has_ended && is_late},
        {"why", blamed == nullptr ? Value() : Value(name_of(*blamed))},
        {"text", at ? Value(words_of(run, dag, *at, expected, now))
                    : Value("the run has no " + std::string(to_string(deadline.of)) + " to count from")},
        {"path", path},
        {"without_history", unknown},
    });
  }
  return rows;
}

Result<Response> list(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  const auto dag_id = query.text("dag_id"), run_id = query.text("dag_run_id");
  if (!problems.empty()) return problems.response();
  if (run_id && !dag_id) return Error{ErrorKind::invalid, "dag_run_id says little without dag_id"};
  if (dag_id) TRY(need_dag(world, *dag_id));
  std::vector<DagRun> runs;
  if (run_id) {
    TRY_ASSIGN(const auto run, world.reader.run(*dag_id, *run_id));
    if (!run) return Error{ErrorKind::not_found, "DAG `" + *dag_id + "` has no run " + *run_id};
    runs.push_back(*run);
  } else {
    TRY_ASSIGN(runs, world.reader.active_runs());
    std::erase_if(runs, [&](const DagRun& run) { return dag_id && run.dag_id != *dag_id; });
  }
  std::map<std::string, Habits> habits;
  Value::List rows;
  for (const DagRun& run : runs) {
    TRY_ASSIGN(Value::List of_run, rows_of(world, run, habits));
    std::ranges::move(of_run, std::back_inserter(rows));
  }
  const auto total = static_cast<int64_t>(rows.size());
  return json_response(200, show_list("deadlines", std::move(rows), total));
}

}  // namespace

void add_deadlines(Router& router, World& world) {
  router.add("GET", "/api/udon/deadlines", at_least(Role::viewer),
             "When active runs, or the one named, should have ended, and when they will have at the usual pace",
             [&world](const Call& call) { return list(world, call); });
}

}  // namespace udon::web
