#include <algorithm>

#include "base/text.h"
#include "cli/command.h"
#include "cli/local_connections.h"
#include "cli/verbs.h"
#include "connections/connection.h"
#include "plugins/spec/builtin.h"
#include "worker/one_shot.h"

namespace udon::cli {
namespace {

constexpr const char* collection = "/api/v2/connections";
constexpr const char* environment_collection = "/api/udon/connections/environment";
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
  TRY_ASSIGN(const Value of_environment, api->get_all(environment_collection, "connections"));
  TRY_ASSIGN(const Value stored, api->get_all(collection, "connections"));
  Value::List rows = of_environment.get("connections").as_list();
  std::vector<std::string> hidden;
  for (Value& row : rows) {
    // Without a server the environment is ours.
    if (!api->is_live()) row.set("description", "of this shell's environment");
    row.set("source", "environment");
  }
  const size_t first_stored = rows.size();
  for (Value row : stored.get("connections").as_list()) {
    row.set("source", "store");
    const auto is_same = [&](const Value& other) {
      return other.text("connection_id") == lower_ascii(row.text("connection_id"));
    };
    if (std::any_of(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(first_stored), is_same))
      hidden.push_back("`" + row.text("connection_id") + "`");
    rows.push_back(std::move(row));
  }
  const auto total = static_cast<int64_t>(rows.size());
  std::vector<Column> shown = columns();
  shown.insert(shown.begin() + 1, column("SOURCE", "source"));
  session.output().list(Value::Map{{"connections", std::move(rows)}, {"total_entries", total}}, "connections", shown);
  if (!hidden.empty()) session.output().note("stored, but the environment's goes before: " + join(hidden, ", "));
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

// What was found, for people: facts, then each check with what to paste below it.
void tell(Output& output, const Value& found) {
  std::string text = found.text("connection") + " (" + found.text("type") + ")\n";
  for (const auto& [name, value] : found.get("facts").as_map())
    text += name == "took_ms"
                ? "  took     " + plain_text(value) + " ms\n"
                : "  " + name + std::string(name.size() < 9 ? 9 - name.size() : 1, ' ') + plain_text(value) + "\n";
  size_t missing = 0;
  for (const Value& check : found.get("checks").as_list()) {
    missing += check.text("state") == "missing" ? 1 : 0;
    text += "  " + check.text("state") + std::string(9 - check.text("state").size(), ' ') + check.text("feature") +
            ": " + check.text("found") + "\n";
    if (!check.text("remedy").empty()) text += "           " + check.text("remedy") + "\n";
  }
  output.raw(text + (missing == 0 ? "nothing is missing\n" : std::to_string(missing) + " missing\n"));
}

// In a child: no code that knows a database or a store is ever in this program.
Result<int> test(const Arguments& arguments, Session& session) {
  Value parameters = Value::Map{{"connection", arguments.text("ID")}, {"on_missing", "report"}};
  for (const char* name : {"table", "uri"})
    if (arguments.has(name)) parameters.set(name, arguments.text(name));
  Value::List features;
  for (const std::string& given : arguments.all("for"))
    for (const std::string& feature : split(given, ',')) features.emplace_back(feature);
  parameters.set("for", Value(std::move(features)));
  const OperatorCatalog operators = builtin_operators();
  const OperatorSpec* spec = operators.find("connection_test");
  if (spec == nullptr) return Error{ErrorKind::unsupported, "this build has no operator connection_test"};
  TRY_ASSIGN(const auto connections, local_connections(session));
  TRY_ASSIGN(const OneShotOutcome outcome, run_once({.operator_name = "connection_test",
                                                     .parameters = std::move(parameters),
                                                     .home = session.home(),
                                                     .program = own_program(),
                                                     .folder = std::filesystem::current_path()},
                                                    *spec, connections, [](std::string_view) {}, {}));
  if (session.output().format() != Format::table)
    session.output().object(outcome.return_value, {});
  else
    tell(session.output(), outcome.return_value);
  return outcome.return_value.flag("ok") ? succeeded : failed;
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
      {"connections", "list", "Lists connections, of the environment and stored, without their secrets", {}, {}, list},
      {"connections", "get", "Shows a connection, without its secrets", {id}, {}, get},
      {"connections", "delete", "Deletes a connection", {id}, {}, remove},
      {"connections",
       "test",
       "Opens a connection and names the rights that are missing: 0 none, 1 some",
       {id},
       {{"table", "of a database: whose rights are looked at", "TABLE"},
        {"for", "export, split, position, lag, archive, read or write; else all but archive", "FEATURE",
         Flag::Count::any},
        {"uri", "of aws: s3://bucket/prefix/, below which an object is written, read and removed", "URI"}},
       test},
  };
}

}  // namespace udon::cli
