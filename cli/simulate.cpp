#include "cli/simulate.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/text.h"
#include "cli/local_dags.h"
#include "cli/next_execution.h"
#include "dagfile/catalog.h"
#include "model/forecast.h"
#include "plugins/spec/builtin.h"
#include "scheduler/rehearsal.h"

namespace udon::cli {
namespace {

constexpr int successes_looked_at = 1000;  // of a DAG

// Who remembers: a server or a store; null where there is neither.
Result<Api*> api_if_any(Session& session) {
  Result<Api*> api = session.api();
  if (!api && api.error().kind == ErrorKind::not_found) return nullptr;
  return api;
}

Result<std::map<std::string, Habits>> habits_of(const std::vector<DagPtr>& dags, Api* api) {
  std::map<std::string, Habits> habits;
  for (const DagPtr& dag : dags) {
    Habits& of_dag = habits[dag->dag_id];
    if (api == nullptr) continue;
    const Result<Value> page = api->get(
        "/api/v2/dags/" + percent_encode(dag->dag_id) +
        "/dagRuns/~/taskInstances?state=success&order_by=-start_date&limit=" + std::to_string(successes_looked_at));
    if (!page && page.error().kind == ErrorKind::not_found) continue;  // never seen there
    if (!page) return page.error();
    for (const Value& row : page->get("task_instances").as_list()) {
      const auto time = [&](const char* name) {
        const auto read = parse_time(row.text(name));
        return read ? std::optional(*read) : std::nullopt;
      };
      of_dag.add(row.text("task_id"), row.text("dag_run_id"), static_cast<int>(row.integer("map_index", -1)),
                 time("start_date"), time("end_date"));
    }
  }
  return habits;
}

struct Known {
  std::vector<Pool> pools;
  std::map<std::string, bool> is_paused;
};

Result<Known> known_of(Api* api) {
  Known known;
  if (api == nullptr) return known;
  TRY_ASSIGN(const Value pools, api->get_all("/api/v2/pools", "pools"));
  for (const Value& pool : pools.get("pools").as_list())
    known.pools.push_back({.name = pool.text("name"),
                           .slots = static_cast<int>(pool.integer("slots", 0)),
                           .include_deferred = pool.flag("include_deferred")});
  TRY_ASSIGN(const Value dags, api->get_all("/api/v2/dags", "dags"));
  for (const Value& dag : dags.get("dags").as_list()) known.is_paused[dag.text("dag_id")] = dag.flag("is_paused");
  return known;
}

// NAME=SLOTS, over what is known.
Result<void> put_pool(const std::string& text, std::vector<Pool>& pools) {
  const size_t equals = text.rfind('=');
  int slots = 0;
  const char* const end = text.data() + text.size();
  const bool is_number = equals != std::string::npos && equals > 0 &&
                         std::from_chars(text.data() + equals + 1, end, slots).ptr == end && equals + 1 < text.size();
  if (!is_number || slots < -1)
    return Error{ErrorKind::invalid, "--pool: `" + text + "` is not NAME=SLOTS, such as narrow=2 (-1: no limit)"};
  const std::string name = text.substr(0, equals);
  const auto found = std::ranges::find(pools, name, &Pool::name);
  if (found != pools.end())
    found->slots = slots;
  else
    pools.push_back({.name = name, .slots = slots});
  return {};
}

// Those that are named; else all that are not paused.
Result<std::vector<DagPtr>> chosen(const Session& session, const CatalogSnapshot& catalog,
                                   const std::vector<std::string>& named, const Known& known) {
  std::vector<DagPtr> dags;
  for (const auto& [id, dag] : catalog.dags) {
    const auto paused = known.is_paused.find(id);
    const bool is_paused =
        paused == known.is_paused.end() ? dag->is_paused_upon_creation.value_or(false) : paused->second;
    if (named.empty() ? !is_paused : std::ranges::find(named, id) != named.end()) dags.push_back(dag);
  }
  for (const std::string& id : named) TRY(find_local_dag(session, catalog, id));
  if (dags.empty())
    return Error{ErrorKind::not_found, catalog.dags.empty()
                                           ? "there are no DAGs in the DAGs folder; see `udon dags check`"
                                           : "all DAGs are paused; name those that are to be simulated"};
  return dags;
}

Value time_or_null(const std::optional<TimePoint>& at, const std::string& zone) {
  return at ? Value(format_local_time(*at, zone)) : Value();
}

// With who holds what is waited for.
std::string text_of(const Reason& reason) {
  if (reason.holders.empty()) return reason.text;
  constexpr size_t named_max = 2;
  std::vector<std::string> named(
      reason.holders.begin(),
      reason.holders.begin() + static_cast<std::ptrdiff_t>(std::min(named_max, reason.holders.size())));
  const size_t others = reason.holders.size() - named.size();
  return reason.text + "; held by " + join(named, ", ") +
         (others == 0 ? "" : " and " + std::to_string(others) + (others == 1 ? " other" : " others"));
}

// Whole seconds for people.
std::string shown_duration(std::optional<Duration> duration) {
  return duration ? format_duration(std::chrono::floor<std::chrono::seconds>(*duration)) : "";
}

class Report {
 public:
  Report(const std::vector<RehearsedRun>& runs, const std::vector<DagPtr>& dags) {
    for (const DagPtr& dag : dags) zones_[dag->dag_id] = dag->schedule.timezone;
    for (const RehearsedRun& run : runs) add(run);
  }
  Value::List take_runs() { return std::move(runs_); }
  Value::List take_tasks() { return std::move(tasks_); }
  int64_t waiting() const { return waiting_; }
  int64_t unfinished() const { return unfinished_; }

 private:
  void add(const RehearsedRun& run) {
    const std::string& zone = zones_[run.row.dag_id];
    Duration longest{0};
    std::string why;
    // The run itself waits for its turn.
    if (run.row.start_date && *run.row.start_date > run.row.run_after) {
      longest = *run.row.start_date - run.row.run_after;
      why = "max_active_runs: earlier runs had not ended";
    } else if (!run.row.start_date) {
      why = "max_active_runs: earlier runs have not ended";
    }
    Value::List tasks;
    for (const RehearsedTask& task : by_start(run.tasks)) {
      const TaskInstance& row = task.row;
      const std::optional<Duration>& waited = task.waited_time;
      const bool has_waited = task.waited.has_value();
      if (has_waited && waited.value_or(Duration(0)) >= longest) {
        longest = waited.value_or(Duration(0));
        why = task_name(row) + ": " + text_of(*task.waited);
      }
      // Those of a run that has not begun wait for what it waits for.
      const Value reason = has_waited ? Value(text_of(*task.waited)) : run.row.start_date ? Value() : Value(why);
      tasks.push_back(Value::Map{{"dag_id", run.row.dag_id},
                                 {"dag_run_id", run.row.run_id},
                                 {"task_id", row.task_id},
                                 {"map_index", row.map_index},
                                 {"state", to_string(row.state)},
                                 {"start_date", time_or_null(row.start_date, zone)},
                                 {"end_date", time_or_null(row.end_date, zone)},
                                 {"waited_seconds", has_waited && waited ? Value(seconds_of(*waited)) : Value()},
                                 {"waited_for", reason}});
    }
    const bool has_ended = run.row.end_date.has_value();
    unfinished_ += has_ended ? 0 : 1;
    waiting_ += why.empty() ? 0 : 1;
    const auto took =
        run.row.start_date && has_ended ? std::optional(*run.row.end_date - *run.row.start_date) : std::nullopt;
    runs_.push_back(Value::Map{{"dag_id", run.row.dag_id},
                               {"dag_run_id", run.row.run_id},
                               {"run_after", format_local_time(run.row.run_after, zone)},
                               {"logical_date", time_or_null(run.row.logical_date, zone)},
                               {"start_date", time_or_null(run.row.start_date, zone)},
                               {"end_date", time_or_null(run.row.end_date, zone)},
                               {"duration", shown_duration(took)},
                               {"state", to_string(run.row.state)},
                               {"waited", longest > Duration(0) ? shown_duration(longest) : ""},
                               {"waited_for", why.empty() ? Value() : Value(why)},
                               {"tasks", tasks}});
    std::ranges::move(tasks, std::back_inserter(tasks_));
  }

  static std::vector<RehearsedTask> by_start(std::vector<RehearsedTask> tasks) {
    std::ranges::stable_sort(tasks, [](const RehearsedTask& a, const RehearsedTask& b) {
      return a.row.start_date.value_or(TimePoint::max()) < b.row.start_date.value_or(TimePoint::max());
    });
    return tasks;
  }
  static std::string task_name(const TaskInstance& row) {
    return row.map_index < 0 ? row.task_id : row.task_id + "[" + std::to_string(row.map_index) + "]";
  }
  static double seconds_of(Duration duration) { return static_cast<double>(duration.count()) / 1e6; }

  std::map<std::string, std::string> zones_;
  Value::List runs_, tasks_;
  int64_t waiting_ = 0, unfinished_ = 0;
};

// Integer flags were checked already.
Result<Rehearsal> rehearsal_of(const Arguments& arguments, Session& session, Known& known) {
  Rehearsal rehearsal;
  TRY_ASSIGN(rehearsal.from, parse_time(arguments.text_or("from", format_time(session.clock().now()))));
  const std::string to = arguments.text_or("to", format_time(rehearsal.from + std::chrono::hours(24)));
  TRY_ASSIGN(rehearsal.to, parse_time(to));
  if (rehearsal.to <= rehearsal.from)
    return Error{ErrorKind::invalid, "--to " + to + " is not after --from " + format_time(rehearsal.from)};
  rehearsal.parallelism = static_cast<int>(session.settings().integer("core", "parallelism"));
  rehearsal.priority_ageing = session.settings().duration("core", "priority_ageing").value_or(Duration::zero());
  for (const std::string& pool : arguments.all("pool")) TRY(put_pool(pool, known.pools));
  rehearsal.pools = known.pools;
  return rehearsal;
}

// What is due at once is not played: of a DAG that is new to a server it makes the last run that was due.
std::string told_of_past(const Rehearsal& rehearsal, bool has_server, const Known& known) {
  const std::string text = "What was due before now is taken to have been run";
  if (!has_server)
    return text +
           ". Of a DAG that a server has not seen yet it makes the last such run at once, also that of `@once`: these "
           "are not shown";
  constexpr size_t named_max = 10;
  std::vector<std::string> fresh;
  for (const DagPtr& dag : rehearsal.dags) {
    Schedule latest = dag->schedule;
    latest.catchup = false;
    const auto due = next_due_run(latest, std::nullopt, rehearsal.from);
    if (!known.is_paused.contains(dag->dag_id) && due && due->run_after <= rehearsal.from)
      fresh.push_back("`" + dag->dag_id + "`");
  }
  if (fresh.empty()) return text;
  const size_t others = fresh.size() - std::min(fresh.size(), named_max);
  fresh.resize(fresh.size() - others);
  return text + ", but the server has not seen " + join(fresh, ", ") +
         (others == 0 ? "" : " and " + std::to_string(others) + " more") +
         ": of each it makes the last such run at once, which is not shown";
}

// What is under way in the installation is not played; empty: nothing is.
Result<std::string> told_of_active(Api& api) {
  constexpr size_t named_max = 10;
  const std::string limit = "&limit=" + std::to_string(100);
  TRY_ASSIGN(const Value runs, api.get("/api/v2/dags/~/dagRuns?state=running&state=queued" + limit));
  TRY_ASSIGN(const Value backfills, api.get("/api/v2/backfills?active=true" + limit));
  const auto first_of = [&](const Value& rows, auto name_of) {
    std::vector<std::string> names;
    for (const Value& row : rows.as_list()) {
      std::string name = name_of(row);
      if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
    }
    const bool has_more = names.size() > named_max;
    if (has_more) names.resize(named_max);
    return join(names, ", ") + (has_more ? " and others" : "");
  };
  std::vector<std::string> active;
  if (const int64_t count = runs.integer("total_entries", 0); count > 0)
    active.push_back(std::to_string(count) + (count == 1 ? " run that has" : " runs that have") + " not ended, of " +
                     first_of(runs.get("dag_runs"), [](const Value& run) { return "`" + run.text("dag_id") + "`"; }));
  if (backfills.integer("total_entries", 0) > 0)
    active.push_back("backfill " + first_of(backfills.get("backfills"), [](const Value& backfill) {
                       return std::to_string(backfill.integer("id", 0));
                     }));
  if (active.empty()) return std::string();
  return "Not played is what is under way now: " + join(active, "; ") +
         ". What it takes of pools and of max_active_runs meanwhile comes on top";
}

// What nobody can know beforehand, as far as it matters to these DAGs.
std::string told_of_choices(const std::vector<DagPtr>& dags) {
  const auto any = [&](auto is_it) {
    return std::ranges::any_of(dags, [&](const DagPtr& dag) { return std::ranges::any_of(dag->tasks, is_it); });
  };
  const auto is_asking = [](const Task& task) {
    return task.operator_name == "approval" || task.operator_name == "human_input";
  };
  const auto is_mapped_over_value = [](const Task& task) { return task.expand && !known_length(*task.expand); };
  std::vector<std::string> taken;
  if (any([](const Task& task) { return task.choosing == Choosing::branch; }))
    taken.emplace_back("a branch follows all that it may choose");
  if (any([&](const Task& task) { return task.choosing == Choosing::short_circuit && !is_asking(task); }))
    taken.emplace_back("a short circuit lets go on");
  if (any(is_asking)) taken.emplace_back("people answer, and approve, after the time that it took lately");
  if (any(is_mapped_over_value))
    taken.emplace_back(
        "a task that is mapped over what another returns has as many task instances as it had last, or one where that "
        "is not known");
  return taken.empty() ? "" : "It is also taken that " + join(taken, "; ");
}

// By task ("dag.task"), why it failed first.
std::map<std::string, std::string> failures_of(const std::vector<RehearsedRun>& runs) {
  std::map<std::string, std::string> failures;
  for (const RehearsedRun& run : runs)
    for (const RehearsedTask& task : run.tasks)
      if (task.row.state == TaskState::failed)
        failures.emplace(run.row.dag_id + "." + task.row.task_id, task.row.note + ", first in " + run.row.run_id);
  return failures;
}

template <class F>
void tell_first(Output& output, const std::map<std::string, std::string>& of_tasks, F text) {
  constexpr size_t told_max = 20;
  size_t told = 0;
  for (const auto& [task, why] : of_tasks) {
    if (++told > told_max) {
      output.note("and so for " + std::to_string(of_tasks.size() - told_max) + " more tasks");
      return;
    }
    output.note(text(task, why));
  }
}

Result<int> simulate(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, api_if_any(session));
  TRY_ASSIGN(Known known, known_of(api));
  TRY_ASSIGN(Rehearsal rehearsal, rehearsal_of(arguments, session, known));
  TRY_ASSIGN(const Duration otherwise, parse_duration(arguments.text_or("duration", "1m")));
  if (otherwise <= Duration(0)) return Error{ErrorKind::invalid, "--duration: a task takes some time"};
  TRY_ASSIGN(const OperatorCatalog operators, installed_operators(session.home()));
  const CatalogPtr snapshot = load_local_dags(session, operators);
  TRY_ASSIGN(rehearsal.dags, chosen(session, *snapshot, arguments.all("DAG"), known));
  TRY_ASSIGN(const auto habits, habits_of(rehearsal.dags, api));
  rehearsal.duration = [&](const std::string& dag_id, const std::string& task_id) {
    return habits.at(dag_id).usual(task_id).value_or(otherwise);
  };
  rehearsal.mapped_length = [&](const std::string& dag_id, const std::string& task_id) {
    return std::max<int64_t>(1, habits.at(dag_id).mapped(task_id));
  };
  TRY_ASSIGN(const Rehearsed rehearsed, rehearse(rehearsal));
  const std::vector<RehearsedRun>& runs = rehearsed.runs;

  Report report(runs, rehearsal.dags);
  Output& output = session.output();
  const bool shows_tasks = arguments.has("tasks") && output.format() == Format::table;
  if (shows_tasks)
    output.list(Value::Map{{"tasks", report.take_tasks()}}, "tasks",
                {column("RUN", "dag_run_id"),
                 {"TASK",
                  [](const Value& task) {
                    const int64_t index = task.integer("map_index", -1);
                    return task.text("dag_id") + "." + task.text("task_id") +
                           (index < 0 ? "" : "[" + std::to_string(index) + "]");
                  }},
                 column("START", "start_date"),
                 column("END", "end_date"),
                 column("STATE", "state"),
                 column("WAITED FOR", "waited_for")});
  else
    output.list(Value::Map{{"runs", report.take_runs()}, {"total_entries", static_cast<int64_t>(runs.size())}}, "runs",
                {column("DAG", "dag_id"), column("RUN AFTER", "run_after"), column("START", "start_date"),
                 column("END", "end_date"), column("TOOK", "duration"), column("STATE", "state"),
                 column("WAITED", "waited"), column("FOR", "waited_for")});
  output.note(std::to_string(runs.size()) + (runs.size() == 1 ? " run" : " runs") + " from " +
              format_time(rehearsal.from) + " to " + format_time(rehearsal.to) + ", of which " +
              std::to_string(report.waiting()) + " would wait for something and " +
              std::to_string(report.unfinished()) +
              " would not have ended. Every try is taken to succeed, after the "
              "time that it took lately, or " +
              format_duration(otherwise) +
              " where that is not known (--duration); `wait_until` and `wait_for_task` wait for what they name");
  if (const std::string told = told_of_choices(rehearsal.dags); !told.empty()) output.note(told);
  if (!arguments.has("from")) output.note(told_of_past(rehearsal, api != nullptr, known));
  if (api != nullptr) {
    TRY_ASSIGN(const std::string told, told_of_active(*api));
    if (!told.empty()) output.note(told);
  }
  for (const auto& [dag_id, at] : rehearsed.cut)
    output.note("`" + dag_id + "` makes more than " + std::to_string(rehearsal.continuous_runs_max) +
                " runs; shown up to " + format_time(at));
  for (const auto& [dag_id, at] : rehearsed.behind)
    output.note("`" + dag_id + "` is behind: it makes no run for " + format_time(at) +
                " and after, as its earlier runs had not ended (max_active_runs)");
  tell_first(output, rehearsed.not_triggered, [](const std::string& task, const std::string& why) {
    return "runs that `" + task + "` makes are not shown: " + why;
  });
  tell_first(output, rehearsed.usual_waits, [](const std::string& task, const std::string& why) {
    return "`" + task + "` is taken to wait as long as usual: " + why;
  });
  tell_first(output, failures_of(runs),
             [](const std::string& task, const std::string& why) { return "`" + task + "` fails: " + why; });
  constexpr size_t days_off_told_max = 10;  // of a DAG
  for (const DagPtr& dag : rehearsal.dags)
    for (const DayOffTime& off :
         times_on_days_off(dag->schedule, rehearsal.from - Duration(1), rehearsal.to, days_off_told_max))
      output.note("day off: " + dag->dag_id + " at " + told(off, dag->schedule));
  return succeeded;
}

}  // namespace

Command simulate_command() {
  return {"dags",
          "simulate",
          "Plays the calendar forward: what would run when, and what would wait for what",
          {{"DAG", "ids of DAGs; else all that are not paused", Positional::Count::any}},
          {{"from", "runs that are due from then on; else now", "TIME"},
           {"to", "when it ends; else a day later", "TIME"},
           {"duration", "of a task that has no history, such as 10m; else 1m", "DURATION"},
           {"pool", "slots of a pool, whatever it has; several times", "NAME=SLOTS", Flag::Count::any},
           {"tasks", "a line for each task instance", ""}},
          simulate};
}

}  // namespace udon::cli
