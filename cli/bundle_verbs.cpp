#include "cli/command.h"
#include "cli/verbs.h"

namespace udon::cli {
namespace {

const std::vector<Column>& columns() {
  static const std::vector<Column> columns{
      column("BUNDLE", "name"),
      column("URL", "url"),
      {"TRACKS",
       [](const Value& row) { return row.text("tracking_kind") + " " + row.text("tracking_ref").substr(0, 40); }},
      {"COMMIT", [](const Value& row) { return row.text("version").substr(0, 12); }},
      column("LOOKED AT", "last_refreshed"),
      column("PROBLEM", "problem")};
  return columns;
}

Result<int> list(const Arguments&, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  TRY_ASSIGN(const Value found, api->get("/api/udon/bundles"));
  session.output().list(found, "bundles", columns());
  if (const std::string problem = found.text("problem_of_file"); !problem.empty())
    session.output().note(problem + "; what it said before stays in use");
  for (const Value& row : found.get("bundles").as_list())
    if (!row.text("warning").empty()) session.output().note(row.text("name") + ": " + row.text("warning"));
  if (found.get("bundles").size() == 0 && session.output().format() == Format::table)
    session.output().note("no git repository is named in " + session.settings().text("core", "bundles_file") +
                          "; see docs/git.md");
  return succeeded;
}

Result<int> refresh(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api(Access::write));
  const std::string& name = arguments.text("BUNDLE");
  TRY_ASSIGN(const Value row, api->post("/api/udon/bundles/" + path_of({name}) + "/refresh", Value::map()));
  if (!row.text("problem").empty()) {
    session.output().object(row, columns());
    return failed;
  }
  session.output().done(name + " is at commit " + row.text("version").substr(0, 12), row);
  return succeeded;
}

}  // namespace

std::vector<Command> bundles_commands() {
  return {
      {"bundles", "list", "Lists the git repositories whose DAG files are run, and how they stand", {}, {}, list},
      {"bundles",
       "refresh",
       "Looks at a repository at once: 0 if what it has is in use",
       {{"BUNDLE", "its name in bundles.yaml"}},
       {},
       refresh},
  };
}

}  // namespace udon::cli
