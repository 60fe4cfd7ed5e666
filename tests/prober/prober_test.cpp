#include <signal.h>

#include <algorithm>
#include <condition_variable>

#include "executor/local/environment.h"
#include "executor/local/prober_executor.h"
#include "plugins/api/plugin_host.h"
#include "tests/base/temporary_folder.h"
#include "tests/executor/contract.h"
#include "tests/support/door_server.h"
#include "tests/support/eventually.h"

using namespace udon;
using namespace std::chrono_literals;
using test::eventually;
using test::Reports;
using test::Work;

namespace {

class ProberWorld final : public test::World {
 public:
  explicit ProberWorld(Duration poke_time_max = 30s) : poke_time_max_(poke_time_max), spool_(folder_.path()) {
    restart();
  }

  Executor& executor() override { return *executor_; }
  int slots() const override { return 5; }
  TryRequest make(Work work) override {
    switch (work) {
      case Work::succeeds: return make("met");
      case Work::fails: return make("wrong");
      case Work::lasts: return make("file");
    }
    return {};
  }
  void pass() override {
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, 20ms, [&] { return std::exchange(is_woken_, false); });
  }
  void restart() override {
    executor_.reset();
    executor_ = std::make_unique<ProberExecutor>(
        spool_,
        ProberExecutorOptions{.argv = {executable_folder() / "prober_program", folder_.path()},
                              .environment = environment_of_tries(current_environment()),
                              .slots = 5,
                              .pokes_at_once = 4,
                              .poke_time_max = poke_time_max_,
                              .stop_grace = 200ms},
        clock_, [this] {
          const std::lock_guard lock(mutex_);
          is_woken_ = true;
          woken_.notify_all();
        });
  }
  bool adopts_anything() const override { return true; }

  TryRequest make(const std::string& how) {
    TryRequest request;
    request.try_id = {.installation = "0123456789abcdef", .fence = ++last_fence_};
    request.kind = TryKind::probe;
    request.key = {.dag_id = "dag", .run_id = "run", .task_id = how};
    request.operator_name = "test_sensor";
    request.parameters = Value::Map{{"how", how}, {"folder", folder_.path().string()}};
    request.poke_interval = 20ms;
    request.token = "the token";
    request.log_file = log_file_of(1, last_fence_, 1);
    return request;
  }
  int pokes(const std::string& how) const {
    return static_cast<int>(read_file(folder_.path() / ("poked-" + how)).value_or(std::string()).size());
  }
  std::string log_text(const TryRequest& request) const {
    return read_file(spool_.log_file(request)).value_or(std::string());
  }
  const Path& home() const { return folder_.path(); }
  const Spool& spool() const { return spool_; }

 private:
  const Duration poke_time_max_;
  TemporaryFolder folder_;
  Spool spool_;
  SystemClock clock_;
  Fence last_fence_ = 0;
  std::mutex mutex_;
  std::condition_variable woken_;
  bool is_woken_ = false;
  std::unique_ptr<ProberExecutor> executor_;
};

void go(const ProberWorld& world) {
  REQUIRE(write_file_atomically(world.home() / "go", "", Durability::survives_kill));
}

std::vector<pid_t> probers_of(const ProberWorld& world) {
  std::vector<pid_t> pids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const auto line = read_file(entry.path() / "cmdline");
    if (line && line->find("prober_program") != line->npos && line->find(world.home().string()) != line->npos) {
      pids.push_back(std::stoi(entry.path().filename().string()));
    }
  }
  return pids;
}

}  // namespace

TEST_CASE("ProberExecutor keeps the executors' contract") {
  test::check_executor_contract([] { return std::make_unique<ProberWorld>(); });
}

TEST_CASE("a sensor is poked at once and again until it is met; meanwhile what it saw is told") {
  ProberWorld world;
  Reports reports(world);
  const TryRequest request = world.make("file");
  REQUIRE(world.executor().start(request));
  REQUIRE(reports.wait_until([&] { return reports.count<StillWaiting>(request.try_id) >= 3; }));
  CHECK(reports.find<StillWaiting>(request.try_id)->message == "파일이 아직 없음");
  CHECK(reports.count<TryEnded>(request.try_id) == 0);
  go(world);
  const TryEnded ended = reports.end_of(request.try_id);
  CHECK(ended.result == TryEnded::Result::success);
  CHECK(ended.message == "it is there");
  CHECK(ended.xcom.text("return_value") == "done");
  CHECK(world.log_text(request).find("udon: not met: 파일이 아직 없음\n") != std::string::npos);
  CHECK(world.log_text(request).find("udon: met: it is there\n") != std::string::npos);
}

TEST_CASE("a transient error is told and poked again, any other ends the try") {
  ProberWorld world;
  Reports reports(world);
  const TryRequest down = world.make("transient");
  REQUIRE(world.executor().start(down));
  REQUIRE(reports.wait_until([&] { return reports.count<StillWaiting>(down.try_id) >= 2; }));
  CHECK(reports.find<StillWaiting>(down.try_id)->message == "the database is down");
  for (const auto& [how, words] : {std::pair("wrong", "there is no such table"), std::pair("throws", "out of luck"),
                                   std::pair("large", "more than 1048576 bytes")}) {
    const TryRequest request = world.make(how);
    REQUIRE(world.executor().start(request));
    const TryEnded ended = reports.end_of(request.try_id);
    CHECK(ended.result == TryEnded::Result::failed);
    CHECK(ended.cause == EndCause::error);
    INFO(ended.message);
    CHECK(ended.message.find(words) != std::string::npos);
  }
}

TEST_CASE("a sensor whose timeout has passed fails, or is skipped, with what it saw last") {
  ProberWorld world;
  Reports reports(world);
  for (const bool soft_fail : {false, true}) {
    TryRequest request = world.make("file");
    request.timeout = 150ms;
    request.soft_fail = soft_fail;
    request.poke_interval = 1h;
    REQUIRE(world.executor().start(request));
    const TryEnded ended = reports.end_of(request.try_id);
    CHECK(ended.result == (soft_fail ? TryEnded::Result::skipped : TryEnded::Result::failed));
    CHECK(ended.cause == EndCause::timeout);
    CHECK(ended.message == "the timeout of 150ms has passed; last seen: 파일이 아직 없음");
    CHECK(reports.count<StillWaiting>(request.try_id) >= 1);
  }
}

TEST_CASE("a timeout counts from the first poke, whichever scheduler that was under") {
  ProberWorld world;
  Reports reports(world);
  TryRequest request = world.make("file");
  request.timeout = 1h;
  request.first_poke_at = SystemClock().now() - 2h;
  world.executor().adopt(request);
  CHECK(reports.end_of(request.try_id).cause == EndCause::timeout);
  CHECK(world.pokes("file") == 1);
}

TEST_CASE("a poke that hangs doesn't keep others waiting, and is given up with its prober") {
  ProberWorld world(200ms);
  Reports reports(world);
  TryRequest hanging = world.make("hangs");
  hanging.poke_interval = 1h;
  REQUIRE(world.executor().start(hanging));
  REQUIRE(eventually([&] { return world.pokes("hangs") == 1; }));
  const TryRequest other = world.make("met");
  REQUIRE(world.executor().start(other));
  CHECK(reports.end_of(other.try_id).result == TryEnded::Result::success);
  CHECK(reports.count<StillWaiting>(hanging.try_id) == 0);
  REQUIRE(reports.wait_until([&] { return reports.count<StillWaiting>(hanging.try_id) == 1; }));
  CHECK(reports.find<StillWaiting>(hanging.try_id)->message.find("was given up") != std::string::npos);
  const TryRequest later = world.make("met");
  REQUIRE(world.executor().start(later));
  CHECK(reports.end_of(later.try_id).result == TryEnded::Result::success);
}

TEST_CASE("a poke that takes too long is asked to stop first") {
  ProberWorld world(100ms);
  Reports reports(world);
  const TryRequest request = world.make("stops");
  REQUIRE(world.executor().start(request));
  CHECK(reports.end_of(request.try_id).message == "asked to stop");
  CHECK(probers_of(world).size() == 1);
}

TEST_CASE("a sensor that is killed during a poke ends when the poke does") {
  ProberWorld world;
  Reports reports(world);
  for (const char* how : {"stops", "hangs"}) {
    const TryRequest request = world.make(how);
    REQUIRE(world.executor().start(request));
    REQUIRE(eventually([&] { return world.pokes(how) == 1; }));
    world.executor().kill(request.try_id, EndCause::killed, "by 김");
    const TryEnded ended = reports.end_of(request.try_id);
    CHECK(ended.cause == EndCause::killed);
    CHECK(ended.message == "by 김");
  }
}

TEST_CASE("a sensor that crashes the prober fails, and those that were poked beside it go on") {
  ProberWorld world;
  Reports reports(world);
  const TryRequest waiting = world.make("file");
  const TryRequest stopping = world.make("stops");
  REQUIRE(world.executor().start(waiting));
  REQUIRE(world.executor().start(stopping));
  REQUIRE(eventually([&] { return world.pokes("stops") == 1; }));
  const TryRequest crashing = world.make("crashes");
  REQUIRE(world.executor().start(crashing));
  world.executor().kill(stopping.try_id, EndCause::killed, "not needed");
  const TryEnded ended = reports.end_of(crashing.try_id);
  CHECK(ended.result == TryEnded::Result::failed);
  CHECK(ended.message == "the prober died of it (killed by signal 11 (SIGSEGV))");
  CHECK(reports.count<TryEnded>(waiting.try_id) == 0);
  go(world);
  CHECK(reports.end_of(waiting.try_id).result == TryEnded::Result::success);
}

TEST_CASE("a prober that is killed is started again, and its sensors are poked again") {
  ProberWorld world;
  Reports reports(world);
  const TryRequest request = world.make("file");
  REQUIRE(world.executor().start(request));
  for (int i = 0; i < 3; ++i) {
    std::vector<pid_t> before;
    REQUIRE(eventually([&] { return (before = probers_of(world)).size() == 1; }));
    // Once it has answered: a poke that is out alone at two deaths is taken for their cause.
    const auto answers = reports.count<StillWaiting>(request.try_id);
    REQUIRE(reports.wait_until([&] { return reports.count<StillWaiting>(request.try_id) > answers; }));
    REQUIRE(kill(before[0], SIGKILL) == 0);
    REQUIRE(reports.wait_until([&] {
      const auto now = probers_of(world);
      return now.size() == 1 && now != before;
    }));
  }
  go(world);
  CHECK(reports.end_of(request.try_id).result == TryEnded::Result::success);
}

TEST_CASE("a prober ends with its server, also in mid-poke") {
  std::vector<pid_t> probers;
  {
    ProberWorld world;
    REQUIRE(world.executor().start(world.make("hangs")));
    REQUIRE(eventually([&] { return world.pokes("hangs") == 1; }));
    probers = probers_of(world);
    REQUIRE(probers.size() == 1);
  }
  CHECK_FALSE(identity_of(probers[0]));
}

TEST_CASE("a sensor opens connections with its try's token, and their secrets are masked everywhere") {
  ProberWorld world;
  Reports reports(world);
  const test::DoorServer server(world.spool().socket(), [](const std::string& request) {
    if (!request.starts_with("GET /task/v1/connections/lake ")) return test::DoorServer::json(404, "{}");
    return test::DoorServer::json(200, R"({"uri": "aws://key:hunter2secret@"})");
  });
  const TryRequest request = world.make("secret");
  REQUIRE(world.executor().start(request));
  const TryEnded ended = reports.end_of(request.try_id);
  CHECK(ended.message == "password is ***");
  CHECK(world.log_text(request).find("opened with ***\n") != std::string::npos);
  CHECK(world.log_text(request).find("hunter2") == std::string::npos);
  REQUIRE(server.requests().size() == 1);
  CHECK(server.requests()[0].find("Authorization: Bearer the token\r\n") != std::string::npos);
  CHECK(server.requests()[0].find("X-Udon-Try: " + to_string(request.try_id) + "\r\n") != std::string::npos);
}

TEST_CASE("a server that is not there is a transient error of a poke") {
  ProberWorld world;
  Reports reports(world);
  const TryRequest request = world.make("secret");
  REQUIRE(world.executor().start(request));
  REQUIRE(reports.wait_until([&] { return reports.count<StillWaiting>(request.try_id) >= 1; }));
  CHECK(reports.find<StillWaiting>(request.try_id)->message.find("udon.sock") != std::string::npos);
}

TEST_CASE("an operator that is no sensor fails by name") {
  ProberWorld world;
  Reports reports(world);
  TryRequest request = world.make("met");
  request.operator_name = "no_such_sensor";
  REQUIRE(world.executor().start(request));
  CHECK(reports.end_of(request.try_id).message.find("no_such_sensor.so") != std::string::npos);
}

TEST_CASE("messages between server and prober read back, and nonsense is refused") {
  TryRequest request;
  request.try_id = {.installation = "0123456789abcdef", .fence = 3};
  request.key = {.dag_id = "주문", .run_id = "r", .task_id = "t"};
  std::string line = to_line(PokeOrder{.number = 7, .request = request});
  REQUIRE(line.ends_with("}\n"));
  const auto order = parse_prober_order(line);
  REQUIRE(order);
  CHECK(std::get<PokeOrder>(*order).request == request);
  CHECK(std::get<PokeStop>(*parse_prober_order(to_line(PokeStop{9}))).number == 9);
  const auto answer =
      parse_poke_answer(to_line(PokeAnswer{.number = 7, .message = "줄\n바꿈", .error = ErrorKind::timeout}));
  REQUIRE(answer);
  CHECK(answer->message == "줄\n바꿈");
  CHECK(answer->error == ErrorKind::timeout);
  for (const char* text : {"", "x", "{}", "[]", "{\"poke\":1}", "{\"answer\":1}"}) {
    CHECK_FALSE(parse_prober_order(text));
    CHECK_FALSE(parse_poke_answer(text));
  }
}
