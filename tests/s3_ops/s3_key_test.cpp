// The sensor against the real store, and against one that answers as it likes.
#include "tests/s3_ops/s3_bucket.h"

namespace udon {
namespace {

using test::map_of;
using test::S3Place;
using test::S3Try;

test::S3Bucket& bucket() {
  static test::S3Bucket made("udon-key");
  return made;
}

S3Try poke_for(const S3Place& place, const std::string& key, std::vector<std::pair<std::string, Value>> more = {}) {
  more.insert(more.begin(), {{"key", key}, {"connection", "lake"}});
  return S3Try("s3_key", map_of(std::move(more)), place.bucket.lake, place.home.path());
}

Sensor::Poke poke(S3Try&& attempt) {
  const auto poked = attempt.poke();
  if (!poked) FAIL(poked.error().message);
  return *poked;
}

Error error_of(S3Try&& attempt) {
  const auto poked = attempt.poke();
  REQUIRE_FALSE(poked);
  CHECK_THAT(poked.error().message, !Catch::Contains("anothersecret") && !Catch::Contains("udonsecret"));
  return poked.error();
}

TEST_CASE("a key is waited for, and nothing that only begins like it") {
  const S3Place place{bucket()};
  const std::string key = place.uri + "주문/dt=2026-01-01/_SUCCESS";
  place.put("주문/dt=2026-01-01/_SUCCESS.bak", "x");
  const auto waiting = poke(poke_for(place, key));
  CHECK_FALSE(waiting.is_met);
  CHECK(waiting.message == "nothing is at " + key + " yet");
  place.put("주문/dt=2026-01-01/_SUCCESS", "");
  const auto met = poke(poke_for(place, key));
  CHECK(met.is_met);
  CHECK(met.message == "1 object at " + key + ", 0 bytes");
  CHECK(to_json(met.return_value) == R"({"count":1,"bytes":0,"uris":[")" + key + "\"]}");
  const auto empty = poke(poke_for(place, key, {{"bytes_at_least", "1KB"}}));
  CHECK_FALSE(empty.is_met);
  CHECK(empty.message == "0 objects at " + key + "; " + key + " has 0 bytes, waiting for 1000");
}

TEST_CASE("a pattern and a prefix are counted") {
  const S3Place place{bucket()};
  for (const char* key : {"in/a.csv", "in/b.csv", "in/b.txt", "in/deep/c.csv", "other/d.csv"}) place.put(key, "12345");
  CHECK(poke(poke_for(place, place.uri + "in/*.csv", {{"count_at_least", 2}})).is_met);
  const auto three = poke(poke_for(place, place.uri + "in/*.csv", {{"count_at_least", 3}}));
  CHECK_FALSE(three.is_met);
  CHECK(three.message == "2 objects at " + place.uri + "in/*.csv, waiting for 3");
  const auto deep = poke(poke_for(place, place.uri + "in/**/*.csv", {{"count_at_least", 3}}));
  CHECK(deep.is_met);
  CHECK(deep.return_value.integer("bytes") == 15);
  CHECK(poke(poke_for(place, place.uri + "in/", {{"count_at_least", 4}})).is_met);
  CHECK_FALSE(poke(poke_for(place, place.uri + "in/", {{"count_at_least", 5}})).is_met);
  CHECK_FALSE(poke(poke_for(place, place.uri + "in/?.json")).is_met);
}

TEST_CASE("what was written just now is waited for until it is quiet, by the store's clock") {
  const S3Place place{bucket()};
  place.put("a", "1");
  place.put("b", "2");
  const auto fresh = poke(poke_for(place, place.uri, {{"unchanged_for", "1h"}}));
  CHECK_FALSE(fresh.is_met);
  CHECK_THAT(fresh.message, Catch::StartsWith("2 objects at " + place.uri + ", but " + place.uri) &&
                                Catch::EndsWith(" ago, waiting for 1h without a change"));
  // A store whose clock is a year ahead of ours.
  const std::string page =
      "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>x/a</Key><Size>3</Size>"
      "<ETag>\"e\"</ETag><LastModified>2027-11-23T10:00:00.000Z</LastModified></Contents>"
      "</ListBucketResult>";
  for (const auto& [date, is_met] : {std::pair<std::string, bool>{"Tue, 23 Nov 2027 10:59:59 GMT", false},
                                     {"Tue, 23 Nov 2027 11:00:00 GMT", true}}) {
    const test::FaultServer server(
        [&, when = date](const test::SeenRequest&) { return test::reply(200, page, "Date: " + when + "\r\n"); });
    S3Try attempt("s3_key", map_of({{"key", "s3://lake/x/"}, {"connection", "lake"}, {"unchanged_for", "1h"}}),
                  place.through(server.url()), place.home.path());
    const auto poked = attempt.poke();
    REQUIRE(poked);
    CHECK(poked->is_met == is_met);
  }
}

TEST_CASE("what waiting would not help fails at once, and what may pass is told as such") {
  const S3Place place{bucket()};
  const Error unknown = error_of(poke_for(place, "s3://udon-no-such-bucket/x"));
  CHECK(unknown.kind == ErrorKind::invalid);
  CHECK_THAT(unknown.message, Catch::Contains("there is no bucket `udon-no-such-bucket`"));
  S3Try wrong = poke_for(place, place.uri + "x");
  wrong.connections["lake"].password = "anothersecret";
  const Error denied = error_of(std::move(wrong));
  CHECK(denied.kind == ErrorKind::denied);
  CHECK_THAT(denied.message, Catch::Contains("the secret key is wrong"));
  CHECK(error_of(poke_for(place, "s3://" + bucket().name + "/")).kind == ErrorKind::invalid);
  CHECK(error_of(poke_for(place, place.uri + "[x")).kind == ErrorKind::invalid);
  CHECK_THAT(error_of(poke_for(place, place.uri + "x", {{"count_at_least", 2}})).message,
             Catch::Contains("is one object"));
  for (const auto& [answer, kind, says] :
       {std::tuple<test::FaultReply, ErrorKind, std::string>{
            test::reply(403, "<Error><Code>AccessDenied</Code></Error>"), ErrorKind::denied, "(s3:ListBucket)"},
        {test::reply(503, "<Error><Code>SlowDown</Code></Error>"), ErrorKind::unavailable, "503 SlowDown"},
        {test::hang_up(), ErrorKind::unavailable, "cut"},
        {test::reply(200, "<html/>"), ErrorKind::unavailable, "no <ListBucketResult>"}}) {
    INFO(says);
    const test::FaultServer server([&, reply = answer](const test::SeenRequest&) { return reply; });
    S3Try attempt("s3_key", map_of({{"key", "s3://lake/x"}, {"connection", "lake"}}), place.through(server.url()),
                  place.home.path());
    const auto poked = attempt.poke();
    REQUIRE_FALSE(poked);
    CHECK(poked.error().kind == kind);
    CHECK_THAT(poked.error().message, Catch::Contains(says));
    CHECK(server.requests().size() <= 2);  // a poke does not take long
  }
}

TEST_CASE("a poke looks at so many keys and no more") {
  const S3Place place{bucket()};
  std::string contents;
  for (int i = 0; i < 1000; ++i)
    contents += "<Contents><Key>x/" + std::to_string(i) + "</Key><Size>1</Size></Contents>";
  std::atomic<int> page = 0;
  const test::FaultServer server([&](const test::SeenRequest&) {
    return test::reply(200, "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>" +
                                std::to_string(++page) + "</NextContinuationToken>" + contents + "</ListBucketResult>");
  });
  const auto attempt = [&](std::vector<std::pair<std::string, Value>> more) {
    more.insert(more.begin(), {{"key", "s3://lake/x/*.csv"}, {"connection", "lake"}});
    return S3Try("s3_key", map_of(std::move(more)), place.through(server.url()), place.home.path()).poke();
  };
  const auto waiting = attempt({});
  REQUIRE(waiting);
  CHECK_FALSE(waiting->is_met);
  CHECK_THAT(waiting->message, Catch::EndsWith("of more than 20000 keys that begin so no more were looked at: give a "
                                               "longer beginning"));
  CHECK(server.requests().size() == 20);
}

}  // namespace
}  // namespace udon
