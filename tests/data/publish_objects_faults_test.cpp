// Several files published to the real store: killed at every request and every step, and refused at every request.
#include "plugins/io/pending_uploads.h"
#include "tests/data/s3_result.h"

namespace udon::data {
namespace {

using namespace test_target;
using test::FaultReply;
using test::SeenRequest;
using test::StoreProxy;

const Contents now{"now 0", "now 1", "now 2"};

// Runs `request` in a process of its own, killed at its request with this number. True: it lived.
bool is_killed_at(const PublishRequest& request, int number, bool is_answer_lost) {
  std::atomic<pid_t> pid = 0;
  const auto kill_at = [&](int at, const SeenRequest&) -> std::optional<FaultReply> {
    if (at != number || !test::eventually([&] { return pid != 0; })) return std::nullopt;
    ::kill(pid, SIGKILL);
    return test::hang_up();
  };
  StoreProxy proxy(store_connection().option("endpoint_url"), is_answer_lost ? StoreProxy::Before() : kill_at,
                   is_answer_lost ? kill_at : StoreProxy::After());
  const Victim victim(request, proxy.url());
  pid = victim.pid;
  return !victim.lived();
}

TEST_CASE("killed at any request, readers see the old files or the new ones, and the next try ends it") {
  const std::optional<Contents> old =
      GENERATE(std::optional<Contents>(), std::optional(Contents{"old"}), std::optional(Contents{"old 0", "old 1"}));
  // Killed when the store has done it, or not yet, which mostly is the same as after the request before.
  const bool is_answer_lost = GENERATE(true, false);
  if (!is_answer_lost && (!old || old->size() == 1)) return;
  const Contents one{"one"}, two{"two 0", "two 1"};
  int number = 0;
  for (bool was_killed = true; was_killed; ++number) {
    REQUIRE(number < 200);
    INFO("request " << number << (is_answer_lost ? ", after" : ", before"));
    Target target;
    if (old) REQUIRE(target.publish(target.request("home-1", *old)));
    was_killed = is_killed_at(target.request("home-2", now), number, is_answer_lost);
    require_one_of(target, {old, now});
    const Contents& newest = number % 2 == 0 ? one : two;
    const auto next = target.publish(target.request("home-3", newest));
    if (!next) FAIL(next.error().message);
    require_result(target, newest, "home-3");
  }
  CHECK(number > 15);
  require_no_parts_left();
}

TEST_CASE("from several files to one, killed at any request, readers see the old files or the new one") {
  const Contents old{"old 0", "old 1"}, single{"single"};
  const bool is_answer_lost = true;
  int number = 0;
  for (bool was_killed = true; was_killed; ++number) {
    REQUIRE(number < 200);
    INFO("request " << number << (is_answer_lost ? ", after" : ", before"));
    Target target;
    REQUIRE(target.publish(target.request("home-1", old)));
    was_killed = is_killed_at(target.request("home-2", single), number, is_answer_lost);
    require_one_of(target, {old, single});
    const Contents newest = number % 2 == 0 ? Contents{"one"} : Contents{"two 0", "two 1"};
    const auto next = target.publish(target.request("home-3", newest));
    if (!next) FAIL(next.error().message);
    require_result(target, newest, "home-3");
  }
  CHECK(number > 15);
  require_no_parts_left();
}

TEST_CASE("killed before any named step, the next try ends the publication") {
  const Contents old{"old 0", "old 1"};
  int step = 0;
  for (bool was_killed = true; was_killed; ++step) {
    REQUIRE(step < 100);
    INFO("step " << step);
    Target target;
    REQUIRE(target.publish(target.request("home-1", old)));
    was_killed = !Victim(target.request("home-2", now), store_connection().option("endpoint_url"), step).lived();
    require_one_of(target, {old, now});
    REQUIRE(target.publish(target.request("home-3", now)));
    require_result(target, now, "home-3");
  }
  CHECK(step > 15);
  require_no_parts_left();
}

TEST_CASE("who is killed while he settles what a dead try left leaves it to the next") {
  const Contents old{"old 0", "old 1"}, newest{"newest"};
  // Taken back, and ended.
  const std::string died_at = GENERATE("write the manifest", "write the symlink manifest");
  int number = 0;
  // More requests than it needs for that.
  for (; number < 18; ++number) {
    INFO("died at " << died_at << ", request " << number);
    Target target;
    REQUIRE(target.publish(target.request("home-1", old)));
    REQUIRE_FALSE(Victim(target.request("home-2", now), store_connection().option("endpoint_url"), died_at).lived());
    REQUIRE(is_killed_at(target.request("home-3", newest), number, number % 2 == 0));
    require_one_of(target, {old, now, newest});
    REQUIRE(target.publish(target.request("home-4", now)));
    require_result(target, now, "home-4");
  }
  require_no_parts_left();
}

// The publication of `now` to the store through a proxy that answers the request with this number by `fault`. Nothing:
// there was no such request.
std::optional<Result<Published>> with_fault(Target& target, int number, bool is_answer_lost, const FaultReply& fault) {
  std::atomic<bool> has_failed = false;
  const auto fail = [&](int at, const SeenRequest&) -> std::optional<FaultReply> {
    if (at != number) return std::nullopt;
    has_failed = true;
    return fault;
  };
  StoreProxy proxy(store_connection().option("endpoint_url"), is_answer_lost ? StoreProxy::Before() : fail,
                   is_answer_lost ? fail : StoreProxy::After());
  IoContext context = test::io_context();
  context.pause = [](Duration, const std::stop_token&) { return true; };
  const auto store = test::open_store(through(proxy), bucket, context);
  auto published = publish(*store, target.request("home-2", now));
  if (!has_failed) return std::nullopt;
  return published;
}

TEST_CASE("any request that fails once is repeated, and the publication of several files ends well") {
  const Contents old{"old 0", "old 1"};
  bool was_reached = true;
  for (int number = 0; was_reached; ++number) {
    REQUIRE(number < 200);
    INFO("request " << number);
    Target target;
    REQUIRE(target.publish(target.request("home-1", old)));
    const bool is_answer_lost = number % 2 == 1;
    const auto published = with_fault(
        target, number, is_answer_lost,
        is_answer_lost ? test::hang_up()
                       : test::reply(503, "<Error><Code>SlowDown</Code><Message>Please slow down.</Message></Error>"));
    was_reached = published.has_value();
    if (published && !*published) FAIL(published->error().message);
    require_result(target, now, "home-2");
  }
  require_no_parts_left();
}

TEST_CASE("a try that is refused anything takes back what it has shown, or ends it if its manifest is there") {
  const std::optional<Contents> old = GENERATE(std::optional<Contents>(), std::optional(Contents{"old 0", "old 1"}));
  bool was_reached = true;
  int refused = 0;
  for (int number = 0; was_reached; ++number) {
    REQUIRE(number < 200);
    INFO("request " << number);
    Target target;
    if (old) REQUIRE(target.publish(target.request("home-1", *old)));
    const auto published =
        with_fault(target, number, false,
                   test::reply(403, "<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>"));
    was_reached = published.has_value();
    if (!published || *published) {
      require_result(target, now, "home-2");
      continue;
    }
    ++refused;
    CHECK(published->error().kind == ErrorKind::denied);
    // Whether it was begun all the same, who was refused does not know.
    const PendingUploads next(target.folder.path() / "home" / "uploads", 3, target.to);
    REQUIRE(next.abort_left_over(*target.store, target.to));
    if (old)
      require_result(target, *old, "home-1");
    else
      CHECK(target.names().empty());
  }
  CHECK(refused > 12);
  require_no_parts_left();
}

}  // namespace
}  // namespace udon::data
