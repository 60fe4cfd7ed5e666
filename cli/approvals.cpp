// What people are asked, and their answers: verbs of `tasks`.
#include "base/text.h"
#include "cli/command.h"
#include "cli/verbs.h"

namespace udon::cli {
namespace {

std::string texts(const Value& list) {
  std::vector<std::string> all;
  if (list.is_list())
    for (const Value& one : list.as_list()) all.push_back(plain_text(one));
  return join(all, ", ");
}

Column of_instance(const char* title, const char* name) {
  return {title, [name](const Value& row) { return plain_text(row.get("task_instance").get(name)); }};
}

const std::vector<Column>& list_columns() {
  static const std::vector<Column> columns{
      of_instance("DAG", "dag_id"),
      of_instance("RUN", "dag_run_id"),
      {"TASK", [](const Value& row) { return shown_name(row.get("task_instance")); }},
      column("SINCE", "created_at"),
      column("SUBJECT", "subject"),
      {"OPTIONS", [](const Value& row) { return texts(row.get("options")); }},
      {"ASKED",
       [](const Value& row) {
         std::vector<std::string> names;
         for (const Value& user : row.get("assigned_users").as_list()) names.push_back(user.text("name"));
         return join(names, ", ");
       }},
      {"ANSWER", [](const Value& row) { return texts(row.get("chosen_options")); }},
      {"BY", [](const Value& row) {
         if (!row.flag("response_received")) return std::string();
         return row.get("responded_by_user").is_null() ? std::string("nobody in time")
                                                       : row.get("responded_by_user").text("name");
       }}};
  return columns;
}

Result<int> approvals(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  const std::string path =
      "/api/v2/dags/" + path_of({arguments.text_or("dag-id", "~")}) + "/dagRuns/" + path_of({"~"}) + "/hitlDetails";
  const bool is_all = arguments.has("all");
  TRY_ASSIGN(const Value found, api->get_all(path + query_of({{"order_by", is_all ? "-created_at" : "created_at"},
                                                              {"response_received", is_all ? "" : "false"},
                                                              {"state", is_all ? "" : "deferred"}}),
                                             "hitl_details"));
  session.output().list(found, "hitl_details", list_columns());
  return succeeded;
}

// "name=json", or "name=text" where that is no JSON.
Result<Value> params_of(const Arguments& arguments) {
  Value params = Value::map();
  for (const std::string& given : arguments.all("param")) {
    const size_t equals = given.find('=');
    if (equals == std::string::npos || equals == 0)
      return Error{ErrorKind::invalid, "--param: expected NAME=VALUE, got " + given};
    const std::string text = given.substr(equals + 1);
    const auto parsed = parse_json(text);
    params.set(given.substr(0, equals), parsed ? *parsed : Value(text));
  }
  return params;
}

Result<int> respond(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  const std::string& dag_id = arguments.text("DAG");
  TRY_ASSIGN(const std::string run_id, resolve_run(*api, dag_id, arguments.text("RUN")));
  const std::string map_index = arguments.text_or("map-index", "-1");
  const std::string path =
      run_path(dag_id, run_id) + "/taskInstances/" + path_of({arguments.text("TASK"), map_index}) + "/hitlDetails";
  Value chosen = Value::list();
  for (const std::string& option : arguments.all("choose")) chosen.push_back(option);
  TRY_ASSIGN(const Value params, params_of(arguments));
  if (chosen.size() == 0) {
    // To see what is asked before it is answered.
    TRY_ASSIGN(const Value asked, api->get(path));
    session.output().object(
        asked,
        {column("subject", "subject"),
         column("body", "body"),
         {"options", [](const Value& row) { return texts(row.get("options")); }},
         {"defaults", [](const Value& row) { return texts(row.get("defaults")); }},
         {"params", [](const Value& row) { return row.get("params").size() == 0 ? "" : to_json(row.get("params")); }},
         column("since", "created_at"),
         {"answer", [](const Value& row) { return texts(row.get("chosen_options")); }}});
    session.output().note("nothing was answered: --choose OPTION does");
    return succeeded;
  }
  TRY_ASSIGN(const Value taken, api->patch(path, Value::Map{{"chosen_options", chosen}, {"params_input", params}}));
  session.output().done(
      "answered " + arguments.text("TASK") + " of " + run_id + ": " + texts(taken.get("chosen_options")), taken);
  return succeeded;
}

}  // namespace

std::vector<Command> approvals_commands() {
  return {
      {"tasks",
       "approvals",
       "Lists the task instances that wait for an answer of people",
       {},
       {{"dag-id", "only those of this DAG", "DAG"}, {"all", "and those that were answered, newest first", ""}},
       approvals},
      {"tasks",
       "respond",
       "Answers a task instance that asks; without --choose, shows what it asks",
       {{"DAG", "id of the DAG"}, {"RUN", "id of the run, or `latest`"}, {"TASK", "id of the task"}},
       {{"choose", "the option", "OPTION", Flag::Count::any},
        {"param", "what is to be filled in, as JSON or text", "NAME=VALUE", Flag::Count::any},
        {"map-index", "of a mapped task", "N"}},
       respond},
  };
}

}  // namespace udon::cli
