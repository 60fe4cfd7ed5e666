// The arithmetic of reading gently.
#include "plugins/data/pace_rules.h"

#include <catch2/catch.hpp>

namespace udon::data {
namespace {

using namespace std::chrono_literals;
using Moment = SourceHealth::Moment;

SourceLook behind(Duration lag) {
  SourceLook look;
  look.lag = Lag::of(lag, "heartbeat table");
  return look;
}
SourceLook running(int64_t threads) {
  SourceLook look;
  look.threads_running = threads;
  return look;
}

TEST_CASE("over an hour no more rows are read than the rate allows, whatever the batches") {
  const int64_t batch = GENERATE(1, 100, 997, 65'536);
  constexpr int64_t per_second = 1'000;
  RowRate rate;
  rate.set(per_second, 0s);
  int64_t rows = 0;
  for (Duration now{0}; now < 1h; now += 10ms)
    if (rate.wait(now) == Duration(0)) rate.take(batch, now), rows += batch;
  CHECK(rows <= 3'600 * per_second + per_second + batch);
  CHECK(rows >= std::min<int64_t>(3'600 * per_second - batch, 360'000 * batch - batch));
}

TEST_CASE("a rate can change while rows are owed, and what was not used is not saved for long") {
  RowRate rate;
  CHECK(rate.wait(0s) == Duration(0));
  rate.take(1'000'000, 0s);
  CHECK(rate.wait(0s) == Duration(0));  // without a limit nothing is owed
  rate.set(10.0, 0s);
  rate.take(100, 0s);
  CHECK(rate.wait(0s) == 10s);
  CHECK(rate.wait(4s) == 6s);
  rate.set(60.0, 4s);
  CHECK(rate.wait(4s) == 1s);
  rate.set(0.0, 4s);
  CHECK(rate.wait(4s) == Duration::max());
  CHECK(rate.wait(4h) == Duration::max());
  rate.set(10.0, 5s);
  CHECK(rate.wait(1h) == Duration(0));
  rate.take(20, 1h);  // ten were saved
  CHECK(rate.wait(1h) == 1s);
  rate.set(std::nullopt, 1h);
  CHECK(rate.wait(1h) == Duration(0));
}

TEST_CASE("a lag over its bound stands against reading until it is under three quarters of it") {
  const SourceBounds bounds{.max_lag = 40s};
  SourceHealth health;
  CHECK(health.judge(bounds, behind(40s), 0, Moment::while_reading).empty());
  CHECK(health.judge(bounds, behind(41'500ms), 0, Moment::while_reading) ==
        "the replica is 41s behind (heartbeat table), max_lag=40s");
  CHECK_FALSE(health.judge(bounds, behind(31s), 0, Moment::while_reading).empty());
  CHECK(health.judge(bounds, behind(30s), 0, Moment::while_reading).empty());
  CHECK(health.judge(bounds, behind(35s), 0, Moment::while_reading).empty());
  CHECK(figures_of(behind(300ms), 0) == "the replica is 300ms behind (heartbeat table)");
}

TEST_CASE("an unknown lag is never 0") {
  const SourceBounds bounds{.max_lag = 24h * 365};
  SourceLook look;
  look.lag = Lag::unknown("the SQL thread is not running (No)");
  SourceHealth health;
  CHECK(health.judge(bounds, look, 0, Moment::while_reading) ==
        "the replica's lag is unknown: the SQL thread is not running (No); max_lag=365d");
  CHECK(health.judge(bounds, behind(0s), 0, Moment::while_reading).empty());
}

TEST_CASE("readers that replication waits for do not stand still for it, but none begins") {
  const SourceBounds bounds{.max_lag = 10s};
  SourceLook look = behind(1h);
  look.lag_waits_for_readers = true;
  SourceHealth health;
  CHECK(health.judge(bounds, look, 1, Moment::while_reading).empty());
  CHECK_FALSE(health.judge(bounds, look, 0, Moment::before_snapshot).empty());
  look.lag_waits_for_readers = false;
  CHECK_FALSE(health.judge(bounds, look, 1, Moment::while_reading).empty());
}

TEST_CASE("threads are counted beside our readers, which stand still on the server as running ones") {
  const SourceBounds bounds{.max_threads_running = 8};
  SourceHealth health;
  CHECK(health.judge(bounds, running(12), 4, Moment::while_reading).empty());
  CHECK(health.judge(bounds, running(13), 4, Moment::while_reading) ==
        "9 threads running beside our readers, max_threads_running=8");
  CHECK_FALSE(health.judge(bounds, running(11), 4, Moment::while_reading).empty());
  CHECK(health.judge(bounds, running(10), 4, Moment::while_reading).empty());
  CHECK(figures_of(running(1), 4) == "0 threads running beside our readers");
}

TEST_CASE("snapshots of others count before ours is opened") {
  const SourceBounds bounds{.max_snapshot_age = 1h};
  SourceLook look;
  look.oldest_snapshot = 2h;
  SourceHealth health;
  CHECK(health.judge(bounds, look, 0, Moment::before_snapshot) ==
        "a transaction of others is 2h old, max_snapshot_age=1h");
  CHECK(health.judge(bounds, look, 1, Moment::while_reading).empty());
}

TEST_CASE("what has no bound is no matter, and all that is over is told") {
  SourceLook look = behind(1h);
  look.threads_running = 1'000;
  look.oldest_snapshot = 24h;
  SourceHealth health;
  CHECK(health.judge({}, look, 0, Moment::before_snapshot).empty());
  CHECK(health.judge({.max_lag = 1s, .max_threads_running = 1, .max_snapshot_age = 1s}, look, 0,
                     Moment::before_snapshot) ==
        "the replica is 1h behind (heartbeat table), max_lag=1s; 1000 threads running beside our readers, "
        "max_threads_running=1; a transaction of others is 1d old, max_snapshot_age=1s");
}

TEST_CASE("after a pause rows come at half the rate, then faster from look to look, then without a limit") {
  Throttle throttle;
  throttle.rise();
  throttle.halve(0);  // before the first row
  CHECK_FALSE(throttle.limit());
  throttle.halve(1'000);
  CHECK(throttle.limit() == 500.0);
  throttle.halve(400);
  CHECK(throttle.limit() == 200.0);
  throttle.rise();
  CHECK(throttle.limit() == 250.0);
  int looks = 0;
  while (throttle.limit() && looks < 100) throttle.rise(), ++looks;
  CHECK(looks == 10);
  throttle.halve(1);
  CHECK(throttle.limit() == 1.0);  // never nothing at all
}

}  // namespace
}  // namespace udon::data
