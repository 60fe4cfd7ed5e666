// Looking at the DAG files out of turn: soon for whoever asks, and no more often for many than for one.
#include "cli/catalog_looks.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <thread>
#include <vector>

#include "tests/support/eventually.h"

namespace udon::cli {
namespace {

using test::eventually;

// Looks that take no time, as the server's thread does them.
struct Looking {
  explicit Looking(CatalogLooks& of)
      : looks(of), thread([this](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            looks.begin();
            ++count;
            looks.end();
            looks.wait(stop);
          }
          looks.close();
        }) {}
  CatalogLooks& looks;
  std::atomic<int> count = 0;
  std::jthread thread;
};

TEST_CASE("who asks for a look gets one that began after it asked") {
  const SystemClock clock;
  CatalogLooks looks(clock);
  Looking looking(looks);
  REQUIRE(eventually([&] { return looking.count == 1; }));
  for (int i = 0; i < 3; ++i) {
    const int before = looking.count;
    REQUIRE(looks.ask());
    CHECK(looking.count > before);
  }
}

TEST_CASE("many who ask share a look, one that is under way is not theirs, and of too many the last are sent away") {
  const SystemClock clock;
  CatalogLooks looks(clock, std::chrono::minutes(1));
  looks.begin();
  std::vector<std::future<bool>> asking;
  for (int i = 0; i < looks_waited_for_max; ++i)
    asking.push_back(std::async(std::launch::async, [&] { return looks.ask(); }));
  REQUIRE(eventually([&] { return looks.waiting() == looks_waited_for_max; }));
  CHECK_FALSE(looks.ask());
  looks.end();
  CHECK(looks.waiting() == looks_waited_for_max);
  looks.begin();
  looks.end();
  for (std::future<bool>& one : asking) CHECK(one.get());
  CHECK(looks.waiting() == 0);
}

TEST_CASE("nobody waits for a look that will not come") {
  const SystemClock clock;
  CatalogLooks looks(clock, std::chrono::minutes(1));
  std::future<bool> asking = std::async(std::launch::async, [&] { return looks.ask(); });
  REQUIRE(eventually([&] { return looks.waiting() == 1; }));
  looks.close();
  CHECK_FALSE(asking.get());
  CHECK_FALSE(looks.ask());
  CatalogLooks slow(clock, std::chrono::milliseconds(1));
  CHECK_FALSE(slow.ask());
}

}  // namespace
}  // namespace udon::cli
