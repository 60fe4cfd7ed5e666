#include "web/fields.h"
#include "web/resources/resources.h"

namespace udon::web {
namespace {

Result<Response> log_in(World& world, const Call& call, Duration life) {
  Problems problems;
  BodyFields body(call.request, problems);
  const auto name = body.text("username", BodyFields::Need::required);
  const auto password = body.text("password", BodyFields::Need::required);
  body.only({"username", "password"});
  if (!problems.empty()) return problems.response();
  const std::string from = call.request.peer.is_local_socket ? "local" : call.request.peer.address;
  const Login login = world.authenticator.login(*name, *password, from, life);
  switch (login.verdict) {
    case Login::Verdict::accepted: return json_response(201, Value::Map{{"access_token", login.token}});
    case Login::Verdict::refused: return error_response(401, "Invalid credentials");
    case Login::Verdict::failed: return login.error;
    case Login::Verdict::braked: break;
  }
  const auto seconds = std::to_string(std::chrono::ceil<std::chrono::seconds>(login.wait).count());
  Response response = error_response(429, "too many failed logins; try again in " + seconds + " s");
  response.headers.emplace_back("Retry-After", seconds);
  return response;
}

}  // namespace

void add_login(Router& router, World& world) {
  router.add("POST", "/auth/token", open_to_all, "A token for a user's name and password",
             [&world](const Call& call) { return log_in(world, call, Authenticator::login_life); });
  router.add("POST", "/auth/token/cli", open_to_all, "The same, with a shorter life",
             [&world](const Call& call) { return log_in(world, call, Authenticator::cli_life); });
}

}  // namespace udon::web
