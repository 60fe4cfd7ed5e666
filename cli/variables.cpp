#include "cli/command.h"
#include "cli/verbs.h"

namespace udon::cli {
namespace {

constexpr const char* collection = "/api/v2/variables";
std::string one(const std::string& key) { return std::string(collection) + "/" + path_of({key}); }

Result<int> set(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api(Access::write));
  Value entity = Value::Map{{"key", arguments.text("KEY")}, {"value", arguments.text("VALUE")}};
  if (arguments.has("description")) entity.set("description", arguments.text("description"));
  TRY_ASSIGN(
      const Value answer,
      api->patch(collection, Value::Map{{"actions", Value::List{Value::Map{{"action", "create"},
                                                                           {"entities", Value::List{entity}},
                                                                           {"action_on_existence", "overwrite"}}}}}));
  if (answer.get("create").get("errors").size() > 0)
    return Error{ErrorKind::invalid, answer.get("create").get("errors").as_list()[0].text("error")};
  session.output().done("variable " + arguments.text("KEY") + " is set", Value::Map{{"key", arguments.text("KEY")}});
  return succeeded;
}

Result<int> list(const Arguments&, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  TRY_ASSIGN(const Value variables, api->get_all(collection, "variables"));
  session.output().list(variables, "variables",
                        {column("VARIABLE", "key"), column("VALUE", "value"), column("DESCRIPTION", "description")});
  return succeeded;
}

Result<int> get(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  TRY_ASSIGN(const Value variable, api->get(one(arguments.text("KEY"))));
  // Secrets go in and do not come out: a script must not take the mask for the value.
  if (variable.text("value") == "***")
    return Error{ErrorKind::denied,
                 "variable " + arguments.text("KEY") + " is a secret by its name; only tasks can read it"};
  if (session.output().format() == Format::table)
    session.output().raw(variable.text("value") + "\n");
  else
    session.output().object(variable, {});
  return succeeded;
}

Result<int> remove(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api(Access::write));
  TRY(api->remove(one(arguments.text("KEY"))));
  session.output().done("deleted variable " + arguments.text("KEY"), Value::Map{{"key", arguments.text("KEY")}});
  return succeeded;
}

}  // namespace

std::vector<Command> variables_commands() {
  const Positional key{"KEY", "name of the variable"};
  return {
      {"variables",
       "set",
       "Sets a variable, new or not",
       {key, {"VALUE", "its text"}},
       {{"description", "what it is", "TEXT"}},
       set},
      {"variables", "list", "Lists variables", {}, {}, list},
      {"variables", "get", "Prints a variable's value", {key}, {}, get},
      {"variables", "delete", "Deletes a variable", {key}, {}, remove},
  };
}

}  // namespace udon::cli
