// The readers of one try within the bounds of their server: what they are granted, and how the server fares.
#include "plugins/data/pace.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <vector>

#include "plugins/data/copy_again.h"
#include "tests/base/temporary_folder.h"
#include "tests/data/arrays.h"
#include "tests/data/fake_reader.h"
#include "tests/support/eventually.h"

namespace udon::data {
namespace {

using namespace std::chrono_literals;
using test::eventually;

// The server's door and the database, as a test plays them.
struct World {
  std::mutex mutex;
  Result<SourceGrant> grant = SourceGrant{.readers = 32};
  Result<SourceLook> look = SourceLook{};
  std::vector<SourceAsk> asks;
  std::vector<std::string> lines;
  SystemClock clock;

  struct Observer : SourceObserver {
    explicit Observer(World& of) : world(of) {}
    World& world;
    Result<SourceLook> look(const SourceBounds&, const std::stop_token&) override {
      const std::lock_guard lock(world.mutex);
      return world.look;
    }
  };

  Pace pace{Pace::Options{.connection = "market",
                          .source = "mysql://db:3306",
                          .ask =
                              [this](const SourceAsk& ask) {
                                const std::lock_guard lock(mutex);
                                asks.push_back(ask);
                                return grant;
                              },
                          .observer = std::make_unique<Observer>(*this),
                          .log =
                              [this](const std::string& line) {
                                const std::lock_guard lock(mutex);
                                lines.push_back(line);
                              },
                          .clock = clock,
                          .ask_each = 1ms,
                          .look_each = 2ms}};

  void set(Result<SourceGrant> to) {
    const std::lock_guard lock(mutex);
    grant = std::move(to);
  }
  void set(Result<SourceLook> to) {
    const std::lock_guard lock(mutex);
    look = std::move(to);
  }
  void set_lag(Duration behind) {
    SourceLook seen;
    seen.lag = Lag::of(behind, "heartbeat table");
    set(Result<SourceLook>(seen));
  }
  bool has_told(const std::string& words) {
    const std::lock_guard lock(mutex);
    return std::ranges::any_of(lines, [&](const std::string& line) { return line.find(words) != line.npos; });
  }
  bool tells(const std::string& words) {
    return eventually([&] { return has_told(words); });
  }
  SourceAsk last_ask() {
    const std::lock_guard lock(mutex);
    return asks.back();
  }
  size_t asked() {
    const std::lock_guard lock(mutex);
    return asks.size();
  }
  // The thread has asked, looked and decided with what is set now.
  void settle() {
    const size_t before = asked();
    REQUIRE(eventually([&] { return asked() > before + 3; }));
  }
};

// Readers on threads of their own, each with as many batches as it is let.
struct Readers {
  World& world;
  std::stop_source stop;
  std::atomic<int> reading = 0, most = 0;
  std::atomic<int64_t> batches = 0;
  std::vector<Result<void>> ends;
  std::vector<std::jthread> threads;

  Readers(World& of, int count, int64_t rows = 1) : world(of), ends(static_cast<size_t>(count)) {
    for (int i = 0; i < count; ++i)
      threads.emplace_back([this, i, rows] {
        Pace::Turn turn(&world.pace);
        while (true) {
          if (auto may = turn.before_batch(stop.get_token()); !may) {
            ends[static_cast<size_t>(i)] = may;
            return;
          }
          const int now = ++reading;
          for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) continue;
          std::this_thread::yield();
          turn.after_batch(rows);
          ++batches;
          --reading;
        }
      });
  }
  ~Readers() { stop.request_stop(); }
  bool go_on() {
    const int64_t before = batches;
    return eventually([&] { return batches > before + 10; });
  }
  // None reads any more, for as long as a few rounds of the thread take.
  bool stand_still() {
    if (!eventually([&] { return reading == 0; })) return false;
    const int64_t before = batches;
    world.settle();
    return batches == before;
  }
};

TEST_CASE("without bounds everybody reads, and nothing is said") {
  World world;
  REQUIRE(world.pace.begin(4, {}, {}) == 4);
  CHECK(world.pace.batch_rows(65'536) == 65'536);
  {
    Readers readers(world, 4);
    CHECK(readers.go_on());
  }
  world.pace.end();
  CHECK(world.lines.empty());
  CHECK(world.asks.back().readers_wanted == 0);
}

TEST_CASE("a try waits for its first reader, says for whom, and opens as many as it is granted") {
  World world;
  world.set(SourceGrant{.readers = 0, .reason = "`주문/내보내기` reads mysql://db:3306 too, which has max_readers=2"});
  Result<int> granted = 0;
  std::jthread trying([&] { granted = world.pace.begin(4, {}, {}); });
  CHECK(world.tells("waiting to read mysql://db:3306: `주문/내보내기` reads mysql://db:3306 too"));
  world.settle();
  const std::string waits =
      "waiting to read mysql://db:3306: `주문/내보내기` reads mysql://db:3306 too, which has max_readers=2";
  CHECK(world.last_ask().waits == waits);
  world.set(SourceGrant{.readers = 2, .reason = "others"});
  trying.join();
  world.settle();
  CHECK(world.last_ask().waits.empty());
  REQUIRE(granted == 2);
  CHECK(world.has_told("2 of 4 readers are opened: others"));
  CHECK(world.tells("reading mysql://db:3306 after"));
}

TEST_CASE("who is asked to stop while it waits stops") {
  World world;
  world.set(SourceGrant{.readers = 0, .reason = "others"});
  std::stop_source stop;
  std::jthread stopping([&] {
    world.tells("waiting to read");
    stop.request_stop();
  });
  const auto granted = world.pace.begin(1, stop.get_token(), {});
  REQUIRE_FALSE(granted);
  CHECK(granted.error().kind == ErrorKind::cancelled);
}

TEST_CASE("no more readers read than are granted, and all read again when they may") {
  World world;
  REQUIRE(world.pace.begin(6, {}, {}) == 6);
  Readers readers(world, 6);
  CHECK(readers.go_on());
  world.set(SourceGrant{.readers = 2, .reason = "`주문/내보내기` reads it too"});
  CHECK(world.tells("4 of 6 readers stand still: `주문/내보내기` reads it too"));
  // What it says to hold comes down as readers come to the end of their batches.
  REQUIRE(eventually([&] {
    const std::lock_guard lock(world.mutex);
    return world.asks.back().readers_held == 2;
  }));
  readers.most = 0;
  CHECK(readers.go_on());
  CHECK(readers.most <= 2);
  world.set(SourceGrant{.readers = 0, .reason = "max_readers was lowered"});
  CHECK(readers.stand_still());
  world.set(SourceGrant{.readers = 6});
  CHECK(world.tells("all readers read again"));
  CHECK(eventually([&] { return readers.most > 2; }));
}

TEST_CASE("readers stand still while the replica is too far behind, and go on slower") {
  World world;
  world.set(SourceGrant{.bounds = {.max_lag = 30s}, .readers = 4});
  world.set_lag(60s);
  Result<int> granted = 0;
  std::jthread trying([&] { granted = world.pace.begin(2, {}, {}); });
  CHECK(world.tells("waiting to read mysql://db:3306: the replica is 1m behind (heartbeat table), max_lag=30s"));
  world.set_lag(1s);
  trying.join();
  REQUIRE(granted == 2);
  Readers readers(world, 2);
  CHECK(readers.go_on());
  world.set_lag(31s);
  CHECK(world.tells("standing still, reading mysql://db:3306: the replica is 31s behind"));
  CHECK(readers.stand_still());
  CHECK(world.last_ask().waits.starts_with("standing still, reading mysql://db:3306: the replica is 31s behind"));
  world.set_lag(22s);
  CHECK(world.tells(": the replica is 22s behind (heartbeat table); at most "));
  CHECK(readers.go_on());
  CHECK(world.lines.size() == 4);
}

TEST_CASE("a transaction that has locks waits before it begins, and then no more") {
  World world;
  world.set(SourceGrant{.readers = 0, .reason = "others"});
  Result<int> granted = 0;
  std::jthread trying([&] { granted = world.pace.begin(1, {}, {}, Pace::Standing::never); });
  CHECK(world.tells("waiting to read mysql://db:3306: others"));
  world.set(SourceGrant{.bounds = {.max_lag = 30s}, .readers = 1, .rows_per_second = 1.0});
  world.set_lag(0s);
  trying.join();
  REQUIRE(granted == 1);
  CHECK(world.tells("reading mysql://db:3306 after"));
  Readers readers(world, 1);
  world.set_lag(60s);
  world.settle();
  CHECK(readers.go_on());
  CHECK(world.lines.size() == 2);
}

TEST_CASE("a right that is missing, and a server that is no replica, end the try with words") {
  World world;
  world.set(SourceGrant{.bounds = {.max_lag = 30s}, .readers = 4});
  SECTION("before it begins") {
    SourceLook seen;
    seen.lag = Lag::unknown("GRANT SLAVE MONITOR ON *.* TO 'u'@'%'", ErrorKind::denied);
    world.set(Result<SourceLook>(seen));
    const auto granted = world.pace.begin(1, {}, {});
    REQUIRE_FALSE(granted);
    CHECK(granted.error().kind == ErrorKind::denied);
    CHECK(granted.error().message == "the bounds of mysql://db:3306: max_lag: GRANT SLAVE MONITOR ON *.* TO 'u'@'%'");
  }
  SECTION("in the middle") {
    world.set_lag(0s);
    std::stop_source stop;
    REQUIRE(world.pace.begin(2, {}, [&] { stop.request_stop(); }));
    Readers readers(world, 2);
    CHECK(readers.go_on());
    world.set(Result<SourceLook>(Error{ErrorKind::denied, "GRANT PROCESS"}));
    CHECK(eventually([&] { return stop.stop_requested(); }));
    readers.threads.clear();
    REQUIRE_FALSE(readers.ends[0]);
    CHECK(readers.ends[0].error().message == "the bounds of mysql://db:3306: GRANT PROCESS");
    CHECK(world.pace.failure()->kind == ErrorKind::denied);
  }
}

TEST_CASE("a server that cannot be looked at is not read from either, until it can") {
  World world;
  world.set(SourceGrant{.bounds = {.max_threads_running = 3}, .readers = 4});
  SourceLook quiet;
  quiet.threads_running = 0;
  world.set(Result<SourceLook>(quiet));
  REQUIRE(world.pace.begin(1, {}, {}));
  Readers readers(world, 1);
  CHECK(readers.go_on());
  world.set(Result<SourceLook>(Error{ErrorKind::unavailable, "too many connections"}));
  CHECK(world.tells("it cannot be looked at: too many connections"));
  CHECK(readers.stand_still());
  world.set(Result<SourceLook>(quiet));
  CHECK(readers.go_on());
}

TEST_CASE("a server of ours that is down is no reason to stop: what was granted goes on, said once") {
  World world;
  SECTION("in the middle") {
    REQUIRE(world.pace.begin(2, {}, {}) == 2);
    Readers readers(world, 2);
    world.set(Result<SourceGrant>(Error{ErrorKind::unavailable, "connect to the server: refused"}));
    CHECK(world.tells("refused): going on with what was granted last"));
    world.settle();
    CHECK(readers.go_on());
    world.set(SourceGrant{.readers = 2});
    CHECK(world.tells("is asked for again"));
    CHECK(world.lines.size() == 2);
  }
  SECTION("at the beginning it is waited for") {
    world.set(Result<SourceGrant>(Error{ErrorKind::unavailable, "connect to the server: refused"}));
    Result<int> granted = 0;
    std::jthread trying([&] { granted = world.pace.begin(2, {}, {}); });
    CHECK(world.tells("refused): waiting"));
    world.set(SourceGrant{.readers = 2});
    trying.join();
    CHECK(granted == 2);
  }
  SECTION("bounds that cannot be read are the user's mistake") {
    world.set(Result<SourceGrant>(Error{ErrorKind::invalid, "max_reader: did you mean `max_readers`?"}));
    const auto granted = world.pace.begin(2, {}, {});
    REQUIRE_FALSE(granted);
    CHECK(granted.error().message == "max_reader: did you mean `max_readers`?");
  }
}

TEST_CASE("rows come no faster than is granted, and in batches that fit") {
  World world;
  world.set(SourceGrant{.bounds = {.max_rows_per_second = 4'000},
                        .readers = 2,
                        .rows_per_second = 0.0,
                        .reason = "others still have all rows"});
  Result<int> granted = 0;
  std::jthread trying([&] { granted = world.pace.begin(2, {}, {}); });
  CHECK(world.tells("waiting to read mysql://db:3306: others still have all rows"));
  world.set(SourceGrant{.bounds = {.max_rows_per_second = 4'000}, .readers = 2, .rows_per_second = 4'000.0});
  trying.join();
  REQUIRE(granted == 2);
  CHECK(world.pace.batch_rows(65'536) == 500);
  CHECK(world.pace.batch_rows(100) == 100);
  const Duration began = world.clock.monotonic();
  int64_t batches = 0;
  {
    Readers readers(world, 2, 500);
    CHECK(eventually([&] { return readers.batches >= 20; }));
    readers.stop.request_stop();
    readers.threads.clear();
    batches = readers.batches;
  }
  // At most what the time that has passed allows, a second's worth that was saved, and a batch of each reader.
  const double seconds = std::chrono::duration<double>(world.clock.monotonic() - began).count();
  CHECK(static_cast<double>(batches * 500) <= 4'000 * (seconds + 1) + 1'000);
}

TEST_CASE("a snapshot that grows older than its bound ends the export, with what to do") {
  World world;
  world.set(SourceGrant{.bounds = {.max_snapshot_age = 20ms}, .readers = 2});
  std::stop_source stop;
  REQUIRE(world.pace.begin(2, {}, [&] { stop.request_stop(); }));
  CHECK(eventually([&] { return stop.stop_requested(); }));
  const auto failure = world.pace.failure();
  REQUIRE(failure);
  CHECK(failure->kind == ErrorKind::timeout);
  CHECK(failure->message.find("max_snapshot_age=20ms of mysql://db:3306") != std::string::npos);
  CHECK(failure->message.find("`split`") != std::string::npos);
}

TEST_CASE("a table is copied at the pace of its server: waits, then is whole; what ends the pace is the copy's error") {
  World world;
  TemporaryFolder folder;
  CopyRequest request;
  request.folder = folder.path();
  request.clock = &world.clock;
  request.pace = &world.pace;
  request.table.split.into = 3;
  const auto reader_of = [](int parts) {
    auto reader = std::make_unique<test::FakeReader>();
    reader->columns = {{.request = {.source_name = "id", .name = "id"}, .source_type = "test", .type = arrow::int64()}};
    reader->parts.resize(static_cast<size_t>(parts));
    for (auto& part : reader->parts)
      for (int64_t i = 0; i < 20; ++i)
        part.add(arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64())}), 1,
                                          arrow::ArrayVector{test::ints({i})}));
    return reader;
  };
  SECTION("with fewer readers than sources") {
    world.set(SourceGrant{.readers = 1, .reason = "others"});
    const auto copied = copy_table(*reader_of(3), request, {});
    REQUIRE(copied);
    CHECK(copied->certificate.rows == 60);
    CHECK(world.has_told("1 of 3 readers are opened: others"));
    CHECK(world.asks.back().readers_wanted == 0);
  }
  SECTION("a failure of the pace while a source waits for its server") {
    world.set(SourceGrant{.bounds = {.max_snapshot_age = 1ms}, .readers = 3});
    auto reader = reader_of(2);
    reader->waits_to_be_stopped = true;
    reader->parts[1].batches.clear();
    const auto copied = copy_table(*reader, request, {});
    REQUIRE_FALSE(copied);
    CHECK(copied.error().kind == ErrorKind::timeout);
    CHECK(std::filesystem::is_empty(folder.path()));
  }
}

}  // namespace
}  // namespace udon::data
