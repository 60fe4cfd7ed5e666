#include "base/text.h"
#include "cli/command.h"
#include "cli/verbs.h"
#include "connections/connection.h"

namespace udon::cli {
namespace {

constexpr const char* collection = "/api/v2/connections";
std::string one(const std::string& id) { return std::string(collection) + "/" + path_of({id}); }

const std::vector<Column>& columns() {
  static const std::vector<Column> all{column("CONNECTION", "connection_id"),
                                       column("TYPE", "conn_type"),
                                       column("HOST", "host"),
                                       column("PORT", "port"),
                                       column("SCHEMA", "schema"),
                                       column("LOGIN", "login"),
                                       column("PASSWORD", "password"),
                                       column("EXTRA", "extra"),
                                       column("DESCRIPTION", "description")};
  return all;
}

Result<int> add(const Arguments& arguments, Session& session) {
  const std::string& id = arguments.text("ID");
  // Read here, not at the server: a URI that is wrong is told before anything is sent, and its parts are what the API
  // takes.
  TRY_ASSIGN(const Connection connection, parse_connection_uri(id, arguments.text("URI")));
  const auto text_or_null = [](const std::string& text) { return text.empty() ? Value() : Value(text); };
  const Value body = Value::Map{{"connection_id", id},
                                {"conn_type", connection.type},
                                {"host", text_or_null(connection.host)},
                                {"port", connection.port > 0 ? Value(connection.port) : Value()},
                                {"login", text_or_null(connection.login)},
                                {"password", text_or_null(connection.password)},
                                {"schema", text_or_null(connection.schema)},
                                {"description", text_or_null(arguments.text_or("description", ""))},
                                {"extra", connection.extra.size() > 0 ? Value(to_json(connection.extra)) : Value()}};
  TRY_ASSIGN(Api* const api, session.api(Access::write));
  if (arguments.has("replace")) {
    // As a whole: what the new URI does not say must not stay from the old one.
    TRY_ASSIGN(
        const Value answer,
        api->patch(collection, Value::Map{{"actions", Value::List{Value::Map{{"action", "create"},
                                                                             {"entities", Value::List{body}},
                                                                             {"action_on_existence", "overwrite"}}}}}));
    if (answer.get("create").get("errors").size() > 0)
      return Error{ErrorKind::invalid, answer.get("create").get("errors").as_list()[0].text("error")};
  } else {
    const Result<Value> added = api->post(collection, body);
    if (!added && added.error().kind == ErrorKind::conflict)
      return Error{ErrorKind::conflict, "connection `" + id + "` exists; --replace replaces it"};
    if (!added) return added.error();
  }
  TRY_ASSIGN(const Value shown, api->get(one(id)));
  session.output().done("connection " + id + ": " + connection.display(), shown);
  return succeeded;
}

Result<int> list(const Arguments&, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  TRY_ASSIGN(const Value connections, api->get_all(collection, "connections"));
  session.output().list(connections, "connections", columns());
  return succeeded;
}

Result<int> get(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  TRY_ASSIGN(const Value connection, api->get(one(arguments.text("ID"))));
  std::vector<Column> rows;
  for (const Column& c : columns()) rows.push_back({lower_ascii(c.title), c.text});
  session.output().object(connection, rows);
  return succeeded;
}

Result<int> remove(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api(Access::write));
  TRY(api->remove(one(arguments.text("ID"))));
  session.output().done("deleted connection " + arguments.text("ID"),
                        Value::Map{{"connection_id", arguments.text("ID")}});
  return succeeded;
}

}  // namespace

std::vector<Command> connections_commands() {
  const Positional id{"ID", "id of the connection"};
  return {
      {"connections",
       "add",
       "Adds a connection",
       {id, {"URI", "such as mysql://user:password@host:3306/db; parts percent-encoded"}},
       {{"description", "what it is", "TEXT"}, {"replace", "replace one that exists", ""}},
       add},
      {"connections", "list", "Lists connections, without their secrets", {}, {}, list},
      {"connections", "get", "Shows a connection, without its secrets", {id}, {}, get},
      {"connections", "delete", "Deletes a connection", {id}, {}, remove},
  };
}

}  // namespace udon::cli
