#include "connections/secrets/aws_credentials.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "base/text.h"
#include "connections/secrets/aws_profile.h"
#include "tests/base/temporary_folder.h"
#include "tests/support/fault_server.h"

namespace udon {
namespace {

using namespace std::chrono_literals;
using test::FaultServer;
using test::reply;
using test::SeenRequest;

struct World {
  TemporaryFolder home;
  Environment environment{{"HOME", home.path().string()}, {"AWS_EC2_METADATA_DISABLED", "true"}};
  FakeClock clock{*parse_time("2026-01-31T12:00:00Z")};
  HttpClient http;

  void write(const std::string& name, const std::string& text) {
    REQUIRE(make_directories(home.path() / ".aws"));
    REQUIRE(write_file_atomically(home.path() / ".aws" / name, text, Durability::survives_kill));
  }
  Result<std::unique_ptr<AwsCredentialCache>> make(const Connection* connection = nullptr) {
    return make_aws_credentials(connection, environment, http, clock);
  }
  Result<AwsIdentity> get(const Connection* connection = nullptr) {
    auto cache = make(connection);
    if (!cache) return cache.error();
    return (*cache)->get();
  }
};

Connection aws(std::vector<std::pair<std::string, std::string>> options = {}, const std::string& login = {},
               const std::string& password = {}) {
  Connection connection{.id = "lake", .type = "aws", .login = login, .password = password};
  for (auto& [key, value] : options) connection.extra.set(key, value);
  return connection;
}

AwsCredentials keys(const std::string& name, const std::string& token = {}) { return {name, name + "-secret", token}; }

std::string metadata_answer(const std::string& name, const std::string& expires) {
  return "{\"AccessKeyId\": \"" + name + "\", \"SecretAccessKey\": \"" + name +
         "-secret\", \"Token\": \"token\", \"Expiration\": \"" + expires + "\"}";
}

std::string sts_answer(const std::string& action, const std::string& name, const std::string& expires) {
  return "<" + action + "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" + action +
         "Result><Credentials><AccessKeyId>" + name + "</AccessKeyId><SecretAccessKey>" + name +
         "-secret</SecretAccessKey><SessionToken>token</SessionToken><Expiration>" + expires +
         "</Expiration></Credentials></" + action + "Result></" + action + "Response>";
}

TEST_CASE("the connection's keys come first, then the environment's, then the profile's") {
  World world;
  world.write("credentials", "[default]\naws_access_key_id = profile\naws_secret_access_key = profile-secret\n");
  CHECK(world.get()->keys == keys("profile"));
  CHECK(world.get()->source == "profile `default`");
  world.environment["AWS_ACCESS_KEY_ID"] = "env";
  world.environment["AWS_SECRET_ACCESS_KEY"] = "env-secret";
  CHECK(world.get()->keys == keys("env"));
  world.environment["AWS_SESSION_TOKEN"] = "token";
  CHECK(world.get()->keys == keys("env", "token"));
  const Connection empty = aws();
  CHECK(world.get(&empty)->keys == keys("env", "token"));
  const Connection own = aws({{"aws_session_token", "mine"}}, "own", "own-secret");
  CHECK(world.get(&own)->keys == keys("own", "mine"));
  CHECK(world.get(&own)->source == "connection `lake`");
  const Connection half = aws({}, "own");
  CHECK(world.get(&half).error().message ==
        "connection `lake`: it has only one of login (access key id) and password (secret key)");
}

TEST_CASE("without credentials anywhere the message says where it was looked") {
  World world;
  const auto identity = world.get();
  REQUIRE_FALSE(identity);
  CHECK(identity.error().kind == ErrorKind::denied);
  CHECK_THAT(identity.error().message, Catch::StartsWith("no AWS credentials: looked in the connection"));
}

TEST_CASE("profile files are read as AWS's tools read them") {
  World world;
  world.write(
      "config",
      "# a comment\n[default]\nregion = eu-west-1\n\n[profile dev]\nregion=ap-northeast-2 # Seoul\n"
      "s3 =\n  addressing_style = path\naws_access_key_id = dev-old\n[sso-session corp]\nsso_region = us-east-1\n");
  world.write("credentials",
              "[dev]\r\naws_access_key_id=dev\r\naws_secret_access_key=dev-secret\r\naws_session_token = a=b\r\n");
  CHECK(aws_region(nullptr, world.environment) == "eu-west-1");
  const Connection dev = aws({{"profile_name", "dev"}});
  CHECK(world.get(&dev)->keys == AwsCredentials{"dev", "dev-secret", "a=b"});
  CHECK(aws_region(&dev, world.environment) == "ap-northeast-2");
  world.environment["AWS_PROFILE"] = "dev";
  CHECK(world.get()->source == "profile `dev`");
  CHECK(aws_region(nullptr, world.environment) == "ap-northeast-2");
  world.environment["AWS_DEFAULT_REGION"] = "us-west-2";
  CHECK(aws_region(nullptr, world.environment) == "us-west-2");
  const Connection typo = aws({{"profile_name", "defaul"}});
  CHECK(world.get(&typo).error().message ==
        "there is no profile `defaul` in ~/.aws/config or ~/.aws/credentials; did you mean `default`?");
  world.write("credentials", "aws_secret_access_key = very-secret\n");
  const auto broken = world.get();
  REQUIRE_FALSE(broken);
  CHECK_THAT(broken.error().message,
             Catch::EndsWith("credentials:1: expected a section such as [default] before the first setting"));
  CHECK_THAT(broken.error().message, !Catch::Contains("very-secret"));
}

TEST_CASE("a container's endpoint is asked with its token, and again before the keys expire") {
  World world;
  std::atomic<int> asked = 0;
  FaultServer server([&](const SeenRequest&) {
    ++asked;
    return reply(200, metadata_answer("c" + std::to_string(asked),
                                      asked == 1 ? "2026-01-31T13:00:00Z" : "2026-01-31T18:00:00Z"));
  });
  world.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server.url() + "/creds";
  world.environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "Basic abc";
  const auto cache = world.make();
  REQUIRE(cache);
  CHECK((*cache)->get()->keys == keys("c1", "token"));
  world.clock.advance(54min);
  CHECK((*cache)->get()->keys == keys("c1", "token"));
  CHECK(asked == 1);
  world.clock.advance(2min);
  CHECK((*cache)->get()->keys == keys("c2", "token"));
  // What a service refused as expired is asked for anew, once.
  (*cache)->forget(keys("c1", "token"));
  CHECK((*cache)->get()->keys == keys("c2", "token"));
  (*cache)->forget(keys("c2", "token"));
  CHECK((*cache)->get()->keys == keys("c3", "token"));
  CHECK(asked == 3);
  CHECK(server.requests().at(0).header("authorization") == "Basic abc");
  CHECK(server.requests().at(0).target == "/creds");
  world.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://metadata.example.com/creds";
  CHECK(world.get().error().kind == ErrorKind::denied);
}

TEST_CASE("while an endpoint is down the keys are used as long as they are good") {
  World world;
  std::atomic<bool> is_down = false;
  FaultServer server([&](const SeenRequest&) {
    return is_down ? reply(503, "") : reply(200, metadata_answer("c", "2026-01-31T13:00:00Z"));
  });
  world.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server.url();
  const auto cache = world.make();
  REQUIRE(cache);
  REQUIRE((*cache)->get());
  is_down = true;
  world.clock.advance(57min);
  CHECK((*cache)->get()->keys == keys("c", "token"));
  world.clock.advance(4min);
  const auto expired = (*cache)->get();
  REQUIRE_FALSE(expired);
  CHECK(expired.error() ==
        Error{ErrorKind::unavailable, "the container's credentials endpoint answered with status 503"});
}

TEST_CASE("many threads ask an endpoint once") {
  World world;
  std::atomic<int> asked = 0;
  FaultServer server([&](const SeenRequest&) {
    ++asked;
    return reply(200, metadata_answer("c", "2026-01-31T18:00:00Z"));
  });
  world.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server.url();
  const auto cache = world.make();
  REQUIRE(cache);
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        const auto identity = (*cache)->get();
        if (identity && identity->keys == keys("c", "token")) ++right;
      });
    }
  }
  CHECK(right == 8);
  CHECK(asked == 1);
}

TEST_CASE("an instance's role is asked for with a session token") {
  World world;
  world.environment.erase("AWS_EC2_METADATA_DISABLED");
  FaultServer server([&](const SeenRequest& seen) {
    if (seen.method == "PUT" && seen.target == "/latest/api/token") return reply(200, "imds-token");
    if (seen.header("x-aws-ec2-metadata-token") != "imds-token") return reply(401);
    if (seen.target.ends_with("/security-credentials/")) return reply(200, "lake-role\n");
    if (seen.target.ends_with("/security-credentials/lake-role"))
      return reply(200, metadata_answer("i", "2026-01-31T18:00:00Z"));
    return reply(404);
  });
  world.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = server.url() + "/";
  const auto identity = world.get();
  if (!identity) FAIL(identity.error().message);
  CHECK(identity->keys == keys("i", "token"));
  CHECK(identity->expires == parse_time("2026-01-31T18:00:00Z"));
  CHECK(server.requests().size() == 3);
  CHECK(server.requests().at(0).header("x-aws-ec2-metadata-token-ttl-seconds") == "21600");
}

TEST_CASE("a machine that is no instance, or has no role, has no credentials there") {
  World world;
  world.environment.erase("AWS_EC2_METADATA_DISABLED");
  FaultServer without_role([](const SeenRequest& seen) { return seen.method == "PUT" ? reply(200, "t") : reply(404); });
  world.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = without_role.url();
  CHECK_THAT(world.get().error().message, Catch::StartsWith("no AWS credentials"));
  FaultServer other([](const SeenRequest&) { return test::hang_up(); });
  world.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = other.url();
  CHECK_THAT(world.get().error().message, Catch::StartsWith("no AWS credentials"));
}

TEST_CASE("a role is assumed with the connection's keys, signed for STS") {
  World world;
  FaultServer sts([](const SeenRequest&) { return reply(200, sts_answer("AssumeRole", "r", "2026-01-31T13:00:00Z")); });
  const Connection connection = aws({{"role_arn", "arn:aws:iam::1:role/lake"},
                                     {"external_id", "a b+c"},
                                     {"region_name", "eu-west-1"},
                                     {"sts_endpoint_url", sts.url()}},
                                    "own", "own-secret");
  const auto cache = world.make(&connection);
  REQUIRE(cache);
  const auto identity = (*cache)->get();
  if (!identity) FAIL(identity.error().message);
  CHECK(identity->keys == keys("r", "token"));
  CHECK(identity->source == "role arn:aws:iam::1:role/lake");
  const SeenRequest seen = sts.requests().at(0);
  CHECK(seen.body ==
        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Flake&RoleSessionName=udon&"
        "ExternalId=a%20b%2Bc&"
        "DurationSeconds=3600");
  CHECK_THAT(seen.header("authorization"), Catch::Contains("Credential=own/20260131/eu-west-1/sts/aws4_request"));
  world.clock.advance(56min);
  REQUIRE((*cache)->get());
  CHECK(sts.requests().size() == 2);
}

TEST_CASE("a role that STS refuses is named with STS's words") {
  World world;
  FaultServer sts([](const SeenRequest&) {
    return reply(403,
                 "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User is not "
                 "authorized</Message></Error></ErrorResponse>");
  });
  const Connection connection = aws({{"role_arn", "arn:r"}, {"sts_endpoint_url", sts.url()}}, "own", "own-secret");
  CHECK(world.get(&connection).error() ==
        Error{ErrorKind::denied, "assuming role arn:r: STS answered 403 AccessDenied: User is not authorized"});
}

TEST_CASE("profiles assume roles from other profiles, and never in a circle") {
  World world;
  FaultServer sts([](const SeenRequest& seen) {
    const std::string who = seen.header("authorization").find("Credential=base/") != std::string::npos ? "one" : "two";
    return reply(200, sts_answer("AssumeRole", who, "2026-01-31T13:00:00Z"));
  });
  world.environment["AWS_ENDPOINT_URL_STS"] = sts.url();
  world.write(
      "config",
      "[profile base]\naws_access_key_id=base\naws_secret_access_key=base-secret\n"
      "[profile one]\nrole_arn=arn:one\nsource_profile=base\n[profile two]\nrole_arn=arn:two\nsource_profile=one\n"
      "[profile loop]\nrole_arn=arn:loop\nsource_profile=pool\n[profile pool]\nrole_arn=arn:pool\nsource_profile=loop\n"
      "[profile "
      "self]\nrole_arn=arn:self\nsource_profile=self\naws_access_key_id=base\naws_secret_access_key=base-secret\n"
      "[profile sso]\nsso_session=corp\n");
  const auto get = [&](const std::string& name) {
    const Connection connection = aws({{"profile_name", name}});
    return world.get(&connection);
  };
  CHECK(get("one")->keys == keys("one", "token"));
  CHECK(get("two")->keys == keys("two", "token"));
  CHECK(get("self")->keys == keys("one", "token"));
  CHECK(get("loop").error() == Error{ErrorKind::invalid, "profile `loop`: its source_profile leads back to it"});
  CHECK(get("sso").error().kind == ErrorKind::unsupported);
}

TEST_CASE("a service account's token is exchanged for keys, read anew each time") {
  World world;
  FaultServer sts([](const SeenRequest&) {
    return reply(200, sts_answer("AssumeRoleWithWebIdentity", "w", "2026-01-31T13:00:00Z"));
  });
  world.environment["AWS_ENDPOINT_URL_STS"] = sts.url();
  world.environment["AWS_ROLE_ARN"] = "arn:web";
  world.environment["AWS_WEB_IDENTITY_TOKEN_FILE"] = (world.home.path() / ".aws" / "token").string();
  world.write("token", "jwt-1\n");
  const auto cache = world.make();
  REQUIRE(cache);
  CHECK((*cache)->get()->keys == keys("w", "token"));
  world.write("token", "jwt-2\n");
  world.clock.advance(56min);
  REQUIRE((*cache)->get());
  CHECK_THAT(sts.requests().at(0).body, Catch::EndsWith("&WebIdentityToken=jwt-1"));
  CHECK_THAT(sts.requests().at(1).body, Catch::EndsWith("&WebIdentityToken=jwt-2"));
  CHECK(sts.requests().at(0).header("authorization").empty());
}

}  // namespace
}  // namespace udon
