#include <algorithm>

#include "base/text.h"
#include "connections/connection.h"
#include "web/bulk.h"
#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

// A variable whose name says that it is secret is write-only through the API.
Value show_variable(const VariableRecord& variable) {
  return Value::Map{{"key", variable.key},
                    {"value", is_secret_key(variable.key) && !variable.value.empty() ? "***" : variable.value},
                    {"description", text_or_null(variable.description)},
                    {"is_encrypted", true},
                    {"team_name", nullptr}};
}

Error missing(const std::string& key) {
  return {ErrorKind::not_found, "The Variable with key: `" + key + "` was not found"};
}

std::optional<VariableRecord> read(BodyFields& body, const Value::List& where, Problems& problems) {
  const auto key = body.text("key", BodyFields::Need::required);
  const auto value = body.any("value", BodyFields::Need::required);
  const auto description = body.text("description");
  body.text("team_name");
  body.only({"key", "value", "description", "team_name"});
  if (key)
    if (const auto problem = problem_of_id(*key)) {
      Value::List at = where;
      at.push_back("key");
      problems.add("value_error", at, "Value error, " + *problem, *key);
    }
  if (!problems.empty()) return std::nullopt;
  return VariableRecord{*key, value->is_string() ? value->as_string() : to_json(*value), description.value_or("")};
}

Result<Response> list(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  const PageRequest page = query.page();
  if (!problems.empty()) return problems.response();
  TRY(query.refuse({"variable_key_pattern", "variable_key_prefix_pattern"}));
  TRY_ASSIGN(const std::string order, query.order_by("id", {{"id", "key"}, {"key", "key"}}));
  if (order != "key") return Error{ErrorKind::invalid, "variables are listed by key, ascending, only"};
  TRY_ASSIGN(const Page<VariableRecord> found, world.settings.variables(page));
  Value::List rows;
  for (const VariableRecord& variable : found.rows) rows.push_back(show_variable(variable));
  return json_response(200, show_list("variables", std::move(rows), found.total));
}

Result<VariableRecord> update(World& world, const std::string& key, BodyFields& body,
                              const std::vector<std::string>& mask, Problems& problems) {
  const auto new_key = body.text("key");
  const auto value = body.any("value");
  const auto description = body.text("description");
  body.text("team_name");
  body.only({"key", "value", "description", "team_name"});
  if (!problems.empty()) return Error{ErrorKind::invalid, ""};
  if (new_key && *new_key != key)
    return Error{ErrorKind::invalid, "Invalid body, key from request body doesn't match uri parameter"};
  TRY_ASSIGN(std::optional<VariableRecord> variable, world.settings.variable(key));
  if (!variable) return missing(key);
  const auto is_wanted = [&](std::string_view name) {
    return mask.empty() || std::find(mask.begin(), mask.end(), name) != mask.end();
  };
  if (value && is_wanted("value")) variable->value = value->is_string() ? value->as_string() : to_json(*value);
  if (description && is_wanted("description")) variable->description = *description;
  TRY(world.settings.put_variable(*variable, StoreSettings::Existing::replace));
  return *variable;
}

Result<Response> patch(World& world, const Call& call) {
  Problems problems;
  BodyFields body(call.request, problems);
  const Result<VariableRecord> updated = update(world, call.part("variable_key"), body,
                                                QueryFields(call.request, problems).texts("update_mask"), problems);
  if (!problems.empty()) return problems.response();
  if (!updated) return updated.error();
  return json_response(200, show_variable(*updated));
}

Result<void> put(World& world, const Value& entity, const Value::List& where, Problems& problems,
                 StoreSettings::Existing existing) {
  BodyFields body(entity, where, problems);
  const auto variable = read(body, where, problems);
  if (!variable) return {};
  const Result<void> done = world.settings.put_variable(*variable, existing);
  if (!done && done.error().kind == ErrorKind::conflict)
    return Error{ErrorKind::conflict, "The Variable with key: `" + variable->key + "` already exists"};
  return done;
}

}  // namespace

void add_variables(Router& router, World& world) {
  const Access op = at_least(Role::op);
  router.add("GET", "/api/v2/variables", op, "Variables", [&world](const Call& call) { return list(world, call); });
  router.add("POST", "/api/v2/variables", op, "Adds a variable", [&world](const Call& call) -> Result<Response> {
    Problems problems;
    BodyFields body(call.request, problems);
    const auto variable = read(body, {"body"}, problems);
    if (!variable) return problems.response();
    const Result<void> done = world.settings.put_variable(*variable, StoreSettings::Existing::refuse);
    if (!done && done.error().kind == ErrorKind::conflict)
      return Error{ErrorKind::conflict, "The Variable with key: `" + variable->key + "` already exists"};
    if (!done) return done.error();
    return json_response(201, show_variable(*variable));
  });
  router.add("PATCH", "/api/v2/variables", op, "Adds, changes or deletes many variables", [&world](const Call& call) {
    BulkSubject subject;
    subject.id_member = "key";
    subject.exists = [&](const std::string& key) -> Result<bool> {
      TRY_ASSIGN(const auto found, world.settings.variable(key));
      return found.has_value();
    };
    subject.create = [&](const Value& entity, const Value::List& where, Problems& problems) {
      return put(world, entity, where, problems, StoreSettings::Existing::refuse);
    };
    subject.replace = [&](const Value& entity, const Value::List& where, Problems& problems) {
      return put(world, entity, where, problems, StoreSettings::Existing::replace);
    };
    subject.update = [&](const Value& entity, const std::vector<std::string>& mask, const Value::List& where,
                         Problems& problems) -> Result<void> {
      BodyFields body(entity, where, problems);
      TRY(update(world, entity.text("key"), body, mask, problems));
      return {};
    };
    subject.remove = [&](const std::string& key) { return world.settings.delete_variable(key); };
    return carry_out_bulk(call, subject);
  });
  router.add("GET", "/api/v2/variables/{variable_key}", op, "A variable",
             [&world](const Call& call) -> Result<Response> {
               TRY_ASSIGN(const auto variable, world.settings.variable(call.part("variable_key")));
               if (!variable) return missing(call.part("variable_key"));
               return json_response(200, show_variable(*variable));
             });
  router.add("PATCH", "/api/v2/variables/{variable_key}", op, "Changes a variable",
             [&world](const Call& call) { return patch(world, call); });
  router.add("DELETE", "/api/v2/variables/{variable_key}", op, "Deletes a variable",
             [&world](const Call& call) -> Result<Response> {
               const Result<void> done = world.settings.delete_variable(call.part("variable_key"));
               if (!done)
                 return done.error().kind == ErrorKind::not_found ? missing(call.part("variable_key")) : done.error();
               return no_content();
             });
}

}  // namespace udon::web
