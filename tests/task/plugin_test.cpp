#include <signal.h>

#include <algorithm>

#include "tests/support/door_server.h"
#include "tests/task/try_home.h"

using namespace udon;
using namespace std::chrono_literals;
using test::TryHome;

namespace {

using Lines = std::vector<std::string>;

// udon-task looks for plugins beside itself; this one finds the tests'.
struct PluginHome : TryHome {
  PluginHome() {
    runner = executable_folder() / "udon-task-of-tests";
    std::error_code ignored;
    std::filesystem::remove(runner, ignored);
    std::filesystem::create_hard_link(test::udon_task(), runner);
  }
  TryRequest how(const std::string& what) { return request("test_operator", Value::Map{{"how", what}}); }
};

}  // namespace

TEST_CASE("an operator of a plugin runs, and all that it or a library prints is in the log") {
  PluginHome home;
  const TryRequest request = home.how("prints");
  const TryEnded ended = home.run(request);
  CHECK(ended.result == TryEnded::Result::success);
  CHECK(ended.message == "3 rows");
  CHECK(ended.xcom == Value(Value::Map{{"return_value", Value::Map{{"rows", 3}}}}));
  Lines lines = home.log_lines(request);
  std::ranges::sort(lines);
  CHECK(lines ==
        Lines{"by the context", "of two lines", "on standard error", "on standard output", "on the log's descriptor"});
}

TEST_CASE("an operator gets its defaults, durations in microseconds and sizes in bytes") {
  PluginHome home;
  TryRequest request = home.how("parameters");
  CHECK(home.run(request).xcom.get("return_value") ==
        Value(Value::Map{{"how", "parameters"}, {"wait", 90'000'000}, {"size", 1024}}));
  request = home.request("test_operator", Value::Map{{"how", "{{ what }}"}, {"wait", "{{ n }}s"}});
  request.context = Value::Map{{"what", "parameters"}, {"n", 5}};
  CHECK(home.run(request).xcom.get("return_value").integer("wait") == 5'000'000);
  request = home.request("test_operator", Value::Map{{"how", "parameters"}, {"wait", "{{ n }}"}});
  request.context = Value::Map{{"n", "long"}};
  const TryEnded ended = home.run(request);
  CHECK(ended.error_kind == ErrorKind::invalid);
  CHECK(ended.message.find("wait") != std::string::npos);
}

TEST_CASE("XComs, skips and errors of an operator come out as they are") {
  PluginHome home;
  CHECK(home.run(home.how("pushes")).xcom == Value(Value::Map{{"key", "값"}}));
  TryEnded ended = home.run(home.how("skips"));
  CHECK(ended.result == TryEnded::Result::skipped);
  CHECK(ended.message == "nothing to do");
  ended = home.run(home.how("fails"));
  CHECK(ended.cause == EndCause::error);
  CHECK(ended.error_kind == ErrorKind::unavailable);
  CHECK(ended.message == "the database is down");
  ended = home.run(home.how("throws"));
  CHECK(ended.cause == EndCause::error);
  CHECK(ended.message == "the operator threw an exception: out of luck");
  ended = home.run(home.how("large"));
  CHECK(ended.result == TryEnded::Result::failed);
  CHECK(ended.error_kind == ErrorKind::data);
  CHECK(ended.xcom == Value::map());
  CHECK(ended.message.find("XCom `return_value` has 2097154 bytes as JSON") != std::string::npos);
}

TEST_CASE("staging is there for the operator and gone after it") {
  PluginHome home;
  const TryEnded ended = home.run(home.how("stages"));
  const Path staging = ended.xcom.text("return_value");
  CHECK(staging.parent_path() == home.home() / "staging");
  CHECK_FALSE(std::filesystem::exists(staging));
}

TEST_CASE("an operator that is asked to stop may end in order, and one that hangs is given up") {
  PluginHome home;
  TryRequest request = home.how("stops");
  request.execution_timeout = 50ms;
  TryEnded ended = home.run(request);
  CHECK(ended.cause == EndCause::timeout);
  request = home.how("hangs");
  request.execution_timeout = 50ms;
  ended = home.run(request);
  CHECK(ended.cause == EndCause::timeout);
  CHECK(home.log_has(request, "udon: the operator doesn't stop: giving it up"));
}

TEST_CASE("an operator that takes its runner down leaves no result, and its last words in the log") {
  PluginHome home;
  TryRequest request = home.how("crashes");
  auto status = wait_child(home.start(request));
  CHECK(status->signal == SIGSEGV);
  CHECK_FALSE(home.spool().read_result(request.try_id)->has_value());
  request = home.how("aborts");
  status = wait_child(home.start(request));
  CHECK(status->signal == SIGABRT);
  CHECK(home.log_text(request).find("in a thread of its own") != std::string::npos);
}

TEST_CASE("a secret that an operator opens is masked in its prints and in its error") {
  PluginHome home;
  const test::DoorServer server(home.spool().socket(), [](const std::string&) {
    return test::DoorServer::json(200, R"({"uri": "aws://key:hunter2secret@"})");
  });
  const TryRequest request = home.how("secret");
  const TryEnded ended = home.run(request);
  CHECK(ended.message == "cannot log in with ***");
  CHECK(home.log_lines(request) == Lines{"printed ***"});
}
