#include "cli/command.h"
#include "cli/verbs.h"

namespace udon::cli {
namespace {

constexpr const char* collection = "/api/v2/pools";
std::string one(const std::string& name) { return std::string(collection) + "/" + path_of({name}); }

const std::vector<Column>& columns() {
  static const std::vector<Column> all{column("POOL", "name"),
                                       column("SLOTS", "slots"),
                                       column("OPEN", "open_slots"),
                                       column("RUNNING", "running_slots"),
                                       column("QUEUED", "queued_slots"),
                                       column("SCHEDULED", "scheduled_slots"),
                                       column("DEFERRED", "deferred_slots"),
                                       column("DESCRIPTION", "description")};
  return all;
}

Result<int> set(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(const int64_t slots, parse_count("SLOTS", arguments.text("SLOTS")));
  if (slots < -1)
    return Error{ErrorKind::invalid, "SLOTS: " + std::to_string(slots) + " is less than none; -1 means without limit"};
  TRY_ASSIGN(Api* const api, session.api(Access::write));
  const std::string& name = arguments.text("NAME");
  Value body = Value::Map{{"slots", slots}};
  if (arguments.has("description")) body.set("description", arguments.text("description"));
  if (arguments.has("include-deferred")) body.set("include_deferred", true);
  Result<Value> pool = api->patch(one(name), body);
  if (!pool && pool.error().kind == ErrorKind::not_found) {
    body.set("name", name);
    pool = api->post(collection, body);
  }
  if (!pool) return pool.error();
  session.output().done("pool " + name + " has " + std::to_string(slots) + " slots", *pool);
  return succeeded;
}

Result<int> list(const Arguments&, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  TRY_ASSIGN(const Value pools, api->get_all(collection, "pools"));
  session.output().list(pools, "pools", columns());
  return succeeded;
}

Result<int> get(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  TRY_ASSIGN(const Value pool, api->get(one(arguments.text("NAME"))));
  session.output().object(pool, {column("pool", "name"), column("slots", "slots"), column("open", "open_slots"),
                                 column("running", "running_slots"), column("queued", "queued_slots"),
                                 column("scheduled", "scheduled_slots"), column("deferred", "deferred_slots"),
                                 column("counts deferred", "include_deferred"), column("description", "description")});
  return succeeded;
}

Result<int> remove(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api(Access::write));
  TRY(api->remove(one(arguments.text("NAME"))));
  session.output().done("deleted pool " + arguments.text("NAME"), Value::Map{{"name", arguments.text("NAME")}});
  return succeeded;
}

}  // namespace

std::vector<Command> pools_commands() {
  const Positional name{"NAME", "name of the pool"};
  return {
      {"pools",
       "set",
       "Adds a pool or changes it",
       {name, {"SLOTS", "how many slots; -1: without limit", Positional::Count::one, Positional::Kind::integer}},
       {{"description", "what it is", "TEXT"}, {"include-deferred", "count what waits outside too", ""}},
       set},
      {"pools", "list", "Lists pools, and how full they are", {}, {}, list},
      {"pools", "get", "Shows a pool", {name}, {}, get},
      {"pools", "delete", "Deletes a pool", {name}, {}, remove},
  };
}

}  // namespace udon::cli
