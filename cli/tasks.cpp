#include <algorithm>
#include <map>

#include "base/text.h"
#include "cli/command.h"
#include "cli/task_tree.h"
#include "cli/verbs.h"
#include "model/state.h"

namespace udon::cli {
namespace {

const std::vector<Column>& list_columns() {
  static const std::vector<Column> columns{
      {"TASK", shown_name},           {"STATE", [](const Value& row) { return row.text("state", "none"); }},
      column("TRY", "try_number"),    column("START", "start_date"),
      column("END", "end_date"),      column("SECONDS", "duration"),
      column("OPERATOR", "operator"), column("POOL", "pool"),
      column("NOTE", "note")};
  return columns;
}

struct Named {
  Api* api = nullptr;
  std::string dag_id, run_id, task_id;
  int64_t map_index = -1;
  std::string instances() const { return run_path(dag_id, run_id) + "/taskInstances"; }
  // The task instance itself.
  Result<Value> get() const {
    return or_name_mapped(
        api->get(instances() + "/" + path_of({task_id}) + (map_index < 0 ? "" : "/" + std::to_string(map_index))));
  }
  // What was not found because it hangs on one of many says so in this program's words.
  Result<Value> or_name_mapped(Result<Value> found) const {
    if (found || found.error().kind != ErrorKind::not_found || map_index >= 0) return found;
    TRY_ASSIGN(const int64_t mapped, mapped_instances());
    if (mapped == 0) return found;
    return Error{ErrorKind::invalid, "`" + task_id + "` is mapped over " + std::to_string(mapped) +
                                         (mapped == 1 ? " task instance" : " task instances") +
                                         ": say which by --map-index N (0 to " + std::to_string(mapped - 1) + ")"};
  }
  // Of the run's version.
  Result<bool> is_group() const {
    const Result<Value> tree = api->get(run_tree_path(dag_id, run_id) + query_of({{"task_group_id", task_id}}));
    if (!tree && tree.error().kind != ErrorKind::not_found) return tree.error();
    return tree.has_value();
  }
  std::string all_of_it() const { return instances() + query_of({{"task_id", task_id}}); }
  Result<int64_t> mapped_instances() const {
    TRY_ASSIGN(const Value some, api->get_all(all_of_it(), "task_instances", 1));
    const Value::List& rows = some.get("task_instances").as_list();
    return rows.empty() || rows.front().integer("map_index", -1) < 0 ? 0 : some.integer("total_entries");
  }
};
Result<Named> named_task(const Arguments& arguments, Session& session) {
  Named named;
  TRY_ASSIGN(named.api, session.api());
  named.dag_id = arguments.text("DAG");
  TRY_ASSIGN(named.run_id, resolve_run(*named.api, named.dag_id, arguments.text("RUN")));
  if (arguments.has("TASK")) named.task_id = arguments.text("TASK");
  if (arguments.has("map-index")) {
    TRY_ASSIGN(named.map_index, parse_count("--map-index", arguments.text("map-index")));
  }
  return named;
}

Result<int> list(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(const Named named, named_task(arguments, session));
  TRY_ASSIGN(const int64_t limit, parse_count("--limit", arguments.text_or("limit", "1000")));
  std::string target = named.instances();
  char separator = '?';
  for (const std::string& state : arguments.all("state")) {
    target += separator + ("state=" + percent_encode(state));
    separator = '&';
  }
  if (arguments.has("group")) target += separator + ("task_group_id=" + percent_encode(arguments.text("group")));
  TRY_ASSIGN(const Value instances, named.api->get_all(target, "task_instances", limit));
  session.output().list(instances, "task_instances", list_columns());
  return succeeded;
}

Result<int> tree(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(const Named named, named_task(arguments, session));
  TRY_ASSIGN(const Value found, named.api->get(run_tree_path(named.dag_id, named.run_id) +
                                               query_of({{"task_group_id", arguments.text_or("GROUP", "")}})));
  if (session.output().format() != Format::table) {
    session.output().object(found, {});
    return succeeded;
  }
  session.output().list(Value::Map{{"nodes", tree_rows(found.get("nodes"), session.output().terminal())}}, "nodes",
                        run_tree_columns());
  return succeeded;
}

Result<int> logs(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(const Named named, named_task(arguments, session));
  TRY_ASSIGN(Value instance, named.get());
  const bool follows = arguments.has("follow");
  int64_t try_number = instance.integer("try_number");
  if (arguments.has("try")) {
    TRY_ASSIGN(try_number, parse_count("--try", arguments.text("try")));
  }
  while (try_number == 0) {
    // Ended before any try: there is no log, and the reason is all there is to read.
    if (!instance.text("note").empty())
      return Error{ErrorKind::not_found, shown_name(instance) + " was never tried, so it has no log; it is " +
                                             instance.text("state", "none") + ": " + instance.text("note")};
    if (!follows)
      return Error{ErrorKind::not_found, shown_name(instance) + " has not been tried yet (" +
                                             instance.text("state", "none") + "); `udon tasks why " + named.dag_id +
                                             " " + named.run_id + " " + named.task_id + "` says why"};
    pause_for(std::chrono::milliseconds(200));
    TRY_ASSIGN(instance, named.get());
    try_number = instance.integer("try_number");
  }
  std::string token;
  while (true) {
    const std::string target = named.instances() + "/" + path_of({named.task_id}) + "/logs/" +
                               std::to_string(try_number) +
                               query_of({{"map_index", std::to_string(named.map_index)}, {"token", token}});
    TRY_ASSIGN(const ApiAnswer answer, named.api->send("GET", target, "", "text/plain"));
    if (answer.status == 404 && arguments.has("try") && try_number > instance.integer("try_number"))
      return Error{ErrorKind::not_found, shown_name(instance) + " has had " +
                                             std::to_string(instance.integer("try_number")) +
                                             (instance.integer("try_number") == 1 ? " try" : " tries") +
                                             "; there is no log of try " + std::to_string(try_number)};
    if (answer.status != 200) return error_of_answer(answer);
    session.output().raw(answer.body);
    if (answer.continuation.empty()) return succeeded;
    const bool has_more = answer.continuation != token && !answer.body.empty();
    token = answer.continuation;
    if (has_more) continue;
    if (!follows) return succeeded;
    pause_for(std::chrono::milliseconds(200));
  }
}

Result<Value> ask_why(const Named& named, int64_t map_index) {
  return named.api->get("/api/udon/dags/" + path_of({named.dag_id}) + "/dagRuns/" + path_of({named.run_id}) +
                        "/taskInstances/" + path_of({named.task_id}) + "/" + std::to_string(map_index) + "/why");
}

// Of a mapped task: all that is not over, and how the rest ended.
Result<int> why_of_all(const Named& named, Session& session) {
  constexpr size_t asked_max = 100;  // each is a question to the scheduler, and nobody reads more
  TRY_ASSIGN(const Value all, named.api->get_all(named.all_of_it(), "task_instances"));
  Value::List reasons;
  std::map<std::string, int64_t> others;
  for (const Value& row : all.get("task_instances").as_list()) {
    const std::string state = row.text("state", "none");
    const auto known = parse_task_state(state);
    if ((known && is_finished(*known)) || reasons.size() == asked_max) {
      ++others[state];
      continue;
    }
    TRY_ASSIGN(Value reason, ask_why(named, row.integer("map_index", -1)));
    reasons.push_back(std::move(reason));
  }
  std::vector<std::string> counts;
  for (const auto& [state, count] : others) counts.push_back(std::to_string(count) + " " + state);
  if (!counts.empty())
    session.output().note((reasons.empty() ? "`" + named.task_id + "`: " : "besides these: ") + join(counts, ", ") +
                          "; --map-index N says why of one");
  const auto total = static_cast<int64_t>(reasons.size());
  if (total > 0 || session.output().format() != Format::table)
    session.output().list(Value::Map{{"reasons", std::move(reasons)}, {"total_entries", total}}, "reasons",
                          {{"TASK", shown_name},
                           {"STATE", [](const Value& row) { return row.text("state", "none"); }},
                           column("WHY", "text")});
  return succeeded;
}

// What the run's deadlines make of it, with the forecast, in words.
Result<Value::List> deadlines_of(const Named& named) {
  TRY_ASSIGN(const Value found, named.api->get("/api/udon/deadlines" +
                                               query_of({{"dag_id", named.dag_id}, {"dag_run_id", named.run_id}})));
  return found.get("deadlines").as_list();
}

Result<int> why(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(const Named named, named_task(arguments, session));
  const Result<Value> asked = ask_why(named, named.map_index);
  if (!asked && asked.error().kind == ErrorKind::not_found && named.map_index < 0) {
    TRY_ASSIGN(const int64_t mapped, named.mapped_instances());
    if (mapped > 0) return why_of_all(named, session);
  }
  TRY_ASSIGN(Value reason, asked);
  TRY_ASSIGN(Value::List deadlines, deadlines_of(named));
  if (session.output().format() != Format::table) {
    reason.set("deadlines", std::move(deadlines));
    session.output().object(reason, {});
    return succeeded;
  }
  session.output().raw(shown_name(reason) + " is " + reason.text("state", "none") + ": " + reason.text("text") + "\n");
  if (reason.get("holders").is_list())
    for (const Value& holder : reason.get("holders").as_list()) session.output().raw("  " + plain_text(holder) + "\n");
  if (!reason.text("until").empty()) session.output().raw("  until " + reason.text("until") + "\n");
  for (const Value& deadline : deadlines) session.output().raw("  deadline: " + deadline.text("text") + "\n");
  tell_version(session, *named.api, named.dag_id, named.run_id);
  return succeeded;
}

// Tasks as the API wants them: "task", or ["task", 3].
Result<Value::List> task_ids(const std::vector<std::string>& tasks, const Arguments& arguments) {
  std::optional<int64_t> map_index;
  if (arguments.has("map-index")) {
    TRY_ASSIGN(map_index, parse_count("--map-index", arguments.text("map-index")));
  }
  Value::List ids;
  for (const std::string& task : tasks) ids.push_back(map_index ? Value(Value::List{task, *map_index}) : Value(task));
  return ids;
}

std::string count_of(const Value& answer) {
  const auto number = static_cast<int64_t>(answer.get("task_instances").size());
  return std::to_string(number) + (number == 1 ? " task instance" : " task instances");
}

// Of one run, with those before or after it; or with --start-date or --end-date of all between: then there is no RUN.
Result<int> clear(const Arguments& arguments, Session& session) {
  const bool is_range = arguments.has("start-date") || arguments.has("end-date");
  std::vector<std::string> tasks = arguments.all("RUN");
  const std::string dag_id = arguments.text("DAG");
  Value body = Value::map();
  std::string run_id;
  if (is_range) {
    if (arguments.has("past") || arguments.has("future"))
      return Error{ErrorKind::invalid, "--past and --future are about a run; leave --start-date or --end-date away"};
    if (arguments.has("start-date")) body.set("start_date", arguments.text("start-date"));
    if (arguments.has("end-date")) body.set("end_date", arguments.text("end-date"));
  } else if (tasks.size() < 2) {
    return Error{ErrorKind::invalid,
                 "name a run and its tasks, or runs by --start-date and --end-date; all tasks of a "
                 "run are cleared by `udon runs clear`"};
  } else {
    TRY_ASSIGN(Api* const api, session.api());
    TRY_ASSIGN(run_id, resolve_run(*api, dag_id, tasks.front()));
    tasks.erase(tasks.begin());
    body.set("dag_run_id", run_id);
    body.set("include_past", arguments.has("past"));
    body.set("include_future", arguments.has("future"));
  }
  TRY_ASSIGN(Value::List ids, task_ids(tasks, arguments));
  const bool dry_run = arguments.has("dry-run");
  if (!ids.empty()) body.set("task_ids", std::move(ids));
  body.set("dry_run", dry_run);
  body.set("only_failed", arguments.has("only-failed"));
  body.set("run_on_latest_version", arguments.has("run-on-latest-version"));
  body.set("only_running", arguments.has("only-running"));
  body.set("include_upstream", arguments.has("upstream"));
  body.set("include_downstream", arguments.has("downstream"));
  TRY_ASSIGN(Api* const api, session.api());
  TRY_ASSIGN(const Value answer, api->post("/api/v2/dags/" + path_of({dag_id}) + "/clearTaskInstances", body));
  if (dry_run) {
    std::vector<Column> columns = list_columns();
    if (run_id.empty() || arguments.has("past") || arguments.has("future"))
      columns.insert(columns.begin(), column("RUN", "dag_run_id"));
    session.output().list(answer, "task_instances", columns);
  } else {
    session.output().done("cleared " + count_of(answer), answer);
  }
  if (!run_id.empty()) tell_version(session, *api, dag_id, run_id);
  return succeeded;
}

Result<int> kill(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(const Named named, named_task(arguments, session));
  TRY_ASSIGN(Value::List ids, task_ids(arguments.all("TASK"), arguments));
  TRY_ASSIGN(const Value answer, named.api->post("/api/udon/dags/" + path_of({named.dag_id}) + "/dagRuns/" +
                                                     path_of({named.run_id}) + "/kill",
                                                 Value::Map{{"task_ids", std::move(ids)}}));
  if (answer.get("task_instances").size() == 0)
    return Error{ErrorKind::conflict, "none of these has a live try; there is nothing to kill"};
  session.output().done("ending " + count_of(answer), answer);
  return succeeded;
}

Result<int> mark(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(const Named named, named_task(arguments, session));
  const std::string& state = arguments.text("STATE");
  const bool dry_run = arguments.has("dry-run");
  const Value body = Value::Map{{"new_state", state},
                                {"include_upstream", arguments.has("upstream")},
                                {"include_downstream", arguments.has("downstream")},
                                {"include_past", arguments.has("past")},
                                {"include_future", arguments.has("future")}};
  const std::string last = dry_run ? "/dry_run" : "";
  const std::string index = named.map_index < 0 ? "" : std::to_string(named.map_index);
  Result<Value> answer = named.api->patch(
      named.instances() + "/" + path_of({named.task_id}) + (index.empty() ? "" : "/" + index) + last, body);
  if (!answer && answer.error().kind == ErrorKind::not_found) {
    // No task of that id: a task group may have it.
    TRY_ASSIGN(const bool is_group, named.is_group());
    if (is_group)
      answer = named.api->patch(run_path(named.dag_id, named.run_id) + "/taskGroupInstances/" +
                                    path_of({named.task_id}) + last + query_of({{"map_index", index}}),
                                body);
  }
  if (!answer) return answer.error();
  if (dry_run)
    session.output().list(*answer, "task_instances", list_columns());
  else
    session.output().done("marked " + count_of(*answer) + " " + state, *answer);
  return succeeded;
}

Result<int> xcom(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(const Named named, named_task(arguments, session));
  const std::string entries = named.instances() + "/" + path_of({named.task_id}) + "/xcomEntries";
  const std::string query =
      query_of({{"map_index", arguments.has("map-index") ? std::to_string(named.map_index) : ""}});
  if (!arguments.has("KEY")) {
    TRY_ASSIGN(const Value list, named.api->get_all(entries + query, "xcom_entries"));
    session.output().list(list, "xcom_entries",
                          {{"TASK", shown_name}, column("KEY", "key"), column("TIME", "timestamp")});
    return succeeded;
  }
  TRY_ASSIGN(const Value entry,
             named.or_name_mapped(named.api->get(entries + "/" + path_of({arguments.text("KEY")}) + query)));
  if (session.output().format() == Format::table)
    session.output().raw(to_json_pretty(entry.get("value")) + "\n");
  else
    session.output().object(entry, {});
  return succeeded;
}

}  // namespace

std::vector<Command> tasks_commands() {
  const Positional dag{"DAG", "id of the DAG"}, run{"RUN", "id of the run, or `latest`"},
      task{"TASK", "id of the task"};
  const Positional tasks{"TASK", "ids of tasks or task groups", Positional::Count::some};
  const Flag map_index{"map-index", "of a mapped task; else all of it", "N"};
  const Flag upstream{"upstream", "with all that it waits for", ""},
      downstream{"downstream", "with all that waits for it", ""};
  const Flag past{"past", "in the runs of earlier logical dates, too", ""},
      future{"future", "in the runs of later logical dates, too", ""};
  return {
      {"tasks",
       "list",
       "Lists the task instances of a run",
       {dag, run},
       {{"state", "only those in this state", "STATE", Flag::Count::any},
        {"group", "only those of this task group", "GROUP"},
        {"limit", "how many at most (1000)", "N"}},
       list},
      {"tasks",
       "tree",
       "Shows tasks and task groups of a run, with how many task instances are in each state",
       {dag, run, {"GROUP", "id of a task group; else all", Positional::Count::optional}},
       {},
       tree},
      {"tasks",
       "logs",
       "Prints the log of a try, the last one if none is named",
       {dag, run, task},
       {{"try", "number of the try, from 1", "N"},
        {"map-index", "of a mapped task", "N"},
        {"follow", "go on until the try has ended", ""}},
       logs},
      {"tasks",
       "why",
       "Says why a task instance is where it is",
       {dag, run, task},
       {{"map-index", "of a mapped task; else all of it that is not over", "N"}},
       why},
      {"tasks",
       "xcom",
       "Lists what a task instance has pushed, or shows one value",
       {dag, run, task, {"KEY", "such as return_value", Positional::Count::optional}},
       {map_index},
       xcom},
      {"tasks",
       "clear",
       "Clears task instances, so that they run again",
       {dag,
        {"RUN",
         "id of the run, or `latest`, then ids of its tasks or task groups; with --start-date or --end-date: those "
         "alone",
         Positional::Count::any}},
       {map_index,
        upstream,
        downstream,
        past,
        future,
        {"start-date", "instead of RUN: all runs of this logical date and later ones", "TIME"},
        {"end-date", "instead of RUN: all runs up to this logical date", "TIME"},
        {"only-failed", "only failed ones", ""},
        {"only-running", "only those that have a live try", ""},
        {"run-on-latest-version", "the run goes on with the newest version of its DAG", ""},
        {"dry-run", "only show which", ""}},
       clear},
      {"tasks",
       "mark",
       "Marks a task instance, or a task group, success, failed or skipped",
       {dag,
        run,
        {"TASK", "id of the task or task group"},
        {.name = "STATE", .help = "success, failed or skipped", .choices = {"success", "failed", "skipped"}}},
       {map_index, upstream, downstream, past, future, {"dry-run", "only show which", ""}},
       mark},
      {"tasks",
       "kill",
       "Ends the live tries of tasks; they fail without a retry",
       {dag, run, tasks},
       {map_index},
       kill},
  };
}

}  // namespace udon::cli
