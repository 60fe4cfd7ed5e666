// What a store does wrong, and what we do then. The store is a test's: no real one fails on demand.
#include <set>

#include "base/text.h"
#include "plugins/io/retry.h"
#include "plugins/io/s3_settings.h"
#include "tests/io/faults.h"

namespace udon {
namespace {

using namespace std::chrono_literals;
using test::check_no_secret;
using test::FaultReply;
using test::FaultServer;
using test::reply;
using test::SeenRequest;
using test::xml_error;
using Client = test::FaultClient;
using Store = test::FaultStore;

TEST_CASE("an overloaded or broken store is asked again, with pauses that grow and differ") {
  const auto [fault, name] = GENERATE(table<FaultReply, std::string>({
      {reply(503, xml_error("SlowDown")), "503 SlowDown"},
      {reply(503), "503 without a body"},
      {reply(500, xml_error("InternalError")), "500"},
      {reply(502, "<html>Bad gateway</html>"), "a proxy's 502"},
      {reply(429, xml_error("TooManyRequests")), "429"},
      {reply(400, xml_error("RequestTimeout")), "RequestTimeout"},
      {test::hang_up(), "no answer"},
      {FaultReply{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", FaultReply::Then::close}, "cut in mid-answer"},
      {FaultReply{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", FaultReply::Then::fall_silent},
       "a body that stops"},
  }));
  INFO(name);
  Store store({fault, fault, reply(200, "content")});
  Client client(store.server(), "", 500ms);
  const auto content = client.files->read("s3://lake/key", 100);
  if (!content) FAIL(content.error().message);
  CHECK(*content == "content");
  CHECK(store.asked() == 3);
  REQUIRE(client.pauses.size() == 2);
  CHECK(client.pauses[0] >= 100ms);
  CHECK(client.pauses[0] <= 200ms);
  CHECK(client.pauses[1] >= 200ms);
  CHECK(client.pauses[1] <= 400ms);
}

TEST_CASE("pauses double up to a limit, and are random within their upper half") {
  std::set<Duration> seen;
  for (int attempt = 1; attempt <= 40; ++attempt) {
    const Duration whole = std::min<Duration>(10s, 200ms * (int64_t{1} << std::min(attempt - 1, 6)));
    for (const uint64_t random : {uint64_t{0}, uint64_t{12345}, ~uint64_t{0}}) {
      CHECK(backoff(attempt, random) >= whole / 2);
      CHECK(backoff(attempt, random) <= whole);
      seen.insert(backoff(attempt, random));
    }
  }
  CHECK(seen.size() > 15);
}

TEST_CASE("a store that stays ill is given up with its last words") {
  Store store({reply(503, xml_error("SlowDown", "Please reduce your request rate."))});
  Client client(store.server());
  const auto written = client.files->write("s3://lake/dt=2026-01-01/한글", "x", {});
  REQUIRE_FALSE(written);
  CHECK(written.error() ==
        Error{ErrorKind::unavailable,
              "write s3://lake/dt=2026-01-01/한글 at " + store.server().host() +
                  ": the store answered 503 SlowDown: Please reduce your request rate. (asked 8 times)"});
  CHECK(store.asked() == 8);
  Client hasty(store.server(), "&max_attempts=2");
  CHECK_FALSE(hasty.files->remove("s3://lake/key"));
  CHECK(store.asked() == 10);
}

TEST_CASE("a store may ask for a longer pause") {
  Store store({reply(503, "", "Retry-After: 7\r\n"), reply(503, "", "Retry-After: 86400\r\n"), reply(200, "x")});
  Client client(store.server());
  REQUIRE(client.files->read("s3://lake/key", 10));
  REQUIRE(client.pauses.size() == 2);
  CHECK(client.pauses[0] == 7s);
  CHECK(client.pauses[1] == 30s);
}

TEST_CASE("a refusal is final, named and without secrets") {
  struct Row {
    int status;
    std::string code;
    ErrorKind kind;
    std::string says;
  };
  const Row row = GENERATE(values<Row>({
      {403, "AccessDenied", ErrorKind::denied,
       "not allowed for the keys of connection `lake`: the identity's policy, the bucket's policy and, with SSE-KMS, "
       "the key's "
       "must let it write there (s3:PutObject) [403 AccessDenied]"},
      {404, "NoSuchBucket", ErrorKind::invalid,
       "there is no bucket `lake`: check its name and the connection's endpoint_url, or create it [404 NoSuchBucket]"},
      {403, "InvalidAccessKeyId", ErrorKind::denied,
       "the store does not know the keys of connection `lake`: wrong access key id, deleted, or of another store [403 "
       "InvalidAccessKeyId]"},
      {403, "SignatureDoesNotMatch", ErrorKind::denied,
       "the signature made with the keys of connection `lake` does not match: the secret key is wrong, or a proxy "
       "between "
       "changed the request [403 SignatureDoesNotMatch]"},
      {403, "RequestTimeTooSkewed", ErrorKind::denied,
       "the clocks differ: this machine is 17m30s behind; set this machine's by NTP [403 RequestTimeTooSkewed]"},
      {400, "InvalidToken", ErrorKind::denied,
       "the session token in the keys of connection `lake` is not valid [400 InvalidToken]"},
      {412, "PreconditionFailed", ErrorKind::conflict, "somebody else wrote it meanwhile [412 PreconditionFailed]"},
      {409, "ConditionalRequestConflict", ErrorKind::conflict,
       "somebody else is writing it [409 ConditionalRequestConflict]"},
      {400, "InvalidStorageClass", ErrorKind::unsupported,
       "the store refused: 400 InvalidStorageClass: The store's words."},
      {501, "NotImplemented", ErrorKind::unsupported, "the store refused: 501 NotImplemented: The store's words."},
      {400, "InvalidArgument", ErrorKind::invalid, "the store refused: 400 InvalidArgument: The store's words."},
      {403, "", ErrorKind::denied, "the store refused: 403"},
      {405, "", ErrorKind::invalid, "the store refused: 405"},
  }));
  INFO(row.status << " " << row.code);
  Store store(
      {reply(row.status, row.code.empty() ? "" : xml_error(row.code), "Date: Sat, 31 Jan 2026 12:17:30 GMT\r\n")});
  Client client(store.server());
  const auto written = client.files->write("s3://lake/key", "x", {});
  REQUIRE_FALSE(written);
  CHECK(written.error().kind == row.kind);
  CHECK(written.error().message == "write s3://lake/key at " + store.server().host() + ": " + row.says);
  CHECK(store.asked() == 1);
  CHECK(client.pauses.empty());
  check_no_secret(written.error());
}

TEST_CASE("why a HEAD was refused is asked by a GET") {
  Store store({reply(403), reply(403, xml_error("InvalidAccessKeyId"))});
  Client client(store.server());
  const auto info = client.files->stat("s3://lake/key");
  REQUIRE_FALSE(info);
  CHECK_THAT(info.error().message, Catch::Contains("the store does not know the keys of connection `lake`"));
  CHECK(store.server().requests().at(1).method == "GET");
}

TEST_CASE("a bucket that is not there is no missing object") {
  Store missing({reply(404), reply(404, xml_error("NoSuchBucket"))});
  const auto info = Client(missing.server()).files->stat("s3://lake/key");
  REQUIRE_FALSE(info);
  CHECK_THAT(info.error().message, Catch::Contains("there is no bucket `lake`"));
  // Who may look up objects but not list them is told nothing of the bucket.
  Store unlisted({reply(404), reply(403, xml_error("AccessDenied"))});
  const auto absent = Client(unlisted.server()).files->stat("s3://lake/key");
  REQUIRE(absent);
  CHECK_FALSE(*absent);
}

TEST_CASE("a store that cannot be reached is named with its host") {
  std::string url;
  std::unique_ptr<Client> client;
  {
    FaultServer server([](const SeenRequest&) { return reply(200); });
    client = std::make_unique<Client>(server);
    url = server.host();
  }
  const auto read = client->files->read("s3://lake/key", 10);
  REQUIRE_FALSE(read);
  CHECK(read.error().kind == ErrorKind::unavailable);
  CHECK_THAT(read.error().message, Catch::StartsWith("read s3://lake/key: " + url + " takes no connection") &&
                                       Catch::EndsWith("(asked 8 times)"));
}

TEST_CASE("each attempt that failed and is repeated is a line for the log") {
  Store store({reply(503, xml_error("SlowDown")), reply(502), reply(200, "x")});
  Client client(store.server());
  REQUIRE(client.files->read("s3://lake/dt=1/key", 10));
  REQUIRE(client.log.size() == 2);
  CHECK_THAT(client.log[0], Catch::StartsWith("udon: read s3://lake/dt=1/key: " + store.server().host() +
                                              " answered 503 SlowDown; attempt 2 of 8 in ") &&
                                Catch::EndsWith("ms"));
  CHECK_THAT(client.log[1],
             Catch::StartsWith("udon: read s3://lake/dt=1/key: " + store.server().host() + " answered 502; ") &&
                 Catch::Contains(" attempt 3 of 8 in "));
  Client content(store.server());
  REQUIRE(content.files->read("s3://lake/key", 10));
  CHECK(content.log.empty());
}

TEST_CASE("a store that takes requests and never answers is given up in bounded time, and the log tells meanwhile") {
  const FaultServer server([](const SeenRequest&) { return FaultReply{"", FaultReply::Then::fall_silent}; });
  std::vector<std::string> log;
  IoContext context{.clock = test::system_clock, .environment = {}, .stall = 300ms, .silence_max = 1s};
  context.log = [&](std::string_view line) { log.emplace_back(line); };
  const auto connection =
      parse_connection_uri("lake", "aws://AKIDLAKE:very-secret-key@/?endpoint_url=" + percent_encode(server.url()));
  REQUIRE(connection);
  const auto files = test::open_store(*connection, "lake", context);
  const auto read = files->read("s3://lake/key", 10);
  REQUIRE_FALSE(read);
  CHECK(read.error().kind == ErrorKind::timeout);
  // Each attempt is silent for 300 ms or a little more: a fourth would end after the second that all may take.
  CHECK(server.requests().size() <= 3);
  CHECK(log.size() + 1 == server.requests().size());
  REQUIRE_FALSE(log.empty());
  CHECK_THAT(log[0], Catch::StartsWith("udon: read s3://lake/key: " + server.host() +
                                       ": silent for 300ms; attempt 2 of 8 in "));
  CHECK_THAT(read.error().message, Catch::StartsWith("read s3://lake/key: ") && Catch::Contains("silent for 300ms") &&
                                       Catch::EndsWith("no request waits longer than 1s for a silent store"));
  check_no_secret(read.error());
}

TEST_CASE("a stop ends the waiting for a store") {
  Store store({reply(503)});
  Client client(store.server());
  client.stops_at_pause = true;
  const auto read = client.files->read("s3://lake/key", 10);
  REQUIRE_FALSE(read);
  CHECK(read.error().kind == ErrorKind::cancelled);
  CHECK(store.asked() == 1);
  // The real pause ends at once too.
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  CHECK_FALSE(pause_unless_stopped(1h, stop.get_token()));
  CHECK(pause_unless_stopped(1us, {}));
}

TEST_CASE("a bucket in another region is found, and remembered") {
  const auto fault = GENERATE(values({
      reply(301, xml_error("PermanentRedirect"), "x-amz-bucket-region: ap-northeast-2\r\n"),
      reply(400, xml_error("AuthorizationHeaderMalformed", "wrong", "<Region>ap-northeast-2</Region>")),
      reply(400, "", "x-amz-bucket-region: ap-northeast-2\r\n"),
  }));
  Store store({fault, reply(200, "one"), reply(200, "two")});
  Client client(store.server());
  CHECK(client.files->read("s3://lake/key", 10) == "one");
  CHECK(client.files->read("s3://lake/key", 10) == "two");
  CHECK(client.pauses.empty());
  const auto seen = store.server().requests();
  REQUIRE(seen.size() == 3);
  CHECK_THAT(seen[0].header("authorization"), Catch::Contains("/us-east-1/s3/"));
  CHECK_THAT(seen[1].header("authorization"), Catch::Contains("/ap-northeast-2/s3/"));
  CHECK_THAT(seen[2].header("authorization"), Catch::Contains("/ap-northeast-2/s3/"));
}

TEST_CASE("a region that the store does not accept itself is no endless loop") {
  int turn = 0;
  FaultServer server([&turn](const SeenRequest&) {
    return reply(301, xml_error("PermanentRedirect"), "x-amz-bucket-region: region-" + std::to_string(++turn) + "\r\n");
  });
  Client client(server);
  const auto read = client.files->read("s3://lake/key", 10);
  REQUIRE_FALSE(read);
  CHECK(read.error().kind == ErrorKind::invalid);
  CHECK_THAT(read.error().message, Catch::Contains("bucket `lake` is not in region region-3"));
  CHECK(server.requests().size() == 4);
}

TEST_CASE("a temporary redirect leads to another door of the same store only") {
  FaultServer other([](const SeenRequest&) { return reply(200, "from the other"); });
  Store store({reply(307, xml_error("TemporaryRedirect"), "Location: " + other.url() + "/lake/key\r\n")});
  CHECK(Client(store.server()).files->read("s3://lake/key", 100) == "from the other");
  Store evil({reply(307, xml_error("TemporaryRedirect"), "Location: http://store.example.com/lake/key\r\n")});
  const auto read = Client(evil.server()).files->read("s3://lake/key", 100);
  REQUIRE_FALSE(read);
  CHECK_THAT(read.error().message, Catch::Contains("307 TemporaryRedirect"));
  CHECK(evil.asked() == 1);
}

TEST_CASE("bytes that a store received wrong are sent again, and never believed") {
  Store once({reply(400, xml_error("BadDigest")), reply(200, "", "ETag: \"e\"\r\n")});
  CHECK(Client(once.server()).files->write("s3://lake/key", "x", {}));
  CHECK(once.asked() == 2);
  Store always({reply(400, xml_error("BadDigest"))});
  const auto damaged = Client(always.server()).files->write("s3://lake/key", "x", {});
  REQUIRE_FALSE(damaged);
  CHECK(damaged.error().kind == ErrorKind::data);
  CHECK_THAT(damaged.error().message, Catch::Contains("the store received other bytes than were sent"));
  Store silent({reply(200, "", "ETag: \"e\"\r\nx-amz-checksum-sha256: " + to_base64(sha256("y")) + "\r\n")});
  const auto other = Client(silent.server()).files->write("s3://lake/key", "x", {});
  REQUIRE_FALSE(other);
  CHECK(other.error().kind == ErrorKind::data);
  CHECK_THAT(other.error().message, Catch::Contains("the store says that it keeps other bytes than were sent"));
}

TEST_CASE("every content carries its SHA-256, signed") {
  Store store({reply(200, "", "ETag: \"e\"\r\n")});
  Client client(store.server(), "&server_side_encryption=aws%3Akms&ssekms_key_id=key-1&storage_class=STANDARD_IA");
  REQUIRE(client.files->write("s3://lake/key", "content",
                              {.metadata = {{"note", "한글"}, {"plain", "a b"}}, .if_match = "e0"}));
  const SeenRequest seen = store.server().requests().at(0);
  CHECK(seen.header("x-amz-checksum-sha256") == to_base64(sha256("content")));
  CHECK(seen.header("x-amz-content-sha256") == to_hex(sha256("content")));
  CHECK(seen.header("x-amz-meta-note") == "=?UTF-8?B?7ZWc6riA?=");
  CHECK(seen.header("x-amz-meta-plain") == "a b");
  CHECK(seen.header("x-amz-server-side-encryption") == "aws:kms");
  CHECK(seen.header("x-amz-server-side-encryption-aws-kms-key-id") == "key-1");
  CHECK(seen.header("x-amz-storage-class") == "STANDARD_IA");
  CHECK(seen.header("if-match") == "\"e0\"");
  CHECK(seen.header("x-amz-security-token") == "very-secret-token");
  CHECK_THAT(seen.header("authorization"), Catch::Contains("x-amz-checksum-sha256") && Catch::Contains("if-match"));
  CHECK_FALSE(client.files->write("s3://lake/key", "x", {.metadata = {{"Upper", "x"}}}));
  CHECK_FALSE(client.files->write("s3://lake/key", "x", {.metadata = {{"long", std::string(3000, 'x')}}}));
  CHECK(store.asked() == 1);
}

TEST_CASE("a conditional write whose answer was lost is not taken for somebody else's") {
  const std::string checksum = "x-amz-checksum-sha256: " + to_base64(sha256("mine")) + "\r\n";
  const auto write = [](const FaultServer& server) {
    return Client(server).files->write("s3://lake/key", "mine", {.metadata = {{"try", "7"}}, .if_none_match = true});
  };
  const FaultReply conflict = reply(412, xml_error("PreconditionFailed"));
  Store lost({test::hang_up(), conflict, reply(200, "", "ETag: \"e\"\r\nx-amz-meta-try: 7\r\n" + checksum)});
  const auto mine = write(lost.server());
  if (!mine) FAIL(mine.error().message);
  CHECK(mine->etag == "e");
  // Somebody else with the same content is still somebody else.
  Store others({test::hang_up(), conflict, reply(200, "", "ETag: \"e\"\r\nx-amz-meta-try: 6\r\n" + checksum)});
  CHECK(write(others.server()).error().kind == ErrorKind::conflict);
  Store at_once({conflict});
  CHECK(write(at_once.server()).error().kind == ErrorKind::conflict);
  CHECK(at_once.asked() == 1);
}

TEST_CASE("a list is read page by page, whatever its keys are called") {
  FaultServer server([](const SeenRequest& seen) {
    const bool is_second = seen.target.find("continuation-token=next%2F%2B%3D") != seen.target.npos;
    return reply(200, std::string("<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>") +
                          (is_second ? "false" : "true") +
                          "</IsTruncated><NextContinuationToken>next/+=</NextContinuationToken>"
                          "<Contents><Key>a+b%2Bc%26%0A" +
                          (is_second ? "2" : "1") +
                          "</Key><Size>5000000000</Size><ETag>&quot;e&quot;</ETag><StorageClass>GLACIER</StorageClass>"
                          "</Contents></ListBucketResult>");
  });
  const auto listed = Client(server).files->list("s3://lake/a b");
  if (!listed) FAIL(listed.error().message);
  REQUIRE(listed->size() == 2);
  CHECK((*listed)[0].uri == "s3://lake/a b+c&\n1");
  CHECK((*listed)[1].uri == "s3://lake/a b+c&\n2");
  CHECK((*listed)[0].bytes == 5'000'000'000);
  CHECK((*listed)[0].etag == "e");
  CHECK((*listed)[0].storage_class == "GLACIER");
  // One that never ends is not followed for ever.
  Store endless(
      {reply(200,
             "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
             "</ListBucketResult>")});
  CHECK_FALSE(Client(endless.server()).files->list("s3://lake/"));
  Store nonsense({reply(200, "<html>Welcome to the hotel's network</html>")});
  CHECK(Client(nonsense.server()).files->list("s3://lake/").error().message ==
        "list s3://lake/: the store's answer is no <ListBucketResult>");
}

TEST_CASE("a store that ignores the range is not believed") {
  Store store({reply(200, "the whole of it")});
  CHECK(Client(store.server()).files->read_range("s3://lake/key", 4, 5).error().kind == ErrorKind::unsupported);
}

TEST_CASE("requests go to the bucket's host or to its path, as is set") {
  Store store({reply(200, "x")});
  REQUIRE(Client(store.server()).files->read("s3://lake/a/b", 10));
  CHECK(store.server().requests().at(0).target == "/lake/a/b");
  const auto place = [](const std::string& options, const std::string& bucket) {
    const auto connection = parse_connection_uri("lake", "aws://k:s@/?region_name=ap-northeast-2" + options);
    REQUIRE(connection);
    const auto settings = s3_settings(&*connection, {});
    REQUIRE(settings);
    const S3Place found = place_of(*settings, bucket, settings->region);
    return found.scheme + "://" + found.host + found.path;
  };
  CHECK(place("", "lake") == "https://lake.s3.ap-northeast-2.amazonaws.com");
  CHECK(place("", "lake.with.dots") == "https://s3.ap-northeast-2.amazonaws.com/lake.with.dots");
  CHECK(place("", "Old_Bucket") == "https://s3.ap-northeast-2.amazonaws.com/Old_Bucket");
  CHECK(place("&addressing_style=path", "lake") == "https://s3.ap-northeast-2.amazonaws.com/lake");
  CHECK(place("&endpoint_url=https%3A%2F%2Fstore.example.com%3A9000%2Fs3%2F", "lake") ==
        "https://store.example.com:9000/s3/lake");
  CHECK(place("&endpoint_url=https%3A%2F%2Fstore.example.com&addressing_style=virtual", "lake") ==
        "https://lake.store.example.com");
}

TEST_CASE("a connection's options are checked before anything is sent") {
  const auto error_of = [](const std::string& options) {
    const auto connection = parse_connection_uri("lake", "aws://key:very-secret-key@/?" + options);
    REQUIRE(connection);
    const auto made = make_file_system("s3://lake/", *connection, test::io_context());
    REQUIRE_FALSE(made);
    check_no_secret(made.error());
    return made.error().message;
  };
  CHECK(error_of("addressing_style=vhost") ==
        "connection `lake`: addressing_style is path, virtual or auto, not `vhost`");
  CHECK(error_of("endpoint_url=store") ==
        "connection `lake`: endpoint_url: expected a URL such as https://host:port/path: no `://`");
  CHECK(error_of("region_name=evil.example.com%2F") == "connection `lake`: expected a region such as ap-northeast-2");
  CHECK(error_of("max_attempts=0") == "connection `lake`: max_attempts is a number from 1 to 100");
}

}  // namespace
}  // namespace udon
