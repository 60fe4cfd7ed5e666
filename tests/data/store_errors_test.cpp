// What parquet_convert (and so every operator that publishes a table) says and leaves when the store or the disk is not
// as it should be.
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "base/id.h"
#include "base/text.h"
#include "tests/data/operator_world.h"
#include "tests/data/store_proxy.h"
#include "tests/io/store.h"

namespace udon {
namespace {

using test::FaultReply;
using test::FaultServer;
using test::OperatorRun;
using test::Parameters;
using test::SeenRequest;
using test::StoreProxy;

const std::string bucket = "udon-store-errors";

const Connection& store_connection() {
  static const Connection connection = test::Services().s3(bucket);
  return connection;
}

std::string xml_error(const std::string& code, const std::string& more = "") {
  return "<Error><Code>" + code + "</Code><Message>the store's words</Message>" + more + "</Error>";
}

struct Convert : OperatorRun {
  explicit Convert(const std::string& to, const std::string& endpoint = "", int lines = 1000)
      : OperatorRun("parquet_convert", {{"from", "prices.csv"},
                                        {"to", to},
                                        {"to_connection", "lake"},
                                        {"schema", Value(Value::Map{{"sku", "string"}, {"price", "decimal(12,2)"}})}}) {
    context.connections["lake"] = store_connection();
    context.connections["lake"].id = "lake";
    if (!endpoint.empty()) context.connections["lake"].extra.set("endpoint_url", endpoint);
    context.connections["lake"].extra.set("max_attempts", "2");
    std::string csv = "sku,price\n";
    for (int i = 0; i < lines; ++i) csv += to_hex(sha256(std::to_string(i))) + "," + std::to_string(i) + ".25\n";
    REQUIRE(make_directories(context.staging_folder));
    test::write_test_file(context.staging_folder.parent_path() / "prices.csv", csv);
    context.parameter_map.set("from", (context.staging_folder.parent_path() / "prices.csv").string());
  }
  Connection& lake() { return context.connections["lake"]; }
};

const std::string all_targets = make_secret(8) + "/";
std::string new_target() { return "s3://" + bucket + "/" + all_targets + make_secret(8) + "/prices/"; }

void check_says(const Error& error, ErrorKind kind, const std::vector<std::string>& words) {
  INFO(error.message);
  CHECK(to_string(error.kind) == to_string(kind));
  for (const std::string& word : words) CHECK_THAT(error.message, Catch::Contains(word));
}

std::vector<std::string> names_in(const std::string& target) {
  const auto listed = test::open_store(store_connection(), bucket)->list(target);
  if (!listed) FAIL(listed.error().message);
  std::vector<std::string> names;
  for (const ObjectInfo& object : *listed) names.push_back(object.uri.substr(target.size()));
  return names;
}

TEST_CASE("what a store refuses is named with host and object and not asked again; what it cannot just now is") {
  struct Case {
    int status;
    std::string code;
    ErrorKind kind;
    std::string says;
    int asked;
  };
  const Case c =
      GENERATE(Case{403, "AccessDenied", ErrorKind::denied, "not allowed for the keys of connection `lake`", 1},
               Case{403, "InvalidAccessKeyId", ErrorKind::denied, "does not know the keys of connection `lake`", 1},
               Case{403, "SignatureDoesNotMatch", ErrorKind::denied, "the secret key is wrong", 1},
               Case{404, "NoSuchBucket", ErrorKind::invalid, "there is no bucket `udon-store-errors`", 1},
               Case{400, "AuthorizationHeaderMalformed", ErrorKind::invalid,
                    "is not in region us-east-1, for which the request was signed; set region_name", 1},
               Case{500, "InternalError", ErrorKind::unavailable, "500 InternalError", 2},
               Case{503, "SlowDown", ErrorKind::unavailable, "503 SlowDown", 2});
  INFO(c.code);
  FaultServer server([&](const SeenRequest&) { return test::reply(c.status, xml_error(c.code)); });
  const std::string to = new_target();
  Convert run(to, server.url());
  check_says(run.failure(), c.kind, {c.says, server.host(), to});
  // The same thing; that there is no such object beside may have been found out before.
  const std::vector<SeenRequest> seen = server.requests();
  REQUIRE(!seen.empty());
  const auto is_last = [&](const SeenRequest& request) {
    return request.method == seen.back().method && request.target == seen.back().target;
  };
  CHECK(std::ranges::count_if(seen, is_last) == c.asked);
  CHECK(is_transient(c.kind) == (c.asked > 1));
}

TEST_CASE("a refusal at any request of a publication leaves the old result readable, and no parts") {
  const std::string code = GENERATE("AccessDenied", "SlowDown");
  bool was_reached = true;
  for (int number = 0; was_reached; ++number) {
    INFO(code << " at request " << number);
    const std::string to = new_target();
    Convert first(to, "", 10);
    REQUIRE(first.run());
    const auto store = test::open_store(store_connection(), bucket);
    const auto before = store->read(to + "part-00000.parquet", 1 << 20);
    std::atomic<bool> has_failed = false;
    StoreProxy proxy(store_connection().option("endpoint_url"),
                     [&](int at, const SeenRequest& seen) -> std::optional<FaultReply> {
                       // From there on; but what was begun may be taken back.
                       if (at < number || seen.method == "DELETE") return std::nullopt;
                       has_failed = true;
                       return test::reply(code == "SlowDown" ? 503 : 403, xml_error(code));
                     },
                     {});
    Convert run(to, proxy.url(), 2000);
    const auto outcome = run.run();
    was_reached = has_failed;
    if (!was_reached) break;
    REQUIRE_FALSE(outcome);
    CHECK_THAT(outcome.error().message, Catch::Contains(to));
    CHECK(is_transient(outcome.error().kind) == (code == "SlowDown"));
    // Whole: the old one, or after its completion the new one.
    const auto object = store->stat(to + "part-00000.parquet");
    const auto content = store->read(to + "part-00000.parquet", 1 << 20);
    REQUIRE((object && *object && content));
    if (*content != before.value_or("")) {
      for (const auto& [key, value] : (*object)->metadata)
        if (key == "udon-sha256") CHECK(value == to_hex(sha256(*content)));
    }
    const auto next = Convert(to, "", 2000).run();
    if (!next) FAIL(next.error().message);
    CHECK(names_in(to) == std::vector<std::string>{"_SUCCESS", "_manifest.json", "part-00000.parquet"});
  }
  CHECK(test::boto(store_connection(), {"uploads", bucket, all_targets}).as_list().empty());
}

TEST_CASE("a store that is overloaded for a while is waited for") {
  std::atomic<int> refused = 0;
  StoreProxy proxy(store_connection().option("endpoint_url"),
                   [&](int at, const SeenRequest&) -> std::optional<FaultReply> {
                     if (at % 2 == 1) return std::nullopt;
                     ++refused;
                     return test::reply(503, xml_error("SlowDown"));
                   },
                   {});
  const std::string to = new_target();
  Convert run(to, proxy.url());
  const auto outcome = run.run();
  if (!outcome) FAIL(outcome.error().message);
  CHECK(refused > 5);
  CHECK(outcome->return_value.integer("rows") == 1000);
  CHECK(names_in(to).size() == 3);
}

TEST_CASE("the real store: a bucket that is not there, wrong keys, keys without the right, and nobody there") {
  Convert no_bucket("s3://udon-no-such-bucket/prices/");
  check_says(no_bucket.failure(), ErrorKind::invalid,
             {"there is no bucket `udon-no-such-bucket`", "127.0.0.1", "create it"});

  Convert unknown(new_target());
  unknown.lake().login = "nobody";
  check_says(unknown.failure(), ErrorKind::denied, {"does not know the keys of connection `lake`"});

  Convert wrong(new_target());
  wrong.lake().password = "another-secret-key";
  check_says(wrong.failure(), ErrorKind::denied, {"the secret key is wrong"});

  const std::string to = new_target();
  Convert reader(to);
  reader.lake().login = "reader", reader.lake().password = "readersecret";
  check_says(reader.failure(), ErrorKind::denied, {"not allowed for the keys of connection `lake`", to});
  CHECK(names_in(to).empty());

  Convert nobody(new_target(), "http://127.0.0.1:1");
  check_says(nobody.failure(), ErrorKind::unavailable, {"127.0.0.1:1", "asked 2 times"});
}

TEST_CASE("a connection that is not there is named; only aws_default may be missing") {
  Convert missing(new_target());
  missing.context.connections.clear();
  check_says(missing.failure(), ErrorKind::not_found, {"`lake`"});

  // Nothing in AWS's own places either: the message says where was looked.
  for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"}) ::unsetenv(name);
  ::setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
  ::setenv("AWS_CONFIG_FILE", "/nonexistent", 1);
  ::setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
  ::setenv("AWS_ENDPOINT_URL_S3", store_connection().option("endpoint_url").c_str(), 1);
  Convert none(new_target());
  none.context.connections.clear();
  none.context.parameter_map.set("to_connection", "aws_default");
  check_says(none.failure(), ErrorKind::denied,
             {"no AWS credentials", "`to_connection` says `aws_default`, and there is no connection of that name",
              "udon connections add", "AWS_ACCESS_KEY_ID", "profile", "IAM role"});

  // One that says where the store is, but not by which keys.
  Convert keyless(new_target());
  keyless.context.connections["lake"].login.clear();
  keyless.context.connections["lake"].password.clear();
  check_says(keyless.failure(), ErrorKind::denied,
             {"no AWS credentials", "the connection `lake` that `to_connection` names has no keys"});

  ::setenv("AWS_ACCESS_KEY_ID", "udon", 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", "udonsecret", 1);
  const std::string to = new_target();
  Convert by_environment(to);
  by_environment.context.connections.clear();
  by_environment.context.parameter_map.set("to_connection", "aws_default");
  const auto outcome = by_environment.run();
  if (!outcome) FAIL(outcome.error().message);
  CHECK(names_in(to).size() == 3);

  // What is read may be there too.
  Convert again("s3://" + bucket + "/unused/");
  const std::string source = to + "prices.csv";
  REQUIRE(test::open_store(store_connection(), bucket)->write(source, "sku,price\na,1.5\n", {}));
  again.context.connections.clear();
  again.context.parameter_map.set("from", source);
  again.context.parameter_map.set("to", (again.folder.path() / "prices").string());
  const auto read = again.run();
  if (!read) FAIL(read.error().message);
  CHECK(read->return_value.integer("rows") == 1);
  for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3"}) ::unsetenv(name);
}

TEST_CASE("a full disk is named, leaves nothing, and the next try has room") {
  TemporaryFolder small;
  if (::mount("tmpfs", small.path().c_str(), "tmpfs", 0, "size=1m") != 0) {
    WARN("no right to mount a small file system: not tested");
    return;
  }
  const struct Unmount {
    Path path;
    ~Unmount() { ::umount2(path.c_str(), MNT_DETACH); }
  } unmount{small.path()};
  const bool is_target = GENERATE(false, true);
  INFO((is_target ? "target" : "staging"));
  Convert run("/replaced", "", 60'000);
  const Path target = (is_target ? small.path() : run.folder.path()) / "lake/prices";
  run.context.parameter_map.set("to", target.string());
  if (!is_target) run.context.staging_folder = small.path() / "staging/test-1";
  const Error error = run.failure();
  check_says(error, ErrorKind::io, {small.path().string(), "No space left on device"});
  CHECK_FALSE(std::filesystem::exists(target));
  if (is_target)
    CHECK(std::filesystem::is_empty(target.parent_path()));
  else
    CHECK(std::filesystem::is_empty(run.context.staging_folder));

  Convert next("/replaced", "", 100);
  next.context.parameter_map.set("to", target.string());
  if (!is_target) next.context.staging_folder = run.context.staging_folder;
  const auto outcome = next.run();
  if (!outcome) FAIL(outcome.error().message);
  CHECK(std::filesystem::exists(target / "_SUCCESS"));
}

TEST_CASE("a target that cannot be written to is named") {
  Convert in_the_way("/replaced");
  const Path file = test::write_test_file(in_the_way.folder.path() / "file", "mine");
  in_the_way.context.parameter_map.set("to", (file / "prices").string());
  const Error blocked = in_the_way.failure();
  CHECK_THAT(blocked.message, Catch::Contains(file.string()));
  CHECK_FALSE(is_transient(blocked.kind));
  CHECK(read_file(file) == "mine");

  // Nobody may make folders there, root neither.
  Convert read_only("/proc/udon/prices");
  const Error denied = read_only.failure();
  CHECK_THAT(denied.message, Catch::Contains("/proc/udon"));
  CHECK_FALSE(is_transient(denied.kind));

  if (::geteuid() != 0) {
    Convert closed("/replaced");
    const Path folder = closed.folder.path() / "closed";
    REQUIRE(make_directories(folder, 0500));
    closed.context.parameter_map.set("to", (folder / "prices").string());
    check_says(closed.failure(), ErrorKind::denied, {folder.string(), "Permission denied"});
  }

  Convert relative("/replaced");
  relative.context.parameter_map.set("to", "prices/");
  check_says(relative.failure(), ErrorKind::invalid, {"`prices/` is neither s3://bucket/prefix/ nor an absolute path"});
}

}  // namespace
}  // namespace udon
