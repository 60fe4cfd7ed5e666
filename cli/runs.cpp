#include "base/text.h"
#include "cli/command.h"
#include "cli/task_tree.h"
#include "cli/verbs.h"

namespace udon::cli {
namespace {

// The number of the version of its DAG that a run goes on with; those that it had before stand in front of it.
std::string version_of(const Value& run) {
  std::string text;
  for (const Value& version : run.get("dag_versions").as_list())
    text += (text.empty() ? "" : " → ") + std::to_string(version.integer("version_number"));
  return text;
}

const std::vector<Column>& list_columns() {
  static const std::vector<Column> columns{column("DAG", "dag_id"),       column("RUN", "dag_run_id"),
                                           column("STATE", "state"),      column("TYPE", "run_type"),
                                           {"VERSION", version_of},       column("LOGICAL DATE", "logical_date"),
                                           column("START", "start_date"), column("END", "end_date"),
                                           column("SECONDS", "duration"), column("NOTE", "note")};
  return columns;
}

const std::vector<Column>& instance_columns() {
  static const std::vector<Column> columns{
      {"TASK", shown_name},          {"STATE", [](const Value& row) { return row.text("state", "none"); }},
      column("TRY", "try_number"),   column("START", "start_date"),
      column("SECONDS", "duration"), column("OPERATOR", "operator"),
      column("NOTE", "note")};
  return columns;
}

// The ids of an invocation, with `latest` resolved.
struct Named {
  Api* api;
  std::string dag_id, run_id;
};
Result<Named> named_run(const Arguments& arguments, Session& session) {
  Named named;
  TRY_ASSIGN(named.api, session.api());
  named.dag_id = arguments.text("DAG");
  TRY_ASSIGN(named.run_id, resolve_run(*named.api, named.dag_id, arguments.text("RUN")));
  return named;
}

Result<int> list(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  TRY_ASSIGN(const int64_t limit, parse_count("--limit", arguments.text_or("limit", "25")));
  std::string target = "/api/v2/dags/" + path_of({arguments.text_or("DAG", "~")}) + "/dagRuns?order_by=-id";
  for (const std::string& state : arguments.all("state")) target += "&state=" + percent_encode(state);
  TRY_ASSIGN(const Value runs, api->get_all(target, "dag_runs", limit));
  session.output().list(runs, "dag_runs", list_columns());
  return succeeded;
}

Result<int> show(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(const Named named, named_run(arguments, session));
  TRY_ASSIGN(Value run, named.api->get(run_path(named.dag_id, named.run_id)));
  TRY_ASSIGN(const Value instances,
             named.api->get_all(run_path(named.dag_id, named.run_id) + "/taskInstances", "task_instances", 1000));
  // Without groups the list says as much as the tree.
  const Result<Value> tree = named.api->get(run_tree_path(named.dag_id, named.run_id));
  const Value nodes = tree && has_groups(tree->get("nodes")) ? tree->get("nodes") : Value();
  if (session.output().format() != Format::table) {
    run.set("task_instances", instances.get("task_instances"));
    if (!nodes.is_null()) run.set("nodes", nodes);
    session.output().object(run, {});
    return succeeded;
  }
  session.output().object(
      run,
      {column("dag", "dag_id"),
       column("run", "dag_run_id"),
       column("state", "state"),
       column("type", "run_type"),
       {"version", version_of},
       column("logical date", "logical_date"),
       column("interval start", "data_interval_start"),
       column("interval end", "data_interval_end"),
       column("queued", "queued_at"),
       column("start", "start_date"),
       column("end", "end_date"),
       column("seconds", "duration"),
       column("triggered by", "triggered_by"),
       column("user", "triggering_user_name"),
       column("note", "note"),
       {"conf", [](const Value& shown) { return shown.get("conf").size() == 0 ? "" : to_json(shown.get("conf")); }}});
  if (!nodes.is_null()) {
    session.output().raw("\n");
    session.output().list(Value::Map{{"nodes", tree_rows(nodes, session.output().terminal())}}, "nodes",
                          run_tree_columns());
  }
  session.output().raw("\n");
  session.output().list(instances, "task_instances", instance_columns());
  return succeeded;
}

Result<int> wait(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(const Named named, named_run(arguments, session));
  std::optional<Duration> at_most;
  if (arguments.has("timeout")) {
    const Result<Duration> given = parse_duration(arguments.text("timeout"));
    if (!given) return given.error().within("--timeout");
    at_most = *given;
  }
  TRY_ASSIGN(const int code, wait_for_run(session, named.dag_id, named.run_id, at_most));
  if (session.output().format() != Format::table) {
    TRY_ASSIGN(const Value run, named.api->get(run_path(named.dag_id, named.run_id)));
    session.output().object(run, {});
  }
  return code;
}

Result<int> clear(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(const Named named, named_run(arguments, session));
  const bool dry_run = arguments.has("dry-run");
  TRY_ASSIGN(const Value answer,
             named.api->post(run_path(named.dag_id, named.run_id) + "/clear",
                             Value::Map{{"dry_run", dry_run},
                                        {"only_failed", arguments.has("only-failed")},
                                        {"only_new", arguments.has("only-new")},
                                        {"run_on_latest_version", arguments.has("run-on-latest-version")}}));
  if (dry_run)
    session.output().list(answer, "task_instances", instance_columns());
  else
    session.output().done("cleared " + named.dag_id + " " + named.run_id + ": it runs again", answer);
  tell_version(session, *named.api, named.dag_id, named.run_id);
  return succeeded;
}

Result<int> mark(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(const Named named, named_run(arguments, session));
  const std::string& state = arguments.text("STATE");
  TRY_ASSIGN(const Value run, named.api->patch(run_path(named.dag_id, named.run_id), Value::Map{{"state", state}}));
  session.output().done(named.dag_id + " " + named.run_id + " is marked " + state +
                            (run.text("state", state) == state ? "" : "; its teardowns run first"),
                        run);
  return succeeded;
}

Result<int> remove(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(const Named named, named_run(arguments, session));
  TRY(named.api->remove(run_path(named.dag_id, named.run_id)));
  session.output().done("deleted " + named.dag_id + " " + named.run_id,
                        Value::Map{{"dag_id", named.dag_id}, {"dag_run_id", named.run_id}});
  return succeeded;
}

}  // namespace

std::vector<Command> runs_commands() {
  const Positional dag{"DAG", "id of the DAG"}, run{"RUN", "id of the run, or `latest`"};
  return {
      {"runs",
       "list",
       "Lists runs, the newest first",
       {{"DAG", "id of the DAG; else of all", Positional::Count::optional}},
       {{"state", "only runs in this state (queued, running, success, failed)", "STATE", Flag::Count::any},
        {"limit", "how many at most (25)", "N"}},
       list},
      {"runs", "show", "Shows a run and its task instances", {dag, run}, {}, show},
      {"runs",
       "wait",
       "Waits until a run has ended: 0 success, 1 failed",
       {dag, run},
       {{"timeout", "how long at most, such as 90s or 1h", "DURATION"}},
       wait},
      {"runs",
       "clear",
       "Clears the task instances of a run, so that they run again",
       {dag, run},
       {{"only-failed", "only failed ones", ""},
        {"run-on-latest-version", "the run goes on with the newest version of its DAG", ""},
        {"only-new", "clear nothing, only add the tasks that the newest version has and the run has not", ""},
        {"dry-run", "only show which", ""}},
       clear},
      {"runs",
       "mark",
       "Marks a run success or failed; what runs is ended",
       {dag, run, {.name = "STATE", .help = "success or failed", .choices = {"success", "failed"}}},
       {},
       mark},
      {"runs", "delete", "Deletes a finished run and all that hangs on it", {dag, run}, {}, remove},
  };
}

}  // namespace udon::cli
