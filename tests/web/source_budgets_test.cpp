// Who may read how much of a server: what is shared out never is more than there is, and nobody is left out.
#include "web/source_budgets.h"

#include <catch2/catch.hpp>
#include <random>
#include <vector>

using namespace udon;
using namespace udon::web;
using namespace std::chrono_literals;

namespace {

// A try as plugins/data has it: takes what it is given, and says what it may be taking.
struct Reader {
  int64_t fence = 0;
  int wanted = 1;
  int reading = 0;  // has not yet come down to what it was given
  SourceGrant given{.readers = 0};

  SourceAsk ask() const {
    return {"db", wanted, std::max(reading, std::min(given.readers, wanted)), given.rows_per_second.value_or(0)};
  }
};

struct Source {
  SourceBounds bounds;
  Duration now = 0s;
  SourceBudgets budgets{now};

  explicit Source(SourceBounds of) : bounds(of) { now += source_learning; }
  const SourceGrant& ask(Reader& reader) {
    reader.given = budgets.ask({.source = "mysql://db:3306",
                                .bounds = bounds,
                                .fence = reader.fence,
                                .holder = "dag" + std::to_string(reader.fence) + "/내보내기",
                                .ask = reader.ask()},
                               now);
    return reader.given;
  }
  void settle(std::vector<Reader>& readers) {
    for (int i = 0; i < 6; ++i)
      for (Reader& reader : readers) {
        reader.reading = std::min(reader.reading, reader.given.readers);
        ask(reader);
        reader.reading = std::min(reader.given.readers, reader.wanted);
      }
  }
};

}  // namespace

TEST_CASE("without a bound everybody reads as they want, and knows of the others") {
  Source source({});
  Reader one{1, 4}, other{2, 32};
  CHECK(source.ask(one).readers == 4);
  CHECK(source.ask(other).readers == 32);
  CHECK(other.given.readers_elsewhere == 4);
  CHECK_FALSE(other.given.rows_per_second);
  CHECK(other.given.reason.empty());
}

TEST_CASE("who comes later gets what the earlier has given back, and is told who has the rest") {
  Source source({.max_readers = 4});
  Reader one{1, 8}, other{2, 8};
  CHECK(source.ask(one).readers == 4);
  one.reading = 4;
  CHECK(source.ask(other).readers == 0);
  CHECK(other.given.reason == "`dag1/내보내기` reads mysql://db:3306 too, which has max_readers=4");
  CHECK(source.ask(one).readers == 2);  // but it still reads with all four
  CHECK(source.ask(other).readers == 0);
  one.reading = 2;
  source.ask(one);
  CHECK(source.ask(other).readers == 2);
}

TEST_CASE("who reads keeps a reader, the oldest who wait come next") {
  Source source({.max_readers = 2});
  std::vector<Reader> readers{{5, 1}, {6, 1}, {2, 1}, {3, 1}};
  source.settle(readers);
  CHECK(readers[0].given.readers == 1);
  CHECK(readers[1].given.readers == 1);
  CHECK(readers[2].given.readers == 0);
  CHECK(readers[2].given.reason == "`dag5/내보내기` and 1 other read mysql://db:3306 too, which has max_readers=2");
  readers[1].wanted = 0;
  source.ask(readers[1]);
  CHECK(source.ask(readers[3]).readers == 0);
  CHECK(source.ask(readers[2]).readers == 1);
}

TEST_CASE("what a try had that has not asked for a lease is free again") {
  Source source({.max_readers = 1, .max_rows_per_second = 100});
  Reader dead{1}, other{2};
  source.ask(dead);
  source.now += source_lease - 1us;
  CHECK(source.ask(other).readers == 0);
  source.now += 1us;
  CHECK(source.ask(other).readers == 1);
  CHECK(other.given.rows_per_second == 100.0);
}

TEST_CASE("rows are divided over those that read") {
  Source source({.max_rows_per_second = 900});
  std::vector<Reader> readers{{1}, {2, 8}, {3}};
  CHECK(source.ask(readers[0]).rows_per_second == 900.0);
  CHECK(source.ask(readers[1]).rows_per_second == 0.0);  // not before the first has less
  CHECK(readers[1].given.reason == "others still have all rows per second of mysql://db:3306");
  source.settle(readers);
  for (const Reader& reader : readers) CHECK(reader.given.rows_per_second == 300.0);
}

TEST_CASE("a server that has just started gives nothing away before it has heard of those that read") {
  SourceBounds bounds{.max_readers = 3};
  Source source(bounds);
  source.now -= source_learning;
  Reader waits{9, 2}, reads{1, 3, 2, {.readers = 2}};
  CHECK(source.ask(waits).readers == 0);
  CHECK(waits.given.reason.find("has just started") != std::string::npos);
  CHECK(source.ask(reads).readers == 2);
  source.now += source_learning;
  CHECK(source.ask(waits).readers == 1);
}

TEST_CASE("whatever happens, no more is given than the bound, and nobody waits for ever") {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    const auto any = [&](int64_t least, int64_t greatest) {
      return std::uniform_int_distribution<int64_t>(least, greatest)(random);
    };
    const int64_t readers_max = any(1, 9), rows_max = any(1, 1000);
    Source source({.max_readers = readers_max, .max_rows_per_second = rows_max});
    std::vector<Reader> readers;
    int64_t fence = 0;
    for (int step = 0; step < 200; ++step) {
      if (readers.size() < 12 && any(0, 3) == 0)
        readers.push_back({.fence = ++fence, .wanted = static_cast<int>(any(1, 6))});
      if (readers.empty()) continue;
      const auto at = static_cast<size_t>(any(0, static_cast<int64_t>(readers.size()) - 1));
      switch (any(0, 9)) {
        case 0:  // it ends
          readers[at].wanted = readers[at].reading = 0;
          source.ask(readers[at]);
          readers.erase(readers.begin() + static_cast<std::ptrdiff_t>(at));
          break;
        case 1:  // it is killed
          readers.erase(readers.begin() + static_cast<std::ptrdiff_t>(at));
          for (Duration passed{0}; passed < source_lease; passed += 1s) {  // the others go on asking
            source.now += 1s;
            for (Reader& reader : readers) source.ask(reader);
          }
          break;
        case 2:  // the server starts anew, and all that read are heard in time
          source.budgets = SourceBudgets(source.now);
          for (Reader& reader : readers) source.ask(reader);
          source.now += source_learning;
          break;
        case 3:  // another reader of its own begins
          readers[at].reading = std::min({readers[at].reading + 1, readers[at].given.readers, readers[at].wanted});
          break;
        default:
          // One that should have fewer stands still between batches; the next ask may come before that.
          if (any(0, 1) == 0) readers[at].reading = std::min(readers[at].reading, readers[at].given.readers);
          source.ask(readers[at]);
          readers[at].reading = std::max(
              readers[at].reading, static_cast<int>(any(0, std::min(readers[at].given.readers, readers[at].wanted))));
          source.now += Duration(any(0, 1'000));
      }
      int64_t reading = 0;
      double rows = 0;
      for (const Reader& reader : readers) {
        reading += std::max(reader.reading, reader.given.readers);
        rows += reader.given.rows_per_second.value_or(0);
      }
      REQUIRE(reading <= readers_max);
      REQUIRE(rows <= static_cast<double>(rows_max) * 1.000001);
    }
    // Nobody ends: each has one, as far as there are as many.
    source.settle(readers);
    int64_t with_one = 0, wanted = 0, given = 0;
    for (const Reader& reader : readers) {
      if (reader.given.readers > 0) with_one += 1;
      wanted += reader.wanted;
      given += reader.given.readers;
      if (reader.given.readers > 0) CHECK(*reader.given.rows_per_second > 0);
    }
    CHECK(with_one == std::min<int64_t>(readers_max, static_cast<int64_t>(readers.size())));
    CHECK(given == std::min(readers_max, wanted));
    // Who reads ends, one after the other: all have had their turn.
    for (size_t turns = readers.size(); turns > 0; --turns) {
      const auto reads = std::ranges::find_if(readers, [](const Reader& reader) { return reader.given.readers > 0; });
      REQUIRE(reads != readers.end());
      reads->wanted = reads->reading = 0;
      source.ask(*reads);
      readers.erase(reads);
      source.settle(readers);
    }
  }
}
