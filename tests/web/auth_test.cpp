#include "web/auth.h"

#include <unistd.h>

#include "tests/web/api_scene.h"

using namespace udon;
using namespace udon::test;
using namespace udon::web;

namespace {
std::string login(const std::string& name, const std::string& password) {
  return to_json(Value::Map{{"username", name}, {"password", password}});
}
}  // namespace

TEST_CASE("a name and its password give a token that opens the API") {
  ApiScene scene;
  const Value answer = scene.json(201, "POST", "/auth/token", login("op", "correct horse"), "");
  auto request = parse_target("/api/udon/me").value();
  request.method = "GET";
  request.headers = {{"authorization", "bearer " + answer.text("access_token")}};
  CHECK(scene.router.handle(request).body == R"({"name":"op","role":"op"})");
  CHECK(!scene.json(201, "POST", "/auth/token/cli", login("op", "correct horse"), "").text("access_token").empty());
}

TEST_CASE("a wrong name and a wrong password are refused in the same words") {
  ApiScene scene;
  const Value wrong_password = scene.json(401, "POST", "/auth/token", login("op", "wrong"), "");
  const Value wrong_name = scene.json(401, "POST", "/auth/token", login("nobody", "correct horse"), "");
  CHECK(wrong_password == wrong_name);
  scene.json(422, "POST", "/auth/token", R"({"username": "op"})", "");
  scene.json(422, "POST", "/auth/token", R"({"username": 5, "password": []})", "");
  const Response bad = scene.ask("POST", "/auth/token", R"({"username": "op", "password": 12345678})", "");
  CHECK_THAT(bad.body, !Catch::Contains("12345678"));
}

TEST_CASE("guessing is slowed down, for the address and for the name, and a success costs nothing") {
  FakeClock clock(t0);
  LoginBrake brake(3, std::chrono::seconds(10));
  for (int i = 0; i < 100; ++i) {
    REQUIRE(!brake.take("good", clock.monotonic()));
    brake.forgive("good");
  }
  for (int i = 0; i < 3; ++i) REQUIRE(!brake.take("bad", clock.monotonic()));
  CHECK(brake.take("bad", clock.monotonic()) == std::chrono::seconds(10));
  clock.advance(std::chrono::seconds(10));
  CHECK(!brake.take("bad", clock.monotonic()));
  CHECK(brake.take("bad", clock.monotonic()));
  CHECK(!brake.take("other", clock.monotonic()));
}

TEST_CASE("after too many failures a login is refused with when to try again, the right password too") {
  ApiScene scene;
  Response response;
  for (int i = 0; i < 20 && response.status != 429; ++i)
    response = scene.ask("POST", "/auth/token", login("op", "wrong"), "");
  REQUIRE(response.status == 429);
  CHECK(response.headers.front() == std::pair<std::string, std::string>("Retry-After", "10"));
  CHECK(scene.ask("POST", "/auth/token", login("op", "correct horse"), "").status == 429);
  scene.clock.advance(std::chrono::minutes(10));
  CHECK(scene.ask("POST", "/auth/token", login("op", "correct horse"), "").status == 201);
}

TEST_CASE("without a token, with a forged or an old one, nothing is told") {
  ApiScene scene;
  const std::string token = scene.authenticator.make_token("admin", Role::admin, std::chrono::hours(1)).value();
  const auto status_with = [&](const std::string& header) {
    auto request = parse_target("/api/v2/dags").value();
    request.method = "GET";
    request.peer.address = "127.0.0.1";
    if (!header.empty()) request.headers = {{"authorization", header}};
    return scene.router.handle(request).status;
  };
  CHECK(status_with("Bearer " + token) == 200);
  CHECK(status_with("") == 401);
  CHECK(status_with("Basic YWRtaW46YWRtaW4=") == 401);
  CHECK(status_with("Bearer " + token + "x") == 403);
  CHECK(status_with("Bearer ") == 401);
  CHECK(status_with("Bearer a.b") == 403);
  auto stale = parse_target("/api/v2/dags").value();
  stale.method = "GET", stale.headers = {{"authorization", "Bearer a.b"}};
  CHECK_THAT(scene.router.handle(stale).body, Catch::Contains("POST /auth/token"));
  // {"alg":"none","typ":"JWT"} and the same claims, unsigned.
  const size_t dot = token.find('.'), last = token.rfind('.');
  CHECK(status_with("Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0" + token.substr(dot, last - dot) + ".") == 403);
  // Other claims under the old signature.
  CHECK(status_with("Bearer " + token.substr(0, dot) + ".eyJzdWIiOiJhZG1pbiIsInJvbGUiOiJhZG1pbiJ9" +
                    token.substr(last)) == 403);
  scene.clock.advance(std::chrono::hours(2));
  CHECK(status_with("Bearer " + token) == 401);
}

TEST_CASE("a token ends with its user's password, role and life") {
  ApiScene scene;
  const std::string token = scene.authenticator.make_token("op", Role::admin, std::chrono::hours(1)).value();
  auto request = parse_target("/api/udon/me").value();
  request.method = "GET";
  request.headers = {{"authorization", "Bearer " + token}};
  CHECK(scene.router.handle(request).body == R"({"name":"op","role":"op"})");  // never more than the user's own
  scene.json(200, "PATCH", "/api/udon/users/op", R"({"role": "viewer"})");
  CHECK(scene.router.handle(request).body == R"({"name":"op","role":"viewer"})");
  scene.json(200, "PATCH", "/api/udon/users/op", R"({"password": "another horse"})");
  CHECK(scene.router.handle(request).status == 401);
  const std::string second = scene.authenticator.make_token("op", Role::admin, std::chrono::hours(1)).value();
  request.headers = {{"authorization", "Bearer " + second}};
  CHECK(scene.router.handle(request).status == 200);
  scene.json(204, "DELETE", "/api/udon/users/op");
  CHECK(scene.router.handle(request).status == 401);
}

TEST_CASE("our own user at the local socket is admin; another user, or a try, is not") {
  ApiScene scene;
  auto request = parse_target("/api/udon/me").value();
  request.method = "GET";
  request.peer = {.is_local_socket = true, .uid = ::geteuid()};
  CHECK_THAT(scene.router.handle(request).body, Catch::Contains(R"("role":"admin")"));
  request.peer.uid = ::geteuid() + 12345;
  CHECK(scene.router.handle(request).status == 401);
  request.peer.uid = std::nullopt;
  CHECK(scene.router.handle(request).status == 401);
  request.peer.uid = ::geteuid();
  request.headers = {{"x-udon-try", "i-1"}};
  CHECK(scene.router.handle(request).status == 401);
}

TEST_CASE("each route asks for its role") {
  ApiScene scene;
  scene.add_run();
  for (const Route& route : scene.router.routes()) {
    if (route.access.kind != Access::Kind::person) continue;
    std::string target = route.pattern;
    for (size_t brace = target.find('{'); brace != std::string::npos; brace = target.find('{'))
      target.replace(brace, target.find('}') - brace + 1, "1");
    INFO(route.method << " " << target);
    CHECK(scene.ask(route.method, target, "{}", "").status == 401);
    for (const char* name : {"viewer", "user", "op", "admin"}) {
      const bool may = *parse_role(name) >= route.access.role;
      INFO(name);
      CHECK((scene.ask(route.method, target, "{}", name).status == 403) == !may);
    }
  }
}

TEST_CASE("the last admin cannot be deleted or demoted") {
  ApiScene scene;
  scene.json(409, "DELETE", "/api/udon/users/admin");
  scene.json(409, "PATCH", "/api/udon/users/admin", R"({"role": "op"})");
  scene.json(201, "POST", "/api/udon/users", R"({"name": "둘째", "password": "correct horse", "role": "admin"})");
  scene.json(409, "POST", "/api/udon/users", R"({"name": "둘째", "password": "correct horse", "role": "admin"})");
  scene.json(422, "POST", "/api/udon/users", R"({"name": "../x", "password": "short", "role": "king"})");
  scene.json(200, "PATCH", "/api/udon/users/%EB%91%98%EC%A7%B8", R"({"role": "op"})");
  CHECK(scene.json(200, "GET", "/api/udon/users").integer("total_entries") == 5);
}

TEST_CASE("passwords are kept as Argon2id, each time other") {
  const std::string a = hash_password("correct horse").value(), b = hash_password("correct horse").value();
  CHECK(a != b);
  CHECK_THAT(a, Catch::StartsWith("$argon2id$"));
  CHECK(verify_password(a, "correct horse"));
  CHECK(!verify_password(a, "correct horsE"));
  CHECK(!verify_password("not a hash", "correct horse"));
}
