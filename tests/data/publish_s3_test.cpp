// Publication to the real store: killed at every request, two at once, among other people's objects.
#include <thread>

#include "tests/data/s3_target.h"

namespace udon::data {
namespace {

using test::FaultReply;
using test::SeenRequest;
using test::StoreProxy;

using namespace test_target;

TEST_CASE("a second publication replaces the first, smaller or larger, in one part or many") {
  Target target;
  int fence = 0;
  for (const size_t bytes : {size_t{6 << 20}, size_t{100}, size_t{0}, size_t{11 << 20}}) {
    const std::string content = content_of("run " + std::to_string(bytes), bytes);
    const std::string try_id = "home-" + std::to_string(++fence);
    const auto published = target.publish(target.request(try_id, content));
    if (!published) FAIL(published.error().message);
    CHECK(published->manifest == target.to + "_manifest.json");
    target.require_finished(content, try_id);
  }
  require_no_parts_left();
}

TEST_CASE("rows that did not fit stand beside the result that they belong to, and no others") {
  Target target;
  const auto publish = [&](const std::string& try_id, const std::string& rejects, size_t files) {
    auto request = target.request(try_id, std::vector<std::string>(files, content_of(try_id, 100)));
    request.may_reject = true;
    if (!rejects.empty()) request.rejects = test::write_test_file(target.folder.path() / "rejects.ndjson", rejects);
    auto published = target.publish(request);
    if (!published) FAIL(published.error().message);
    return published->rejects;
  };
  const auto kept = [&] {
    std::vector<std::string> names;
    for (const std::string& name : target.names())
      if (name.starts_with("_rejects/")) names.push_back(name);
    return names;
  };
  CHECK(publish("home-1", "{}\n", 1) == target.to + "_rejects/home-1.ndjson");
  CHECK(target.store->read(target.to + "_rejects/home-1.ndjson", 100).value() == "{}\n");
  CHECK(publish("home-2", "{\"line\":2}\n", 2) == target.to + "_rejects/home-2.ndjson");
  CHECK(kept() == std::vector<std::string>{"_rejects/home-2.ndjson"});
  // Of a later try that is about to publish, and of somebody.
  REQUIRE(target.store->write(target.to + "_rejects/home-9.ndjson", "{}\n", {}));
  REQUIRE(target.store->write(target.to + "_rejects/mine.ndjson", "x", {}));
  CHECK(publish("home-3", "", 1).empty());
  CHECK(kept() == std::vector<std::string>{"_rejects/home-9.ndjson", "_rejects/mine.ndjson"});
  // A try that is overtaken leaves none behind.
  auto late = target.request("home-2", content_of("late", 10));
  late.may_reject = true;
  late.rejects = test::write_test_file(target.folder.path() / "rejects.ndjson", "{}\n");
  CHECK_FALSE(target.publish(late));
  CHECK(kept() == std::vector<std::string>{"_rejects/home-9.ndjson", "_rejects/mine.ndjson"});
  require_no_parts_left();
}

TEST_CASE(
    "killed at any request of a publication, readers see the old result or the new one, and the next try ends it") {
  const bool replaces = GENERATE(false, true);
  const bool is_answer_lost = GENERATE(false, true);  // killed when the store has done it, or before it hears of it
  const std::string old = content_of("old", 100), now = content_of("now", 6 << 20), newest = content_of("newest", 200);
  bool lived = false;
  int number = 0;
  for (; !lived; ++number) {
    REQUIRE(number < 100);
    INFO("request " << number << (is_answer_lost ? ", after" : ", before"));
    Target target;
    if (replaces) REQUIRE(target.publish(target.request("home-1", old)));
    const auto request = target.request("home-2", now);
    std::atomic<pid_t> pid = 0;
    const auto kill_at = [&](int at, const SeenRequest&) -> std::optional<FaultReply> {
      if (at != number) return std::nullopt;
      if (!test::eventually([&] { return pid != 0; })) return std::nullopt;
      ::kill(pid, SIGKILL);
      return test::hang_up();
    };
    StoreProxy proxy(store_connection().option("endpoint_url"), is_answer_lost ? StoreProxy::Before() : kill_at,
                     is_answer_lost ? kill_at : StoreProxy::After());
    const Victim victim(request, proxy.url());
    pid = victim.pid;
    lived = victim.lived();

    const auto seen = target.whole_object();
    if (seen) {
      CHECK((*seen == now || (replaces && *seen == old)));
      const auto names = target.names();
      if (std::ranges::find(names, "_manifest.json") != names.end()) {
        // Derived, and never ahead of the object: of this one, or of the one before.
        const std::string of = target.manifest().text("try");
        const auto info = target.store->stat(target.to + "part-00000.parquet");
        REQUIRE((info && *info));
        const bool is_of_object = target.manifest().get("files").as_list().at(0).text("etag") == (*info)->etag;
        CHECK(is_of_object == (target.manifest().get("certificate").text("id") == target.metadata("udon-certificate")));
        CHECK((of == target.metadata("udon-try") || (of == "home-1" && *seen == now)));
      }
    } else {
      CHECK_FALSE(replaces);
      CHECK(target.names().empty());
    }
    const auto next = target.publish(target.request("home-3", newest));
    if (!next) FAIL(next.error().message);
    target.require_finished(newest, "home-3");
  }
  CHECK(number > 10);  // there are at least so many requests
  require_no_parts_left();
}

TEST_CASE("killed before any named step, the next try ends the publication") {
  const std::string now = content_of("now", 6 << 20);
  bool lived = false;
  int step = 0;
  for (; !lived; ++step) {
    REQUIRE(step < 50);
    Target target;
    REQUIRE(target.publish(target.request("home-1", "old")));
    lived = Victim(target.request("home-2", now), store_connection().option("endpoint_url"), step).lived();
    const auto seen = target.whole_object();
    CHECK((seen == now || seen == "old"));
    REQUIRE(target.publish(target.request("home-3", now)));
    target.require_finished(now, "home-3");
  }
  CHECK(step > 8);
  require_no_parts_left();
}

TEST_CASE("any request that fails once is repeated, and the publication ends well") {
  const std::string now = content_of("now", 6 << 20);
  bool was_reached = true;
  for (int number = 0; was_reached; ++number) {
    REQUIRE(number < 100);
    INFO("request " << number);
    Target target;
    REQUIRE(target.publish(target.request("home-1", "old")));
    std::atomic<bool> has_failed = false;
    const bool is_answer_lost = number % 2 == 1;
    const auto fail = [&](int at, const SeenRequest&) -> std::optional<FaultReply> {
      if (at != number) return std::nullopt;
      has_failed = true;
      if (is_answer_lost) return test::hang_up();
      return test::reply(503,
                         "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>");
    };
    StoreProxy proxy(store_connection().option("endpoint_url"), is_answer_lost ? StoreProxy::Before() : fail,
                     is_answer_lost ? fail : StoreProxy::After());
    Connection connection = store_connection();
    connection.extra.set("endpoint_url", proxy.url());
    IoContext context = test::io_context();
    context.pause = [](Duration, const std::stop_token&) { return true; };
    target.store = test::open_store(connection, bucket, context);
    const auto published = target.publish(target.request("home-2", now));
    was_reached = has_failed;
    target.store = test::open_store(store_connection(), bucket);
    if (!published) FAIL(published.error().message);
    target.require_finished(now, "home-2");
  }
  require_no_parts_left();
}

TEST_CASE("of two tries of one installation that publish at once, the later one wins") {
  for (int round = 0; round < 12; ++round) {
    INFO("round " << round);
    Target target;
    if (round % 2 == 0) REQUIRE(target.publish(target.request("home-1", "old")));
    // Who is sooner there differs with the size.
    const std::string early = content_of("early", round % 3 == 0 ? 6 << 20 : 100);
    const std::string late = content_of("late", round % 3 == 1 ? 6 << 20 : 100);
    const auto early_request = target.request("home-7", early), late_request = target.request("home-8", late);
    Result<Published> by_early, by_late;
    {
      const std::jthread other([&] {
        const auto store = test::open_store(store_connection(), bucket);
        by_early = publish(*store, early_request);
      });
      by_late = target.publish(late_request);
    }
    if (!by_late) FAIL(by_late.error().message);
    if (!by_early) {
      INFO(by_early.error().message);
      CHECK(by_early.error().kind == ErrorKind::conflict);
    }
    target.require_finished(late, "home-8");
  }
  require_no_parts_left();
}

TEST_CASE("of two installations that publish at once, one wins as a whole") {
  for (int round = 0; round < 12; ++round) {
    INFO("round " << round);
    Target target;
    // The same content: etags alone would not tell the two apart.
    const std::string content = content_of("same", round % 2 == 0 ? 6 << 20 : 100);
    const auto ours = target.request("home-7", content, "home"), theirs = target.request("away-3", content, "away");
    Result<Published> by_us, by_them;
    {
      const std::jthread other([&] {
        const auto store = test::open_store(store_connection(), bucket);
        by_them = publish(*store, theirs);
      });
      by_us = target.publish(ours);
    }
    CHECK((by_us || by_them));
    for (const auto& result : {by_us, by_them}) {
      if (result) continue;
      INFO(result.error().message);
      CHECK(result.error().kind == ErrorKind::conflict);
    }
    target.require_finished(content, target.metadata("udon-try"));
  }
  require_no_parts_left();
}

TEST_CASE("an earlier try that comes late changes nothing, and leaves no parts behind") {
  Target target;
  REQUIRE(target.publish(target.request("home-8", "new")));
  const auto late = target.publish(target.request("home-7", "old"));
  REQUIRE_FALSE(late);
  CHECK(late.error().kind == ErrorKind::conflict);
  CHECK_THAT(late.error().message, Catch::Contains("published by try home-8"));
  target.require_finished("new", "home-8");
  require_no_parts_left();
}

TEST_CASE("somebody's objects are neither replaced nor removed nor mixed with ours") {
  Target target;
  const bool is_first = GENERATE(true, false);
  if (!is_first) REQUIRE(target.publish(target.request("home-1", "old")));
  const std::string name = GENERATE("part-00000-5f2e.snappy.parquet", "notes.txt", "dt=2026-01-02/part-00000.parquet");
  REQUIRE(target.store->write(target.to + name, "mine", {}));
  const auto before = target.names();
  const auto published = target.publish(target.request("home-2", "new"));
  REQUIRE_FALSE(published);
  CHECK(published.error().kind == ErrorKind::invalid);
  CHECK_THAT(published.error().message, Catch::Contains("`" + name + "`") && Catch::Contains(target.to));
  CHECK(target.names() == before);
  CHECK(target.store->read(target.to + name, 10) == "mine");
  if (!is_first) CHECK(target.whole_object() == "old");
}

TEST_CASE("an object of our name that is none of ours is not replaced; hidden ones do not matter") {
  Target target;
  REQUIRE(target.store->write(target.to + "part-00000.parquet", "mine", {}));
  const auto published = target.publish(target.request("home-2", "new"));
  REQUIRE_FALSE(published);
  CHECK(target.store->read(target.to + "part-00000.parquet", 10) == "mine");
  CHECK(target.names().size() == 1);

  Target other;
  for (const char* name : {"_metadata", ".part.crc", "_temporary/0/x"})
    REQUIRE(other.store->write(other.to + name, "mine", {}));
  const auto beside = other.publish(other.request("home-2", "new"));
  if (!beside) FAIL(beside.error().message);
  CHECK(other.whole_object() == "new");
  CHECK(other.names().size() == 6);
}

TEST_CASE("files that our older manifest names and the new one does not are removed") {
  Target target;
  auto older = target.request("home-1", "old");
  for (const char* name : {"part-7-0.parquet", "part-7-1.parquet"})
    REQUIRE(target.store->write(target.to + name, "more", {}));
  older.certificate.files[0].uri = target.to + "part-7-0.parquet";
  older.certificate.files.push_back({.uri = target.to + "part-7-1.parquet", .rows = 1});
  older.certificate.files.push_back({.uri = "s3://" + bucket + "/elsewhere", .rows = 1});
  REQUIRE(target.store->write("s3://" + bucket + "/elsewhere", "mine", {}));
  REQUIRE(target.store->write(target.to + "_manifest.json", manifest_json(older.certificate, "home-1"), {}));
  REQUIRE(target.publish(target.request("home-2", "new")));
  target.require_finished("new", "home-2");
  CHECK(target.store->read("s3://" + bucket + "/elsewhere", 10) == "mine");
  require_no_parts_left();
}

}  // namespace
}  // namespace udon::data
