// Templates, connections, variables and XComs of a real try, from a server on its socket.
#include "tests/support/door_server.h"
#include "tests/task/try_home.h"

using namespace udon;
using test::DoorServer;
using test::TryHome;

namespace {

std::string answer(const std::string& request) {
  const auto asks = [&](const std::string& target) { return request.starts_with("GET " + target + " "); };
  if (asks("/task/v1/connections/shop")) {
    return DoorServer::json(200, R"({"uri": "mysql://user:hunter2secret@db.example.com:3306/market?token=sometoken"})");
  }
  if (asks("/task/v1/variables/city")) return DoorServer::json(200, R"({"value": "서울"})");
  if (asks("/task/v1/variables/api_key")) return DoorServer::json(200, R"({"value": "keykeykey"})");
  if (asks("/task/v1/variables/word_password")) return DoorServer::json(200, R"({"value": "udon"})");
  if (asks("/task/v1/xcoms?task_id=up&key=return_value"))
    return DoorServer::json(200, R"({"found": true, "value": {"rows": 41}})");
  if (request.starts_with("GET /task/v1/connections/")) {
    return DoorServer::json(403, R"({"kind": "denied", "message": "connection `other` is not named by the DAG file"})");
  }
  return DoorServer::json(404, R"({"kind": "not_found", "message": "there is no such thing"})");
}

struct ServedHome : TryHome {
  DoorServer server{spool().socket(), answer};
};

bool holds(const Path& folder, std::string_view text) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && read_file(entry.path())->find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("a command's templates are rendered with context, variables, connections and XComs") {
  ServedHome home;
  TryRequest request =
      home.bash("echo {{ ds }} {{ var.value.city }} {{ conn.shop.host }} {{ ti.xcom_pull('up')['rows'] + 1 }}");
  request.context = Value::Map{{"ds", "2026-01-31"}};
  request.upstream = {"up"};
  const TryEnded ended = home.run(request);
  CHECK(ended.message.empty());
  CHECK(ended.xcom.text("return_value") == "2026-01-31 서울 db.example.com 42");
}

TEST_CASE("a password that is a common word masks what the task wrote, not what its runner says") {
  ServedHome home;
  const TryRequest request =
      home.request("bash", Value::Map{{"command", "echo it is $WORD; kill $PPID; sleep 600"},
                                      {"env", Value::Map{{"WORD", "{{ var.value.word_password }}"}}}});
  CHECK(home.run(request).cause == EndCause::signal);
  CHECK(home.log_has(request, "Z it is ***\n"));
  CHECK(home.log_has(request, "Z udon: stopped by SIGTERM: asking it to stop\n"));
}

TEST_CASE("secrets of what a try opens are masked in log, result and message, and are nowhere in the home") {
  ServedHome home;
  TryRequest request = home.request("bash", Value::Map{{"command",
                                                        "echo pass=$PASS; printf 'hunter'; sleep 0.05; echo '2secret'; "
                                                        R"(echo "{\"of $PASS\": {\"$PASS\": 1}}" > $UDON_XCOM_FILE; )"
                                                        "echo token {{ conn.shop.extra_dejson.token }} >&2; "
                                                        "echo {{ var.value.api_key }}; echo ends with $PASS"},
                                                       {"env", Value::Map{{"PASS", "{{ conn.shop.password }}"}}}});
  const pid_t runner = home.start(request);
  REQUIRE(wait_child(runner));
  const TryEnded ended = home.result(request);
  CHECK(ended.result == TryEnded::Result::success);
  CHECK(ended.xcom.text("return_value") == "ends with ***");
  CHECK(ended.xcom.get("of ***") == Value(Value::Map{{"***", 1}}));
  CHECK(home.log_has(request, "Z pass=***\n"));
  CHECK(home.log_has(request, "Z token ***\n"));
  for (const char* secret : {"hunter2", "2secret", "sometoken", "keykeykey"}) {
    INFO(secret);
    CHECK_FALSE(holds(home.home() / "logs", secret));
  }
  for (const char* secret : {"hunter2secret", "sometoken", "keykeykey"})
    CHECK_FALSE(holds(home.home() / "spool", secret));
}

TEST_CASE("a connection that the DAG file doesn't name, and a variable that is not there, fail the try by name") {
  ServedHome home;
  TryEnded ended = home.run(home.bash("echo {{ conn.other.host }}"));
  CHECK(ended.result == TryEnded::Result::failed);
  CHECK(ended.error_kind == ErrorKind::denied);
  CHECK(ended.message.find("connection `other` is not named by the DAG file") != std::string::npos);
  ended = home.run(home.bash("echo {{ var.value.none }}"));
  CHECK(ended.result == TryEnded::Result::failed);
  CHECK(ended.message.find("there is no such thing") != std::string::npos);
  ended = home.run(home.bash("echo {{ undefined_name }}"));
  CHECK(ended.error_kind == ErrorKind::invalid);
  CHECK(ended.message.find("undefined_name") != std::string::npos);
}

TEST_CASE("a command that is one template of a number is that number as text") {
  ServedHome home;
  CHECK(home.run(home.bash("{{ 'true' }}")).result == TryEnded::Result::success);
  TryRequest request =
      home.request("bash", Value::Map{{"command", "echo $N"}, {"env", Value::Map{{"N", "{{ 40 + 2 }}"}}}});
  CHECK(home.run(request).xcom.text("return_value") == "42");
}
