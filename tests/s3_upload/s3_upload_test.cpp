// The operator out of its shared object, against the real store.
#include <yaml-cpp/yaml.h>

#include <atomic>
#include <cstdlib>

#include "base/id.h"
#include "base/text.h"
#include "plugins/api/plugin_host.h"
#include "plugins/io/pending_uploads.h"
#include "tests/base/temporary_folder.h"
#include "tests/data/store_proxy.h"
#include "tests/io/store.h"
#include "tests/support/fault_server.h"

namespace udon {
namespace {

const std::string bucket = "udon-upload";

const Connection& store_connection() {
  static const Connection connection = test::Services().s3(bucket);
  return connection;
}

const LoadedOperator& s3_upload() {
  static PluginHost host(Path(std::getenv("UDON_BUILD")) / "plugins");
  static const auto loaded = host.find("s3_upload.so", "s3_upload");
  if (!loaded) FAIL(loaded.error().message);
  return **loaded;
}

class Context final : public TaskContext {
 public:
  explicit Context(const Value& parameters) {
    auto completed = complete_parameters(s3_upload().spec, parameters);
    if (!completed) FAIL(completed.error().message);
    parameters_ = std::move(*completed);
  }
  const Value& parameters() const override { return parameters_; }
  std::string dag_id() const override { return "dag"; }
  std::string run_id() const override { return "run"; }
  std::string task_id() const override { return "task"; }
  int map_index() const override { return -1; }
  int try_number() const override { return 1; }
  std::string try_id() const override { return "test-1"; }
  int64_t fence() const override { return 1; }
  Result<Connection> connection(const std::string& id) override {
    const auto found = connections.find(id);
    if (found == connections.end()) return Error{ErrorKind::not_found, "no connection `" + id + "`"};
    return found->second;
  }
  Result<std::string> variable(const std::string&) override { return Error{ErrorKind::not_found, "none"}; }
  Result<Value> xcom_pull(const std::string&, const std::string&, int) override {
    return Error{ErrorKind::not_found, "none"};
  }
  void xcom_push(const std::string&, Value) override {}
  void log(std::string_view text) override { logged += std::string(text) + "\n"; }
  int log_descriptor() override { return -1; }
  std::stop_token stop_token() const override { return stop.get_token(); }
  Result<std::filesystem::path> staging() override {
    const Path staging = folder.path() / "staging" / "test-1";
    TRY(make_directories(staging));
    return staging;
  }
  std::filesystem::path dags_folder() const override { return folder.path() / "dags"; }
  const Clock& clock() const override { return test::system_clock; }

  Result<Outcome> run() { return s3_upload().functions->make_operator()->run(*this); }

  static const TemporaryFolder folder;  // of all tries, as $UDON_HOME is
  std::map<std::string, Connection> connections{{"lake", store_connection()}};
  std::string logged;
  std::stop_source stop;

 private:
  Value parameters_;
};
const TemporaryFolder Context::folder;

Path make_file(const std::string& name, std::string_view content) {
  const Path path = Context::folder.path() / "dags" / name;
  REQUIRE(make_directories(path.parent_path()));
  return test::write_test_file(path, content);
}

std::string new_prefix() { return "s3://" + bucket + "/" + make_secret(8) + "/"; }
std::string key_of(const std::string& uri) { return uri.substr(bucket.size() + 6); }

Value parameters(const std::string& from, const std::string& to, std::vector<std::pair<std::string, Value>> more = {}) {
  Value value = Value::map();
  value.set("from", from);
  value.set("to", to);
  value.set("to_connection", "lake");
  for (auto& [key, member] : more) value.set(key, std::move(member));
  return value;
}

Value upload(const Value& given) {
  Context context(given);
  const auto outcome = context.run();
  if (!outcome) FAIL(outcome.error().message);
  INFO(context.logged);
  CHECK_FALSE(outcome->skipped);
  return outcome->return_value;
}

TEST_CASE("a small and a large file arrive as they are, by another's client") {
  const std::string prefix = new_prefix();
  for (const auto& [size, name] :
       {std::pair<size_t, std::string>{0, "empty"}, {10'000, "small 한글.bin"}, {70 << 20, "large.bin"}}) {
    INFO(name);
    const std::string content = test::random_bytes(size, size + 21);
    make_file(name, content);
    const Value result = upload(parameters(
        name, prefix,
        {{"metadata", Value(Value::Map{{"rows", 5}, {"note", "plain"}})}, {"storage_class", "STANDARD_IA"}}));
    CHECK(result.text("uri") == prefix + name);
    CHECK(result.integer("bytes") == static_cast<int64_t>(size));
    CHECK(result.flag("uploaded"));
    const std::string key = key_of(prefix + name);
    const Value head = test::boto(store_connection(), {"head", bucket, key});
    CHECK(head.integer("bytes") == static_cast<int64_t>(size));
    CHECK(head.text("etag") == result.text("etag"));
    CHECK(head.text("sha256") == result.text("checksum"));
    CHECK(head.text("storage_class") == "STANDARD_IA");
    CHECK(head.get("metadata").text("rows") == "5");
    CHECK(head.get("metadata").text("note") == "plain");
    CHECK(test::boto(store_connection(), {"sha256", bucket, key}).text("sha256") == to_hex(sha256(content)));
    if (size > 16 << 20) {
      CHECK_THAT(result.text("checksum"), Catch::EndsWith("-5"));
    } else {
      CHECK(result.text("checksum") == to_base64(sha256(content)));
    }
  }
  CHECK(test::boto(store_connection(), {"uploads", bucket, key_of(prefix)}).as_list().empty());
}

TEST_CASE("a second run sends nothing, unless something differs") {
  const std::string prefix = new_prefix();
  for (const size_t size : {size_t{5000}, size_t{12 << 20}}) {
    const std::string name = "again-" + std::to_string(size);
    std::string content = test::random_bytes(size, size);
    make_file(name, content);
    const auto with = [&](std::vector<std::pair<std::string, Value>> more) {
      more.emplace_back("part_size", "5MiB");
      return parameters(name, prefix + "x", more);
    };
    const Value first = upload(with({}));
    CHECK(first.flag("uploaded"));
    const Value second = upload(with({}));
    CHECK_FALSE(second.flag("uploaded"));
    CHECK(second.text("etag") == first.text("etag"));
    CHECK(second.text("checksum") == first.text("checksum"));
    // In parts of another size it is the same content.
    CHECK_FALSE(upload(parameters(name, prefix + "x", {{"part_size", "6MiB"}})).flag("uploaded"));
    CHECK(upload(with({{"metadata", Value(Value::Map{{"a", "b"}})}})).flag("uploaded"));
    CHECK_FALSE(upload(with({{"metadata", Value(Value::Map{{"a", "b"}})}})).flag("uploaded"));
    CHECK(
        upload(with({{"metadata", Value(Value::Map{{"a", "b"}})}, {"storage_class", "GLACIER_IR"}})).flag("uploaded"));
    content[size / 2] = static_cast<char>(content[size / 2] + 1);  // as many bytes
    make_file(name, content);
    CHECK(upload(with({})).flag("uploaded"));
    CHECK(test::boto(store_connection(), {"sha256", bucket, key_of(prefix + "x")}).text("sha256") ==
          to_hex(sha256(content)));
  }
}

TEST_CASE("an object is copied from one place of a store to another") {
  const std::string prefix = new_prefix();
  const std::string content = test::random_bytes(20 << 20, 77);
  make_file("source", content);
  upload(parameters("source", prefix + "한글 source"));
  const Value result = upload(parameters(prefix + "한글 source", prefix + "copies/", {{"from_connection", "lake"}}));
  CHECK(result.text("uri") == prefix + "copies/한글 source");
  CHECK(test::boto(store_connection(), {"sha256", bucket, key_of(result.text("uri"))}).text("sha256") ==
        to_hex(sha256(content)));
  Context absent(parameters(prefix + "absent", prefix + "copies/", {{"from_connection", "lake"}}));
  const auto outcome = absent.run();
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error() == Error{ErrorKind::not_found, "from: there is no object " + prefix + "absent"});
}

TEST_CASE("what a killed try had begun is aborted by the next") {
  const std::string prefix = new_prefix();
  make_file("orphan", test::random_bytes(12 << 20, 5));
  const auto files = test::open_store(store_connection(), bucket);
  const Path uploads = Context::folder.path() / "uploads";
  REQUIRE(make_directories(uploads));
  // As a try does that is killed before its upload is complete: nothing is aborted.
  auto begun = files->upload(Context::folder.path() / "dags" / "orphan", prefix + "orphan", {}, 5 << 20,
                             [&](const Value& state) {
                               return write_file_atomically(uploads / (to_hex(sha256(prefix + "orphan")) + ".0.json"),
                                                            to_json(state), Durability::survives_kill);
                             });
  REQUIRE(begun);
  CHECK(test::boto(store_connection(), {"uploads", bucket, key_of(prefix)}).as_list().size() == 1);
  CHECK(upload(parameters("orphan", prefix + "orphan")).flag("uploaded"));
  CHECK(test::boto(store_connection(), {"uploads", bucket, key_of(prefix)}).as_list().empty());
  CHECK(std::filesystem::is_empty(uploads));
}

TEST_CASE("what a living try is sending to the same object is left alone") {
  const std::string prefix = new_prefix();
  const Path file = make_file("shared", test::random_bytes(12 << 20, 6));
  const auto files = test::open_store(store_connection(), bucket);
  const Path uploads = Context::folder.path() / "uploads";
  const auto living = PendingUploads(uploads, 0).upload(*files, file, prefix + "shared", {}, 5 << 20);
  REQUIRE(living);
  CHECK(upload(parameters("shared", prefix + "shared", {{"part_size", "5MiB"}})).flag("uploaded"));
  CHECK(test::boto(store_connection(), {"uploads", bucket, key_of(prefix)}).as_list().size() == 1);
  REQUIRE((*living)->complete());
  CHECK(test::boto(store_connection(), {"uploads", bucket, key_of(prefix)}).as_list().empty());
  CHECK(std::filesystem::is_empty(uploads));
}

TEST_CASE("an upload that somebody else ends is a conflict, whenever he does") {
  const std::string prefix = new_prefix();
  make_file("ended", test::random_bytes(12 << 20, 7));
  const auto files = test::open_store(store_connection(), bucket);
  for (const std::string at : {"partNumber=2", "?uploadId="}) {
    INFO(at);
    const auto end_it = [&](int, const test::SeenRequest& seen) -> std::optional<test::FaultReply> {
      if (seen.method == "DELETE" || seen.target.find(at) == std::string::npos) return std::nullopt;
      const auto begun = files->begun_uploads(prefix + "ended");
      for (const BegunUpload& upload : begun.value_or(std::vector<BegunUpload>())) {
        Value state = Value::map();
        state.set("uri", prefix + "ended");
        state.set("upload_id", upload.id);
        static_cast<void>(files->abort(state));
      }
      return std::nullopt;
    };
    test::StoreProxy proxy(store_connection().option("endpoint_url"), end_it, {});
    Context context(parameters("ended", prefix + "ended", {{"part_size", "5MiB"}}));
    context.connections["lake"].extra.set("endpoint_url", proxy.url());
    const auto outcome = context.run();
    REQUIRE_FALSE(outcome);
    INFO(outcome.error().message);
    CHECK(outcome.error().kind == ErrorKind::conflict);
    CHECK_THAT(outcome.error().message, Catch::Contains("the multipart upload is not there any more"));
    CHECK(std::filesystem::is_empty(Context::folder.path() / "uploads"));
  }
  CHECK(test::boto(store_connection(), {"uploads", bucket, key_of(prefix)}).as_list().empty());
}

TEST_CASE("mistakes are named, once and without a secret") {
  make_file("file", "content");
  const auto error_of = [](const Value& given, std::optional<Connection> lake = {}) {
    Context context(given);
    if (lake) context.connections["lake"] = *lake;
    const auto outcome = context.run();
    REQUIRE_FALSE(outcome);
    for (const char* secret : {"udonsecret", "readersecret", "anothersecret"}) {
      CHECK_THAT(outcome.error().message, !Catch::Contains(secret));
    }
    return outcome.error();
  };
  const std::string to = "s3://" + bucket + "/x";
  const Error absent = error_of(parameters("absent", to));
  CHECK(absent.kind == ErrorKind::not_found);
  CHECK_THAT(absent.message, Catch::Contains("dags/absent"));
  CHECK_THAT(error_of(parameters("file", "s3://udon-no-such-bucket/x")).message,
             Catch::Contains("there is no bucket `udon-no-such-bucket`"));
  const auto no_store = complete_parameters(s3_upload().spec, parameters("file", "/tmp/x"));
  REQUIRE_FALSE(no_store);
  CHECK(no_store.error().message == "parameter `to`: `/tmp/x` is a path; expected s3://");
  CHECK(error_of(parameters("file", to, {{"to_connection", "lage"}})).message == "no connection `lage`");
  CHECK_THAT(error_of(parameters("file", to, {{"metadata", Value(Value::Map{{"Owner", "x"}})}})).message,
             Catch::StartsWith("metadata key `Owner`: expected lower-case letters"));

  Connection unknown = store_connection();
  unknown.login = "nobody";
  CHECK_THAT(error_of(parameters("file", to), unknown).message,
             Catch::Contains("the store does not know the keys of connection `store`"));
  Connection wrong = store_connection();
  wrong.password = "anothersecret";
  const Error mismatch = error_of(parameters("file", to), wrong);
  CHECK(mismatch.kind == ErrorKind::denied);
  CHECK_THAT(mismatch.message, Catch::Contains("the secret key is wrong"));
  Connection reader = store_connection();
  reader.login = "reader", reader.password = "readersecret";
  const Error denied = error_of(parameters("file", to + make_secret(4)), reader);
  CHECK(denied.kind == ErrorKind::denied);
  CHECK_THAT(denied.message, Catch::Contains("not allowed for the keys of connection `store`"));
}

TEST_CASE("a store that keeps no checksums is checked by length") {
  make_file("file", "content");
  std::atomic<int64_t> kept = 7;
  test::FaultServer server([&](const test::SeenRequest& seen) {
    if (seen.method == "PUT") return test::reply(200, "", "ETag: \"e\"\r\n");
    return test::FaultReply{"HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: " + std::to_string(kept) + "\r\n\r\n"};
  });
  Connection connection = store_connection();
  connection.extra.set("endpoint_url", server.url());
  Context context(parameters("file", "s3://lake/x"));
  context.connections["lake"] = connection;
  const auto outcome = context.run();
  if (!outcome) FAIL(outcome.error().message);
  CHECK_THAT(context.logged, Catch::Contains("the store keeps no checksums: only the length was compared"));
  CHECK(outcome->return_value.flag("uploaded"));
  kept = 6;
  Context again(parameters("file", "s3://lake/x"));
  again.connections["lake"] = connection;
  const auto cut = again.run();
  REQUIRE_FALSE(cut);
  CHECK(cut.error() == Error{ErrorKind::data, "s3://lake/x: the store keeps 6 bytes, sent 7"});
}

TEST_CASE("the example of the help page runs") {
  const std::string help = s3_upload().functions->help;
  const size_t begin = help.find("```yaml\n") + 8;
  REQUIRE(begin > 100);
  std::string yaml = help.substr(begin, help.find("```", begin) - begin);
  for (const auto& [from, to] :
       {std::pair<std::string, std::string>{"{{ ds }}", "2026-01-31"}, {"udon-lake", bucket}}) {
    const size_t at = yaml.find(from);
    REQUIRE(at != yaml.npos);
    yaml.replace(at, from.size(), to);
  }
  Value given = Value::map();
  for (const auto& entry : YAML::Load(yaml)["tasks"]["partner_file"]) {
    const auto key = entry.first.as<std::string>();
    if (key == "operator") continue;
    if (entry.second.IsMap()) {
      Value map = Value::map();
      for (const auto& member : entry.second) map.set(member.first.as<std::string>(), member.second.as<std::string>());
      given.set(key, std::move(map));
    } else {
      given.set(key, entry.second.as<std::string>());
    }
  }
  make_file("partner/settlement.csv", "id,won\n1,1000\n");
  upload(given);
  const Value head = test::boto(store_connection(), {"head", bucket, "partner/dt=2026-01-31/settlement.csv"});
  CHECK(head.text("storage_class") == "STANDARD_IA");
  CHECK(head.get("metadata").text("source") == "partner");
  const auto info =
      test::open_store(store_connection(), bucket)->stat("s3://" + bucket + "/partner/dt=2026-01-31/settlement.csv");
  REQUIRE(info);
  REQUIRE(*info);
  CHECK((*info)->metadata == std::vector<std::pair<std::string, std::string>>{
                                 {"owner", "정산팀"}, {"source", "partner"}, {"udon-try", "test-1"}});
}

}  // namespace
}  // namespace udon
