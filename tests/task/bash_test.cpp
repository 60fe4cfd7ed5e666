#include <signal.h>

#include <algorithm>

#include "base/limits.h"
#include "tests/task/try_home.h"

using namespace udon;
using test::TryHome;

namespace {

using Lines = std::vector<std::string>;
constexpr auto success = TryEnded::Result::success;
constexpr auto failed = TryEnded::Result::failed;

}  // namespace

TEST_CASE("a command's output is its log, and its last line its XCom") {
  TryHome home;
  const TryRequest request = home.bash("echo 안녕; echo oops >&2; echo '마지막 줄 '");
  const TryEnded ended = home.run(request);
  CHECK(ended.result == success);
  CHECK(ended.cause == EndCause::finished);
  CHECK(ended.xcom == Value(Value::Map{{"return_value", "마지막 줄"}}));
  auto lines = home.log_lines(request);
  std::ranges::sort(lines);
  CHECK(lines == Lines{"oops", "마지막 줄 ", "안녕"});
  CHECK(home.log_has(request, "udon: try 1 of 1 of dag/run/task, operator bash\n"));
  CHECK(home.log_has(request, "udon: success after "));
  CHECK(ended.started_at);
  CHECK(ended.at >= *ended.started_at);
}

TEST_CASE("lines of one stream keep their order") {
  TryHome home;
  const TryRequest request = home.bash("for i in $(seq 20000); do echo $i; done");
  CHECK(home.run(request).xcom.text("return_value") == "20000");
  const auto lines = home.log_lines(request);
  REQUIRE(lines.size() == 20'000);
  for (size_t i = 0; i < lines.size(); ++i) REQUIRE(lines[i] == std::to_string(i + 1));
}

TEST_CASE("a last line without an end counts, and no output is no XCom") {
  TryHome home;
  const TryRequest request = home.bash("echo one; printf two");
  CHECK(home.run(request).xcom.text("return_value") == "two");
  CHECK(home.log_lines(request) == Lines{"one", "two"});
  CHECK(home.run(home.bash("true")).xcom == Value::map());
  CHECK(home.run(home.bash("echo to standard error >&2")).xcom == Value::map());
  CHECK(home.run(home.bash("echo a; echo")).xcom.get("return_value") == Value(""));
}

TEST_CASE("an exit code fails the task, 99 skips it, and the shell's own codes are explained") {
  TryHome home;
  TryEnded ended = home.run(home.bash("echo x; exit 3"));
  CHECK(ended.result == failed);
  CHECK(ended.cause == EndCause::exit_code);
  CHECK(ended.message == "exit code 3");
  CHECK(ended.xcom == Value::map());
  ended = home.run(home.bash("exit 99"));
  CHECK(ended.result == TryEnded::Result::skipped);
  CHECK(ended.message == "exit code 99 skips the task");
  CHECK(home.run(home.bash("no-such-command")).message == "exit code 127 (a command was not found)");
  CHECK(home.run(home.bash("/")).message == "exit code 126 (a command could not be executed)");
  CHECK(home.run(home.bash("sh -c 'kill -TERM $$'; exit $?")).message ==
        "exit code 143 (a command of it was killed by SIGTERM)");
}

TEST_CASE("a death by a signal is named") {
  TryHome home;
  TryEnded ended = home.run(home.bash("kill -SEGV $$"));
  CHECK(ended.cause == EndCause::signal);
  CHECK(ended.message == "killed by signal 11 (SIGSEGV)");
  ended = home.run(home.bash("kill -KILL $$"));
  CHECK(ended.result == failed);
  CHECK(ended.cause == EndCause::signal);
  CHECK(ended.message.starts_with("killed by signal 9 (SIGKILL), "));
}

TEST_CASE("env adds variables of any type, and what marks the try cannot be changed") {
  TryHome home;
  TryRequest request =
      home.request("bash", Value::Map{{"command",
                                       "echo \"$TEXT|$NUMBER|$FLAG|$LIST|$NONE|$PATH\"; echo $UDON_TRY_ID; "
                                       "echo $UDON_DAG_ID/$UDON_RUN_ID/$UDON_TASK_ID/$UDON_MAP_INDEX/$UDON_TRY_NUMBER"},
                                      {"env", Value::Map{{"TEXT", "한 글 'quoted' $HOME"},
                                                         {"NUMBER", 7},
                                                         {"FLAG", true},
                                                         {"LIST", Value::List{1, "둘"}},
                                                         {"NONE", nullptr},
                                                         {"UDON_TRY_ID", "another"}}}});
  CHECK(home.run(request).result == success);
  CHECK(home.log_lines(request) == Lines{"한 글 'quoted' $HOME|7|true|[1,\"둘\"]||/usr/local/bin:/usr/bin:/bin",
                                         to_string(request.try_id), "dag/run/task/-1/1"});
}

TEST_CASE("a name of a variable that cannot be is an error of the DAG file") {
  TryHome home;
  const TryEnded ended =
      home.run(home.request("bash", Value::Map{{"command", "true"}, {"env", Value::Map{{"A=B", "x"}}}}));
  CHECK(ended.result == failed);
  CHECK(ended.cause == EndCause::error);
  CHECK(ended.error_kind == ErrorKind::invalid);
  CHECK(ended.message.find("`A=B`") != std::string::npos);
}

TEST_CASE("a command runs in a folder of its own, which is gone afterwards, or in the one that is named") {
  TryHome home;
  TryRequest request = home.bash("pwd; echo data > file");
  const std::string folder = home.run(request).xcom.text("return_value", "");
  CHECK(home.log_lines(request)[0] == home.spool().staging(request.try_id));
  CHECK_FALSE(std::filesystem::exists(home.spool().staging(request.try_id)));

  REQUIRE(make_directories(home.home() / "어디" / "inner"));
  CHECK(home.run(home.request("bash", Value::Map{{"command", "pwd"}, {"working_directory", "어디/inner"}}))
            .xcom.text("return_value") == (home.home() / "어디/inner").string());
  CHECK(home.run(home.request("bash", Value::Map{{"command", "pwd"}, {"working_directory", "/"}}))
            .xcom.text("return_value") == "/");
  const TryEnded ended =
      home.run(home.request("bash", Value::Map{{"command", "pwd"}, {"working_directory", "nowhere"}}));
  CHECK(ended.cause == EndCause::error);
  CHECK(ended.message.find((home.home() / "nowhere").string() + ": No such file or directory") != std::string::npos);
}

TEST_CASE("a command may push XComs by a file") {
  TryHome home;
  TryEnded ended = home.run(
      home.bash(R"(echo line; echo '{"rows": 3, "이름": ["값"], "return_value": {"a": 1}}' > $UDON_XCOM_FILE)"));
  CHECK(ended.xcom ==
        Value(Value::Map{{"rows", 3}, {"이름", Value::List{"값"}}, {"return_value", Value::Map{{"a", 1}}}}));
  for (const char* content : {"[1]", "{\"a\":", ""}) {
    ended = home.run(home.bash(std::string("printf '%s' '") + content + "' > $UDON_XCOM_FILE"));
    INFO(content);
    CHECK(ended.result == failed);
    CHECK(ended.error_kind == ErrorKind::data);
    CHECK(ended.message.find("UDON_XCOM_FILE") != std::string::npos);
  }
  CHECK(home.run(home.bash("head -c 2000000 /dev/zero > $UDON_XCOM_FILE")).error_kind == ErrorKind::data);
}

TEST_CASE("a last line longer than an XCom may be is not pushed, and the log says so") {
  TryHome home;
  const TryRequest request = home.bash("head -c 1500000 /dev/zero | tr '\\0' x");
  const TryEnded ended = home.run(request);
  CHECK(ended.result == success);
  CHECK(ended.xcom == Value::map());
  CHECK(home.log_has(request, "the last line has 1500000 bytes; an XCom has at most 1048576: none is pushed"));
  CHECK(home.log_has(request, "[cut: the line has 1500000 bytes]"));
}

TEST_CASE("a last line that is too long for an XCom only as JSON is not pushed, and the command has succeeded") {
  TryHome home;
  TryRequest request = home.bash("head -c 500000 /dev/zero | tr '\\0' '\\033'");
  TryEnded ended = home.run(request);
  CHECK(ended.result == success);
  CHECK(ended.xcom == Value::map());
  CHECK(home.log_has(request,
                     "the last line has 500000 bytes, 3000002 as JSON; an XCom has at most 1048576: none is pushed"));
  ended = home.run(home.bash("head -c 1048576 /dev/zero | tr '\\0' x"));  // with its quotes
  CHECK(ended.result == success);
  CHECK(ended.xcom == Value::map());
  ended = home.run(home.bash("head -c 1048574 /dev/zero | tr '\\0' x"));
  CHECK(ended.xcom.text("return_value").size() == 1'048'574);
  // What somebody did ask for does fail.
  request = home.bash(
      "head -c 500000 /dev/zero | tr '\\0' x > x; "
      "for i in 1 2 3; do cat x; done | sed 's/.*/{\"a\": \"&\"}/' > $UDON_XCOM_FILE");
  ended = home.run(request);
  CHECK(ended.result == failed);
  CHECK(ended.error_kind == ErrorKind::data);
}

TEST_CASE("binary output becomes valid text") {
  TryHome home;
  const TryRequest request = home.bash("head -c 300000 /dev/urandom; printf 'a\\0b\\xff\\n'; printf 'end\\r\\n'");
  CHECK(home.run(request).result == success);
  const std::string text = home.log_text(request);
  CHECK(is_valid_utf8(text));
  CHECK(text.find('\0') == std::string::npos);
  CHECK(text.find("a\xEF\xBF\xBD"
                  "b\xEF\xBF\xBD\n") != std::string::npos);
  CHECK(text.find("Z end\n") != std::string::npos);
}

TEST_CASE("200 MB of output end in a log of its limit, with its end and its reason, counted, in bounded memory") {
  TryHome home;
  const TryRequest request = home.bash(
      "ulimit -v 4000000; yes '0123456789 한글 abcdefghijklmnopqrstuvwxyz' | head -c 200000000; echo; echo the end; "
      "exit 7");
  const TryEnded ended = home.run(request);
  CHECK(ended.result == failed);
  const std::string text = home.log_text(request);
  CHECK(static_cast<int64_t>(text.size()) >= limits::log_bytes_max - limits::log_part_bytes);
  CHECK(static_cast<int64_t>(text.size()) < limits::log_bytes_max + (1 << 20));
  CHECK(text.find(" were left out here: a log keeps its first 48 MiB") != std::string::npos);
  CHECK(text.find("Z the end\n") != std::string::npos);
  CHECK(text.ends_with(": exit code 7\n"));
}

TEST_CASE("a command is not a terminal's and reads nothing") {
  TryHome home;
  const TryRequest request = home.bash("cat; tty; [ -t 1 ] || echo no terminal");
  CHECK(home.run(request).result == success);
  CHECK(home.log_lines(request) == Lines{"not a tty", "no terminal"});
}

TEST_CASE("a command has no descriptor but 0, 1 and 2, and handles signals as by default") {
  TryHome home;
  TryRequest request = home.bash("exec ls /proc/self/fd");
  CHECK(home.run(request).result == success);
  CHECK(home.log_lines(request) == Lines{"0", "1", "2", "3"});  // 3: the folder that ls lists
  // Not bash's own, which ignores some. 32 and 33 are the C library's and are passed on as they come.
  request = home.bash("exec grep -E '^Sig(Blk|Ign)' /proc/self/status");
  CHECK(home.run(request).result == success);
  const auto lines = home.log_lines(request);
  REQUIRE(lines.size() == 2);
  for (const std::string& line : lines) {
    INFO(line);
    CHECK((std::stoull(line.substr(line.find('\t') + 1), nullptr, 16) & 0x7FFFFFFF) == 0);
  }
}

TEST_CASE("a command longer than the kernel takes is an error, not a crash") {
  TryHome home;
  const TryEnded ended = home.run(home.bash("true #" + std::string(200'000, 'x')));
  CHECK(ended.cause == EndCause::error);
  CHECK(ended.message.find("Argument list too long") != std::string::npos);
}
