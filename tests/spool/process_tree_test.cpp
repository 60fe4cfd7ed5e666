#include "spool/process_tree.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/support/eventually.h"

using namespace udon;
using test::eventually;

namespace {

const TryId id{.installation = "0123456789abcdef", .fence = 7};

ProcessRow row(pid_t pid, pid_t parent, pid_t session, std::string try_id = {}, uint64_t start_time = 100) {
  return {.identity = {.boot_id = "boot", .pid = pid, .start_time = start_time},
          .parent = parent,
          .session = session,
          .try_id = std::move(try_id)};
}

std::vector<pid_t> found(std::vector<ProcessRow> rows, const TreeMarks& marks) {
  std::vector<pid_t> pids;
  for (const ProcessIdentity& identity : find_tree(ProcessTable(std::move(rows)), marks)) pids.push_back(identity.pid);
  std::ranges::sort(pids);
  return pids;
}

using Pids = std::vector<pid_t>;

TreeMarks marks_of_1000() {
  return {.id = id, .runner = ProcessIdentity{.boot_id = "boot", .pid = 1000, .start_time = 50}};
}

}  // namespace

TEST_CASE("a try's tree is its session, the bearers of its id, those recorded and all that these started") {
  TreeMarks marks = marks_of_1000();
  marks.recorded = {{.boot_id = "boot", .pid = 1400, .start_time = 100},
                    {.boot_id = "boot", .pid = 1500, .start_time = 99}};
  CHECK(
      found({row(1, 0, 1), row(1000, 1, 1000, to_string(id), 50), row(1100, 1, 1000), row(1200, 1, 1200, to_string(id)),
             row(1300, 1200, 1300), row(1310, 1300, 1310), row(1400, 1, 1400), row(1500, 1, 1500), row(1600, 1, 1600)},
            marks) == Pids{1000, 1100, 1200, 1300, 1310, 1400});
}

TEST_CASE("a session of the same number that another leader began is left alone") {
  CHECK(found({row(1000, 1, 1000, {}, 77), row(1100, 1000, 1000)}, marks_of_1000()).empty());
  CHECK(found({row(1100, 1, 1000, {}, 40)}, marks_of_1000()).empty());
}

TEST_CASE("processes of before a restart of the machine are not found again under their numbers") {
  TreeMarks marks = marks_of_1000();
  marks.runner->boot_id = "earlier boot";
  CHECK(found({row(1000, 1, 1000, {}, 50), row(1100, 1, 1000)}, marks).empty());
}

TEST_CASE("what bears the id of another try is not of this tree") {
  CHECK(found({row(1000, 1, 1000, to_string(id), 50), row(1100, 1000, 1100, "0123456789abcdef-8"),
               row(1200, 1, 1000, "0123456789abcdef-70")},
              marks_of_1000()) == Pids{1000});
  CHECK(found({row(1, 0, 1), row(2, 1, 2, "other")}, {.id = id}).empty());
}

TEST_CASE("real processes are found by the id in their environment, by their session and by their parent") {
  const auto runner = spawn({.argv = {"/bin/sh", "-c",
                                      "env -i /bin/sleep 1000 & setsid /bin/sleep 1001 & "
                                      "setsid env -i /bin/sleep 1002 & wait"},
                             .environment = {"PATH=/usr/bin:/bin", "UDON_TRY_ID=" + to_string(id)}});
  REQUIRE(runner);
  const TreeMarks marks{.id = id, .runner = *identity_of(*runner)};
  CHECK(eventually([&] { return find_tree(ProcessTable::read(), marks).size() == 4; }));
  // The sleeps of other processes than ours' own programs only: wait until each has become its sleep.
  const auto is_sleep = [](const ProcessIdentity& process) {
    const auto name = read_file("/proc/" + std::to_string(process.pid) + "/comm");
    return name && *name == "sleep\n";
  };
  CHECK(eventually([&] { return std::ranges::count_if(find_tree(ProcessTable::read(), marks), is_sleep) == 3; }));
  const auto tree = find_tree(ProcessTable::read(), marks);
  CHECK(tree.size() == 4);
  CHECK(signal_processes(tree, SIGKILL));
  CHECK(wait_child(*runner)->signal == SIGKILL);
  CHECK(eventually([&] { return find_tree(ProcessTable::read(), marks).empty(); }));
  CHECK(signal_processes(tree, SIGKILL));
}

TEST_CASE("own descendants are children, their children and the orphans that came to us") {
  REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  const auto child = spawn({.argv = {"/bin/sh", "-c", "(setsid sleep 1000 & setsid sleep 1000 &); exec sleep 1000"},
                            .environment = {"PATH=/usr/bin:/bin"}});
  REQUIRE(child);
  CHECK(eventually([] { return own_descendants().size() == 3; }));
  CHECK(signal_processes(own_descendants(), SIGKILL));
  int reaped = 0;
  while (waitpid(-1, nullptr, 0) > 0) ++reaped;
  CHECK(reaped >= 3);
  CHECK(own_descendants().empty());
  REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
}
