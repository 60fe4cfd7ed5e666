#include "base/text.h"
#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

// Long enough for a machine's yearly change, short enough to end.
constexpr int64_t token_days_max = 366, token_days_default = 90;

Value show_user(const UserRecord& user) { return Value::Map{{"name", user.name}, {"role", user.role}}; }

Error missing(const std::string& name) {
  return {ErrorKind::not_found, "The User with name: `" + name + "` was not found"};
}

Result<Response> add(World& world, const Call& call) {
  Problems problems;
  BodyFields body(call.request, problems);
  const auto name = body.text("name", BodyFields::Need::required);
  const auto password = body.text("password", BodyFields::Need::required);
  const auto role = body.choice("role", {"viewer", "user", "op", "admin"}, BodyFields::Need::required);
  body.only({"name", "password", "role"});
  if (name)
    if (const auto problem = problem_of_id(*name))
      problems.add("value_error", {"body", "name"}, "Value error, " + *problem, *name);
  if (password)
    if (const auto problem = problem_of_password(*password))
      problems.add("value_error", {"body", "password"}, "Value error, " + *problem);
  if (!problems.empty()) return problems.response();
  TRY_ASSIGN(const std::string hash, hash_password(*password));
  const UserRecord user{*name, hash, *role};
  const Result<void> done = world.settings.put_user(user, StoreSettings::Existing::refuse);
  if (!done && done.error().kind == ErrorKind::conflict)
    return Error{ErrorKind::conflict, "The User with name: `" + *name + "` already exists"};
  if (!done) return done.error();
  return json_response(201, show_user(user));
}

// That somebody who may do everything remains.
Result<void> keep_an_admin(World& world, const std::string& but) {
  TRY_ASSIGN(const std::vector<UserRecord> users, world.settings.users());
  for (const UserRecord& user : users)
    if (user.name != but && user.role == "admin") return {};
  return Error{ErrorKind::conflict, "`" + but + "` is the last admin"};
}

Result<Response> patch(World& world, const Call& call) {
  Problems problems;
  BodyFields body(call.request, problems);
  const auto password = body.text("password");
  const auto role = body.choice("role", {"viewer", "user", "op", "admin"});
  body.only({"password", "role"});
  if (password)
    if (const auto problem = problem_of_password(*password))
      problems.add("value_error", {"body", "password"}, "Value error, " + *problem);
  if (!problems.empty()) return problems.response();
  TRY_ASSIGN(std::optional<UserRecord> user, world.settings.user(call.part("name")));
  if (!user) return missing(call.part("name"));
  if (role) {
    if (user->role == "admin" && *role != "admin") TRY(keep_an_admin(world, user->name));
    user->role = *role;
  }
  if (password) {
    TRY_ASSIGN(user->password_hash, hash_password(*password));
  }
  TRY(world.settings.put_user(*user, StoreSettings::Existing::replace));
  return json_response(200, show_user(*user));
}

Result<Response> make_token(World& world, const Call& call) {
  Problems problems;
  BodyFields body(call.request, problems);
  const auto name = body.text("user", BodyFields::Need::required);
  const auto role = body.choice("role", {"viewer", "user", "op", "admin"});
  const int64_t days = body.integer("days", 1, token_days_max).value_or(token_days_default);
  body.only({"user", "role", "days"});
  if (!problems.empty()) return problems.response();
  const Duration life = std::chrono::days(days);
  TRY_ASSIGN(const std::string token,
             world.authenticator.make_token(*name, parse_role(role.value_or("admin")).value_or(Role::viewer), life));
  return json_response(201, Value::Map{{"access_token", token}, {"expires_at", format_time(world.clock.now() + life)}});
}

}  // namespace

void add_users(Router& router, World& world) {
  const Access admin = at_least(Role::admin);
  router.add("GET", "/api/udon/me", at_least(Role::viewer), "Who the caller is",
             [](const Call& call) -> Result<Response> {
               return json_response(200, Value::Map{{"name", call.user.name}, {"role", to_string(call.user.role)}});
             });
  router.add("GET", "/api/udon/users", admin, "Users", [&world](const Call&) -> Result<Response> {
    TRY_ASSIGN(const std::vector<UserRecord> users, world.settings.users());
    Value::List rows;
    for (const UserRecord& user : users) rows.push_back(show_user(user));
    const auto total = static_cast<int64_t>(rows.size());
    return json_response(200, show_list("users", std::move(rows), total));
  });
  router.add("POST", "/api/udon/users", admin, "Adds a user", [&world](const Call& call) { return add(world, call); });
  router.add("PATCH", "/api/udon/users/{name}", admin, "Changes a user's role or password",
             [&world](const Call& call) { return patch(world, call); });
  router.add("DELETE", "/api/udon/users/{name}", admin, "Deletes a user; its tokens end",
             [&world](const Call& call) -> Result<Response> {
               const std::string& name = call.part("name");
               TRY_ASSIGN(const std::optional<UserRecord> user, world.settings.user(name));
               if (!user) return missing(name);
               if (user->role == "admin") TRY(keep_an_admin(world, name));
               TRY(world.settings.delete_user(name));
               return no_content();
             });
  router.add("POST", "/api/udon/tokens", admin, "A token for a machine: named user, at most a role, some days",
             [&world](const Call& call) { return make_token(world, call); });
}

}  // namespace udon::web
