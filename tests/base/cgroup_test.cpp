#include "base/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "base/id.h"
#include "base/pidfd.h"
#include "base/text.h"
#include "tests/base/temporary_folder.h"
#include "tests/support/eventually.h"

using namespace udon;

namespace {

SpawnRequest shell(std::string script) {
  return {.argv = {"/bin/sh", "-c", std::move(script)}, .environment = {"PATH=/usr/local/bin:/usr/bin:/bin"}};
}

// Nothing where this machine lets us make no groups: the tests that need one then only say so.
class OwnGroup {
 public:
  OwnGroup() {
    const auto parent = find_cgroup_parent();
    if (!parent) return;
    path_ = *parent / ("udon-test-" + make_secret(4));
    REQUIRE(make_cgroup(path_));
  }
  ~OwnGroup() {
    if (path_.empty()) return;
    static_cast<void>(kill_cgroup(path_));
    static_cast<void>(test::eventually([&] { return is_cgroup_empty(path_); }));
    static_cast<void>(remove_cgroup(path_));
  }
  bool is_possible() const {
    if (path_.empty()) WARN("no control groups can be made here: not tested");
    return !path_.empty();
  }
  const Path& path() const { return path_; }

 private:
  Path path_;
};

}  // namespace

TEST_CASE("a child that is started in a group is in it from its first moment, with nothing but descriptors 0-2") {
  const OwnGroup group;
  if (!group.is_possible()) return;
  const TemporaryFolder folder;
  const auto file = open_file(folder.path() / "out", O_WRONLY | O_CREAT);
  SpawnRequest request = shell("cat /proc/self/cgroup; echo $(ls /proc/self/fd | wc -l); pwd; exit 3");
  request.stdout_fd = file->get();
  request.working_directory = folder.path();
  const auto pid = spawn_into_cgroup(request, group.path());
  REQUIRE(pid);
  CHECK(wait_child(*pid)->exit_code == 3);
  const auto output = split(*read_file(folder.path() / "out"), '\n');
  CHECK(std::ranges::any_of(output, [&](const auto& line) {
    return line.starts_with("0::") && line.ends_with("/" + group.path().filename().string());
  }));
  REQUIRE(output.size() > 3);
  CHECK(output[output.size() - 3] == "4");  // ls has the folder itself open
  CHECK(output[output.size() - 2] == folder.path());
}

TEST_CASE("killing a group ends what left its session and its environment too") {
  const OwnGroup group;
  if (!group.is_possible()) return;
  const auto pid = spawn_into_cgroup(shell("setsid env -i sleep 1000 & setsid sleep 1000 & wait"), group.path());
  REQUIRE(pid);
  CHECK_FALSE(is_cgroup_empty(group.path()));
  CHECK(remove_cgroup(group.path()).error().kind == ErrorKind::conflict);
  REQUIRE(kill_cgroup(group.path()));
  CHECK(wait_child(*pid)->signal == SIGKILL);
  CHECK(test::eventually([&] { return is_cgroup_empty(group.path()); }));
  CHECK(remove_cgroup(group.path()));
  CHECK(is_cgroup_empty(group.path()));
  CHECK(kill_cgroup(group.path()));
  CHECK(remove_cgroup(group.path()));
}

TEST_CASE("a program that cannot be started in a group is an error, and no child is left") {
  const OwnGroup group;
  if (!group.is_possible()) return;
  CHECK(spawn_into_cgroup({.argv = {"/no/such/program"}}, group.path()).error().message ==
        "start /no/such/program: No such file or directory");
  CHECK(spawn_into_cgroup({.argv = {"/bin/true"}, .working_directory = "/no/such/folder"}, group.path())
            .error()
            .message == "start /bin/true in /no/such/folder: No such file or directory");
  CHECK(spawn_into_cgroup({.argv = {}}, group.path()).error().kind == ErrorKind::invalid);
  CHECK(spawn_into_cgroup(shell("true"), group.path() / "none").error().kind == ErrorKind::not_found);
  CHECK(is_cgroup_empty(group.path()));
}

TEST_CASE("a child may stay in our session, with a group of its own") {
  const TemporaryFolder folder;
  for (const auto group : {SpawnGroup::own_group, SpawnGroup::own_session}) {
    const auto file = open_file(folder.path() / "out", O_WRONLY | O_CREAT | O_TRUNC);
    SpawnRequest request = shell("echo $$; cut -d' ' -f5,6 /proc/$$/stat");
    request.stdout_fd = file->get();
    request.group = group;
    const auto pid = spawn(request);
    REQUIRE(pid);
    REQUIRE(wait_child(*pid)->succeeded());
    const std::string own = std::to_string(*pid);
    const std::string session = group == SpawnGroup::own_group ? std::to_string(getsid(0)) : own;
    CHECK(*read_file(folder.path() / "out") == own + "\n" + own + " " + session + "\n");
  }
}

TEST_CASE("a process is held by a descriptor only if it is the one that was meant") {
  const auto pid = spawn(shell("exec sleep 1000"));
  REQUIRE(pid);
  ProcessIdentity identity = *identity_of(*pid);
  const auto process = open_process(identity);
  REQUIRE(process);
  ++identity.start_time;
  CHECK(open_process(identity).error().kind == ErrorKind::not_found);
  REQUIRE(send_signal(*process, SIGTERM));
  CHECK(wait_child(*pid)->signal == SIGTERM);
  CHECK(send_signal(*process, SIGTERM).error().kind == ErrorKind::not_found);
  CHECK(open_process(*pid).error().kind == ErrorKind::not_found);
}
