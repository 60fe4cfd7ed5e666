#include "cli/next_execution.h"

#include "base/text.h"
#include "cli/local_dags.h"
#include "cli/verbs.h"
#include "plugins/spec/builtin.h"

namespace udon::cli {
namespace {

constexpr int runs_max = 1000;
constexpr size_t days_off_told_max = 20;  // before one run

// What the scheduler will make next, if there is one that knows the DAG; its runs go on from there.
Result<std::optional<DueRun>> next_known(const std::string& dag_id, const Schedule& schedule, TimePoint now,
                                         Session& session) {
  const Result<Api*> api = session.api();
  if (!api && api.error().kind == ErrorKind::not_found) return std::optional<DueRun>();
  if (!api) return api.error();
  const Result<Value> known = (*api)->get("/api/v2/dags/" + path_of({dag_id}));
  if (!known && known.error().kind == ErrorKind::not_found) return std::optional<DueRun>();
  if (!known) return known.error();
  const auto date = parse_time(known->text("next_dagrun_logical_date"));
  if (!date || !has_calendar(schedule)) return std::optional<DueRun>();
  return next_due_run(schedule, *date - Duration(1), std::min(now, *date), *date);
}

Result<int> next_execution(const Arguments& arguments, Session& session) {
  const std::string dag_id = arguments.text_or("DAG", "");
  TRY_ASSIGN(const int64_t count, parse_count("num-executions", arguments.text_or("num-executions", "1")));
  if (count < 1 || count > runs_max)
    return Error{ErrorKind::invalid, "--num-executions is from 1 to " + std::to_string(runs_max)};
  TRY_ASSIGN(const OperatorCatalog operators, installed_operators(session.home()));
  TRY_ASSIGN(const DagPtr dag, find_local_dag(session, *load_local_dags(session, operators), dag_id));
  const Schedule& schedule = dag->schedule;
  TimePoint now = session.clock().now();
  std::optional<DueRun> due;
  if (arguments.has("from")) {
    TRY_ASSIGN(now, parse_time(arguments.text_or("from", "")));
    Schedule latest = schedule;
    latest.catchup = false;
    if (has_calendar(schedule)) {
      // As after the last one before it.
      due = next_due_run(latest, std::nullopt, now - Duration(1));
      while (due && due->run_after < now) due = next_due_run(latest, due->logical_date, now);
    } else {
      due = next_due_run(latest, std::nullopt, now);
      if (due && due->run_after < now) due.reset();  // the only one
    }
  } else {
    TRY_ASSIGN(due, next_known(dag_id, schedule, now, session));
    if (!due) due = next_due_run(schedule, std::nullopt, now);
  }
  const auto local = [&](TimePoint time) { return format_local_time(time, schedule.timezone); };
  Value::List runs;
  TimePoint from = now;
  for (int64_t i = 0; i < count && due; ++i) {
    Value::List days_off;
    for (const DayOffTime& off : times_on_days_off(schedule, from, due->run_after, days_off_told_max))
      days_off.emplace_back(told(off, schedule));
    runs.push_back(Value::Map{{"logical_date", local(due->logical_date)},
                              {"data_interval_start", local(due->interval.begin)},
                              {"data_interval_end", local(due->interval.end)},
                              {"run_after", local(due->run_after)},
                              {"days_off", std::move(days_off)}});
    from = std::max(from, due->run_after);
    due = next_due_run(schedule, due->logical_date, now);
    if (std::holds_alternative<ContinuousSchedule>(schedule.kind)) break;  // the end of the one before decides
  }
  const auto found = static_cast<int64_t>(runs.size());
  session.output().list(Value::Map{{"executions", std::move(runs)}, {"total_entries", found}}, "executions",
                        {column("RUN AFTER", "run_after"), column("LOGICAL DATE", "logical_date"),
                         column("INTERVAL START", "data_interval_start"), column("INTERVAL END", "data_interval_end"),
                         column("DAYS OFF BEFORE IT", "days_off")});
  if (found == 0) {
    session.output().note(schedule.assets
                              ? "`" + dag_id + "` has no times of its own: its runs are due when assets have been made"
                          : std::holds_alternative<NoSchedule>(schedule.kind)
                              ? "`" + dag_id + "` has no schedule: its runs are started by hand"
                              : "`" + dag_id + "` has no more runs by its schedule");
  }
  return succeeded;
}

}  // namespace

std::string told(const DayOffTime& off, const Schedule& schedule) {
  return format_local_time(off.time, schedule.timezone) + " (" + off.why +
         "): " + (off.moved_to ? "moved to " + format_local_time(*off.moved_to, schedule.timezone) : "skipped");
}

Command next_execution_command() {
  return {"dags",
          "next-execution",
          "When the next runs are due by the DAG's file, in its time zone, and which days off lie before them",
          {{"DAG", "its id", Positional::Count::one}},
          {{"num-executions", "so many of them; else 1", "N"},
           {"from", "those due from then on; else what the scheduler will make next", "TIME"}},
          next_execution};
}

}  // namespace udon::cli
