// The scheduler's process is killed with -9 at any moment: what it started is taken over by the next, nothing runs
// twice, nothing is lost.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <condition_variable>

#include "base/random.h"
#include "executor/local/environment.h"
#include "executor/local/local_executor.h"
#include "spool/template_messages.h"
#include "tests/executor/contract.h"
#include "tests/task/try_home.h"

using namespace udon;
using namespace std::chrono_literals;
using test::eventually;
using test::TryHome;

namespace {

// A process with a LocalExecutor that starts tries and is killed.
class Host {
 public:
  Host(const TryHome& home, UseOfCgroups cgroups) {
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    const FileDescriptor read_end(ends[0]);
    input_ = FileDescriptor(ends[1]);
    SpawnRequest request{.argv = {executable_folder() / "executor_host", home.home(), test::udon_task(),
                                  cgroups == UseOfCgroups::never ? "0" : "1"},
                         .environment = current_environment()};
    request.stdin_fd = read_end.get();
    request.stderr_fd = STDERR_FILENO;
    const auto pid = spawn(request);
    REQUIRE(pid);
    pid_ = *pid;
  }
  void start(const TryRequest& request) {
    REQUIRE(write_all(input_.get(), to_json(to_value(request)) + "\n", "the host"));
  }
  void kill() {
    REQUIRE(::kill(pid_, SIGKILL) == 0);
    REQUIRE(wait_child(pid_)->signal == SIGKILL);
  }

 private:
  FileDescriptor input_;
  pid_t pid_ = 0;
};

struct Successor {
  explicit Successor(const TryHome& home)
      : executor(home.spool(),
                 {.runner = test::udon_task(), .environment = environment_of_tries(current_environment())}, clock,
                 [this] {
                   const std::lock_guard lock(mutex);
                   is_woken = true;
                   woken.notify_all();
                 }) {}
  std::map<TryId, std::vector<Report>> wait_for_ends(size_t count) {
    std::map<TryId, std::vector<Report>> reports;
    CHECK(eventually(
        [&] {
          for (Report& report : executor.poll()) reports[report.try_id].push_back(std::move(report));
          return std::ranges::count_if(reports, [](const auto& entry) {
                   return !std::holds_alternative<TryStarted>(entry.second.back().what);
                 }) == static_cast<int64_t>(count);
        },
        60s));
    return reports;
  }

  SystemClock clock;
  std::mutex mutex;
  std::condition_variable woken;
  bool is_woken = false;
  LocalExecutor executor;
};

// Leaves a mark when it begins and another when it began twice.
std::string once(const TryHome& home, const TryRequest& request, const std::string& then) {
  const std::string mark = (home.home() / ("began-" + std::to_string(request.try_id.fence))).string();
  return "mkdir " + mark + " || touch " + mark + "/twice; " + then;
}
bool has_begun(const TryHome& home, const TryRequest& request) {
  return std::filesystem::exists(home.home() / ("began-" + std::to_string(request.try_id.fence)));
}
bool has_begun_twice(const TryHome& home, const TryRequest& request) {
  return std::filesystem::exists(home.home() / ("began-" + std::to_string(request.try_id.fence)) / "twice");
}

// Of the scheduler that was started with this home.
bool has_template(const TryHome& home) {
  return std::ranges::any_of(ProcessTable::read().rows(), [&](const ProcessRow& row) {
    const auto command = read_file("/proc/" + std::to_string(row.identity.pid) + "/cmdline");
    return is_template_mark(row.try_id) && command && command->find(home.home().string()) != std::string::npos;
  });
}

}  // namespace

TEST_CASE("tries go on when the scheduler's process is killed, and the next one takes them over") {
  for (const UseOfCgroups cgroups : {UseOfCgroups::never, UseOfCgroups::where_possible}) {
    TryHome home;
    const std::string go = (home.home() / "go").string();
    TryRequest going = home.bash("");
    going.parameters.set("command", once(home, going, "while ! [ -e " + go + " ]; do sleep 0.01; done; echo done"));
    TryRequest ended = home.bash("");
    ended.parameters.set("command", once(home, ended, "echo ended meanwhile"));
    TryRequest endless = home.bash("");
    endless.parameters.set("command", once(home, endless, "(setsid env -i sleep 1000 &); sleep 1000"));
    TryRequest killed = home.bash("");
    killed.parameters.set("command", once(home, killed, "sleep 1000 & setsid sleep 1001"));
    Host host(home, cgroups);
    for (const TryRequest& request : {going, ended, endless, killed}) host.start(request);
    REQUIRE(eventually([&] {
      return has_begun(home, going) && has_begun(home, endless) && has_begun(home, killed) &&
             home.spool().read_result(ended.try_id)->has_value();
    }));
    CHECK(has_template(home));
    const auto runner = home.spool().read_process(killed.try_id);
    REQUIRE(runner);
    host.kill();
    REQUIRE(::kill((*runner)->identity.pid, SIGKILL) == 0);
    CHECK(eventually([&] { return !has_template(home); }));

    Successor successor(home);
    for (const TryRequest& request : {going, ended, endless, killed}) successor.executor.adopt(request);
    REQUIRE(write_file_atomically(go, "", Durability::survives_kill));
    successor.executor.kill(endless.try_id, EndCause::killed, "enough");
    const auto reports = successor.wait_for_ends(4);
    const auto end_of = [&](const TryRequest& request) {
      const Report& last = reports.at(request.try_id).back();
      REQUIRE(std::holds_alternative<TryEnded>(last.what));
      return std::get<TryEnded>(last.what);
    };
    CHECK(end_of(going).xcom.text("return_value") == "done");
    CHECK(end_of(ended).xcom.text("return_value") == "ended meanwhile");
    CHECK(end_of(endless).message == "enough");
    CHECK(end_of(killed).cause == EndCause::lost);
    const ProcessTable table = ProcessTable::read();
    for (const TryRequest& request : {going, ended, endless, killed}) {
      CHECK_FALSE(has_begun_twice(home, request));
      CHECK(find_tree(table, {.id = request.try_id}).empty());
    }
  }
}

TEST_CASE("killed at any moment of starting, a scheduler leaves no try that runs twice or is forgotten") {
  const uint64_t seed = static_cast<uint64_t>(getpid());
  INFO("seed " << seed);
  Random random(seed);
  for (int round = 0; round < 12; ++round) {
    TryHome home;
    std::vector<TryRequest> requests;
    for (int i = 0; i < 6; ++i) {
      requests.push_back(home.bash(""));
      requests.back().parameters.set("command", once(home, requests.back(), "sleep 0.05; echo done"));
    }
    Host host(home, round % 2 == 0 ? UseOfCgroups::never : UseOfCgroups::where_possible);
    for (const TryRequest& request : requests) host.start(request);
    // Some way into it: none, some or all are started.
    const size_t wanted = random.below(7);
    REQUIRE(eventually([&] { return home.spool().tries()->size() >= wanted; }));
    host.kill();

    Successor successor(home);
    for (const TryRequest& request : requests) successor.executor.adopt(request);
    auto reports = successor.wait_for_ends(requests.size());
    for (const TryRequest& request : requests) {
      const auto& what = reports[request.try_id].back().what;
      if (std::holds_alternative<TryUnknown>(what)) {
        CHECK_FALSE(has_begun(home, request));
        // So it may be started, with the same id.
        successor.executor.acknowledge(request.try_id);
        REQUIRE(successor.executor.start(request));
      } else {
        CHECK(std::get<TryEnded>(what).message.empty());
      }
    }
    const auto again = std::ranges::count_if(requests, [&](const TryRequest& request) {
      return std::holds_alternative<TryUnknown>(reports[request.try_id].back().what);
    });
    for (const auto& [id, of_try] : successor.wait_for_ends(static_cast<size_t>(again))) {
      CHECK(std::get<TryEnded>(of_try.back().what).result == TryEnded::Result::success);
    }
    for (const TryRequest& request : requests) {
      CHECK(has_begun(home, request));
      CHECK_FALSE(has_begun_twice(home, request));
    }
  }
}
