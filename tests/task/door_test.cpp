#include "worker/task/door.h"

#include "base/limits.h"
#include "tests/base/temporary_folder.h"
#include "tests/support/door_server.h"
#include "tests/support/eventually.h"

using namespace udon;
using namespace std::chrono_literals;
using test::DoorServer;

namespace {

struct Fixture {
  TemporaryFolder folder;
  Path socket = folder.path() / "run" / "udon.sock";
  std::stop_source stop;

  Door door(std::chrono::milliseconds patience = 0ms, std::function<void(const std::string&)> tell = {}) {
    return Door({.socket = socket,
                 .try_id = "0123456789abcdef-7",
                 .token = "the token",
                 .patience = patience,
                 .timeout = 5s,
                 .tell = std::move(tell)},
                stop.get_token());
  }
};

ErrorKind kind_after(const std::string& response) {
  Fixture fixture;
  const DoorServer server(fixture.socket, [&](const std::string&) { return response; });
  const auto answer = fixture.door().variable("x");
  REQUIRE_FALSE(answer);
  return answer.error().kind;
}

}  // namespace

TEST_CASE("connections, variables and XComs are asked for with the try's id and token") {
  Fixture fixture;
  const DoorServer server(fixture.socket, [](const std::string& request) {
    const auto asks = [&](const std::string& target) { return request.starts_with("GET " + target + " HTTP/1.1\r\n"); };
    if (asks("/task/v1/connections/%ED%98%B8%EC%88%98")) {
      return DoorServer::json(200, R"({"uri": "mysql://u:p%40ss@h:3306/d"})");
    }
    if (asks("/task/v1/variables/a%2Fb")) return DoorServer::json(200, R"({"value": "값"})");
    if (asks("/task/v1/xcoms?task_id=t&key=return_value&map_index=3")) {
      return DoorServer::json(200, R"({"found": true, "value": [1, null]})");
    }
    if (asks("/task/v1/xcoms?task_id=t&key=none")) return DoorServer::json(200, R"({"found": false, "value": null})");
    return DoorServer::json(404, R"({"kind": "not_found", "message": "there is no such thing"})");
  });
  const Door door = fixture.door();
  const auto connection = door.connection("호수");
  REQUIRE(connection);
  CHECK(connection->id == "호수");
  CHECK(connection->password == "p@ss");
  CHECK(*door.variable("a/b") == "값");
  CHECK(*door.xcom("t", "return_value", 3) == Value(Value::List{1, nullptr}));
  CHECK(*door.xcom("t", "none", std::nullopt) == std::nullopt);
  const auto missing = door.connection("other");
  REQUIRE_FALSE(missing);
  CHECK(missing.error() == Error{ErrorKind::not_found, "there is no such thing"});
  for (const std::string& request : server.requests()) {
    CHECK(request.find("\r\nAuthorization: Bearer the token\r\n") != std::string::npos);
    CHECK(request.find("\r\nX-Udon-Try: 0123456789abcdef-7\r\n") != std::string::npos);
  }
}

TEST_CASE("an answer may come in chunks, or end with the connection") {
  Fixture fixture;
  for (const std::string& response :
       {std::string(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"val\r\nE\r\nue\": \"thing\"}\n\r\n0\r\n\r\n"),
        std::string("HTTP/1.0 200 OK\r\n\r\n{\"value\": \"thing\"}")}) {
    const DoorServer server(fixture.socket, [&](const std::string&) { return response; });
    const auto value = fixture.door().variable("x");
    if (!value) FAIL(value.error().message);
    CHECK(*value == "thing");
  }
}

TEST_CASE("what a server answers wrongly is an error of the right kind") {
  CHECK(kind_after(DoorServer::json(403, R"({"kind": "denied", "message": "not named"})")) == ErrorKind::denied);
  CHECK(kind_after(DoorServer::json(403, "no JSON")) == ErrorKind::denied);
  CHECK(kind_after(DoorServer::json(500, "{}")) == ErrorKind::unavailable);
  CHECK(kind_after(DoorServer::json(503, "{}")) == ErrorKind::unavailable);
  CHECK(kind_after(DoorServer::json(400, "{}")) == ErrorKind::invalid);
  CHECK(kind_after(DoorServer::json(200, "no JSON")) == ErrorKind::data);
  CHECK(kind_after(DoorServer::json(200, "{}")) == ErrorKind::data);
  CHECK(kind_after("no HTTP\r\n\r\n") == ErrorKind::data);
  CHECK(kind_after("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n") == ErrorKind::data);
  CHECK(kind_after("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n") == ErrorKind::data);
  CHECK(kind_after("") == ErrorKind::unavailable);
  CHECK(kind_after("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}") == ErrorKind::unavailable);
  CHECK(kind_after("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab") == ErrorKind::unavailable);
  CHECK(kind_after("HTTP/1.1 200 OK\r\n\r\n" + std::string(limits::http_body_bytes_max + 2, 'x')) == ErrorKind::data);
  CHECK(kind_after(std::string(1 << 20, 'x')) == ErrorKind::data);
}

TEST_CASE("a server that comes back in time is waited for, and the waiting is told once") {
  Fixture fixture;
  std::atomic<int> told = 0;
  std::thread starter;
  std::unique_ptr<DoorServer> server;
  const Door door = fixture.door(20s, [&](const std::string& text) {
    CHECK(text.find("udon.sock") != std::string::npos);
    if (told++ == 0) {
      starter = std::thread([&] {
        server = std::make_unique<DoorServer>(
            fixture.socket, [](const std::string&) { return DoorServer::json(200, R"({"value": "x"})"); });
      });
    }
  });
  CHECK(door.variable("x").value_or("") == "x");
  starter.join();
  CHECK(told == 1);
}

TEST_CASE("a server that stays away is unavailable, and waiting ends when the try is stopped") {
  Fixture fixture;
  const auto answer = fixture.door(100ms).variable("x");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().kind == ErrorKind::unavailable);
  CHECK(answer.error().message.find(fixture.socket.string()) != std::string::npos);

  const Door door = fixture.door(1h, [&](const std::string&) { fixture.stop.request_stop(); });
  CHECK(door.variable("x").error().kind == ErrorKind::cancelled);
}

TEST_CASE("a server that is silent is waited for until the timeout or the wish to stop") {
  Fixture fixture;
  const FileDescriptor listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(make_directories(fixture.socket.parent_path()));
  const auto address = UnixAddress::of(fixture.socket);
  REQUIRE(address);
  REQUIRE(bind(listener.get(), address->get(), address->size()) == 0);
  REQUIRE(listen(listener.get(), 4) == 0);
  CHECK(ask_over_socket(fixture.socket, {.target = "/"}, 50ms, {}).error().kind == ErrorKind::timeout);
  std::thread stopper([&] { fixture.stop.request_stop(); });
  CHECK(ask_over_socket(fixture.socket, {.target = "/"}, 1h, fixture.stop.get_token()).error().kind ==
        ErrorKind::cancelled);
  stopper.join();
}

TEST_CASE("a server is found however long its home's path is") {
  Fixture fixture;
  fixture.socket = fixture.folder.path() / std::string(200, 'x') / std::string(200, 'y') / "udon.sock";
  const DoorServer server(fixture.socket,
                          [](const std::string&) { return DoorServer::json(200, R"({"value": "thing"})"); });
  const auto value = fixture.door().variable("x");
  if (!value) FAIL(value.error().message);
  CHECK(*value == "thing");
}

TEST_CASE("a share of a server is asked for, and a server that is not there is not waited for") {
  Fixture fixture;
  {
    const DoorServer server(fixture.socket, [](const std::string& request) {
      if (!request.starts_with("POST /task/v1/source HTTP/1.1\r\n")) return DoorServer::json(404, "{}");
      return DoorServer::json(
          200, to_json(to_value(SourceGrant{.bounds = {.max_readers = 4}, .readers = 2, .reason = "주문"})));
    });
    const auto grant = fixture.door().source({.connection = "market", .readers_wanted = 4});
    REQUIRE(grant);
    CHECK(grant->readers == 2);
    CHECK(grant->bounds.max_readers == 4);
    CHECK_FALSE(grant->rows_per_second);
    CHECK(grant->reason == "주문");
  }
  const auto nobody = fixture.door(24h).source({.connection = "market"});
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error().kind == ErrorKind::unavailable);
}
