// Rules against the real store (what it knows: expiry) and against one that keeps what it is told.
#include "plugins/io/s3_lifecycle.h"

#include "tests/s3_ops/s3_bucket.h"

namespace udon {
namespace {

using test::FaultReply;
using test::list_of;
using test::map_of;
using test::S3Try;
using test::SeenRequest;

Value rules_of(std::vector<Value> rules) {
  Value list = Value::list();
  for (Value& rule : rules) list.push_back(std::move(rule));
  return list;
}
Value transitions(std::vector<std::pair<int64_t, std::string>> steps) {
  Value list = Value::list();
  for (const auto& [days, storage_class] : steps)
    list.push_back(map_of({{"after_days", days}, {"storage_class", storage_class}}));
  return list;
}

// Keeps a configuration as S3 does, and checks how it is sent.
struct RuleStore {
  std::string xml;
  std::string minimum_size;
  int writes = 0;
  int failing = -1;  // the request that gets `fault`, from 0
  FaultReply fault;
  int asked = 0;
  test::FaultServer server{[this](const SeenRequest& seen) {
    CHECK_THAT(seen.target, Catch::EndsWith("?lifecycle="));
    CHECK_THAT(seen.header("authorization"), Catch::Contains("AWS4-HMAC-SHA256"));
    if (asked++ == failing) return fault;
    if (seen.method == "GET") {
      if (xml.empty()) return test::reply(404, "<Error><Code>NoSuchLifecycleConfiguration</Code></Error>");
      return test::reply(200, xml, "x-amz-transition-default-minimum-object-size: varies_by_storage_class\r\n");
    }
    ++writes;
    if (seen.method == "DELETE") {
      xml.clear();
      return test::reply(204);
    }
    CHECK(seen.header("content-md5") == to_base64(md5(seen.body)));
    CHECK(seen.header("x-amz-checksum-sha256") == to_base64(sha256(seen.body)));
    CHECK(seen.header("x-amz-content-sha256") == to_hex(sha256(seen.body)));
    minimum_size = seen.header("x-amz-transition-default-minimum-object-size");
    xml = seen.body;
    return test::reply(200);
  }};
};

struct World {
  TemporaryFolder home;
  S3Try attempt(const std::string& endpoint, std::vector<std::pair<std::string, Value>> given) const {
    given.insert(given.begin(), {{"bucket", "udon-lake"}, {"connection", "lake"}});
    const auto connection =
        parse_connection_uri("lake", "aws://key:udonsecret@/?endpoint_url=" + percent_encode(endpoint));
    REQUIRE(connection);
    return S3Try("s3_lifecycle", map_of(std::move(given)), *connection, home.path());
  }
};

const std::string theirs =
    "<LifecycleConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
    "<Rule><ID>theirs</ID><Prefix>tmp/</Prefix><Status>Enabled</Status><Expiration><Date>2030-01-01T00:00:00.000Z</"
    "Date>"
    "</Expiration><Novelty><Of>2031</Of></Novelty></Rule>"
    "<Rule><ID>ours</ID><Filter><Prefix>logs/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>30</Days>"
    "</Expiration></Rule></LifecycleConfiguration>";

TEST_CASE("rules are merged by their ids, a second run changes nothing, and others' rules stay") {
  const World world;
  RuleStore store;
  store.xml = theirs;
  const auto given = [](bool is_dry) {
    return std::vector<std::pair<std::string, Value>>{
        {"rules", rules_of({map_of({{"id", "ours"}, {"prefix", "logs/"}, {"expire_after_days", 14}}),
                            map_of({{"id", "cold"},
                                    {"prefix", "로그/"},
                                    {"tags", map_of({{"team", "정산"}})},
                                    {"larger_than", "128KiB"},
                                    {"transitions", transitions({{30, "STANDARD_IA"}, {90, "DEEP_ARCHIVE"}})},
                                    {"expire_after_days", 730}}),
                            map_of({{"id", "unfinished"}, {"abort_uploads_after_days", 7}})})},
        {"dry_run", is_dry}};
  };
  S3Try dry = world.attempt(store.server.url(), given(true));
  const Value would = dry.value();
  CHECK_FALSE(would.flag("changed"));
  CHECK(to_json(would.get("would_add")) == R"(["cold","unfinished"])");
  CHECK(to_json(would.get("would_update")) == R"(["ours"])");
  CHECK_THAT(dry.logged(), Catch::Contains("- ours: Expiration/Days=30, Filter/Prefix=logs/, Status=Enabled\n"
                                           "+ ours: Expiration/Days=14, Filter/Prefix=logs/, Status=Enabled"));
  CHECK(store.writes == 0);
  CHECK(store.xml == theirs);

  const Value done = world.attempt(store.server.url(), given(false)).value();
  CHECK(done.flag("changed"));
  CHECK(done.integer("rules") == 4);
  CHECK(store.writes == 1);
  CHECK(store.minimum_size == "varies_by_storage_class");
  CHECK_THAT(
      store.xml,
      Catch::Contains("<Rule><ID>theirs</ID><Prefix>tmp/</Prefix><Status>Enabled</Status><Expiration><Date>2030-01-"
                      "01T00:00:00.000Z</Date></Expiration><Novelty><Of>2031</Of></Novelty></Rule>") &&
          Catch::Contains("<Rule><ID>cold</ID><Filter><And><Prefix>로그/</Prefix><Tag><Key>team</Key><Value>정산"
                          "</Value></Tag><ObjectSizeGreaterThan>131072</ObjectSizeGreaterThan></And></Filter>"
                          "<Status>Enabled</Status><Transition><Days>30</Days><StorageClass>STANDARD_IA"
                          "</StorageClass></Transition><Transition><Days>90</Days><StorageClass>DEEP_ARCHIVE"
                          "</StorageClass></Transition><Expiration><Days>730</Days></Expiration></Rule>") &&
          Catch::Contains("<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation>"));
  const Value again = world.attempt(store.server.url(), given(false)).value();
  CHECK_FALSE(again.flag("changed"));
  CHECK(to_json(again.get("unchanged")) == R"(["ours","cold","unfinished"])");
  CHECK(store.writes == 1);

  const Value removed =
      world.attempt(store.server.url(), {{"remove", list_of({"ours", "cold", "unfinished", "absent"})}}).value();
  CHECK(to_json(removed.get("removed")) == R"(["ours","cold","unfinished"])");
  CHECK(removed.integer("rules") == 1);
  CHECK_FALSE(world.attempt(store.server.url(), {{"remove", list_of({"ours"})}}).value().flag("changed"));
  world.attempt(store.server.url(), {{"remove", list_of({"theirs"})}}).value();
  CHECK(store.xml.empty());
}

TEST_CASE("a rule as other programs write it is the same rule") {
  const LifecycleRule rule{.id = "r", .prefix = "a/", .abort_days = 7, .expires_delete_markers = false};
  for (const char* filter : {"<Prefix>a/</Prefix>", "<Filter><Prefix>a/</Prefix></Filter>",
                             "<Filter>\n  <And><Prefix>a/</Prefix></And>\n</Filter>"}) {
    const auto plan = plan_lifecycle("<?xml version=\"1.0\"?><LifecycleConfiguration><Rule><Status>Enabled</Status>" +
                                         std::string(filter) +
                                         "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation>"
                                         "</AbortIncompleteMultipartUpload><ID>r</ID></Rule></LifecycleConfiguration>",
                                     {rule}, {});
    REQUIRE(plan);
    CHECK_FALSE(plan->has_change());
  }
  const LifecycleRule of_all{.id = "r", .abort_days = 7};
  for (const char* filter : {"<Prefix/>", "<Filter/>", "<Filter><Prefix></Prefix></Filter>"}) {
    INFO(filter);
    const auto plan =
        plan_lifecycle("<LifecycleConfiguration><Rule><ID>r</ID>" + std::string(filter) +
                           "<Status>Enabled</Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>7"
                           "</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>"
                           "</LifecycleConfiguration>",
                       {of_all}, {});
    REQUIRE(plan);
    CHECK_FALSE(plan->has_change());
  }
  CHECK(plan_lifecycle("<html/>", {rule}, {}).error().kind == ErrorKind::unavailable);
}

TEST_CASE("rules that would hurt or do nothing are refused before anything is asked") {
  const World world;
  RuleStore store;
  const auto refusal = [&](Value rule) {
    const Error error = world.attempt(store.server.url(), {{"rules", rules_of({std::move(rule)})}}).error();
    CHECK(error.kind == ErrorKind::invalid);
    return error.message;
  };
  CHECK(refusal(map_of({{"id", "all"}, {"expire_after_days", 1}})) ==
        "rules: `all`: it would delete what is in the whole bucket; give a prefix, or say `whole_bucket: true`");
  CHECK_THAT(refusal(map_of({{"id", "x"}, {"prefix", "s3://udon-lake/logs/"}, {"expire_after_days", 1}})),
             Catch::Contains("without the bucket"));
  CHECK_THAT(refusal(map_of({{"id", "x"}, {"prefix", "a/"}})), Catch::Contains("it does nothing"));
  CHECK_THAT(
      refusal(map_of(
          {{"id", "x"}, {"prefix", "a/"}, {"transitions", transitions({{30, "GLACIER"}, {30, "DEEP_ARCHIVE"}})}})),
      Catch::Contains("is not later than GLACIER"));
  CHECK_THAT(
      refusal(map_of(
          {{"id", "x"}, {"prefix", "a/"}, {"transitions", transitions({{30, "GLACIER"}})}, {"expire_after_days", 30}})),
      Catch::Contains("not later than the move to GLACIER"));
  CHECK_THAT(refusal(map_of({{"id", "x"}, {"tags", map_of({{"a", "b"}})}, {"abort_uploads_after_days", 3}})),
             Catch::Contains("make it a rule of its own"));
  const Value twice = map_of({{"id", "x"}, {"prefix", "a/"}, {"expire_after_days", 3}});
  CHECK_THAT(world.attempt(store.server.url(), {{"rules", rules_of({twice, twice})}}).error().message,
             Catch::Contains("it is there twice"));
  CHECK(store.server.requests().empty());
  CHECK(world
            .attempt(store.server.url(),
                     {{"rules", rules_of({map_of({{"id", "all"}, {"expire_after_days", 1}, {"whole_bucket", true}})})}})
            .value()
            .flag("changed"));
}

TEST_CASE("the real store keeps what it is told, and refuses by name what it does not know") {
  const TemporaryFolder home;
  const Connection lake = test::Services().s3("udon-rules");
  const auto attempt = [&](std::vector<std::pair<std::string, Value>> given) {
    given.insert(given.begin(), {{"bucket", "udon-rules"}, {"connection", "lake"}});
    return S3Try("s3_lifecycle", map_of(std::move(given)), lake, home.path());
  };
  attempt({{"remove", list_of({"a", "b"})}}).value();
  const auto rules = rules_of({map_of({{"id", "a"}, {"prefix", "logs/"}, {"expire_after_days", 30}})});
  CHECK(attempt({{"rules", rules}}).value().flag("changed"));
  CHECK_FALSE(attempt({{"rules", rules}}).value().flag("changed"));
  CHECK(attempt({{"rules", rules_of({map_of({{"id", "b"}, {"prefix", "tmp/"}, {"expire_after_days", 3}})})}})
            .value()
            .integer("rules") == 2);
  const Error unknown =
      attempt({{"rules",
                rules_of({map_of({{"id", "c"}, {"prefix", "x/"}, {"transitions", transitions({{3, "GLACIER"}})}})})}})
          .error();
  CHECK(unknown.kind == ErrorKind::unsupported);
  CHECK_THAT(unknown.message, Catch::Contains("501 NotImplemented"));
  CHECK(attempt({{"remove", list_of({"a", "b"})}}).value().integer("rules") == 0);
  S3Try reader = attempt({{"rules", rules}, {"connection", "reader"}});
  const Error denied = reader.error();
  CHECK(denied.kind == ErrorKind::denied);
  CHECK_THAT(denied.message, Catch::Contains("LifecycleConfiguration)"));
  S3Try absent = attempt({{"rules", rules}, {"bucket", "udon-no-such-bucket"}});
  CHECK_THAT(absent.error().message, Catch::Contains("there is no bucket `udon-no-such-bucket`"));
}

TEST_CASE("any request about rules may fail once") {
  const World world;
  for (int failing = 0; failing < 2; ++failing) {
    for (const FaultReply& fault :
         {test::hang_up(), test::reply(503, "<Error><Code>SlowDown</Code></Error>"), test::reply(500)}) {
      RuleStore store;
      store.xml = theirs;
      store.failing = failing, store.fault = fault;
      const Value done =
          world
              .attempt(store.server.url(),
                       {{"rules", rules_of({map_of({{"id", "ours"}, {"prefix", "logs/"}, {"expire_after_days", 7}})})}})
              .value();
      CHECK(done.flag("changed"));
      CHECK(store.writes == 1);
      CHECK_THAT(store.xml, Catch::Contains("<Days>7</Days>") && Catch::Contains("<ID>theirs</ID>"));
    }
  }
}

}  // namespace
}  // namespace udon
