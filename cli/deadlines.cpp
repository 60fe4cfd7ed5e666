#include "cli/deadlines.h"

#include "cli/verbs.h"

namespace udon::cli {
namespace {

Result<int> deadlines(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  const std::string dag_id = arguments.text_or("DAG", "");
  std::string run_id = arguments.text_or("run", "");
  if (!run_id.empty()) {
    TRY_ASSIGN(run_id, resolve_run(*api, dag_id, run_id));
  }
  TRY_ASSIGN(const Value found,
             api->get("/api/udon/deadlines" + query_of({{"dag_id", dag_id}, {"dag_run_id", run_id}})));
  session.output().list(
      found, "deadlines",
      {column("DAG", "dag_id"),
       column("RUN", "dag_run_id"),
       column("DEADLINE", "deadline_time"),
       {"LATE",
        [](const Value& row) {
          return std::string(row.flag("missed") ? "late" : row.flag("will_be_late") ? "expected" : "");
        }},
       column("ENDS", "expected_end_date"),
       column("WHY", "why"),
       column("IN WORDS", "text")});
  if (found.get("deadlines").size() == 0 && session.output().format() == Format::table)
    session.output().note(run_id.empty() ? "no active run has a deadline; see `deadline` in docs/dag-files.md"
                                         : run_id + " has no deadline");
  return succeeded;
}

}  // namespace

Command deadlines_command() {
  return {"dags",
          "deadlines",
          "When runs should have ended, when they will at the usual pace, and which task is why",
          {{"DAG", "only of this DAG", Positional::Count::optional}},
          {{"run", "of this run of it, also if it has ended; `latest` is the newest", "RUN"}},
          deadlines};
}

}  // namespace udon::cli
