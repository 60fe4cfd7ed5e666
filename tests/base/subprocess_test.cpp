#include "base/subprocess.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "base/text.h"
#include "tests/base/temporary_folder.h"

using namespace udon;
using namespace std::chrono_literals;

namespace {

SpawnRequest shell(std::string script) {
  return {.argv = {"/bin/sh", "-c", std::move(script)},
          .environment = {"PATH=/usr/local/bin:/usr/bin:/bin"},
          .working_directory = {}};
}

CommandOutput output_of(const SpawnRequest& request) {
  auto output = run_command(request, 30s);
  if (!output) FAIL(output.error().message);
  return *output;
}

// Has ended but is not reaped.
void wait_until_zombie(pid_t pid) {
  siginfo_t info;
  REQUIRE(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
}

}  // namespace

TEST_CASE("a command's output and exit code are collected") {
  const auto output = output_of(shell("echo out; echo err >&2; exit 3"));
  CHECK(output.standard_output == "out\n");
  CHECK(output.standard_error == "err\n");
  CHECK(output.status.exit_code == 3);
  CHECK_FALSE(output.status.succeeded());
  CHECK(describe(output.status) == "exit code 3");
}

TEST_CASE("a long output on both pipes does not block the child") {
  const auto output = output_of(shell("head -c 3000000 /dev/zero >&2; head -c 2000000 /dev/zero"));
  CHECK(output.standard_error.size() == 3'000'000);
  CHECK(output.standard_output.size() == 2'000'000);
}

TEST_CASE("a death by a signal is told apart from an exit") {
  const auto output = output_of(shell("kill -9 $$"));
  CHECK(output.status.signal == SIGKILL);
  CHECK_FALSE(output.status.succeeded());
  CHECK(describe(output.status) == "killed by signal 9 (SIGKILL)");
}

TEST_CASE("a child sees the environment and the folder it was given, and no other") {
  const TemporaryFolder folder;
  SpawnRequest request = shell("pwd -P; echo \"$GREETING/$HOME\"");
  request.environment.push_back("GREETING=hello world");
  request.working_directory = folder.path();
  CHECK(output_of(request).standard_output == std::filesystem::canonical(folder.path()).string() + "\nhello world/\n");
}

TEST_CASE("a child inherits descriptors 0 to 2 and nothing else") {
  const int leaked = fcntl(STDERR_FILENO, F_DUPFD, 50);  // without close-on-exec, as a careless library would
  REQUIRE(leaked >= 50);
  // ls itself opens the folder, as 3.
  CHECK(output_of({.argv = {"ls", "/proc/self/fd"}, .environment = {}, .working_directory = {}}).standard_output ==
        "0\n1\n2\n3\n");
  close(leaked);
}

TEST_CASE("a child's standard input is empty unless given") {
  CHECK(output_of(shell("cat")).standard_output.empty());
  const TemporaryFolder folder;
  REQUIRE(write_file_atomically(folder.path() / "in", "from a file", Durability::survives_kill));
  auto file = open_file(folder.path() / "in", O_RDONLY);
  REQUIRE(file.has_value());
  SpawnRequest request = shell("cat");
  request.stdin_fd = file->get();
  CHECK(output_of(request).standard_output == "from a file");
}

TEST_CASE("a child's standard streams may be exchanged ones of ours") {
  const TemporaryFolder folder;
  const Path path = folder.path() / "out";
  auto file = open_file(path, O_WRONLY | O_CREAT);
  REQUIRE(file.has_value());
  const FileDescriptor saved_output(fcntl(1, F_DUPFD_CLOEXEC, 3)), saved_error(fcntl(2, F_DUPFD_CLOEXEC, 3));
  dup2(file->get(), 1);
  SpawnRequest request = shell("echo to-error >&2");
  request.stdout_fd = 2;
  request.stderr_fd = 1;
  const auto pid = spawn(request);
  dup2(saved_output.get(), 1);
  dup2(saved_error.get(), 2);
  REQUIRE(pid.has_value());
  CHECK(wait_child(*pid).value().succeeded());
  CHECK(read_file(path).value() == "to-error\n");
}

TEST_CASE("a child leads its own session and has default signal handling") {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  const auto previous = signal(SIGPIPE, SIG_IGN);
  const auto output = output_of(shell("cat /proc/self/status; cat /proc/$$/stat; echo $$"));
  signal(SIGPIPE, previous);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  CHECK_THAT(output.standard_output, Catch::Contains("SigBlk:\t0000000000000000"));
  // Ignored are signals 32 and 33, which glibc keeps for its threads and sets up itself.
  CHECK_THAT(output.standard_output, Catch::Contains("SigIgn:\t0000000180000000"));
  const auto lines = split(trim(output.standard_output), '\n');
  const std::string& pid = lines.back();
  const auto stat = split(lines[lines.size() - 2], ' ');
  CHECK(stat[4] == pid);
  CHECK(stat[5] == pid);
}

TEST_CASE("a program that is not there is an error that names it") {
  const auto missing = spawn({.argv = {"/no/such/program"}, .environment = {}, .working_directory = {}});
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error() == Error{ErrorKind::not_found, "start /no/such/program: No such file or directory"});
  SpawnRequest request = shell("true");
  request.working_directory = "/no/such/folder";
  CHECK(spawn(request).error().message == "start /bin/sh in /no/such/folder: No such file or directory");
}

TEST_CASE("an argument with a zero byte is refused instead of cut") {
  CHECK(spawn(shell(std::string("echo a\0b", 8))).error().kind == ErrorKind::invalid);
  CHECK(spawn(SpawnRequest{}).error().kind == ErrorKind::invalid);
}

TEST_CASE("a command that takes too long is killed with all that it started") {
  // The second child leaves the group, as a shell's job control does, but not the session. Both would write
  // their pids after the end otherwise; we adopt them to see them die.
  REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  const TemporaryFolder folder;
  SpawnRequest request = shell("sleep 600 & echo $! > a; set -m; sleep 600 & echo $! > b.new; mv b.new b; wait");
  request.working_directory = folder.path();
  const auto output = run_command(request, 1s);
  REQUIRE_FALSE(output.has_value());
  CHECK(output.error() == Error{ErrorKind::timeout, "/bin/sh: not finished after 1000 ms, killed"});
  for (const char* name : {"a", "b"}) {
    const pid_t pid = std::stoi(read_file(folder.path() / name).value());
    CHECK(wait_child(pid).value().signal == SIGKILL);
  }
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST_CASE("a command ends with its process, also if a daemon keeps its output open") {
  REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  const auto output = output_of(shell("sleep 600 & echo $!"));
  const pid_t daemon = std::stoi(output.standard_output);
  CHECK(kill(daemon, SIGKILL) == 0);
  CHECK(wait_child(daemon).value().signal == SIGKILL);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST_CASE("a command that prints without end is an error") {
  const auto output = run_command(shell("yes"), 30s, 100'000);
  REQUIRE_FALSE(output.has_value());
  CHECK(output.error() == Error{ErrorKind::data, "/bin/sh: it printed more than 100000 bytes"});
}

TEST_CASE("a process is known by more than its pid") {
  const auto pid = spawn(shell("exec sleep 600"));
  REQUIRE(pid.has_value());
  const auto identity = identity_of(*pid);
  REQUIRE(identity.has_value());
  CHECK(identity->boot_id.size() == 36);
  CHECK(identity->start_time > 0);
  CHECK(is_alive(*identity));
  ProcessIdentity other = *identity;
  other.start_time += 1;
  CHECK_FALSE(is_alive(other));
  other = *identity;
  other.boot_id = "another boot";
  CHECK_FALSE(is_alive(other));
  kill(*pid, SIGKILL);
  wait_until_zombie(*pid);
  CHECK_FALSE(is_alive(*identity));
  CHECK(identity_of(*pid).error().kind == ErrorKind::not_found);
  CHECK(describe(wait_child(*pid).value()) == "killed by signal 9 (SIGKILL)");
  CHECK(identity_of(*pid).error().kind == ErrorKind::not_found);
}

TEST_CASE("a program whose name has spaces and parentheses is identified") {
  const TemporaryFolder folder;
  const Path program = folder.path() / "a) R (b 1 2";
  std::filesystem::copy_file(std::filesystem::canonical("/bin/sleep"), program);
  const auto pid = spawn({.argv = {program.string(), "600"}, .environment = {}, .working_directory = {}});
  REQUIRE(pid.has_value());
  const auto identity = identity_of(*pid);
  REQUIRE(identity.has_value());
  CHECK(identity->start_time >= identity_of(getpid()).value().start_time);
  kill(*pid, SIGKILL);
  CHECK(wait_child(*pid).value().signal == SIGKILL);
}

TEST_CASE("only a child of ours can be waited for") { CHECK(wait_child(1).error().kind == ErrorKind::not_found); }

TEST_CASE("our own environment can be handed on") {
  setenv("UDON_SUBPROCESS_TEST", "a=b", 1);
  SpawnRequest request = shell("echo $UDON_SUBPROCESS_TEST");
  request.environment = current_environment();
  unsetenv("UDON_SUBPROCESS_TEST");
  CHECK(output_of(request).standard_output == "a=b\n");
}
