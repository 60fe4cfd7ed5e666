#include <iostream>

#include "base/id.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/verbs.h"

namespace udon::cli {
namespace {

constexpr const char* collection = "/api/udon/users";
std::string one(const std::string& name) { return std::string(collection) + "/" + path_of({name}); }

// Never from an argument: those are in everybody's `ps`. From standard input if asked, else a random one.
struct Password {
  std::string text;
  bool is_random = false;
};
Password choose_password(const Arguments& arguments) {
  if (!arguments.has("password-stdin")) return {make_secret(12), true};
  Password password;
  std::getline(std::cin, password.text);
  return password;
}

Result<int> add(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api(Access::write));
  const Password password = choose_password(arguments);
  const std::string& name = arguments.text("NAME");
  TRY_ASSIGN(Value user, api->post(collection, Value::Map{{"name", name},
                                                          {"password", password.text},
                                                          {"role", arguments.text_or("role", "viewer")}}));
  if (password.is_random) user.set("password", password.text);
  session.output().done(
      "user " + name + " (" + user.text("role") + ")" + (password.is_random ? ", password " + password.text : ""),
      user);
  return succeeded;
}

Result<int> set_role(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api(Access::write));
  const std::string &name = arguments.text("NAME"), &role = arguments.text("ROLE");
  TRY_ASSIGN(const Value user, api->patch(one(name), Value::Map{{"role", role}}));
  session.output().done(name + " is " + role, user);
  return succeeded;
}

Result<int> set_password(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api(Access::write));
  const Password password = choose_password(arguments);
  const std::string& name = arguments.text("NAME");
  TRY_ASSIGN(Value user, api->patch(one(name), Value::Map{{"password", password.text}}));
  if (password.is_random) user.set("password", password.text);
  session.output().done("user " + name + " has another password" + (password.is_random ? ": " + password.text : ""),
                        user);
  return succeeded;
}

Result<int> list(const Arguments&, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  TRY_ASSIGN(const Value users, api->get(collection));
  session.output().list(users, "users", {column("USER", "name"), column("ROLE", "role")});
  return succeeded;
}

Result<int> remove(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api(Access::write));
  TRY(api->remove(one(arguments.text("NAME"))));
  session.output().done("deleted user " + arguments.text("NAME"), Value::Map{{"name", arguments.text("NAME")}});
  return succeeded;
}

Result<int> make_token(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api(Access::write));
  Value body = Value::Map{{"user", arguments.text("USER")}};
  if (arguments.has("role")) body.set("role", arguments.text("role"));
  if (arguments.has("days")) {
    TRY_ASSIGN(const int64_t days, parse_count("--days", arguments.text("days")));
    body.set("days", days);
  }
  TRY_ASSIGN(const Value token, api->post("/api/udon/tokens", body));
  session.output().done(token.text("access_token"), token);
  session.output().note("until " + token.text("expires_at") +
                        "; it also ends when the user is deleted or given another password");
  return succeeded;
}

}  // namespace

std::vector<Command> users_commands() {
  const Positional name{"NAME", "name of the user"};
  const Flag role{"role", "viewer, user, op or admin", "ROLE"};
  const Flag from_stdin{"password-stdin",
                        "read the password from standard input; else a random one is made and printed", ""};
  return {
      {"users", "add", "Adds a user", {name}, {role, from_stdin}, add},
      {"users", "list", "Lists users", {}, {}, list},
      {"users", "role", "Gives a user another role", {name, {"ROLE", "viewer, user, op or admin"}}, {}, set_role},
      {"users", "password", "Gives a user another password; its tokens end", {name}, {from_stdin}, set_password},
      {"users", "delete", "Deletes a user; its tokens end", {name}, {}, remove},
      {"tokens",
       "create",
       "Makes a token for a machine",
       {{"USER", "in whose name"}},
       {{"role", "at most this role", "ROLE"}, {"days", "how long it holds (90)", "N"}},
       make_token},
  };
}

}  // namespace udon::cli
