#include "cli/command.h"
#include "cli/verbs.h"

namespace udon::cli {
namespace {

constexpr const char* collection = "/api/udon/notifications";

const std::vector<Column>& columns() {
  static const std::vector<Column> all{column("ID", "id"),        column("STATE", "state"), column("EVENT", "event"),
                                       column("BY", "way"),       column("DAG", "dag_id"),  column("RUN", "dag_run_id"),
                                       column("TASK", "task_id"), column("SENT", "sends"),  column("AT", "changed_at"),
                                       column("NOTE", "note")};
  return all;
}

Result<int> list(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  std::vector<std::pair<std::string_view, std::string>> asked{{"dag_id", arguments.text_or("dag", "")},
                                                              {"dag_run_id", arguments.text_or("run", "")}};
  for (const std::string& state : arguments.all("state")) asked.emplace_back("state", state);
  TRY_ASSIGN(const Value found, api->get_all(collection + query_of(asked), "notifications"));
  session.output().list(found, "notifications", columns());
  return succeeded;
}

Result<int> resend(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api(Access::write));
  const std::string& id = arguments.text("ID");
  TRY_ASSIGN(const Value row, api->post(std::string(collection) + "/" + path_of({id}) + "/resend", Value::map()));
  session.output().done("notification " + id + " is sent again", row);
  return succeeded;
}

}  // namespace

std::vector<Command> notifications_commands() {
  return {
      {"notifications",
       "list",
       "Lists what people were told, and what could not be told, newest first",
       {},
       {{"state", "only these: pending, sending, sent, failed, unknown", "STATE", Flag::Count::any},
        {"dag", "only of this DAG", "DAG"},
        {"run", "only of this run", "RUN"}},
       list},
      {"notifications",
       "resend",
       "Sends a notification once more",
       {{"ID", "its number, as in the list", Positional::Count::one, Positional::Kind::integer}},
       {},
       resend},
  };
}

}  // namespace udon::cli
