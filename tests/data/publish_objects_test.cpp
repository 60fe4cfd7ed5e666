// Several files published to the real store: after one another, beside others, and two at once.
#include <thread>

#include "tests/data/s3_result.h"

namespace udon::data {
namespace {

using namespace test_target;
using test::FaultReply;
using test::SeenRequest;
using test::StoreProxy;

const Contents three{"three 0", "three 1", "three 2"};

TEST_CASE("a rerun of other files, fewer, one, or one without rows leaves nothing of the result before") {
  Target target;
  int fence = 0;
  for (const Contents& contents :
       {Contents{"one"}, three, Contents{"two 0", content_of("two 1", 6 << 20)}, Contents{"again 0", "again 1"},
        Contents{"one again"}, Contents{""}, three, Contents{"last"}}) {
    const std::string try_id = "home-" + std::to_string(++fence);
    INFO(try_id);
    const auto published = target.publish(target.request(try_id, contents));
    if (!published) FAIL(published.error().message);
    CHECK(published->manifest == target.to + "_manifest.json");
    CHECK(published->certificate.files.size() == contents.size());
    require_result(target, contents, try_id);
  }
  require_no_parts_left();
}

TEST_CASE("more files than a result may have are refused before anything is sent") {
  Target target;
  PublishRequest request = target.request("home-1", "one");
  request.staged.resize(5'000, request.staged[0]);
  const auto published = target.publish(request);
  REQUIRE_FALSE(published);
  CHECK(published.error() == Error{ErrorKind::invalid, "5000 files; a result may have 4000"});
  CHECK(target.names().empty());
}

TEST_CASE("of two tries that publish at once, of several files or one, the later one wins") {
  for (int round = 0; round < 16; ++round) {
    INFO("round " << round);
    Target target;
    if (round % 2 == 0) REQUIRE(target.publish(target.request("home-1", Contents{"old 0", "old 1"})));
    const Contents early = round % 8 < 4 ? three : Contents{content_of("early", round % 3 == 0 ? 6 << 20 : 100)};
    const Contents late = round % 8 < 2 || round % 8 > 5 ? Contents{"late"} : Contents{"late 0", "late 1"};
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
      CHECK(by_early.error().kind == ErrorKind::conflict);
      CHECK_THAT(by_early.error().message, Catch::Contains("was published by try home-8, which is later"));
    }
    require_result(target, late, "home-8", false);
  }
  require_no_parts_left();
}

TEST_CASE("an earlier try that comes late changes nothing") {
  Target target;
  REQUIRE(target.publish(target.request("home-8", "new")));
  const auto late = target.publish(target.request("home-7", three));
  REQUIRE_FALSE(late);
  CHECK(late.error().kind == ErrorKind::conflict);
  CHECK_THAT(late.error().message, Catch::Contains("published by try home-8"));
  require_result(target, {"new"}, "home-8");
  require_no_parts_left();
}

TEST_CASE("a dead try is settled by an earlier one too, and what it had published stays") {
  for (const bool is_published : {false, true}) {
    Target target;
    REQUIRE(target.publish(target.request("home-1", Contents{"old 0", "old 1"})));
    const std::string died_at = is_published ? "mark the success" : "write the manifest";
    REQUIRE_FALSE(Victim(target.request("home-9", three), store_connection().option("endpoint_url"), died_at).lived());
    const Contents early = GENERATE(Contents{"early"}, Contents{"early 0", "early 1"});
    const auto published = target.publish(target.request("home-8", early));
    if (is_published) {
      REQUIRE_FALSE(published);
      CHECK_THAT(published.error().message, Catch::Contains("published by try home-9"));
      require_result(target, three, "home-9");
    } else {
      if (!published) FAIL(published.error().message);
      require_result(target, early, "home-8");
    }
  }
  require_no_parts_left();
}

TEST_CASE("what another installation is publishing is not touched; without its intent its files are removed") {
  Target target;
  const Contents old{"old 0", "old 1"};
  REQUIRE(target.publish(target.request("home-1", old)));
  REQUIRE_FALSE(
      Victim(target.request("away-3", three, "away"), store_connection().option("endpoint_url"), "write the manifest")
          .lived());
  const auto before = target.names();
  for (const Contents& contents : {Contents{"one"}, Contents{"two 0", "two 1"}}) {
    const auto refused = target.publish(target.request("home-2", contents));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::conflict);
    CHECK_THAT(refused.error().message, Catch::StartsWith(target.to + "_udon/intent-away-3.json says that a try of") &&
                                            Catch::Contains("delete that object"));
    CHECK(target.names() == before);
  }
  const bool is_deleted = GENERATE(true, false);
  if (is_deleted) {
    REQUIRE(target.store->remove(target.to + "_udon/intent-away-3.json"));
    const auto published = target.publish(target.request("home-3", Contents{"two 0", "two 1"}));
    if (!published) FAIL(published.error().message);
    // Its home knows of an intent that is not there any more.
    REQUIRE(target.publish(target.request("away-4", Contents{"last 0", "last 1"}, "away")));
    require_result(target, {"last 0", "last 1"}, "away-4");
  } else {
    REQUIRE(target.publish(target.request("away-4", "last", "away")));
    require_result(target, {"last"}, "away-4");
  }
  require_no_parts_left();
}

TEST_CASE("somebody's objects are neither removed nor mixed with several of ours") {
  Target target;
  const Contents old{"old 0", "old 1"};
  const bool is_first = GENERATE(true, false);
  if (!is_first) REQUIRE(target.publish(target.request("home-1", old)));
  // Names as ours are do not make them ours.
  const std::string name = GENERATE("part-00000-5f2e.snappy.parquet", "part-00001-home-1.parquet.crc",
                                    "part-00007-away-7.parquet", "dt=2026-01-02/part-00000.parquet");
  REQUIRE(target.store->write(target.to + name, "mine", {}));
  const auto before = target.names();
  const auto published = target.publish(target.request("home-2", three));
  REQUIRE_FALSE(published);
  CHECK(published.error().kind == ErrorKind::invalid);
  CHECK_THAT(published.error().message, Catch::Contains("`" + name + "`") && Catch::Contains(target.to));
  CHECK(target.names() == before);
  CHECK(target.store->read(target.to + name, 10) == "mine");
  if (!is_first) CHECK(by_manifest(target) == old);
}

// As a publisher elsewhere does that had looked before our intent was there.
void appear(Target& target, const std::string& try_id, const Contents& contents) {
  PublishRequest request = target.request(try_id, contents, "elsewhere");
  for (size_t i = 0; i < contents.size(); ++i) {
    FileCertificate& file = request.certificate.files[i];
    file.uri = target.to + "part-0000" + std::to_string(i) + (contents.size() > 1 ? "-" + try_id : "") + ".parquet";
    PutOptions options;
    options.metadata = {
        {"udon-certificate", request.certificate.id}, {"udon-sha256", file.sha256}, {"udon-try", try_id}};
    const auto written = target.store->write(file.uri, contents[i], options);
    REQUIRE(written);
    file.etag = written->etag;
  }
  REQUIRE(target.store->write(target.to + "_manifest.json", manifest_json(request.certificate, try_id), {}));
  REQUIRE(target.store->write(target.to + "_SUCCESS", "", {}));
}

// Publishes through a proxy; `intrude` happens before the first request that writes this.
Result<Published> publish_while(const PublishRequest& request, const std::string& written,
                                const std::function<void()>& intrude) {
  std::atomic<bool> has_come = false;
  const auto before = [&](int, const SeenRequest& seen) -> std::optional<FaultReply> {
    if (seen.method == "PUT" && seen.target.find(written) != seen.target.npos && !has_come.exchange(true)) intrude();
    return std::nullopt;
  };
  StoreProxy proxy(store_connection().option("endpoint_url"), before, {});
  auto published = publish(*test::open_store(through(proxy), bucket), request);
  CHECK(has_come);
  return published;
}

TEST_CASE("who publishes after we have looked is replaced if he has no order with us, and wins if he is later") {
  const Contents theirs = GENERATE(Contents{"theirs"}, Contents{"theirs 0", "theirs 1"});
  for (const std::string by : {"away-3", "home-3", "home-9"}) {
    INFO(by);
    Target target;
    if (by != "home-3") REQUIRE(target.publish(target.request("home-1", Contents{"old 0", "old 1"})));
    const auto published =
        publish_while(target.request("home-7", three), "_manifest.json", [&] { appear(target, by, theirs); });
    if (by == "home-9") {
      REQUIRE_FALSE(published);
      CHECK(published.error().kind == ErrorKind::conflict);
      CHECK_THAT(published.error().message, Catch::Contains("was published by try home-9, which is later"));
      CHECK(by_manifest(target) == theirs);
      CHECK(std::ranges::none_of(target.names(), [](const std::string& n) { return n.find("home-7") != n.npos; }));
      // It had looked before; so the old files are its to remove.
      REQUIRE(target.store->remove(target.to + "part-00000-home-1.parquet"));
      REQUIRE(target.store->remove(target.to + "part-00001-home-1.parquet"));
      require_one_of(target, {theirs});
    } else {
      if (!published) FAIL(published.error().message);
      require_result(target, three, "home-7");
    }
  }
  require_no_parts_left();
}

TEST_CASE("who is replaced elsewhere right after his manifest takes his files back") {
  Target target;
  const auto published = publish_while(target.request("home-7", three), "_symlink_format_manifest",
                                       [&] { appear(target, "away-3", {"theirs"}); });
  REQUIRE_FALSE(published);
  CHECK(published.error().kind == ErrorKind::conflict);
  CHECK_THAT(published.error().message, Catch::Contains("_manifest.json was replaced by try away-3"));
  require_result(target, {"theirs"}, "away-3");
  require_no_parts_left();
}

TEST_CASE("one object does not stay among several that came from elsewhere while it was published") {
  Target target;
  const Contents theirs{"theirs 0", "theirs 1"};
  const auto published =
      publish_while(target.request("home-7", "ours"), "partNumber=1", [&] { appear(target, "away-3", theirs); });
  REQUIRE_FALSE(published);
  CHECK(published.error().kind == ErrorKind::conflict);
  require_one_of(target, {theirs});
  CHECK(is_marked(target));
  require_nothing_pending(target);
  require_no_parts_left();
}

}  // namespace
}  // namespace udon::data
