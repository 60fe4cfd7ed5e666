// Objects of the real store deleted, and those that are not.
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
  static test::S3Bucket made("udon-delete");
  return made;
}

S3Try attempt(const S3Place& place, std::vector<std::pair<std::string, Value>> given,
              const std::string& endpoint = {}) {
  if (std::ranges::none_of(given, [](const auto& entry) { return entry.first == "connection"; }))
    given.emplace_back("connection", "lake");
  return S3Try("s3_delete", map_of(std::move(given)), endpoint.empty() ? place.bucket.lake : place.through(endpoint),
               place.home.path());
}

TEST_CASE("what is below a prefix goes, and what patterns leave out stays") {
  const S3Place place{bucket()};
  for (const char* key : {"x/a.csv", "x/한글 & <b>.csv", "x/deep/c.csv", "x/keep/d.csv", "x/e.txt", "xy/f.csv"})
    place.put(key, "12345");
  const std::vector<std::pair<std::string, Value>> given{
      {"prefix", place.uri + "x/"}, {"include", list_of({"*.csv"})}, {"exclude", list_of({"keep/"})}};
  auto dry = given;
  dry.emplace_back("dry_run", true);
  S3Try dry_run = attempt(place, dry);
  const Value would = dry_run.value();
  CHECK(would.integer("would_delete") == 3);
  CHECK(would.find("deleted") == nullptr);
  CHECK(would.integer("bytes") == 15);
  CHECK_THAT(dry_run.logged(), Catch::Contains("would delete " + place.uri + "x/한글 & <b>.csv"));
  CHECK(place.names().size() == 6);
  const Value done = attempt(place, given).value();
  CHECK(done.integer("deleted") == 3);
  CHECK(place.names() == std::vector<std::string>{"x/e.txt", "x/keep/d.csv", "xy/f.csv"});
  CHECK(attempt(place, given).value().integer("deleted") == 0);
}

TEST_CASE("keys are deleted, those that are not there too") {
  const S3Place place{bucket()};
  for (const char* key : {"a", "b", "c"}) place.put(key, "x");
  const Value done =
      attempt(place, {{"keys", list_of({place.uri + "a", place.uri + "b", place.uri + "absent", place.uri + "a"})}})
          .value();
  CHECK(done.integer("deleted") == 3);
  CHECK(place.names() == std::vector<std::string>{"c"});
  CHECK_THAT(attempt(place, {{"keys", list_of({place.uri})}}).error().message, Catch::Contains("is no object's"));
  CHECK(attempt(place, {{"keys", list_of({place.uri + "c"})}, {"dry_run", true}}).value().integer("would_delete") == 1);
  CHECK(place.names() == std::vector<std::string>{"c"});
}

TEST_CASE("more than a request takes goes by several, and more than was expected does not go at all") {
  const S3Place place{bucket()};
  std::vector<std::string> keys;
  for (int i = 0; i < 1203; ++i) keys.push_back("many/" + std::to_string(i));
  for (const std::string& key : keys) place.put(key, "");
  CHECK_THAT(attempt(place, {{"prefix", place.uri + "many/"}, {"objects_max", 1202}}).error().message,
             Catch::StartsWith("more than 1202 objects are below " + place.uri + "many/, so nothing was deleted"));
  CHECK(place.names().size() == 1203);
  const test::StoreProxy proxy(bucket().lake.option("endpoint_url"), {}, [&](int, const SeenRequest& seen) {
    if (seen.method == "POST") {
      const auto bytes = md5(seen.body);
      CHECK(seen.header("content-md5") == to_base64(bytes));
      CHECK(seen.header("x-amz-checksum-sha256") == to_base64(sha256(seen.body)));
    }
    return std::optional<FaultReply>();
  });
  CHECK(attempt(place, {{"prefix", place.uri + "many/"}}, proxy.url()).value().integer("deleted") == 1203);
  CHECK(place.names().empty());
}

TEST_CASE("what people delete by mistake is refused") {
  const S3Place place{bucket()};
  place.put("dt=2026-01-1/a", "x");
  const auto refusal = [&](std::vector<std::pair<std::string, Value>> given) {
    const Error error = attempt(place, std::move(given)).error();
    CHECK(error.kind == ErrorKind::invalid);
    return error.message;
  };
  const std::string whole = "s3://" + bucket().name + "/";
  CHECK(refusal({{"prefix", whole}}) == "prefix: `" + whole +
                                            "` is the whole bucket; if that is meant, say "
                                            "`whole_bucket: " +
                                            bucket().name + "`");
  CHECK_THAT(refusal({{"prefix", whole}, {"whole_bucket", "another"}}), Catch::Contains("is the whole bucket"));
  CHECK_THAT(refusal({{"prefix", place.uri}, {"whole_bucket", bucket().name}}),
             Catch::Contains("is not the whole bucket"));
  CHECK_THAT(refusal({{"prefix", place.uri + "dt=2026-01-1"}}), Catch::Contains("also begins other names"));
  CHECK_THAT(refusal({{"prefix", whole + "/"}}), Catch::Contains("has an empty name"));
  CHECK_THAT(refusal({{"prefix", place.uri + "x//"}}), Catch::Contains("has an empty name"));
  CHECK_THAT(refusal({{"prefix", place.uri + "dt=/"}}), Catch::Contains("a partition without a value"));
  CHECK(refusal({}) == "give either `keys` or `prefix`");
  CHECK(refusal({{"prefix", place.uri}, {"keys", list_of({place.uri + "a"})}}) == "give either `keys` or `prefix`");
  CHECK(place.names().size() == 1);
}

TEST_CASE("the whole bucket goes if its name is said twice") {
  test::S3Bucket own("udon-delete-whole");
  const S3Place place{own};
  place.put("a", "x");
  REQUIRE(own.files->write("s3://udon-delete-whole/top", "x", {}));
  attempt(place, {{"prefix", "s3://udon-delete-whole/"}, {"whole_bucket", "udon-delete-whole"}}).value();
  const auto left = own.files->list("s3://udon-delete-whole/");
  REQUIRE(left);
  CHECK(left->empty());
}

TEST_CASE("only what is old goes, by the store's clock, and nothing that is written meanwhile") {
  const S3Place place{bucket()};
  const auto object = [](const std::string& key, const std::string& at) {
    return "<Contents><Key>x/" + key + "</Key><Size>1</Size><LastModified>" + at + "</LastModified></Contents>";
  };
  std::atomic<int> lists = 0;
  std::string deleted;
  const test::FaultServer server([&](const SeenRequest& seen) {
    if (seen.method == "POST") {
      deleted += seen.body;
      return test::reply(200, "<DeleteResult/>");
    }
    // One is written anew between the two lists.
    const std::string at = ++lists > 1 ? "2030-01-31T12:00:01Z" : "2029-01-01T00:00:00Z";
    return test::reply(200,
                       "<ListBucketResult>" + object("old", "2030-01-01T12:00:00.000Z") +
                           object("young", "2030-01-01T12:00:01.000Z") + object("unknown", "") +
                           object("rewritten", at) + "<IsTruncated>false</IsTruncated></ListBucketResult>",
                       "Date: Thu, 31 Jan 2030 12:00:00 GMT\r\n");
  });
  const Value done = attempt(place, {{"prefix", "s3://lake/x/"}, {"older_than", "30d"}}, server.url()).value();
  CHECK_THAT(deleted, Catch::Contains("<Key>x/old</Key>") && !Catch::Contains("young") && !Catch::Contains("unknown") &&
                          !Catch::Contains("rewritten"));
  CHECK(done.integer("deleted") == 1);
}

TEST_CASE("what the store does not delete is named, and what it cannot for the moment is asked for again") {
  const S3Place place{bucket()};
  const auto run = [&](std::vector<std::string> answers) {
    auto next = std::make_shared<std::atomic<size_t>>(0);
    const test::FaultServer server([=](const SeenRequest&) {
      return test::reply(200, answers[std::min(next->fetch_add(1), answers.size() - 1)]);
    });
    S3Try given = attempt(place, {{"keys", list_of({"s3://lake/a", "s3://lake/b"})}}, server.url());
    auto outcome = given.run();
    return std::pair(std::move(outcome), server.requests());
  };
  const auto [refused, once] =
      run({"<DeleteResult><Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>"});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::denied);
  CHECK(refused.error().message ==
        "after 1 objects were deleted: the store did not delete s3://lake/b: AccessDenied: no; the identity's and the "
        "bucket's policy must allow s3:DeleteObject there; the next try deletes the others");
  CHECK(once.size() == 1);
  const auto [repeated, twice] =
      run({"<DeleteResult><Error><Key>b</Key><Code>InternalError</Code></Error></DeleteResult>", "<DeleteResult/>"});
  REQUIRE(repeated);
  REQUIRE(twice.size() == 2);
  CHECK_THAT(twice[1].body, Catch::Contains("<Key>b</Key>") && !Catch::Contains("<Key>a</Key>"));
  const auto [broken, three] = run({"<Error><Code>InternalError</Code></Error>", "<html/>", "<DeleteResult/>"});
  CHECK_FALSE(broken);
}

TEST_CASE("any request of a deletion may fail once") {
  const auto fault = GENERATE(values<std::string>({"dropped", "503", "cut after it was done"}));
  INFO(fault);
  int failing = 0;
  for (bool has_failed = true; has_failed; ++failing) {
    REQUIRE(failing < 20);
    const S3Place place{bucket()};
    for (const char* key : {"x/a", "x/b", "y"}) place.put(key, "x");
    std::atomic<bool> is_hit = false;
    const auto hit = [&](bool is_after, int number) -> std::optional<FaultReply> {
      if (number != failing || is_after != (fault == "cut after it was done")) return std::nullopt;
      is_hit = true;
      return fault == "503" ? test::reply(503, "<Error><Code>SlowDown</Code></Error>") : test::hang_up();
    };
    const test::StoreProxy proxy(
        bucket().lake.option("endpoint_url"), [&](int number, const SeenRequest&) { return hit(false, number); },
        [&](int number, const SeenRequest&) { return hit(true, number); });
    CHECK(attempt(place, {{"prefix", place.uri + "x/"}}, proxy.url()).value().integer("deleted") == 2);
    CHECK(place.names() == std::vector<std::string>{"y"});
    has_failed = is_hit;
  }
  CHECK(failing == 4);
}

TEST_CASE("who may not delete is told so") {
  const S3Place place{bucket()};
  place.put("x/a", "x");
  const Error error = attempt(place, {{"prefix", place.uri + "x/"}, {"connection", "reader"}}).error();
  CHECK(error.kind == ErrorKind::denied);
  CHECK_THAT(error.message, Catch::Contains("s3:DeleteObject"));
  CHECK(place.names().size() == 1);
}

}  // namespace
}  // namespace udon
