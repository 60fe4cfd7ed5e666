#pragma once
// What every Executor keeps to. An implementation's test makes a World of it and calls check_executor_contract.
#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "executor/executor.h"

namespace udon::test {

enum class Work {
  succeeds,  // at once, with XCom {"return_value": "done"}
  fails,     // at once
  lasts,     // until it is ended
};

class World {
 public:
  virtual ~World() = default;
  virtual Executor& executor() = 0;
  virtual int slots() const = 0;
  // A new try, not started.
  virtual TryRequest make(Work work) = 0;
  // Something happens: waits for the executor's wake, or lets a fake clock go on. At most some tens of milliseconds.
  virtual void pass() = 0;
  // The scheduler's process dies and comes back: the executor is another, the tries go on.
  virtual void restart() = 0;
  // Adopting is looking again at what waits: there is nothing that it could not know.
  virtual bool adopts_anything() const { return false; }
};

// Collects reports by try.
class Reports {
 public:
  explicit Reports(World& world) : world_(world) {}

  void poll() {
    for (Report& report : world_.executor().poll()) by_try_[report.try_id].push_back(std::move(report));
  }
  bool wait_until(const std::function<bool()>& condition) {
    for (int i = 0; i < 3000; ++i) {
      poll();
      if (condition()) return true;
      world_.pass();
    }
    return false;
  }
  template <class T>
  const T* find(const TryId& id) {
    for (const Report& report : by_try_[id]) {
      if (const T* found = std::get_if<T>(&report.what)) return found;
    }
    return nullptr;
  }
  template <class T>
  int count(const TryId& id) {
    return static_cast<int>(std::ranges::count_if(
        by_try_[id], [](const Report& report) { return std::holds_alternative<T>(report.what); }));
  }
  TryEnded end_of(const TryId& id) {
    REQUIRE(wait_until([&] { return find<TryEnded>(id) != nullptr; }));
    return *find<TryEnded>(id);
  }
  void settle() {
    for (int i = 0; i < 10; ++i) poll(), world_.pass();
  }
  const std::vector<Report>& of(const TryId& id) { return by_try_[id]; }
  void forget() { by_try_.clear(); }

 private:
  World& world_;
  std::map<TryId, std::vector<Report>> by_try_;
};

inline void check_executor_contract(const std::function<std::unique_ptr<World>()>& make_world) {
  const auto world = make_world();
  Reports reports(*world);
  Executor& first = world->executor();
  const auto is_running = [&](const TryId& id) {
    const auto running = world->executor().running();
    return std::ranges::find(running, id) != running.end();
  };

  SECTION("a try starts once, ends once, and is forgotten when its end was committed") {
    const TryRequest request = world->make(Work::succeeds);
    REQUIRE(first.takes(request.kind, request.queue));
    REQUIRE(first.start(request));
    CHECK(is_running(request.try_id));
    CHECK(first.start(request));
    const TryEnded ended = reports.end_of(request.try_id);
    CHECK(ended.result == TryEnded::Result::success);
    CHECK(ended.xcom.text("return_value") == "done");
    CHECK_FALSE(is_running(request.try_id));
    CHECK(first.start(request));
    reports.settle();
    CHECK(reports.count<TryStarted>(request.try_id) == 1);
    CHECK(reports.count<TryEnded>(request.try_id) == 1);
    first.acknowledge(request.try_id);
    first.acknowledge(request.try_id);
    reports.settle();
    CHECK(reports.count<TryEnded>(request.try_id) == 1);
    CHECK(reports.count<TryUnknown>(request.try_id) == 0);
  }
  SECTION("the start is reported before the end") {
    const TryRequest request = world->make(Work::fails);
    REQUIRE(first.start(request));
    CHECK(reports.end_of(request.try_id).result == TryEnded::Result::failed);
    REQUIRE(reports.of(request.try_id).size() == 2);
    CHECK(std::holds_alternative<TryStarted>(reports.of(request.try_id)[0].what));
  }
  SECTION("slots are taken by what runs and given back by what ends") {
    CHECK(first.free_slots() == world->slots());
    std::vector<TryId> ids;
    for (int i = 0; i < world->slots(); ++i) {
      const TryRequest request = world->make(Work::lasts);
      REQUIRE(first.start(request));
      ids.push_back(request.try_id);
    }
    CHECK(first.free_slots() == 0);
    for (const TryId& id : ids) CHECK(is_running(id));
    for (const TryId& id : ids) first.kill(id, EndCause::killed, "by test");
    for (const TryId& id : ids) reports.end_of(id);
    CHECK(first.free_slots() == world->slots());
    CHECK(first.running().empty());
  }
  SECTION("a kill ends a try with the cause and the words that were given, once") {
    const TryRequest request = world->make(Work::lasts);
    REQUIRE(first.start(request));
    REQUIRE(reports.wait_until([&] { return reports.find<TryStarted>(request.try_id) != nullptr; }));
    first.kill(request.try_id, EndCause::killed, "cleared by 김");
    first.kill(request.try_id, EndCause::timeout, "another");
    const TryEnded ended = reports.end_of(request.try_id);
    CHECK(ended.result == TryEnded::Result::failed);
    CHECK(ended.cause == EndCause::killed);
    CHECK(ended.message == "cleared by 김");
    first.kill(request.try_id, EndCause::killed, "again");
    reports.settle();
    CHECK(reports.count<TryEnded>(request.try_id) == 1);
    CHECK(reports.count<TryUnknown>(request.try_id) == 0);
  }
  SECTION("a kill at once after the start ends it too") {
    const TryRequest request = world->make(Work::lasts);
    REQUIRE(first.start(request));
    first.kill(request.try_id, EndCause::killed, "at once");
    CHECK(reports.end_of(request.try_id).message == "at once");
  }
  SECTION("killing or adopting what is not there is answered with unknown") {
    const TryId killed = world->make(Work::lasts).try_id;
    first.kill(killed, EndCause::killed, "x");
    CHECK(reports.wait_until([&] { return reports.find<TryUnknown>(killed) != nullptr; }));
    if (world->adopts_anything()) return;
    const TryRequest adopted = world->make(Work::lasts);
    first.adopt(adopted);
    CHECK(reports.wait_until([&] { return reports.find<TryUnknown>(adopted.try_id) != nullptr; }));
    CHECK_FALSE(is_running(adopted.try_id));
    first.acknowledge(adopted.try_id);
    REQUIRE(first.start(adopted));
    first.kill(adopted.try_id, EndCause::killed, "x");
    CHECK(reports.end_of(adopted.try_id).message == "x");
  }
  SECTION("after a restart a running try is adopted, and can be killed") {
    const TryRequest request = world->make(Work::lasts);
    REQUIRE(first.start(request));
    REQUIRE(reports.wait_until([&] { return reports.find<TryStarted>(request.try_id) != nullptr; }));
    world->restart();
    reports.forget();
    Executor& second = world->executor();
    CHECK(second.running().empty());
    second.adopt(request);
    CHECK(is_running(request.try_id));
    CHECK(second.start(request));
    REQUIRE(reports.wait_until([&] { return reports.find<TryStarted>(request.try_id) != nullptr; }));
    CHECK(second.free_slots() == world->slots() - 1);
    second.kill(request.try_id, EndCause::killed, "after all");
    CHECK(reports.end_of(request.try_id).message == "after all");
    CHECK(reports.count<TryStarted>(request.try_id) == 1);
    CHECK(reports.count<TryEnded>(request.try_id) == 1);
  }
  SECTION("after a restart the end of a try is not lost, however often it is asked for") {
    const TryRequest request = world->make(Work::succeeds);
    REQUIRE(first.start(request));
    reports.end_of(request.try_id);
    for (int i = 0; i < 2; ++i) {
      world->restart();
      reports.forget();
      world->executor().adopt(request);
      CHECK(reports.end_of(request.try_id).xcom.text("return_value") == "done");
    }
    world->executor().acknowledge(request.try_id);
  }
}

}  // namespace udon::test
