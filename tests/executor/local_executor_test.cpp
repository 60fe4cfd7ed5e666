#include "executor/local/local_executor.h"
#include "executor/local/runner_template.h"

#include <signal.h>
#include <sys/stat.h>

#include <condition_variable>

#include "base/cgroup.h"
#include "executor/local/environment.h"
#include "spool/process_tree.h"
#include "spool/template_messages.h"
#include "tests/executor/contract.h"
#include "tests/task/try_home.h"

using namespace udon;
using namespace std::chrono_literals;
using test::eventually;
using test::Reports;
using test::TryHome;
using test::Work;

namespace {

class LocalWorld final : public test::World {
 public:
  explicit LocalWorld(UseOfCgroups cgroups = UseOfCgroups::where_possible,
                      UseOfTemplate use_of_template = UseOfTemplate::where_possible)
      : cgroups_(cgroups), use_of_template_(use_of_template) {
    make_executor();
  }
  ~LocalWorld() override {
    for (const TryId& id : executor_->running()) executor_->kill(id, EndCause::killed, "the test is over");
    eventually([&] { return executor_->poll(), executor_->running().empty(); });
  }

  Executor& executor() override { return *executor_; }
  int slots() const override { return 3; }
  TryRequest make(Work work) override {
    switch (work) {
      case Work::succeeds: return home_.bash("echo done");
      case Work::fails: return home_.bash("exit 1");
      case Work::lasts: return home_.bash("sleep 1000");
    }
    return {};
  }
  void pass() override {
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, 20ms, [&] { return std::exchange(is_woken_, false); });
  }
  void restart() override {
    executor_.reset();
    make_executor();
  }
  TryHome& home() { return home_; }

 private:
  void make_executor() {
    executor_ =
        std::make_unique<LocalExecutor>(home_.spool(),
                                        LocalExecutorOptions{.runner = test::udon_task(),
                                                             .slots = 3,
                                                             .environment = environment_of_tries(current_environment()),
                                                             .cgroups = cgroups_,
                                                             .runner_template = use_of_template_,
                                                             .kill_grace = 7s},
                                        clock_, [this] {
                                          const std::lock_guard lock(mutex_);
                                          is_woken_ = true;
                                          woken_.notify_all();
                                        });
  }

  const UseOfCgroups cgroups_;
  const UseOfTemplate use_of_template_;
  TryHome home_;
  SystemClock clock_;
  std::mutex mutex_;
  std::condition_variable woken_;
  bool is_woken_ = false;
  std::unique_ptr<LocalExecutor> executor_;
};

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

pid_t runner_of(const LocalWorld& world, const TryRequest& request, const Spool& spool) {
  static_cast<void>(world);
  std::optional<RunnerProcess> runner;
  REQUIRE(eventually([&] { return (runner = spool.read_process(request.try_id).value()).has_value(); }));
  return runner->identity.pid;
}

}  // namespace

TEST_CASE("LocalExecutor keeps the executors' contract, with control groups where they can be made") {
  test::check_executor_contract([] { return std::make_unique<LocalWorld>(); });
}

TEST_CASE("LocalExecutor keeps the executors' contract without control groups") {
  test::check_executor_contract([] { return std::make_unique<LocalWorld>(UseOfCgroups::never); });
}

TEST_CASE("LocalExecutor keeps the executors' contract with runners that are each started by themselves") {
  test::check_executor_contract(
      [] { return std::make_unique<LocalWorld>(UseOfCgroups::where_possible, UseOfTemplate::never); });
}

TEST_CASE("a runner that is forked from the template is one as if it had been started") {
  const std::string command =
      "echo $UDON_TRY_ID; tr '\\0' '\\n' < /proc/$PPID/environ | grep -c ^UDON_TRY_ID=; "
      "cut -d ' ' -f 4,6 /proc/$PPID/stat; echo $PPID; ls /proc/$PPID/fd | wc -l; "
      "tr '\\0' ' ' < /proc/$PPID/cmdline";
  std::vector<std::vector<std::string>> seen;
  for (const UseOfTemplate use : {UseOfTemplate::where_possible, UseOfTemplate::never}) {
    LocalWorld world(UseOfCgroups::never, use);
    Reports reports(world);
    for (int i = 0; i < 2; ++i) {
      const TryRequest request = world.home().bash(command);
      REQUIRE(world.executor().start(request));
      CHECK(reports.end_of(request.try_id).result == TryEnded::Result::success);
      const auto lines = world.home().log_lines(request);
      REQUIRE(lines.size() == 6);
      CHECK(lines[0] == to_string(request.try_id));
      CHECK(lines[1] == "1");
      CHECK(lines[2] == std::to_string(getpid()) + " " + lines[3]);  // its parent is us, and it leads its session
      CHECK(lines[5].find(to_string(request.try_id)) != std::string::npos);
      CHECK(lines[5].find("template") == std::string::npos);
      seen.push_back(lines);
    }
  }
  for (const auto& lines : seen) CHECK(lines[4] == seen[0][4]);  // as many open files
}

TEST_CASE("the template of runners may die at any time: what it forked goes on, and what comes is started without it") {
  TryHome home;
  const SystemClock clock;
  RunnerTemplate runners({.runner = test::udon_task(),
                          .home = home.home(),
                          .environment = environment_of_tries(current_environment()),
                          .pause_after_failure = 0s},
                         clock);
  const auto start = [&](const TryRequest& request) {
    REQUIRE(home.spool().write_request(request));
    return runners.start(request.try_id, {});
  };
  const auto ended = [&](const TryRequest& request) { return home.spool().read_result(request.try_id)->has_value(); };
  const std::string go = (home.home() / "go").string();
  const TryRequest first = home.bash("while ! [ -e " + go + " ]; do sleep 0.01; done; echo done");
  const auto pid = start(first);
  REQUIRE(pid);
  const ProcessTable table = ProcessTable::read();
  const auto found = std::ranges::find_if(
      table.rows(), [](const ProcessRow& row) { return row.parent == getpid() && is_template_mark(row.try_id); });
  REQUIRE(found != table.rows().end());
  REQUIRE(::kill(found->identity.pid, SIGKILL) == 0);
  REQUIRE(eventually([&] { return !is_alive(found->identity); }));
  // The one that finds it out says so, and the next has a new template.
  const TryRequest second = home.bash("echo done");
  CHECK_FALSE(start(second));
  CHECK_FALSE(ended(second));
  const auto again = runners.start(second.try_id, {});
  REQUIRE(again);
  CHECK(wait_child(*again)->succeeded());
  CHECK(ended(second));
  REQUIRE(write_file_atomically(go, "", Durability::survives_kill));
  CHECK(wait_child(*pid)->succeeded());
  CHECK(ended(first));

  LocalWorld world;
  Reports reports(world);
  const TryRequest before = world.home().bash("sleep 1000");
  REQUIRE(world.executor().start(before));
  const ProcessTable now = ProcessTable::read();
  for (const ProcessRow& row : now.rows()) {
    if (row.parent == getpid() && is_template_mark(row.try_id)) REQUIRE(::kill(row.identity.pid, SIGKILL) == 0);
  }
  const TryRequest after = world.home().bash("echo done");
  REQUIRE(world.executor().start(after));
  CHECK(reports.end_of(after.try_id).result == TryEnded::Result::success);
  world.executor().kill(before.try_id, EndCause::killed, "enough");
  CHECK(reports.end_of(before.try_id).message == "enough");
}

TEST_CASE("a runner that is killed is lost, and its tree is dead before that is said") {
  for (const UseOfCgroups cgroups : {UseOfCgroups::never, UseOfCgroups::where_possible}) {
    LocalWorld world(cgroups);
    Reports reports(world);
    const std::string file = (world.home().home() / "pids").string();
    // In the session with a cleared environment; in a session of its own; a daemon of two forks; one that ignores
    // SIGTERM.
    const TryRequest request =
        world.home().bash("env -i sleep 1000 & echo $! >> " + file + "; setsid sleep 1001 & echo $! >> " + file +
                          "; (setsid bash -c 'sleep 1002 & echo $! >> " + file +
                          "' &); (trap '' TERM; exec sleep 1003) & echo $! >> " + file + "; wait");
    REQUIRE(world.executor().start(request));
    const auto pids = pids_in(file, 4);
    REQUIRE(kill(runner_of(world, request, world.home().spool()), SIGKILL) == 0);
    const TryEnded ended = reports.end_of(request.try_id);
    CHECK(are_gone(pids));
    CHECK(ended.result == TryEnded::Result::failed);
    CHECK(ended.cause == EndCause::lost);
    CHECK(
        ended.message ==
        "its runner ended (killed by signal 9 (SIGKILL)) and left no result; perhaps it was killed for want of memory");
    CHECK(world.home().log_text(request).ends_with("Z udon: failed: " + ended.message + "\n"));
  }
}

TEST_CASE("what left its session and cleared its environment is ended if the runner saw it, or by its control group") {
  for (const UseOfCgroups cgroups : {UseOfCgroups::never, UseOfCgroups::where_possible}) {
    if (cgroups == UseOfCgroups::where_possible && !find_cgroup_parent()) {
      WARN("no control groups can be made here: not tested");
      continue;
    }
    LocalWorld world(cgroups);
    Reports reports(world);
    const std::string file = (world.home().home() / "pids").string();
    const TryRequest request = world.home().bash("setsid env -i sleep 1000 & echo $! >> " + file + "; wait");
    REQUIRE(world.executor().start(request));
    const auto pids = pids_in(file, 1);
    const pid_t runner = runner_of(world, request, world.home().spool());
    if (cgroups == UseOfCgroups::never) {
      REQUIRE(eventually([&] {
        const auto tree = world.home().spool().read_tree(request.try_id);
        return tree && std::ranges::any_of(*tree, [&](const auto& process) { return process.pid == pids[0]; });
      }));
    }
    REQUIRE(kill(runner, SIGKILL) == 0);
    CHECK(reports.end_of(request.try_id).cause == EndCause::lost);
    CHECK(are_gone(pids));
  }
}

// The limit that the documentation states, and how a control group lifts it.
TEST_CASE("a program that leaves after its runner's death escapes, but not from a control group") {
  for (const UseOfCgroups cgroups : {UseOfCgroups::never, UseOfCgroups::where_possible}) {
    if (cgroups == UseOfCgroups::where_possible && !find_cgroup_parent()) {
      WARN("no control groups can be made here: not tested");
      continue;
    }
    LocalWorld world(cgroups);
    const std::string folder = world.home().home().string();
    // The runner is stopped before it can see anything, then killed; only then the program leaves.
    const TryRequest request =
        world.home().bash("kill -STOP $PPID; (while ! [ -e " + folder +
                          "/go ]; do sleep 0.01; done; exec setsid env -i sleep 1000) & echo $! > " + folder + "/pids");
    REQUIRE(world.home().spool().write_request(request));
    if (cgroups == UseOfCgroups::where_possible) {
      world.home().cgroup = *find_cgroup_parent() / ("udon-" + to_string(request.try_id));
      REQUIRE(make_cgroup(world.home().cgroup));
    }
    const pid_t runner = world.home().start(request);
    const auto pids = pids_in(folder + "/pids", 1);
    REQUIRE(kill(runner, SIGKILL) == 0);
    REQUIRE(wait_child(runner));
    REQUIRE(write_file_atomically(folder + "/go", "", Durability::survives_kill));
    REQUIRE(eventually([&] {
      return read_file("/proc/" + std::to_string(pids[0]) + "/comm").value_or("") == "sleep\n" &&
             read_file("/proc/" + std::to_string(pids[0]) + "/environ").value_or("x").empty();
    }));
    Reports reports(world);
    world.executor().adopt(request);
    CHECK(reports.end_of(request.try_id).cause == EndCause::lost);
    if (cgroups == UseOfCgroups::never) {
      CHECK_FALSE(are_gone(pids));
      REQUIRE(kill(pids[0], SIGKILL) == 0);
    } else {
      CHECK(are_gone(pids));
    }
  }
}

TEST_CASE("a runner that doesn't react is killed with everything when the grace is over") {
  LocalWorld world;
  Reports reports(world);
  const std::string file = (world.home().home() / "pids").string();
  const TryRequest request = world.home().bash("echo $$ > " + file + "; sleep 1000");
  REQUIRE(world.executor().start(request));
  const auto pids = pids_in(file, 1);
  const pid_t runner = runner_of(world, request, world.home().spool());
  REQUIRE(kill(runner, SIGSTOP) == 0);
  world.executor().kill(request.try_id, EndCause::killed, "by 김");
  CHECK(reports.end_of(request.try_id).message == "by 김");
  CHECK(are_gone(pids));
  CHECK(are_gone({runner}));
}

TEST_CASE("a try that cannot be started is an error at once, or a failed start, and leaves nothing") {
  TryHome home;
  SystemClock clock;
  LocalExecutor none(home.spool(), {.runner = home.home() / "no-udon-task"}, clock, [] {});
  TryRequest request = home.bash("true");
  const auto started = none.start(request);
  REQUIRE_FALSE(started);
  CHECK(started.error().message.find("no-udon-task: No such file or directory") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(home.spool().folder(request.try_id)));
  CHECK(none.running().empty());

  LocalExecutor broken(home.spool(), {.runner = "/bin/false"}, clock, [] {});
  request = home.bash("true");
  REQUIRE(broken.start(request));
  std::vector<Report> reports;
  REQUIRE(eventually([&] {
    for (Report& report : broken.poll()) reports.push_back(std::move(report));
    return reports.size() == 2;
  }));
  const auto& ended = std::get<TryEnded>(reports[1].what);
  CHECK(ended.cause == EndCause::start_failed);
  CHECK(ended.message == "its runner ended (exit code 1) before it had begun; what it said is in the server's log");
}

TEST_CASE("a runner that is just starting when the scheduler comes back is adopted, not killed") {
  LocalWorld world;
  Reports reports(world);
  const TryRequest request = world.home().bash("echo done");
  REQUIRE(world.home().spool().write_request(request));
  // Bears the try's id, as udon-task does before its first act, and becomes it when it may.
  const std::string go = (world.home().home() / "go").string();
  const auto pid =
      spawn({.argv = {"/bin/bash", "-c",
                      "while ! [ -e " + go + " ]; do sleep 0.01; done; exec " + test::udon_task().string() + " " +
                          world.home().home().string() + " " + to_string(request.try_id)},
             .environment = {"PATH=/usr/bin:/bin", "UDON_TRY_ID=" + to_string(request.try_id)}});
  REQUIRE(pid);
  world.executor().adopt(request);
  reports.settle();
  CHECK(world.executor().running().size() == 1);
  REQUIRE(write_file_atomically(go, "", Durability::survives_kill));
  CHECK(reports.end_of(request.try_id).xcom.text("return_value") == "done");
  REQUIRE(wait_child(*pid));
}

TEST_CASE("what earlier tries have left is found by its folders, and is gone when its end was acknowledged") {
  LocalWorld world;
  Reports reports(world);
  const Spool& spool = world.home().spool();
  CHECK(world.executor().leftovers().empty());
  const TryRequest ended = world.home().bash("echo done");
  const TryRequest alive = world.home().bash("sleep 1000");
  for (const TryRequest& request : {ended, alive}) REQUIRE(world.executor().start(request));
  reports.end_of(ended.try_id);
  runner_of(world, alive, spool);
  TryRequest poked = world.home().bash("");
  poked.kind = TryKind::probe;
  REQUIRE(spool.write_request(poked));
  const TryRequest staged = world.home().bash("");
  REQUIRE(make_directories(spool.staging(staged.try_id)));

  world.restart();
  reports.forget();
  std::vector<TryId> all{ended.try_id, alive.try_id, poked.try_id, staged.try_id};
  std::ranges::sort(all);
  CHECK(world.executor().leftovers() == all);
  // As the loop does with those that are nobody's current try: by their id alone.
  for (const TryId& id : all) {
    TryRequest request;
    request.try_id = id;
    world.executor().adopt(request);
  }
  REQUIRE(reports.wait_until([&] { return reports.find<TryStarted>(alive.try_id) != nullptr; }));
  world.executor().kill(alive.try_id, EndCause::killed, "another try has taken its place");
  for (const TryRequest& request : {ended, alive}) reports.end_of(request.try_id);
  for (const TryRequest& request : {poked, staged}) {
    CHECK(reports.wait_until([&] { return reports.find<TryUnknown>(request.try_id) != nullptr; }));
  }
  for (const TryId& id : all) world.executor().acknowledge(id);
  CHECK(eventually([&] { return world.executor().leftovers().empty(); }));
}

TEST_CASE("what belongs to the server is not in a try's environment") {
  const auto left =
      environment_of_tries({"PATH=/bin", "UDON_CONN_LAKE=aws://key:hunter2@", "UDON_VAR_X=hunter2",
                            "UDON_TOKEN=hunter2", "UDON__CORE__SECRET_KEY=hunter2", "UDON__WEB__ADMIN_PASSWORD=hunter2",
                            "UDON_TRY_ID=a-1", "UDON_HOME=x", "UDON_SERVER=y", "MY_UDON_CONN_X=z"});
  CHECK(left == std::vector<std::string>{"PATH=/bin", "UDON_SERVER=y", "MY_UDON_CONN_X=z"});
}

TEST_CASE("folders of tries are closed to others, and gone when their end was committed") {
  LocalWorld world;
  Reports reports(world);
  const TryRequest request = world.home().bash("echo $UDON_HOME; echo $UDON_TRY_ID");
  REQUIRE(world.executor().start(request));
  CHECK(reports.end_of(request.try_id).xcom.text("return_value") == to_string(request.try_id));
  CHECK(world.home().log_lines(request)[0] == world.home().home());
  const Path folder = world.home().spool().folder(request.try_id);
  struct stat status {};
  REQUIRE(stat(folder.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  world.executor().acknowledge(request.try_id);
  CHECK(eventually([&] { return !std::filesystem::exists(folder); }));
  CHECK(std::filesystem::exists(world.home().spool().log_file(request)));
}

TEST_CASE("what an earlier scheduler left over is found by its id, told once more, and gone when that was committed") {
  LocalWorld world;
  Reports reports(world);
  const TryRequest request = world.home().bash("echo done");
  REQUIRE(world.executor().start(request));
  static_cast<void>(reports.end_of(request.try_id));
  world.restart();  // before it was acknowledged
  CHECK(world.executor().leftovers() == std::vector<TryId>{request.try_id});
  reports.forget();
  TryRequest by_id;
  by_id.try_id = request.try_id;
  world.executor().adopt(by_id);
  CHECK(reports.end_of(request.try_id).result == TryEnded::Result::success);
  world.executor().acknowledge(request.try_id);
  CHECK(eventually([&] { return world.executor().leftovers().empty(); }));
}
