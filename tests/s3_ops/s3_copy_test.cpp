// Objects of the real store copied by it, and through this machine.
#include "tests/s3_ops/s3_bucket.h"

namespace udon {
namespace {

using test::FaultReply;
using test::list_of;
using test::map_of;
using test::S3Place;
using test::S3Try;
using test::SeenRequest;

test::S3Bucket& bucket() {
  static test::S3Bucket made("udon-copy");
  return made;
}

// A second store, as far as s3_copy can tell: the first by another address.
struct OtherStore {
  test::StoreProxy proxy{bucket().lake.option("endpoint_url"), {}, {}};
};

S3Try attempt(const S3Place& place, const std::string& from, const std::string& to,
              std::vector<std::pair<std::string, Value>> more = {}, int64_t fence = 1,
              const std::string& endpoint = {}) {
  more.insert(
      more.begin(),
      {{"from", place.uri + from}, {"to", place.uri + to}, {"from_connection", "lake"}, {"to_connection", "lake"}});
  return S3Try("s3_copy", map_of(std::move(more)), endpoint.empty() ? place.bucket.lake : place.through(endpoint),
               place.home.path(), fence);
}

std::string numbers(const Value& value) {
  return std::to_string(value.integer("objects")) + " objects, " + std::to_string(value.integer("copied")) +
         " copied, " + std::to_string(value.integer("skipped")) + " skipped";
}

TEST_CASE("a copy has all that its source has, or what is asked for instead") {
  const S3Place place{bucket()};
  PutOptions described{
      .metadata = {{"owner", "정산팀"}, {"rows", "5"}}, .content_type = "text/csv", .storage_class = "STANDARD_IA"};
  described.headers = {{"cache-control", "max-age=60"}};
  place.put("원본 a+b%.csv", "번호\n1\n", described);
  const Value done = attempt(place, "원본 a+b%.csv", "copies/").value();
  CHECK(done.text("uri") == place.uri + "copies/원본 a+b%.csv");
  CHECK(numbers(done) == "1 objects, 1 copied, 0 skipped");
  CHECK(done.flag("by_the_store"));
  const auto copy = bucket().files->stat(done.text("uri"));
  REQUIRE(copy);
  REQUIRE(*copy);
  CHECK((*copy)->metadata ==
        std::vector<std::pair<std::string, std::string>>{{"owner", "정산팀"}, {"rows", "5"}, {"udon-try", "test-1"}});
  CHECK((*copy)->storage_class == "STANDARD_IA");
  CHECK((*copy)->content_type == "text/csv");
  CHECK((*copy)->headers == described.headers);
  CHECK((*copy)->sha256 == to_base64(sha256("번호\n1\n")));
  CHECK(numbers(attempt(place, "원본 a+b%.csv", "copies/", {}, 2).value()) == "1 objects, 0 copied, 1 skipped");

  const std::vector<std::pair<std::string, Value>> other{
      {"metadata", map_of({{"n", 1}})}, {"storage_class", "GLACIER_IR"}, {"content_type", "text/plain"}};
  CHECK(attempt(place, "원본 a+b%.csv", "copies/", other, 3).value().integer("copied") == 1);
  CHECK(attempt(place, "원본 a+b%.csv", "copies/", other, 4).value().integer("copied") == 0);
  const auto changed = bucket().files->stat(done.text("uri"));
  REQUIRE(changed);
  CHECK((*changed)->metadata == std::vector<std::pair<std::string, std::string>>{{"n", "1"}, {"udon-try", "test-3"}});
  CHECK((*changed)->storage_class == "GLACIER_IR");
  CHECK((*changed)->content_type == "text/plain");
  // In its place.
  CHECK(
      attempt(place, "copies/원본 a+b%.csv", "copies/", {{"storage_class", "STANDARD"}}, 5).value().integer("copied") ==
      1);
  CHECK(place.there("copies/").at("원본 a+b%.csv") == "번호\n1\n");
}

TEST_CASE("all below a prefix is copied, large objects in parts, by the store or through this machine") {
  const bool is_by_the_store = GENERATE(true, false);
  INFO(is_by_the_store);
  const S3Place place{bucket()};
  OtherStore other;
  std::map<std::string, std::string> expected{
      {"a", ""}, {"하나/둘 & 셋", "2"}, {"large", test::random_bytes(11 << 20, 1)}, {"x.tmp", "tmp"}};
  for (const auto& [name, content] : expected) place.put("in/" + name, content);
  expected.erase("x.tmp");
  const auto run = [&](int64_t fence) {
    S3Try given = attempt(place, "in/", "out/",
                          {{"from_connection", is_by_the_store ? "lake" : "other"},
                           {"parts_above", "6MiB"},
                           {"part_size", "5MiB"},
                           {"exclude", list_of({"*.tmp"})}},
                          fence);
    given.connections["other"] = place.through(other.proxy.url());
    return given.value();
  };
  const Value done = run(1);
  CHECK(numbers(done) == "3 objects, 3 copied, 0 skipped");
  CHECK(done.flag("by_the_store") == is_by_the_store);
  CHECK(place.there("out/") == expected);
  CHECK(test::boto(bucket().lake, {"uploads", bucket().name, place.prefix}).as_list().empty());
  const auto large = bucket().files->stat(place.uri + "out/large");
  REQUIRE(large);
  CHECK_THAT((*large)->sha256, Catch::EndsWith("-3"));
  // What was copied in parts has another checksum than its source, and is copied again; the store does that quickly.
  CHECK(run(2).integer("skipped") >= 2);
  place.put("in/하나/둘 & 셋", "3");
  CHECK(run(3).integer("copied") >= 1);
  CHECK(place.there("out/").at("하나/둘 & 셋") == "3");
}

TEST_CASE("keys that may not read the source are helped by those that may") {
  const S3Place place{bucket()};
  place.put("in/a", "x");
  // The store refuses every copy by its own means.
  const auto refuse = [](int, const SeenRequest& seen) -> std::optional<FaultReply> {
    if (seen.header("x-amz-copy-source").empty()) return std::nullopt;
    return test::reply(403, "<Error><Code>AccessDenied</Code></Error>");
  };
  const test::StoreProxy proxy(bucket().lake.option("endpoint_url"), refuse, {});
  S3Try same = attempt(place, "in/", "out/", {}, 1, proxy.url());
  const Error denied = same.error();
  CHECK(denied.kind == ErrorKind::denied);
  CHECK_THAT(denied.message, Catch::Contains("(s3:GetObject of the source, s3:PutObject of the copy)"));
  S3Try other = attempt(place, "in/", "out/", {{"from_connection", "reader"}}, 2, proxy.url());
  CHECK(other.value().integer("copied") == 1);
  CHECK_THAT(other.logged(), Catch::Contains("copying through this machine"));
  CHECK(place.there("out/").at("a") == "x");
}

TEST_CASE("a source that is written while it is copied is an error, and no mixture") {
  const S3Place place{bucket()};
  const size_t bytes = GENERATE(size_t{10}, size_t{11} << 20);
  INFO(bytes);
  place.put("in/a", test::random_bytes(bytes, 1));
  place.put("in/b", "b");
  std::atomic<bool> is_written = false;
  const auto before = [&](int, const SeenRequest& seen) -> std::optional<FaultReply> {
    const std::string marker = bytes > 100 ? "partNumber=2" : "out/a";
    if (seen.method == "PUT" && seen.target.find(marker) != seen.target.npos && !is_written.exchange(true))
      place.put("in/a", test::random_bytes(bytes, 2));
    return std::nullopt;
  };
  const test::StoreProxy proxy(bucket().lake.option("endpoint_url"), before, {});
  const Error error =
      attempt(place, "in/", "out/", {{"parts_above", "5MiB"}, {"part_size", "5MiB"}}, 1, proxy.url()).error();
  CHECK(error.kind == ErrorKind::conflict);
  CHECK_THAT(error.message, Catch::Contains("1 objects are at " + place.uri + "out/") &&
                                Catch::Contains("in/a was written by somebody else while it was being copied"));
  CHECK(place.names("out/") == std::vector<std::string>{"b"});
  CHECK(test::boto(bucket().lake, {"uploads", bucket().name, place.prefix}).as_list().empty());
}

TEST_CASE("of two copies to one object the later try's stays") {
  const S3Place place{bucket()};
  place.put("a", "ours");
  const auto put_as = [&](const std::string& by) {
    PutOptions options;
    options.metadata = {{"udon-try", by}};
    place.put("b", "theirs", options);
  };
  put_as("test-9");
  CHECK_THAT(attempt(place, "a", "b", {}, 5).error().message, Catch::Contains("written by try test-9, which is later"));
  put_as("test-4");
  CHECK(attempt(place, "a", "b", {}, 5).value().integer("copied") == 1);
  for (const auto& [by, stays] : {std::pair<std::string, std::string>{"test-9", "theirs"}, {"test-4", "ours"}}) {
    for (const bool is_after : {false, true}) {
      INFO(by << is_after);
      REQUIRE(bucket().files->remove(place.uri + "b"));
      std::atomic<bool> is_there = false;
      const auto slip_in = [&, who = by](int, const SeenRequest& seen) -> std::optional<FaultReply> {
        if (seen.method == "PUT" && !is_there.exchange(true)) put_as(who);
        return std::nullopt;
      };
      const test::StoreProxy proxy(bucket().lake.option("endpoint_url"),
                                   is_after ? nullptr : test::StoreProxy::Before(slip_in),
                                   is_after ? test::StoreProxy::After(slip_in) : nullptr);
      CHECK(attempt(place, "a", "b", {}, 5, proxy.url()).run().has_value() == (stays == "ours"));
      CHECK(place.there().at("b") == stays);
    }
  }
}

TEST_CASE("any request of a copy may fail once: nothing is lost or left behind") {
  const auto fault = GENERATE(values<std::string>({"dropped", "503", "cut after it was done"}));
  INFO(fault);
  const S3Place place{bucket()};
  const std::map<std::string, std::string> expected{{"a", "1"}, {"large", test::random_bytes(11 << 20, 3)}};
  for (const auto& [name, content] : expected) place.put("in/" + name, content);
  int failing = 0;
  for (bool has_failed = true; has_failed; ++failing) {
    REQUIRE(failing < 40);
    INFO("request " << failing);
    std::atomic<bool> is_hit = false;
    const auto hit = [&](bool is_after, int number) -> std::optional<FaultReply> {
      if (number != failing || is_after != (fault == "cut after it was done")) return std::nullopt;
      is_hit = true;
      return fault == "503" ? test::reply(503, "<Error><Code>SlowDown</Code></Error>") : test::hang_up();
    };
    const test::StoreProxy proxy(
        bucket().lake.option("endpoint_url"), [&](int number, const SeenRequest&) { return hit(false, number); },
        [&](int number, const SeenRequest&) { return hit(true, number); });
    const std::string to = "out" + std::to_string(failing) + "/";
    S3Try given = attempt(place, "in/", to, {{"parts_above", "5MiB"}, {"part_size", "5MiB"}}, failing + 1, proxy.url());
    const auto outcome = given.run();
    if (!outcome) FAIL(outcome.error().message);
    CHECK(place.there(to) == expected);
    has_failed = is_hit;
  }
  CHECK(failing > 8);
  CHECK(test::boto(bucket().lake, {"uploads", bucket().name, place.prefix}).as_list().empty());
  CHECK(std::filesystem::is_empty(place.home.path() / "uploads"));
}

TEST_CASE("mistakes of a copy are named") {
  const S3Place place{bucket()};
  place.put("in/a", "x");
  CHECK_THAT(attempt(place, "in/", "in/deeper/").error().message, Catch::Contains("is inside of"));
  CHECK_THAT(attempt(place, "in/", "out").error().message, Catch::Contains("has to end in `/`"));
  CHECK(attempt(place, "absent", "x").error() ==
        Error{ErrorKind::not_found, "from: there is no object " + place.uri + "absent"});
  CHECK_THAT(attempt(place, "absent/", "x/").error().message, Catch::StartsWith("there is nothing to be copied at"));
  const auto skipped = attempt(place, "absent/", "x/", {{"when_empty", "skip"}}).run();
  REQUIRE(skipped);
  CHECK(skipped->skipped);
  CHECK_THAT(attempt(place, "in/a", "x", {{"include", list_of({"*"})}}).error().message,
             Catch::Contains("is one object"));
  const Error denied =
      attempt(place, "in/a", "x", {{"to_connection", "reader"}, {"from_connection", "reader"}}).error();
  CHECK(denied.kind == ErrorKind::denied);
}

}  // namespace
}  // namespace udon
