#include <catch2/catch.hpp>

#include "base/net/aws_sigv4.h"
#include "base/net/digest.h"
#include "base/random.h"
#include "base/subprocess.h"
#include "base/text.h"
#include "base/value.h"
#include "tests/base/temporary_folder.h"
#include "tests/golden.h"

namespace udon {
namespace {

const std::string empty_digest = to_hex(sha256(""));

struct Case {
  AwsRequest request;
  AwsCredentials credentials;
  TimePoint now;
};

Value pairs(const std::vector<std::pair<std::string, std::string>>& list) {
  Value out = Value::list();
  for (const auto& [name, value] : list) out.push_back(Value(Value::List{name, value}));
  return out;
}

std::vector<std::string> sign_by_botocore(const std::vector<Case>& cases) {
  Value list = Value::list();
  for (const auto& [request, credentials, now] : cases) {
    Value value = Value::map();
    value.set("method", request.method);
    value.set("host", request.host);
    value.set("path", request.path);
    value.set("query", pairs(request.query));
    value.set("headers", pairs(request.headers));
    value.set("payload_sha256", request.payload_sha256);
    value.set("region", request.region);
    value.set("service", request.service);
    value.set("access_key_id", credentials.access_key_id);
    value.set("secret_access_key", credentials.secret_access_key);
    value.set("session_token", credentials.session_token);
    value.set("now", format_aws_time(now));
    list.push_back(std::move(value));
  }
  const TemporaryFolder folder;
  const Path file = folder.path() / "cases.json";
  REQUIRE(write_file_atomically(file, to_json(list), Durability::survives_kill));
  const auto output =
      run_command({.argv = {(test::source_folder() / ".deps/venv/bin/python").string(),
                            (test::source_folder() / "tests/net/botocore_sign.py").string(), file.string()},
                   .environment = current_environment()},
                  std::chrono::seconds(60));
  REQUIRE(output);
  INFO(output->standard_error);
  REQUIRE(output->status.succeeded());
  std::vector<std::string> signatures;
  const auto parsed = parse_json(output->standard_output);
  REQUIRE(parsed);
  for (const Value& signature : parsed->as_list()) signatures.push_back(signature.as_string());
  REQUIRE(signatures.size() == cases.size());
  return signatures;
}

std::string authorization_of(const SignedAwsRequest& signed_request) {
  for (const auto& [name, value] : signed_request.headers) {
    if (name == "authorization") return value;
  }
  return "";
}

void check_against_botocore(const std::vector<Case>& cases) {
  const auto expected = sign_by_botocore(cases);
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto signed_request = sign_aws_request(cases[i].request, cases[i].credentials, cases[i].now);
    INFO("case " << i << ": " << cases[i].request.method << " " << signed_request.target);
    CHECK(authorization_of(signed_request) == expected[i]);
  }
}

const AwsCredentials keys{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};
const AwsCredentials session{"ASIAEXAMPLE", "secret/with+signs=", "FwoGZXIvYXdzEA8aD//==+"};

TEST_CASE("a signature is the one that botocore makes") {
  const TimePoint now = *parse_time("2026-01-31T23:59:59.999999Z");
  const AwsRequest base{
      .host = "lake.s3.ap-northeast-2.amazonaws.com", .payload_sha256 = empty_digest, .region = "ap-northeast-2"};
  std::vector<Case> cases;
  const auto add = [&](auto change) {
    for (const AwsCredentials& credentials : {keys, session}) {
      AwsRequest request = base;
      change(request);
      cases.push_back({request, credentials, now});
    }
  };
  for (const std::string path : {"/", "/plain", "/orders/dt=2026-01-01/part-00000.parquet", "/a b/c  d",
                                 "/주문/한글 파일.parquet", "/a+b", "/100%", "/a%2Fb", "/a//b///c", "//",
                                 "/~user/.x_y-z", "/a/./b/../c", "/!*'();:@&=$,[]?#", "/quote\"<>\\^`{|}", "/끝/"}) {
    add([&](AwsRequest& r) { r.path = path; });
    add([&](AwsRequest& r) { r.path = path, r.method = "PUT", r.payload_sha256 = to_hex(sha256("content")); });
  }
  using Query = std::vector<std::pair<std::string, std::string>>;
  for (const Query& query :
       std::initializer_list<Query>{{{"uploads", ""}},
                                    {{"uploadId", "a/b+c=="}, {"partNumber", "12"}},
                                    {{"prefix", "dt=2026-01-01/한글 +%~"},
                                     {"list-type", "2"},
                                     {"delimiter", "/"},
                                     {"continuation-token", "1/=="}},
                                    {{"b", "2"}, {"a", "2"}, {"b", "1"}, {"a", "1"}, {"a", ""}},
                                    {{"a-b", "1"}, {"a", "2"}, {"a.b", "3"}, {"A", "4"}, {"a%", "5"}, {"a b", "6"}},
                                    {{"", "no name"}}}) {
    add([&](AwsRequest& r) { r.query = query; });
  }
  add([](AwsRequest& r) {
    r.headers = {{"X-Amz-Meta-Note", "  two   spaces\tand a tab  "}, {"Content-Type", "text/plain"}};
  });
  add([](AwsRequest& r) { r.headers = {{"x-amz-meta-b", "2"}, {"x-amz-meta-a", "1"}, {"Range", "bytes=0-9"}}; });
  add([](AwsRequest& r) { r.headers = {{"x-amz-meta-same", "one"}, {"X-Amz-Meta-Same", "two "}}; });
  add([](AwsRequest& r) { r.headers = {{"x-amz-meta-empty", ""}, {"If-None-Match", "*"}, {"If-Match", "\"abc\""}}; });
  add([](AwsRequest& r) { r.payload_sha256 = unsigned_payload; });
  add([](AwsRequest& r) { r.host = "127.0.0.1:8333", r.path = "/bucket/key", r.region = "us-east-1"; });
  for (const std::string path : {"/", "/a b/c", "/a//b/../c/", "/%41", "/한글"}) {
    add([&](AwsRequest& r) { r.service = "execute-api", r.path = path, r.query = {{"Action", "X"}, {"B", "한"}}; });
  }
  add([](AwsRequest& r) {
    r.service = "sts", r.method = "POST", r.host = "sts.eu-west-1.amazonaws.com", r.region = "eu-west-1";
    r.headers = {{"content-type", "application/x-www-form-urlencoded"}};
  });
  check_against_botocore(cases);
}

TEST_CASE("signatures of a thousand random requests are those of botocore") {
  const uint64_t seed = 20260131;
  Random random(seed);
  const std::vector<std::string> pieces{"a", "B", "0", "/",  "//", "=", " ",  "+", "%", "%2F", "~",
                                        "-", "_", ".", "..", "&",  "?", "한", "é", "😀", "\"",  "'",
                                        "(", "*", "!", ",",  ":",  ";", "@",  "$", "#", "[",   "\\"};
  const auto text = [&](uint64_t length_max) {
    std::string out;
    for (uint64_t i = random.below(length_max + 1); i > 0; --i) out += pieces[random.below(pieces.size())];
    return out;
  };
  std::vector<Case> cases;
  for (int i = 0; i < 1000; ++i) {
    AwsRequest request{.method = random.one_in(2) ? "PUT" : "GET",
                       .host = "bucket.example.com:9000",
                       .path = "/" + text(20),
                       .payload_sha256 = to_hex(sha256(text(5))),
                       .region = "eu-central-1"};
    for (uint64_t q = random.below(5); q > 0; --q) request.query.emplace_back(text(4), text(6));
    cases.push_back(
        {request, random.one_in(2) ? keys : session, TimePoint(std::chrono::seconds(random.below(4'000'000'000)))});
  }
  INFO("seed " << seed);
  check_against_botocore(cases);
}

TEST_CASE("what is sent is what was signed") {
  const auto signed_request = sign_aws_request({.host = "h",
                                                .path = "/dt=2026-01-01/a b+c%/한",
                                                .query = {{"uploads", ""}, {"a", "b c"}},
                                                .headers = {{"range", "bytes=0-1"}},
                                                .payload_sha256 = empty_digest,
                                                .region = "r"},
                                               session, *parse_time("2026-01-31T00:00:00Z"));
  CHECK(signed_request.target == "/dt%3D2026-01-01/a%20b%2Bc%25/%ED%95%9C?a=b%20c&uploads=");
  const auto& headers = signed_request.headers;
  CHECK(headers[0] == std::pair<std::string, std::string>("range", "bytes=0-1"));
  CHECK(headers[1] == std::pair<std::string, std::string>("x-amz-date", "20260131T000000Z"));
  CHECK(headers[2] == std::pair<std::string, std::string>("x-amz-content-sha256", empty_digest));
  CHECK(headers[3] == std::pair<std::string, std::string>("x-amz-security-token", session.session_token));
}

TEST_CASE("HMAC-SHA-256 gives the values of RFC 4231") {
  CHECK(to_hex(hmac_sha256(std::string(20, '\x0b'), "Hi There")) ==
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

}  // namespace
}  // namespace udon
