#include <algorithm>

#include "base/text.h"
#include "connections/connection.h"
#include "web/bulk.h"
#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

constexpr const char* hidden = "***";

// Secrets are write-only: a password that is set is shown as "***", and so are the secret members of `extra`.
Value show_connection(const Connection& connection) {
  Value extra = connection.extra;
  if (extra.is_map())
    for (auto& [key, value] : extra.as_map())
      if (is_secret_key(key)) value = hidden;
  const bool has_extra = extra.is_map() && extra.size() > 0;
  return Value::Map{{"connection_id", connection.id},
                    {"conn_type", connection.type},
                    {"description", text_or_null(connection.description)},
                    {"host", text_or_null(connection.host)},
                    {"login", text_or_null(connection.login)},
                    {"schema", text_or_null(connection.schema)},
                    {"port", connection.port > 0 ? Value(connection.port) : Value()},
                    {"password", connection.password.empty() ? Value() : Value(hidden)},
                    {"extra", has_extra ? Value(to_json(extra)) : Value()},
                    {"team_name", nullptr}};
}

Error missing(const std::string& id) {
  return {ErrorKind::not_found, "The Connection with connection_id: `" + id + "` was not found"};
}

// One of the server's environment can be read here, so that who checks a DAG file elsewhere knows that it is there; it
// is not changed here, and not in Airflow's list, but in one of our own.
std::optional<Connection> of_environment(const World& world, const std::string& id) {
  auto found = world.connections.environment().connection(id);
  Connection connection{.id = id, .description = "of the server's environment"};
  if (!found) {
    connection.description += "; its URI cannot be read";
    return connection;
  }
  if (!*found) return std::nullopt;
  Connection known = std::move(**found);
  known.id = id;
  known.description = connection.description;
  return known;
}

// What a body says; absent members stay absent, so that a change knows what was meant.
struct Given {
  std::optional<std::string> id, type, description, host, login, schema, password;
  std::optional<int64_t> port;
  std::optional<Value> extra;
};

Given read(BodyFields& body, const Value::List& where, Problems& problems) {
  Given given;
  given.id = body.text("connection_id", BodyFields::Need::required);
  given.type = body.text("conn_type", BodyFields::Need::required);
  given.description = body.text("description");
  given.host = body.text("host");
  given.login = body.text("login");
  given.schema = body.text("schema");
  given.port = body.integer("port", 1, 65535);
  given.password = body.text("password");
  const auto extra = body.text("extra");
  body.text("team_name");
  body.only({"connection_id", "conn_type", "description", "host", "login", "schema", "port", "password", "extra",
             "team_name"});
  const auto at = [&](std::string_view name) {
    Value::List loc = where;
    loc.push_back(name);
    return loc;
  };
  if (given.id)
    if (const auto problem = problem_of_id(*given.id))
      problems.add("value_error", at("connection_id"), "Value error, " + *problem, *given.id);
  if (extra && !trim(*extra).empty()) {
    Result<Value> parsed = parse_json(*extra);
    if (!parsed || !parsed->is_map())
      problems.add("value_error", at("extra"), "Value error, The `extra` field must be a valid JSON object string");
    else
      given.extra = *std::move(parsed);
  } else if (extra) {
    given.extra = Value::map();
  }
  return given;
}

Connection make(const Given& given) {
  return {.id = *given.id,
          .type = *given.type,
          .host = given.host.value_or(""),
          .port = static_cast<int>(given.port.value_or(0)),
          .login = given.login.value_or(""),
          .password = given.password.value_or(""),
          .schema = given.schema.value_or(""),
          .description = given.description.value_or(""),
          .extra = given.extra.value_or(Value::map())};
}

// Null or absent is no wish to erase (clients send null for all that they did not set); "***" is what we showed.
void change(Connection& connection, const Given& given, const std::vector<std::string>& mask) {
  const auto is_wanted = [&](std::string_view name) {
    return mask.empty() || std::find(mask.begin(), mask.end(), name) != mask.end();
  };
  if (given.type && is_wanted("conn_type")) connection.type = *given.type;
  if (given.description && is_wanted("description")) connection.description = *given.description;
  if (given.host && is_wanted("host")) connection.host = *given.host;
  if (given.login && is_wanted("login")) connection.login = *given.login;
  if (given.schema && is_wanted("schema")) connection.schema = *given.schema;
  if (given.port && is_wanted("port")) connection.port = static_cast<int>(*given.port);
  if (given.password && *given.password != hidden && is_wanted("password")) connection.password = *given.password;
  if (given.extra && is_wanted("extra")) {
    Value extra = *given.extra;
    for (auto& [key, value] : extra.as_map())
      if (value == Value(hidden) && is_secret_key(key)) value = connection.extra.get(key);
    connection.extra = std::move(extra);
  }
}

Result<Response> list(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  const PageRequest page = query.page();
  if (!problems.empty()) return problems.response();
  TRY(query.refuse({"connection_id_pattern", "connection_id_prefix_pattern"}));
  TRY_ASSIGN(const std::string order, query.order_by("id", {{"id", "id"}, {"connection_id", "id"}, {"conn_id", "id"}}));
  if (order != "id") return Error{ErrorKind::invalid, "connections are listed by connection_id, ascending, only"};
  TRY_ASSIGN(const Page<Connection> found, world.settings.connections(page));
  Value::List rows;
  for (const Connection& connection : found.rows) rows.push_back(show_connection(connection));
  return json_response(200, show_list("connections", std::move(rows), found.total));
}

// In lower case, as DAG files have them; looked up they are in any.
Result<Response> list_of_environment(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  const PageRequest page = query.page();
  if (!problems.empty()) return problems.response();
  const std::vector<std::string> names = world.connections.environment().connection_names();
  Value::List rows;
  for (size_t i = static_cast<size_t>(page.offset); i < names.size() && std::ssize(rows) < page.limit; ++i)
    if (const auto connection = of_environment(world, lower_ascii(names[i])))
      rows.push_back(show_connection(*connection));
  return json_response(200, show_list("connections", std::move(rows), std::ssize(names)));
}

// The loop has task instances wait for connections that are not there.
Result<void> tell_loop(World& world) {
  const Result<CommandOutcome> told = world.control.submit(ConnectionsChanged{});
  if (!told && told.error().kind != ErrorKind::unavailable) return told.error();
  return {};
}

Result<void> remove(World& world, const std::string& id) {
  TRY(world.settings.delete_connection(id));
  return tell_loop(world);
}

Result<Connection> update(World& world, const std::string& id, const Given& given,
                          const std::vector<std::string>& mask) {
  if (*given.id != id)
    return Error{ErrorKind::invalid, "The connection_id in the request body does not match the URL parameter"};
  TRY_ASSIGN(std::optional<Connection> connection, world.settings.connection(id));
  if (!connection) return missing(id);
  change(*connection, given, mask);
  TRY(world.settings.put_connection(*connection, StoreSettings::Existing::replace));
  return *connection;
}

Result<void> put(World& world, const Connection& connection, StoreSettings::Existing existing) {
  const Result<void> done = world.settings.put_connection(connection, existing);
  if (!done && done.error().kind == ErrorKind::conflict)
    return Error{ErrorKind::conflict, "The Connection with connection_id: `" + connection.id + "` already exists"};
  if (!done) return done;
  return tell_loop(world);
}

Result<void> put_entity(World& world, const Value& entity, const Value::List& where, Problems& problems,
                        StoreSettings::Existing existing) {
  BodyFields body(entity, where, problems);
  const Given given = read(body, where, problems);
  if (!problems.empty()) return {};
  return put(world, make(given), existing);
}

Result<Response> bulk(World& world, const Call& call) {
  BulkSubject subject;
  subject.id_member = "connection_id";
  subject.exists = [&](const std::string& id) -> Result<bool> {
    TRY_ASSIGN(const auto found, world.settings.connection(id));
    return found.has_value();
  };
  subject.create = [&](const Value& entity, const Value::List& where, Problems& problems) {
    return put_entity(world, entity, where, problems, StoreSettings::Existing::refuse);
  };
  subject.replace = [&](const Value& entity, const Value::List& where, Problems& problems) {
    return put_entity(world, entity, where, problems, StoreSettings::Existing::replace);
  };
  subject.update = [&](const Value& entity, const std::vector<std::string>& mask, const Value::List& where,
                       Problems& problems) -> Result<void> {
    BodyFields body(entity, where, problems);
    const Given given = read(body, where, problems);
    if (!problems.empty()) return {};
    TRY(update(world, *given.id, given, mask));
    return {};
  };
  subject.remove = [&](const std::string& id) { return remove(world, id); };
  return carry_out_bulk(call, subject);
}

}  // namespace

void add_connections(Router& router, World& world) {
  const Access op = at_least(Role::op);
  const std::string one = "/api/v2/connections/{connection_id}";
  router.add("GET", "/api/v2/connections", op, "Connections of the store, without their secrets",
             [&world](const Call& call) { return list(world, call); });
  router.add("GET", "/api/udon/connections/environment", op,
             "Connections of the server's environment, without their secrets",
             [&world](const Call& call) { return list_of_environment(world, call); });
  router.add("PATCH", "/api/v2/connections", op, "Adds, changes or deletes many connections",
             [&world](const Call& call) { return bulk(world, call); });
  router.add("POST", "/api/v2/connections", op, "Adds a connection", [&world](const Call& call) -> Result<Response> {
    Problems problems;
    BodyFields body(call.request, problems);
    const Given given = read(body, {"body"}, problems);
    if (!problems.empty()) return problems.response();
    TRY(put(world, make(given), StoreSettings::Existing::refuse));
    return json_response(201, show_connection(make(given)));
  });
  router.add("GET", one, op, "A connection, without its secrets", [&world](const Call& call) -> Result<Response> {
    TRY_ASSIGN(auto connection, world.settings.connection(call.part("connection_id")));
    if (!connection) connection = of_environment(world, call.part("connection_id"));
    if (!connection) return missing(call.part("connection_id"));
    return json_response(200, show_connection(*connection));
  });
  router.add("PATCH", one, op, "Changes a connection", [&world](const Call& call) -> Result<Response> {
    Problems problems;
    BodyFields body(call.request, problems);
    const Given given = read(body, {"body"}, problems);
    if (!problems.empty()) return problems.response();
    TRY_ASSIGN(const Connection connection, update(world, call.part("connection_id"), given,
                                                   QueryFields(call.request, problems).texts("update_mask")));
    return json_response(200, show_connection(connection));
  });
  router.add("DELETE", one, op, "Deletes a connection", [&world](const Call& call) -> Result<Response> {
    const Result<void> done = remove(world, call.part("connection_id"));
    if (!done) return done.error().kind == ErrorKind::not_found ? missing(call.part("connection_id")) : done.error();
    return no_content();
  });
}

}  // namespace udon::web
