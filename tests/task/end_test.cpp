#include <signal.h>
#include <sys/wait.h>

#include "base/cgroup.h"
#include "base/limits.h"
#include "base/pidfd.h"
#include "tests/task/try_home.h"

using namespace udon;
using namespace std::chrono_literals;
using test::eventually;
using test::TryHome;

namespace {

constexpr auto failed = TryEnded::Result::failed;

// Pids that a command wrote into a file of the home, one a line; waits until there are `count`.
std::vector<pid_t> pids_in(const Path& file, size_t count) {
  std::vector<pid_t> pids;
  CHECK(eventually([&] {
    pids.clear();
    for (const std::string& line : split(read_file(file).value_or(std::string()), '\n')) {
      if (!line.empty()) pids.push_back(std::stoi(line));
    }
    return pids.size() >= count;
  }));
  return pids;
}

bool are_gone(const std::vector<pid_t>& pids) {
  return std::ranges::none_of(pids, [](pid_t pid) { return identity_of(pid).has_value(); });
}

}  // namespace

TEST_CASE("a try that takes longer than its execution_timeout is ended and says so") {
  TryHome home;
  TryRequest request = home.bash("trap 'echo got TERM; exit 0' TERM; echo begin; while true; do sleep 0.05; done");
  request.execution_timeout = 300ms;
  const TryEnded ended = home.run(request);
  CHECK(ended.result == failed);
  CHECK(ended.cause == EndCause::timeout);
  CHECK(ended.message == "execution_timeout of 300ms has passed");
  CHECK(home.log_has(request, "Z got TERM\n"));
  CHECK(home.log_has(request, "udon: execution_timeout of 300ms has passed: asking it to stop"));
}

TEST_CASE("SIGTERM to the runner asks the command to stop, and the result says what it was") {
  TryHome home;
  const TryRequest request = home.bash("trap 'echo got TERM; exit 0' TERM; echo $$ > " +
                                       (home.home() / "pids").string() + "; while true; do sleep 0.05; done");
  const pid_t runner = home.start(request);
  const auto pids = pids_in(home.home() / "pids", 1);
  REQUIRE(kill(runner, SIGTERM) == 0);
  CHECK(wait_child(runner)->succeeded());
  const TryEnded ended = home.result(request);
  CHECK(ended.result == failed);
  CHECK(ended.cause == EndCause::signal);
  CHECK(ended.message == "stopped by SIGTERM");
  CHECK(home.log_has(request, "Z got TERM\n"));
  CHECK(are_gone(pids));
}

TEST_CASE("a tree that ignores SIGTERM is killed after the grace") {
  TryHome home;
  TryRequest request =
      home.bash("trap '' TERM; (setsid bash -c 'trap \"\" TERM; echo $$; while true; do sleep 1; done' &) > " +
                (home.home() / "pids").string() + "; while true; do sleep 1; done");
  request.execution_timeout = 100ms;
  const pid_t runner = home.start(request);
  const auto pids = pids_in(home.home() / "pids", 1);
  CHECK(wait_child(runner)->succeeded());
  CHECK(home.result(request).cause == EndCause::timeout);
  CHECK(home.log_has(request, "udon: not ended within 5s: killing it"));
  CHECK(are_gone(pids));
}

TEST_CASE("what a command leaves running is ended with it, wherever it went, and the log names it") {
  for (const bool has_group : {false, true}) {
    TryHome home;
    if (has_group) {
      const auto parent = find_cgroup_parent();
      if (!parent) {
        WARN("no control groups can be made here: not tested");
        continue;
      }
      home.cgroup = *parent / ("udon-test-" + home.home().filename().string());
      REQUIRE(make_cgroup(home.cgroup));
    }
    const std::string file = (home.home() / "pids").string();
    // In its session; in one of its own; a daemon (two forks, a session, no environment); one that ignores SIGTERM.
    const TryRequest request = home.bash("sleep 1000 & echo $! >> " + file + "; setsid sleep 1001 & echo $! >> " +
                                         file + "; (setsid env -i bash -c 'sleep 1002 & echo $! >> " + file + "' &)" +
                                         "; (trap '' TERM; sleep 1003) & echo $! >> " + file + "; while [ $(wc -l < " +
                                         file + ") -lt 4 ]; do sleep 0.01; done; echo done");
    const TryEnded ended = home.run(request);
    CHECK(ended.result == TryEnded::Result::success);
    CHECK(ended.xcom.text("return_value") == "done");
    CHECK(are_gone(pids_in(file, 4)));
    CHECK(home.log_has(request, "udon: ended what was left running: "));
    CHECK(home.log_has(request, "(sleep)"));
    if (has_group) {
      CHECK(is_cgroup_empty(home.cgroup));
      CHECK(remove_cgroup(home.cgroup));
    }
  }
}

TEST_CASE("the runner records the descendants that it sees, so that others can end them") {
  TryHome home;
  const TryRequest request =
      home.bash("setsid env -i sleep 1000 & echo $! > " + (home.home() / "pids").string() + "; wait");
  const pid_t runner = home.start(request);
  const auto pids = pids_in(home.home() / "pids", 1);
  CHECK(eventually([&] {
    const auto tree = home.spool().read_tree(request.try_id);
    return tree && std::ranges::any_of(*tree, [&](const ProcessIdentity& p) { return p.pid == pids[0]; });
  }));
  const auto process = home.spool().read_process(request.try_id);
  REQUIRE(process);
  CHECK((*process)->identity == *identity_of(runner));
  REQUIRE(kill(runner, SIGTERM) == 0);
  REQUIRE(wait_child(runner));
  CHECK(are_gone(pids));
}

TEST_CASE("a second runner of the same try does nothing") {
  TryHome home;
  const TryRequest request = home.bash("echo ran");
  home.run(request);
  const auto status = wait_child(home.start(request));
  REQUIRE(status);
  CHECK(status->exit_code == 3);
  CHECK(home.log_lines(request) == std::vector<std::string>{"ran"});
}

TEST_CASE("a try that cannot begin says why") {
  TryHome home;
  TryEnded ended = home.run(home.request("replica_exprot", Value::map()));
  CHECK(ended.result == failed);
  CHECK(ended.cause == EndCause::start_failed);
  CHECK(ended.message.find("`replica_exprot`") != std::string::npos);
  ended = home.run(home.request("bash", Value::Map{{"comand", "x"}}));
  CHECK(ended.cause == EndCause::error);
  CHECK(ended.error_kind == ErrorKind::invalid);
  CHECK(ended.message.find("comand") != std::string::npos);

  TryRequest request = home.bash("true");
  request.log_file = "logs";
  REQUIRE(make_directories(home.home() / "logs"));
  ended = home.run(request);
  CHECK(ended.cause == EndCause::start_failed);
  CHECK(ended.message.find("Is a directory") != std::string::npos);
}

TEST_CASE("a runner without a request writes why, and one with wrong arguments says how it is called") {
  TryHome home;
  const TryRequest request = home.bash("true");
  REQUIRE(home.spool().write_request(request));
  REQUIRE(write_file_atomically(home.spool().folder(request.try_id) / "request.json", "{}", Durability::survives_kill));
  const auto output = run_command({.argv = {test::udon_task(), home.home(), to_string(request.try_id)}}, 30s);
  REQUIRE(output);
  CHECK(output->status.succeeded());
  CHECK(home.result(request).cause == EndCause::start_failed);
  CHECK(home.result(request).message.find("request.json") != std::string::npos);
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{}, {home.home()}, {home.home(), "no id"}, {home.home(), "a-1", "b", "c"}}) {
    SpawnRequest wrong{.argv = {test::udon_task()}};
    wrong.argv.insert(wrong.argv.end(), arguments.begin(), arguments.end());
    const auto answer = run_command(wrong, 30s);
    REQUIRE(answer);
    CHECK(answer->status.exit_code == 2);
    CHECK(answer->standard_error.starts_with("usage: udon-task <home> <try id>"));
  }
}

TEST_CASE("empty succeeds") {
  TryHome home;
  const TryEnded ended = home.run(home.request("empty", Value::map()));
  CHECK(ended.result == TryEnded::Result::success);
  CHECK(ended.xcom == Value::map());
}

TEST_CASE("udon-task links the C and C++ run-time libraries and nothing else") {
  const auto output = run_command({.argv = {"ldd", test::udon_task()}, .environment = {"PATH=/usr/bin:/bin"}}, 30s);
  REQUIRE(output);
  std::vector<std::string> names;
  for (const std::string& line : split(output->standard_output, '\n')) {
    const std::string name(trim(line).substr(0, trim(line).find(".so")));
    if (name.starts_with("lib")) names.push_back(name);
  }
  std::ranges::sort(names);
  // Sanitizers bring libraries of their own.
  std::erase_if(names, [](const std::string& name) { return name.ends_with("san"); });
  CHECK(names == std::vector<std::string>{"libc", "libgcc_s", "libm", "libstdc++"});
}
