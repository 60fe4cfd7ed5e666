#include "base/text.h"
#include "cli/command.h"
#include "cli/verbs.h"

namespace udon::cli {
namespace {

constexpr const char* collection = "/api/v2/backfills";

std::string one(const std::string& id) { return std::string(collection) + "/" + path_of({id}); }

// "12/31": dates that have been dealt with, of how many.
std::string shown_dates(const Value& row) {
  const Value progress = row.get("progress");
  return std::to_string(progress.integer("created") + progress.integer("cleared") + progress.integer("skipped")) + "/" +
         std::to_string(progress.integer("dates"));
}

// "2 running, 8 success": those states that there are.
std::string shown_runs(const Value& row) {
  const Value runs = row.get("progress").get("runs");
  std::vector<std::string> parts;
  for (const char* state : {"queued", "running", "success", "failed"})
    if (runs.integer(state) > 0) parts.push_back(std::to_string(runs.integer(state)) + " " + state);
  return join(parts, ", ");
}

const std::vector<Column>& list_columns() {
  static const std::vector<Column> columns{
      column("ID", "id"),          column("DAG", "dag_id"),          column("STATUS", "status"),
      column("FROM", "from_date"), column("TO", "to_date"),          {"DATES", shown_dates},
      {"RUNS", shown_runs},        column("MAX", "max_active_runs"), column("REPROCESS", "reprocess_behavior"),
      column("USER", "user")};
  return columns;
}

const std::vector<Column>& date_columns() {
  static const std::vector<Column> columns{
      column("LOGICAL DATE", "logical_date"), column("INTERVAL START", "data_interval_start"),
      column("INTERVAL END", "data_interval_end"), column("ACTION", "action"), column("RUN", "dag_run_id")};
  return columns;
}

Result<Value> body_of(const Arguments& arguments) {
  Value body = Value::Map{{"dag_id", arguments.text("dag-id")},
                          {"from_date", arguments.text("from-date")},
                          {"to_date", arguments.text("to-date")},
                          {"run_backwards", arguments.has("run-backwards")},
                          {"run_on_latest_version", arguments.has("run-on-latest-version")},
                          {"reprocess_behavior", arguments.text_or("reprocess-behavior", "none")}};
  if (arguments.has("max-active-runs")) {
    TRY_ASSIGN(const int64_t most, parse_count("--max-active-runs", arguments.text("max-active-runs")));
    body.set("max_active_runs", most);
  }
  if (arguments.has("dag-run-conf")) {
    TRY_ASSIGN(Value conf, parse_json(arguments.text("dag-run-conf")));
    body.set("dag_run_conf", std::move(conf));
  }
  return body;
}

Result<int> create(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(const Value body, body_of(arguments));
  TRY_ASSIGN(Api* const api, session.api());
  const std::string& dag_id = arguments.text("dag-id");
  if (arguments.has("dry-run")) {
    TRY_ASSIGN(const Value dates, api->post(std::string(collection) + "/dry_run", body));
    session.output().list(dates, "backfills", date_columns());
    session.output().note("nothing was made: this is what a backfill of " + dag_id + " would do");
    return succeeded;
  }
  TRY_ASSIGN(const Value made, api->post(collection, body));
  const std::string id = std::to_string(made.integer("id"));
  const int64_t dates = made.get("progress").integer("dates");
  session.output().done("backfill " + id + " of " + dag_id + ": " + std::to_string(dates) +
                            (dates == 1 ? " date" : " dates") + ", " + std::to_string(made.integer("max_active_runs")) +
                            " at a time; see `udon backfill show " + id + "`",
                        made);
  const auto dag = api->get("/api/v2/dags/" + path_of({dag_id}));
  if (dag && dag->flag("is_paused"))
    session.output().note(dag_id + " is paused: its backfill waits until `udon dags unpause " + dag_id + "`");
  return succeeded;
}

Result<int> list(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  std::vector<std::pair<std::string_view, std::string>> asked{{"order_by", "-id"},
                                                              {"dag_id", arguments.text_or("dag-id", "")},
                                                              {"active", arguments.has("active") ? "true" : ""}};
  TRY_ASSIGN(const Value found, api->get_all(collection + query_of(asked), "backfills"));
  session.output().list(found, "backfills", list_columns());
  return succeeded;
}

Result<int> show(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  TRY_ASSIGN(const Value row, api->get(one(arguments.text("ID"))));
  const auto of_progress = [](const char* title, const char* name) {
    return Column{title, [name](const Value& shown) { return plain_text(shown.get("progress").get(name)); }};
  };
  session.output().object(
      row, {column("id", "id"),
            column("dag", "dag_id"),
            column("status", "status"),
            column("from", "from_date"),
            column("to", "to_date"),
            {"order", [](const Value& shown) { return shown.flag("run_backwards") ? "backwards" : "forward"; }},
            column("reprocess", "reprocess_behavior"),
            column("max active runs", "max_active_runs"),
            {"dates", shown_dates},
            of_progress("created", "created"),
            of_progress("cleared", "cleared"),
            of_progress("skipped", "skipped"),
            of_progress("last date", "last_date"),
            {"runs", shown_runs},
            column("user", "user"),
            column("created at", "created_at"),
            column("completed at", "completed_at"),
            {"conf", [](const Value& shown) {
               return shown.get("dag_run_conf").size() == 0 ? "" : to_json(shown.get("dag_run_conf"));
             }}});
  return succeeded;
}

Result<int> change(const Arguments& arguments, Session& session, const char* verb, const char* done) {
  TRY_ASSIGN(Api* const api, session.api());
  const std::string& id = arguments.text("ID");
  TRY_ASSIGN(const Value row, api->post(one(id) + "/" + verb, Value::map()));
  session.output().done("backfill " + id + " of " + row.text("dag_id") + " is " + done + "; dates " + shown_dates(row) +
                            (shown_runs(row).empty() ? "" : ", " + shown_runs(row)),
                        row);
  return succeeded;
}

Command changing(const char* verb, const char* done, const char* help) {
  return {
      "backfill",
      verb,
      help,
      {{"ID", "its number, as in the list", Positional::Count::one, Positional::Kind::integer}},
      {},
      [verb, done](const Arguments& arguments, Session& session) { return change(arguments, session, verb, done); }};
}

}  // namespace

std::vector<Command> backfill_commands() {
  return {
      {"backfill",
       "create",
       "Makes runs for the dates of a range, beside the DAG's own",
       {},
       {{"dag-id", "the DAG", "DAG", Flag::Count::required},
        {"from-date", "the first logical date, such as 2026-01-01", "TIME", Flag::Count::required},
        {"to-date", "the last logical date, itself included", "TIME", Flag::Count::required},
        {"max-active-runs", "how many of its runs at once; else 10", "N"},
        {.name = "reprocess-behavior",
         .help =
             "what becomes of dates that have a run: none passes over them, failed runs failed ones again, completed "
             "all that have ended",
         .value = "WHICH",
         .choices = {"none", "failed", "completed"}},
        {"run-backwards", "the newest date first", ""},
        {"run-on-latest-version", "runs that are run again go on with the newest version of the DAG", ""},
        {"dag-run-conf", "params of its runs, a JSON object", "JSON"},
        {"dry-run", "only show what would become of each date", ""}},
       create},
      {"backfill",
       "list",
       "Lists backfills and how far they have come, the newest first",
       {},
       {{"dag-id", "only of this DAG", "DAG"}, {"active", "only those that are not over", ""}},
       list},
      {"backfill",
       "show",
       "Shows a backfill and how far it has come",
       {{"ID", "its number, as in the list", Positional::Count::one, Positional::Kind::integer}},
       {},
       show},
      changing("pause", "paused", "Pauses a backfill: what runs goes on, nothing new starts"),
      changing("unpause", "not paused", "Lets a paused backfill go on"),
      changing("cancel", "cancelled", "Ends a backfill: what runs goes on, its queued runs fail, no more are made"),
  };
}

}  // namespace udon::cli
