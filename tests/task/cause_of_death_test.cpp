#include "worker/task/cause_of_death.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/task/try_home.h"

using namespace udon;

namespace {

const ExitStatus killed{.exit_code = 0, .signal = SIGKILL};

}  // namespace

TEST_CASE("an exit code and another signal are what they are, whatever the counters say") {
  const MemoryKills before{.in_our_group = 0, .on_machine = 0};
  const MemoryKills after{.in_our_group = 1, .on_machine = 1};
  CHECK(find_cause({.exit_code = 3}, 7, before, after, "").message == "exit code 3");
  CHECK(find_cause({.exit_code = 3}, 7, before, after, "").cause == EndCause::exit_code);
  CHECK(find_cause({.signal = SIGSEGV}, 7, before, after, "").cause == EndCause::signal);
}

TEST_CASE("a SIGKILL is the out-of-memory killer's if the kernel's log names the process or a counter has grown") {
  CHECK(find_cause(killed, 77, {}, {}, "6,1,2,-;Memory cgroup out of memory: Killed process 77 (python) total-vm:1kB")
            .cause == EndCause::out_of_memory);
  CHECK(find_cause(killed, 7, {}, {}, "6,1,2,-;Out of memory: Killed process 77 (python)").cause == EndCause::signal);
  CauseOfDeath found = find_cause(killed, 7, {.in_our_group = 1}, {.in_our_group = 3}, "");
  CHECK(found.cause == EndCause::out_of_memory);
  CHECK(found.message.find("memory limit of its control group") != std::string::npos);
  found = find_cause(killed, 7, {.in_our_group = 1, .on_machine = 4}, {.in_our_group = 1, .on_machine = 5}, "");
  CHECK(found.cause == EndCause::out_of_memory);
  CHECK(found.message.find("very likely") != std::string::npos);
  // A shell tells of its program's death.
  CHECK(find_cause({.exit_code = 137}, 7, {.on_machine = 0}, {.on_machine = 1}, "").cause == EndCause::out_of_memory);
}

TEST_CASE("without evidence it is said what is not known") {
  CHECK(find_cause(killed, 7, {}, {}, "").message ==
        "killed by signal 9 (SIGKILL), perhaps by the out-of-memory killer: this machine doesn't tell");
  CHECK(find_cause(killed, 7, {.on_machine = 4}, {.on_machine = 4}, "").message ==
        "killed by signal 9 (SIGKILL), by somebody else: the kernel's count of out-of-memory kills has not changed");
  CHECK(find_cause({.exit_code = 137}, 7, {}, {}, "").message == "exit code 137");
  CHECK(find_cause({.exit_code = 137}, 7, {}, {}, "").cause == EndCause::exit_code);
}

TEST_CASE("a try that the kernel kills for want of memory says so") {
  // Where this machine lets us limit a group's memory (version 1, as root).
  const Path group = "/sys/fs/cgroup/memory/udon-test-" + std::to_string(getpid());
  if (mkdir(group.c_str(), 0755) != 0) {
    WARN("no memory control groups can be made here: not tested");
    return;
  }
  const auto write = [&](const std::string& name, const std::string& text) {
    const auto file = open_file(group / name, O_WRONLY);
    return file && write_all(file->get(), text, group / name);
  };
  if (!write("memory.limit_in_bytes", "67108864")) {
    rmdir(group.c_str());
    WARN("no memory limit can be set here: not tested");
    return;
  }
  test::TryHome home;
  const std::string go = (home.home() / "go").string();
  const TryRequest request = home.bash(
      "while ! [ -e " + go + " ]; do sleep 0.01; done; exec tail -c 300000000 < <(head -c 400000000 /dev/zero)");
  const pid_t runner = home.start(request);
  // The runner and all that it has started by now.
  std::vector<ProcessIdentity> tree;
  REQUIRE(test::eventually([&] { return home.log_has(request, "udon: try 1"); }));
  REQUIRE(write("cgroup.procs", std::to_string(runner)));
  REQUIRE(test::eventually([&] {
    const auto children =
        read_file("/proc/" + std::to_string(runner) + "/task/" + std::to_string(runner) + "/children");
    for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(runner) + "/task")) {
      const auto list = read_file(entry.path() / "children");
      for (const std::string& pid : split(trim(list.value_or("")), ' ')) {
        if (!pid.empty()) return write("cgroup.procs", pid);
      }
    }
    return false;
  }));
  REQUIRE(write_file_atomically(go, "", Durability::survives_kill));
  REQUIRE(wait_child(runner));
  const TryEnded ended = home.result(request);
  rmdir(group.c_str());
  INFO(ended.message);
  CHECK(ended.result == TryEnded::Result::failed);
  CHECK(ended.cause == EndCause::out_of_memory);
}
