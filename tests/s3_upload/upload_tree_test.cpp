// Folders to the real store.
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <map>

#include "tests/data/store_proxy.h"
#include "tests/support/s3_operator.h"

namespace udon {
namespace {

using test::FaultReply;
using test::list_of;
using test::map_of;
using test::S3Try;
using test::SeenRequest;

const std::string bucket = "udon-tree";
const Connection& store() {
  static const Connection connection = test::Services().s3(bucket);
  return connection;
}

struct Tree {
  TemporaryFolder home;
  std::string prefix = make_secret(8) + "/";
  std::string to = "s3://" + bucket + "/" + prefix;
  std::unique_ptr<FileSystem> files = test::open_store(store(), bucket);

  Path path(const std::string& name) const { return home.path() / "dags" / "tree" / name; }
  void write(const std::string& name, std::string_view content) const {
    REQUIRE(make_directories(path(name).parent_path()));
    test::write_test_file(path(name), content);
  }
  S3Try attempt(std::vector<std::pair<std::string, Value>> more = {}, int64_t fence = 1,
                const std::string& endpoint = {}) const {
    more.insert(more.begin(), {{"from", "tree/"}, {"to", to}, {"to_connection", "lake"}});
    Connection lake = store();
    if (!endpoint.empty()) lake.extra.set("endpoint_url", endpoint);
    return S3Try("s3_upload", map_of(std::move(more)), lake, home.path(), fence);
  }
  // What stands below the prefix, by name: its content.
  std::map<std::string, std::string> there() const {
    std::map<std::string, std::string> found;
    const auto objects = files->list(to);
    REQUIRE(objects);
    for (const ObjectInfo& object : *objects) {
      const auto content = files->read(object.uri, 64 << 20);
      REQUIRE(content);
      found[object.uri.substr(to.size())] = *content;
    }
    return found;
  }
};

std::string numbers(const Value& value) {
  return std::to_string(value.integer("files")) + " files, " + std::to_string(value.integer("uploaded")) +
         " uploaded, " + std::to_string(value.integer("skipped")) + " skipped, " +
         std::to_string(value.integer("deleted")) + " deleted";
}

TEST_CASE("a folder arrives whole under any names, and a second run sends only what has changed") {
  const Tree tree;
  std::map<std::string, std::string> expected{
      {"empty", ""},
      {".hidden", "h"},
      {"주문/2026-01-01/정산 내역 (최종).csv", "번호,금액\n1,1000\n"},
      {"a b+c%20&<x>'\"=#?.txt", "odd"},
      {"dt=2026-01-01/part~1.bin", test::random_bytes(3 << 20, 1)},
      {"line\nbreak", "control"},
      {"deep/er/and/deeper/file", "deep"},
      {"large.bin", test::random_bytes(12 << 20, 2)},
  };
  for (int i = 0; i < 300; ++i) expected["many/" + std::to_string(i)] = "file " + std::to_string(i);
  for (const auto& [name, content] : expected) tree.write(name, content);
  const auto parts = std::pair<std::string, Value>("part_size", "5MiB");
  S3Try first = tree.attempt({parts});
  CHECK(numbers(first.value()) == "308 files, 308 uploaded, 0 skipped, 0 deleted");
  CHECK(tree.there() == expected);
  CHECK(test::boto(store(), {"sha256", bucket, tree.prefix + "large.bin"}).text("sha256") ==
        to_hex(sha256(expected["large.bin"])));
  CHECK(test::boto(store(), {"uploads", bucket, tree.prefix}).as_list().empty());
  CHECK(std::filesystem::is_empty(tree.home.path() / "uploads"));

  CHECK(numbers(tree.attempt({parts}, 2).value()) == "308 files, 0 uploaded, 308 skipped, 0 deleted");
  // As many bytes, and as old as before.
  const auto written_at = std::filesystem::last_write_time(tree.path("many/7"));
  tree.write("many/7", "FILE 7");
  std::filesystem::last_write_time(tree.path("many/7"), written_at);
  tree.write("new", "new");
  CHECK(numbers(tree.attempt({parts}, 3).value()) == "309 files, 2 uploaded, 307 skipped, 0 deleted");
  expected["many/7"] = "FILE 7", expected["new"] = "new";
  CHECK(tree.there() == expected);
}

TEST_CASE("patterns choose the files of a folder") {
  const Tree tree;
  for (const char* name : {"a.csv", "a.tmp", "2026/01/b.csv", "2026/01/_tmp/c.csv", "2026/02/d.parquet", "가.csv"})
    tree.write(name, name);
  const Value done =
      tree.attempt({{"include", list_of({"*.csv", "2026/**/*.parquet"})}, {"exclude", list_of({"_tmp/**"})}}).value();
  CHECK(done.integer("files") == 5);
  // Anchored, as it holds a `/` that is not its last: a `_tmp` deeper down is named by `**/_tmp/` or `_tmp/`.
  CHECK(tree.there().contains("2026/01/_tmp/c.csv"));
  S3Try none = tree.attempt({{"include", list_of({"*.cvs"})}});
  const Error error = none.error();
  CHECK(error.kind == ErrorKind::not_found);
  CHECK_THAT(error.message,
             Catch::EndsWith("tree/ holds no files that are asked for; `when_empty: skip` skips the task then"));
  S3Try skipped = tree.attempt({{"include", list_of({"*.cvs"})}, {"when_empty", "skip"}});
  const auto outcome = skipped.run();
  REQUIRE(outcome);
  CHECK(outcome->skipped);
  S3Try unclosed = tree.attempt({{"include", list_of({"[ab"})}});
  CHECK(unclosed.error().message == "include: `[ab`: `[` has no `]`; a bracket that is meant itself is `\\[`");
}

TEST_CASE("links and what is no file are treated as is said") {
  const Tree tree;
  tree.write("file", "content");
  tree.write("folder/inner", "inner");
  REQUIRE(::symlink("file", tree.path("link").c_str()) == 0);
  REQUIRE(::symlink("folder", tree.path("linked").c_str()) == 0);
  tree.attempt().value();
  CHECK(tree.there() ==
        std::map<std::string, std::string>{
            {"file", "content"}, {"folder/inner", "inner"}, {"link", "content"}, {"linked/inner", "inner"}});
  CHECK(tree.attempt({{"symlinks", "skip"}}, 2).value().integer("files") == 2);
  CHECK_THAT(tree.attempt({{"symlinks", "error"}}, 3).error().message,
             Catch::Contains("is a symbolic link; exclude it"));

  REQUIRE(::symlink("..", tree.path("folder/up").c_str()) == 0);
  CHECK_THAT(tree.attempt().error().message, Catch::Contains("/up links to a folder that it is in"));
  std::filesystem::remove(tree.path("folder/up"));
  REQUIRE(::symlink("nowhere", tree.path("dangling").c_str()) == 0);
  CHECK_THAT(tree.attempt().error().message, Catch::Contains("tree/dangling is a symbolic link that leads nowhere"));
  CHECK(tree.attempt({{"exclude", list_of({"dangling"})}}).value().integer("files") == 4);
  std::filesystem::remove(tree.path("dangling"));
  REQUIRE(::mkfifo(tree.path("pipe").c_str(), 0600) == 0);
  CHECK_THAT(tree.attempt().error().message, Catch::Contains("tree/pipe is a FIFO, not a file; exclude it"));
  std::filesystem::remove(tree.path("pipe"));
  tree.write("caf\xe9.csv", "latin1");
  CHECK_THAT(tree.attempt().error().message, Catch::Contains("caf\\xe9.csv: its name is no UTF-8"));
  std::filesystem::remove(tree.path("caf\xe9.csv"));
  tree.write(std::string(250, 'd') + "/" + std::string(250, 'e') + "/" + std::string(250, 'f') + "/" +
                 std::string(250, 'g') + "/" + std::string(250, 'h'),
             "deep");
  CHECK_THAT(tree.attempt().error().message, Catch::Contains("a key has at most 1024 bytes"));
}

TEST_CASE("a folder is named as one, and its target too") {
  const Tree tree;
  tree.write("file", "x");
  Value given = map_of({{"from", "tree"}, {"to", tree.to}, {"to_connection", "lake"}});
  CHECK(S3Try("s3_upload", given, store(), tree.home.path()).error().message ==
        "from: `tree` is a folder; `tree/` uploads all files below it");
  given.set("from", "tree/");
  given.set("to", "s3://" + bucket + "/x");
  CHECK_THAT(S3Try("s3_upload", given, store(), tree.home.path()).error().message,
             Catch::Contains("has to end in `/`"));
  given.set("to", "s3://" + bucket + "/");
  given.set("delete_extra", true);
  CHECK_THAT(S3Try("s3_upload", given, store(), tree.home.path()).error().message,
             Catch::Contains("is a whole bucket"));
  given = map_of({{"from", "s3://" + bucket + "/x/"}, {"to", tree.to}, {"to_connection", "lake"}});
  CHECK_THAT(S3Try("s3_upload", given, store(), tree.home.path()).error().message, Catch::Contains("s3_copy"));
  given = map_of({{"from", "absent/"}, {"to", tree.to}, {"to_connection", "lake"}});
  const Error absent = S3Try("s3_upload", given, store(), tree.home.path()).error();
  CHECK(absent.kind == ErrorKind::not_found);
  CHECK_THAT(absent.message, Catch::Contains("dags/absent"));
}

TEST_CASE("what is no file of the folder goes where that is asked for, and nothing else") {
  const Tree tree;
  for (const char* name : {"a.csv", "b.csv"}) tree.write(name, name);
  for (const char* name : {"old.csv", "sub/old.csv", "kept.log"}) REQUIRE(tree.files->write(tree.to + name, "old", {}));
  REQUIRE(tree.files->write(tree.to + "marker.csv/", "", {}));  // as consoles make a folder
  CHECK(tree.attempt().value().integer("deleted") == 0);
  CHECK(tree.there().size() == 6);
  const Value done = tree.attempt({{"delete_extra", true}, {"include", list_of({"*.csv"})}}, 2).value();
  CHECK(numbers(done) == "2 files, 0 uploaded, 2 skipped, 2 deleted");
  CHECK(tree.there() == std::map<std::string, std::string>{
                            {"a.csv", "a.csv"}, {"b.csv", "b.csv"}, {"kept.log", "old"}, {"marker.csv/", ""}});
  // A file that fails keeps all that is there.
  tree.write("c.csv", "c");
  REQUIRE(tree.files->write(tree.to + "old.csv", "old", {}));
  PutOptions later;
  later.metadata = {{"udon-try", "test-9"}};
  REQUIRE(tree.files->write(tree.to + "c.csv", "later", later));
  CHECK(tree.attempt({{"delete_extra", true}}, 3).error().kind == ErrorKind::conflict);
  CHECK(tree.there().contains("old.csv"));
}

TEST_CASE("any request may fail once: nothing is lost, sent wrong or left behind") {
  const auto fault = GENERATE(values<std::string>({"dropped", "503", "cut after it was done"}));
  INFO(fault);
  Tree tree;
  const std::map<std::string, std::string> expected{
      {"a", "1"}, {"large", test::random_bytes(11 << 20, 3)}, {"하나/둘", test::random_bytes(100'000, 4)}};
  for (const auto& [name, content] : expected) tree.write(name, content);
  int failing = 0;
  for (bool has_failed = true; has_failed; ++failing) {
    REQUIRE(failing < 60);
    INFO("request " << failing);
    tree.to = "s3://" + bucket + "/" + tree.prefix + std::to_string(failing) + "/";
    std::atomic<bool> is_hit = false;
    const auto before = [&](int number, const SeenRequest&) -> std::optional<FaultReply> {
      if (number != failing || fault == "cut after it was done") return std::nullopt;
      is_hit = true;
      return fault == "503" ? test::reply(503, "<Error><Code>SlowDown</Code></Error>") : test::hang_up();
    };
    const auto after = [&](int number, const SeenRequest&) -> std::optional<FaultReply> {
      if (number != failing || fault != "cut after it was done") return std::nullopt;
      is_hit = true;
      return test::hang_up();
    };
    const test::StoreProxy proxy(store().option("endpoint_url"), before, after);
    S3Try attempt = tree.attempt({{"part_size", "5MiB"}, {"parallel", 2}}, 1, proxy.url());
    const auto outcome = attempt.run();
    if (!outcome) FAIL(outcome.error().message);
    CHECK(tree.there() == expected);
    has_failed = is_hit;
  }
  CHECK(failing > 8);
  CHECK(test::boto(store(), {"uploads", bucket, tree.prefix}).as_list().empty());
}

TEST_CASE("a try that is ended in the middle leaves whole files, and the next sends the others") {
  const Tree tree;
  std::map<std::string, std::string> expected;
  for (int i = 0; i < 40; ++i) expected["f" + std::to_string(i)] = test::random_bytes(1000, static_cast<uint64_t>(i));
  for (const auto& [name, content] : expected) tree.write(name, content);
  std::optional<S3Try> attempt;
  std::atomic<int> puts = 0;
  const auto before = [&](int, const SeenRequest& seen) -> std::optional<FaultReply> {
    if (seen.method == "PUT" && ++puts == 15) attempt->stop.request_stop();
    return std::nullopt;
  };
  const test::StoreProxy proxy(store().option("endpoint_url"), before, {});
  Connection lake = store();
  lake.extra.set("endpoint_url", proxy.url());
  attempt.emplace("s3_upload", map_of({{"from", "tree/"}, {"to", tree.to}, {"to_connection", "lake"}, {"parallel", 1}}),
                  lake, tree.home.path());
  const Error error = attempt->error();
  CHECK(error.kind == ErrorKind::cancelled);
  CHECK_THAT(error.message, Catch::Contains("14 of 40 files are at " + tree.to));
  const Value done = tree.attempt({}, 2).value();
  CHECK(done.integer("skipped") >= 14);
  CHECK(done.integer("uploaded") + done.integer("skipped") == 40);
  CHECK(done.integer("uploaded") >= 25);
  CHECK(tree.there() == expected);
}

TEST_CASE("a file that is changed while it is read is named, and the others arrive") {
  const size_t bytes = GENERATE(size_t{1000}, size_t{3} << 20, size_t{11} << 20);
  INFO(bytes);
  const Tree tree;
  tree.write("good", "good");
  tree.write("restless", test::random_bytes(bytes, 5));
  const std::string marker = bytes > 5 << 20 ? "partNumber=2" : "restless";
  std::atomic<bool> is_changed = false;
  const auto before = [&](int, const SeenRequest& seen) -> std::optional<FaultReply> {
    if (seen.method != "PUT" || seen.target.find(marker) == seen.target.npos || is_changed.exchange(true))
      return std::nullopt;
    std::fstream(tree.path("restless"), std::ios::in | std::ios::out) << "changed";
    return test::reply(400, "<Error><Code>InvalidArgument</Code></Error>");
  };
  const test::StoreProxy proxy(store().option("endpoint_url"), before, {});
  S3Try attempt = tree.attempt({{"part_size", "5MiB"}}, 1, proxy.url());
  const auto outcome = attempt.run();
  REQUIRE_FALSE(outcome);
  INFO(outcome.error().message);
  if (bytes <= 5 << 20) {
    CHECK(outcome.error().kind == ErrorKind::conflict);
    CHECK_THAT(outcome.error().message, Catch::Contains("1 of 2 files are at") &&
                                            Catch::Contains("1 failed: restless: ") &&
                                            Catch::Contains("tree/restless was changed while it was being read"));
  }
  CHECK(tree.there() == std::map<std::string, std::string>{{"good", "good"}});
  CHECK(test::boto(store(), {"uploads", bucket, tree.prefix}).as_list().empty());
  CHECK(tree.attempt({}, 2).value().integer("uploaded") == 1);
}

TEST_CASE("of two tries to one object the later one stays, whichever comes first") {
  const Tree tree;
  tree.write("x", "ours");
  const auto put_as = [&](const std::string& try_id, const std::string& content) {
    PutOptions options;
    options.metadata = {{"udon-try", try_id}};
    REQUIRE(tree.files->write(tree.to + "x", content, options));
  };
  put_as("test-7", "the later one's");
  const Error overtaken = tree.attempt({}, 5).error();
  CHECK(overtaken.kind == ErrorKind::conflict);
  CHECK_THAT(overtaken.message, Catch::Contains("x was written by try test-7, which is later than this one"));
  CHECK(tree.there().at("x") == "the later one's");
  for (const char* other : {"test-4", "other-9", "", "test-x", "test-99999999999999999999"}) {
    INFO(other);
    put_as(other, std::string("of ") + other);
    CHECK(tree.attempt({}, 5).value().integer("uploaded") == 1);
    CHECK(tree.there().at("x") == "ours");
  }
  // In between: behind our look, before our request.
  for (const auto& [other, stays] : {std::pair<std::string, std::string>{"test-7", "theirs"}, {"test-3", "ours"}}) {
    INFO(other);
    REQUIRE(tree.files->remove(tree.to + "x"));
    std::atomic<bool> is_there = false;
    const auto before = [&, by = other](int, const SeenRequest& seen) -> std::optional<FaultReply> {
      if (seen.method == "PUT" && !is_there.exchange(true)) put_as(by, "theirs");
      return std::nullopt;
    };
    const test::StoreProxy proxy(store().option("endpoint_url"), before, {});
    const auto outcome = tree.attempt({}, 5, proxy.url()).run();
    CHECK(outcome.has_value() == (stays == "ours"));
    CHECK(tree.there().at("x") == stays);
    // Behind our request, as a store may let it that checks first and writes then.
    is_there = false;
    REQUIRE(tree.files->remove(tree.to + "x"));
    const auto after = [&, by = other](int, const SeenRequest& seen) -> std::optional<FaultReply> {
      if (seen.method == "PUT" && !is_there.exchange(true)) put_as(by, "theirs");
      return std::nullopt;
    };
    const test::StoreProxy late(store().option("endpoint_url"), {}, after);
    const auto second = tree.attempt({}, 5, late.url()).run();
    CHECK(second.has_value() == (stays == "ours"));
    CHECK(tree.there().at("x") == stays);
  }
}

TEST_CASE("who may not write is told which permission is missing, once for all files") {
  const Tree tree;
  for (int i = 0; i < 50; ++i) tree.write(std::to_string(i), "x");
  const Error error = tree.attempt({{"to_connection", "reader"}}).error();
  CHECK(error.kind == ErrorKind::denied);
  CHECK_THAT(error.message, Catch::Contains("0 of 50 files are at") && Catch::Contains("(s3:PutObject)"));
}

TEST_CASE("encryption, class and type are asked of the store with each object, however it is sent") {
  const TemporaryFolder home;
  REQUIRE(make_directories(home.path() / "dags/tree"));
  test::write_test_file(home.path() / "dags/tree/small", "x");
  test::write_test_file(home.path() / "dags/tree/large", test::random_bytes(6 << 20, 1));
  const test::FaultServer server([&](const SeenRequest& seen) {
    if (seen.method == "GET" && seen.target.find("list-type") != seen.target.npos)
      return test::reply(200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>");
    return test::reply(403, "<Error><Code>AccessDenied</Code></Error>");
  });
  Connection lake = store();
  lake.extra.set("endpoint_url", server.url());
  for (const auto& [encryption, kind, key] :
       {std::tuple<Value, std::string, std::string>{map_of({{"kms_key", "alias/lake"}}), "aws:kms", "alias/lake"},
        {Value("aws:kms"), "aws:kms", ""},
        {Value("AES256"), "AES256", ""}}) {
    for (const char* name : {"small", "large"}) {
      const size_t seen_before = server.requests().size();
      S3Try attempt("s3_upload",
                    map_of({{"from", "tree/"},
                            {"include", list_of({name})},
                            {"to", "s3://lake/x/"},
                            {"to_connection", "lake"},
                            {"encryption", encryption},
                            {"storage_class", "GLACIER_IR"},
                            {"content_type", "text/csv"},
                            {"part_size", "5MiB"}}),
                    lake, home.path());
      CHECK(attempt.error().kind == ErrorKind::denied);
      bool has_written = false;
      const auto requests = server.requests();
      for (size_t i = seen_before; i < requests.size(); ++i) {
        const SeenRequest& seen = requests[i];
        if (seen.method != "PUT" && seen.method != "POST") continue;
        has_written = true;
        CHECK(seen.header("x-amz-server-side-encryption") == kind);
        CHECK(seen.header("x-amz-server-side-encryption-aws-kms-key-id") == key);
        CHECK(seen.header("x-amz-storage-class") == "GLACIER_IR");
        CHECK(seen.header("content-type") == "text/csv");
        CHECK_THAT(seen.header("authorization"), Catch::Contains("x-amz-server-side-encryption;"));
      }
      CHECK(has_written);
    }
  }
}

}  // namespace
}  // namespace udon
