// Publication to the real store: killed at every request, two at once, among other people's objects.
#include <signal.h>

#include <thread>

#include "base/id.h"
#include "base/text.h"
#include "plugins/data/certifier.h"
#include "plugins/data/publisher.h"
#include "tests/base/temporary_folder.h"
#include "tests/data/store_proxy.h"
#include "tests/io/store.h"
#include "tests/support/eventually.h"

namespace udon::data {
namespace {

using test::FaultReply;
using test::SeenRequest;
using test::StoreProxy;

const std::string bucket = "udon-publish";

const Connection& store_connection() {
  static const Connection connection = test::Services().s3(bucket);
  return connection;
}

const std::string all_targets = make_secret(8) + "/";

// Asked of the store by another's client, once for all that a test has done: parts that nobody aborts cost money.
void require_no_parts_left() {
  CHECK(test::boto(store_connection(), {"uploads", bucket, all_targets}).as_list().empty());
}

// A folder of its own in the bucket, and what stands there.
struct Target {
  TemporaryFolder folder;
  std::string prefix = all_targets + make_secret(8) + "/주문/dt=2026-01-01/";
  std::string to = "s3://" + bucket + "/" + prefix;
  std::unique_ptr<FileSystem> store = test::open_store(store_connection(), bucket);

  PublishRequest request(const std::string& try_id, const std::string& content, const std::string& home = "home") {
    PublishRequest made;
    made.staged = test::write_test_file(folder.path() / ("staged-" + try_id), content);
    made.to = to;
    made.try_id = try_id;
    made.pending_folder = folder.path() / home / "uploads";
    made.part_bytes = 5 << 20;
    made.certificate.id = "certificate of " + try_id;
    made.certificate.files.push_back({.rows = 3, .bytes = content.size(), .sha256 = to_hex(sha256(content))});
    return made;
  }
  Result<Published> publish(const PublishRequest& made) { return data::publish(*store, made); }

  std::vector<std::string> names() {
    const auto objects = store->list(to);
    if (!objects) FAIL(objects.error().message);
    std::vector<std::string> found;
    for (const ObjectInfo& object : *objects) found.push_back(object.uri.substr(to.size()));
    return found;
  }
  std::string metadata(const std::string& key) {
    const auto info = store->stat(to + "part-00000.parquet");
    REQUIRE((info && *info));
    for (const auto& [name, value] : (*info)->metadata)
      if (name == key) return value;
    return "";
  }
  Value manifest() {
    const auto text = store->read(to + "_manifest.json", 1 << 20);
    if (!text) FAIL(text.error().message);
    const auto parsed = parse_json(*text);
    REQUIRE(parsed);
    return *parsed;
  }
  // What a reader may count on at every moment: no object, or a whole one that is what its metadata say.
  std::optional<std::string> whole_object() {
    const auto info = store->stat(to + "part-00000.parquet");
    REQUIRE(info);
    if (!*info) return std::nullopt;
    const auto content = store->read(to + "part-00000.parquet", 64 << 20);
    REQUIRE(content);
    CHECK(metadata("udon-sha256") == to_hex(sha256(*content)));
    return *content;
  }
  // And at the end of a publication: nothing but the three, and the manifest speaks of the object that is there.
  void require_finished(const std::string& content, const std::string& try_id) {
    CHECK(whole_object() == content);
    CHECK(names() == std::vector<std::string>{"_SUCCESS", "_manifest.json", "part-00000.parquet"});
    const Value found = manifest();
    const Value& file = found.get("files").as_list().at(0);
    const auto info = store->stat(to + "part-00000.parquet");
    REQUIRE((info && *info));
    CHECK(file.text("etag") == (*info)->etag);
    CHECK(file.text("sha256") == to_hex(sha256(content)));
    CHECK(file.integer("bytes") == static_cast<int64_t>(content.size()));
    CHECK(found.text("try") == try_id);
    CHECK(found.get("certificate").text("id") == metadata("udon-certificate"));
    CHECK(metadata("udon-try") == try_id);
    std::error_code error;
    for (const char* home : {"home", "away"}) {
      const Path uploads = folder.path() / home / "uploads";
      if (std::filesystem::exists(uploads)) CHECK(std::filesystem::is_empty(uploads, error));
    }
  }
};

std::string content_of(const std::string& name, size_t bytes) { return name + test::random_bytes(bytes, name.size()); }

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

// Publishes in a process of its own through the proxy. True if it lived to the end.
struct Victim {
  explicit Victim(const PublishRequest& request, const std::string& endpoint, int step = -1) {
    SpawnRequest spawned;
    spawned.argv = {(Path(std::getenv("UDON_BUILD")) / "tests/publish_victim").string(),
                    request.staged.string(),
                    request.to,
                    request.try_id,
                    std::to_string(step),
                    request.pending_folder.string(),
                    endpoint};
    spawned.environment = current_environment();
    const auto started = spawn(spawned);
    REQUIRE(started);
    pid = *started;
  }
  bool lived() const {
    const auto status = wait_child(pid);
    REQUIRE(status);
    INFO(describe(*status));
    CHECK((status->succeeded() || status->signal == SIGKILL));
    return status->succeeded();
  }
  pid_t pid = 0;
};

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
  REQUIRE(target.publish(older));
  // As a result of several files would have left it.
  REQUIRE(target.store->write(target.to + "part-7-1.parquet", "more", {}));
  older.certificate.files[0].uri = target.to + "part-00000.parquet";
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
