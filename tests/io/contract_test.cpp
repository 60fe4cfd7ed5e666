// One suite over every file system.
#include <algorithm>
#include <mutex>
#include <thread>

#include "base/id.h"
#include "tests/base/temporary_folder.h"
#include "tests/io/store.h"

namespace udon {
namespace {

constexpr std::string_view bucket = "udon-contract";

// A file system and a place in it that is empty.
struct Place {
  std::unique_ptr<FileSystem> files;
  std::string root;  // ends in '/'
  bool keeps_metadata = false;
  std::unique_ptr<TemporaryFolder> folder;

  std::string at(const std::string& name) const { return root + name; }
};

Place make_place(const std::string& kind) {
  Place place;
  if (kind == "local") {
    place.folder = std::make_unique<TemporaryFolder>();
    place.root = place.folder->path().string() + "/root/";
    auto files = make_file_system(place.root, std::nullopt, test::io_context());
    REQUIRE(files);
    place.files = std::move(*files);
  } else {
    static const Connection connection = test::Services().s3(std::string(bucket));
    place.files = test::open_store(connection, std::string(bucket));
    place.root = "s3://" + std::string(bucket) + "/" + make_secret(8) + "/";
    place.keeps_metadata = true;
  }
  return place;
}

std::vector<std::string> names_in(const Place& place, const std::string& prefix) {
  const auto listed = place.files->list(place.at(prefix));
  REQUIRE(listed);
  std::vector<std::string> names;
  for (const ObjectInfo& info : *listed) names.push_back(info.uri.substr(place.root.size()));
  return names;
}

#define EVERY_FILE_SYSTEM()                                            \
  const std::string kind = GENERATE(as<std::string>(), "local", "s3"); \
  INFO(kind);                                                          \
  Place place = make_place(kind);                                      \
  FileSystem& files = *place.files

TEST_CASE("what is written is read back, whole and in parts") {
  EVERY_FILE_SYSTEM();
  for (const size_t size : {size_t{0}, size_t{1}, size_t{10'000}, size_t{3'000'000}}) {
    const std::string content = test::random_bytes(size, size);
    const std::string uri = place.at("written-" + std::to_string(size));
    const auto written = files.write(uri, content, {});
    REQUIRE(written);
    CHECK(written->uri == uri);
    CHECK(written->bytes == static_cast<int64_t>(size));
    CHECK_FALSE(written->etag.empty());
    const auto info = files.stat(uri);
    REQUIRE(info);
    REQUIRE(*info);
    CHECK((*info)->bytes == static_cast<int64_t>(size));
    CHECK((*info)->etag == written->etag);
    CHECK(files.read(uri, 4 << 20) == content);
    CHECK(files.read_range(uri, 0, 0) == "");
    CHECK(files.read_range(uri, 0, 100) == content.substr(0, 100));
    if (size > 100) {
      CHECK(files.read_range(uri, 57, 1000) == content.substr(57, 1000));
      CHECK(files.read_range(uri, static_cast<int64_t>(size) - 10, 1000) == content.substr(size - 10));
      CHECK(files.read(uri, 99).error().kind == ErrorKind::data);
    }
    CHECK(files.read_range(uri, static_cast<int64_t>(size), 10) == "");
    CHECK(files.read_range(uri, 1 << 30, 10) == "");
    CHECK(files.read_range(uri, -1, 10).error().kind == ErrorKind::invalid);
  }
}

TEST_CASE("any key that a table may have can be written, listed and removed") {
  EVERY_FILE_SYSTEM();
  const std::vector<std::string> names{"dt=2026-01-01/part-00000.parquet",
                                       "빈 칸/한글 파일.csv",
                                       "a+b",
                                       "100%",
                                       "100%25",
                                       "tilde~",
                                       "quote'\"<>&;",
                                       "semi;colon:at@comma,",
                                       "[brackets]{braces}",
                                       "hash#question?"};
  for (const std::string& name : names) {
    INFO(name);
    const auto written = files.write(place.at(name), name, {});
    if (!written) FAIL(written.error().message);
    CHECK(files.read(place.at(name), 1000) == name);
  }
  auto expected = names;
  std::ranges::sort(expected);
  CHECK(names_in(place, "") == expected);
  CHECK(names_in(place, "100%") == std::vector<std::string>{"100%", "100%25"});
  CHECK(names_in(place, "빈 칸/한") == std::vector<std::string>{"빈 칸/한글 파일.csv"});
  for (const std::string& name : names) CHECK(files.remove(place.at(name)));
  CHECK(names_in(place, "").empty());
}

TEST_CASE("what is not there is nothing to look up, an error to read, and removed without one") {
  EVERY_FILE_SYSTEM();
  const auto info = files.stat(place.at("nothing"));
  REQUIRE(info);
  CHECK_FALSE(*info);
  const auto content = files.read(place.at("nothing"), 10);
  REQUIRE_FALSE(content);
  CHECK(content.error().kind == ErrorKind::not_found);
  CHECK_THAT(content.error().message, Catch::Contains("nothing"));
  CHECK(files.read_range(place.at("nothing"), 0, 1).error().kind == ErrorKind::not_found);
  CHECK(files.remove(place.at("nothing")));
  CHECK(files.remove(place.at("no/folder/either")));
  CHECK(names_in(place, "nothing").empty());
  CHECK(names_in(place, "no/folder/").empty());
}

TEST_CASE("a condition that does not hold is a conflict and changes nothing") {
  EVERY_FILE_SYSTEM();
  const std::string uri = place.at("guarded");
  CHECK(files.write(uri, "x", {.if_match = "1234"}).error().kind == ErrorKind::conflict);
  const auto first = files.write(uri, "first", {.if_none_match = true});
  REQUIRE(first);
  const auto again = files.write(uri, "second", {.if_none_match = true});
  REQUIRE_FALSE(again);
  CHECK(again.error().kind == ErrorKind::conflict);
  CHECK_THAT(again.error().message, Catch::Contains(uri));
  CHECK(files.read(uri, 100) == "first");
  const auto second = files.write(uri, "second", {.if_match = first->etag});
  REQUIRE(second);
  CHECK(second->etag != first->etag);
  CHECK(files.write(uri, "third", {.if_match = first->etag}).error().kind == ErrorKind::conflict);
  CHECK(files.read(uri, 100) == "second");
  // Without conditions the last one wins.
  REQUIRE(files.write(uri, "fourth", {}));
  CHECK(files.read(uri, 100) == "fourth");
}

TEST_CASE("of writers that all expect the same state one wins") {
  EVERY_FILE_SYSTEM();
  const std::string uri = place.at("contested");
  std::mutex mutex;
  std::vector<std::string> winners;
  {
    std::vector<std::jthread> writers;
    for (int i = 0; i < 8; ++i) {
      writers.emplace_back([&, i] {
        const std::string content = "writer " + std::to_string(i);
        const auto written = files.write(uri, content, {.if_none_match = true});
        const std::lock_guard lock(mutex);
        if (written) winners.push_back(content);
      });
    }
  }
  REQUIRE(winners.size() == 1);
  CHECK(files.read(uri, 100) == winners.front());
}

TEST_CASE("an upload is invisible until it is completed, then whole") {
  EVERY_FILE_SYSTEM();
  const TemporaryFolder folder;
  for (const size_t size : {size_t{0}, size_t{10'000}, size_t{12 << 20}}) {
    const std::string content = test::random_bytes(size, size + 1);
    const Path file = test::write_test_file(folder.path() / "file", content);
    const std::string uri = place.at("uploaded-" + std::to_string(size));
    std::vector<Value> states;
    auto upload = files.upload(file, uri, {}, 5 << 20, [&](const Value& state) {
      states.push_back(state);
      return Result<void>();
    });
    if (!upload) FAIL(upload.error().message);
    REQUIRE_FALSE(states.empty());
    CHECK(states.front().text("uri") == uri);
    CHECK(states.back() == (*upload)->state());
    CHECK(names_in(place, "uploaded-" + std::to_string(size)).empty());
    const auto completed = (*upload)->complete();
    if (!completed) FAIL(completed.error().message);
    CHECK(completed->bytes == static_cast<int64_t>(size));
    upload->reset();
    const auto info = files.stat(uri);
    REQUIRE(info);
    REQUIRE(*info);
    CHECK((*info)->etag == completed->etag);
    CHECK((*info)->sha256 == completed->sha256);
    const auto read = files.read(uri, 64 << 20);
    REQUIRE(read);
    CHECK((*read == content));
  }
}

TEST_CASE("an upload that is dropped or aborted leaves nothing") {
  EVERY_FILE_SYSTEM();
  const TemporaryFolder folder;
  const Path file = test::write_test_file(folder.path() / "file", test::random_bytes(6 << 20, 5));
  const auto keep = [](const Value&) { return Result<void>(); };
  {
    auto upload = files.upload(file, place.at("dropped"), {}, 5 << 20, keep);
    REQUIRE(upload);
  }
  auto upload = files.upload(file, place.at("aborted"), {}, 5 << 20, keep);
  REQUIRE(upload);
  CHECK((*upload)->abort());
  CHECK((*upload)->abort());  // twice
  upload->reset();
  CHECK(names_in(place, "").empty());
  // What cannot be written down is not begun.
  const auto refused = files.upload(file, place.at("refused"), {}, 5 << 20, [](const Value&) {
    return Result<void>(Error{ErrorKind::io, "disk full"});
  });
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "disk full");
  if (kind == "s3") {
    const Connection connection = test::Services().s3(std::string(bucket));
    const std::string prefix = place.root.substr(place.root.find('/', 5) + 1);
    CHECK(test::boto(connection, {"uploads", std::string(bucket), prefix}).as_list().empty());
  } else {
    CHECK(std::filesystem::is_empty(place.root));
  }
}

TEST_CASE("another process completes or aborts an upload by its state") {
  EVERY_FILE_SYSTEM();
  const TemporaryFolder folder;
  const std::string content = test::random_bytes(6 << 20, 6);
  const Path file = test::write_test_file(folder.path() / "file", content);
  Value state;
  const auto keep = [&](const Value& now) {
    state = now;
    return Result<void>();
  };
  // Its own process is gone: it neither completes nor aborts.
  auto orphan = files.upload(file, place.at("orphan"), {}, 5 << 20, keep);
  REQUIRE(orphan);
  Place other = make_place(kind);
  const auto reread = parse_json(to_json(state));
  REQUIRE(reread);
  const auto completed = other.files->complete(*reread);
  if (!completed) FAIL(completed.error().message);
  CHECK((other.files->read(place.at("orphan"), 64 << 20) == content));
  if (kind == "s3") {
    // Doing it again changes nothing: the answer of the first time may have been lost.
    const auto again = other.files->complete(*reread);
    REQUIRE(again);
    CHECK(again->etag == completed->etag);
  }
  auto second = files.upload(file, place.at("second"), {}, 5 << 20, keep);
  REQUIRE(second);
  CHECK(other.files->abort(state));
  CHECK(other.files->abort(state));
  CHECK_FALSE(other.files->complete(state));
  CHECK(names_in(place, "second").empty());
}

TEST_CASE("an upload obeys conditions when it is completed") {
  EVERY_FILE_SYSTEM();
  const TemporaryFolder folder;
  const Path file = test::write_test_file(folder.path() / "file", "new");
  const std::string uri = place.at("guarded");
  const auto old = files.write(uri, "old", {});
  REQUIRE(old);
  auto upload = files.upload(file, uri, {.if_match = old->etag}, 5 << 20, {});
  REQUIRE(upload);
  REQUIRE(files.write(uri, "newer", {}));  // somebody else comes in between
  const auto late = (*upload)->complete();
  REQUIRE_FALSE(late);
  CHECK(late.error().kind == ErrorKind::conflict);
  CHECK(files.read(uri, 100) == "newer");
  auto absent = files.upload(file, uri, {.if_none_match = true}, 5 << 20, {});
  REQUIRE(absent);
  CHECK((*absent)->complete().error().kind == ErrorKind::conflict);
  REQUIRE(files.remove(uri));
  CHECK((*absent)->complete());
  CHECK(files.read(uri, 100) == "new");
}

TEST_CASE("a file is written in one request too") {
  EVERY_FILE_SYSTEM();
  const TemporaryFolder folder;
  for (const size_t size : {size_t{0}, size_t{2'500'000}}) {
    const std::string content = test::random_bytes(size, size + 9);
    const Path file = test::write_test_file(folder.path() / "file", content);
    const auto written = files.write_file(file, place.at("file"), {.metadata = {{"note", "한글"}}});
    if (!written) FAIL(written.error().message);
    CHECK(written->bytes == static_cast<int64_t>(size));
    const auto read = files.read(place.at("file"), 64 << 20);
    REQUIRE(read);
    CHECK((*read == content));
    const auto info = files.stat(place.at("file"));
    REQUIRE(info);
    REQUIRE(*info);
    if (place.keeps_metadata)
      CHECK((*info)->metadata == std::vector<std::pair<std::string, std::string>>{{"note", "한글"}});
  }
  CHECK(files.write_file(folder.path() / "absent", place.at("file"), {}).error().kind == ErrorKind::not_found);
  CHECK_FALSE(files.write_file(folder.path(), place.at("file"), {}));
}

TEST_CASE("a stop ends an upload and leaves nothing") {
  const std::string kind = GENERATE(as<std::string>(), "local", "s3");
  Place place = make_place(kind);
  const TemporaryFolder folder;
  const Path file = test::write_test_file(folder.path() / "file", test::random_bytes(12 << 20, 3));
  std::stop_source stop;
  IoContext context = test::io_context();
  context.stop = stop.get_token();
  std::optional<Connection> connection;
  if (kind == "s3") connection = test::Services().s3(std::string(bucket));
  auto files = make_file_system(place.root, connection, context);
  REQUIRE(files);
  const auto upload = (*files)->upload(file, place.at("stopped"), {}, 5 << 20, [&](const Value&) {
    stop.request_stop();
    return Result<void>();
  });
  REQUIRE_FALSE(upload);
  CHECK(upload.error().kind == ErrorKind::cancelled);
  CHECK(names_in(place, "").empty());
  if (kind == "s3") {
    const std::string prefix = place.root.substr(place.root.find('/', 5) + 1);
    CHECK(test::boto(*connection, {"uploads", std::string(bucket), prefix}).as_list().empty());
  } else {
    CHECK(std::filesystem::is_empty(place.root));
  }
}

TEST_CASE("wrong names are refused with what was expected") {
  const auto error_of = [](const std::string& uri, std::optional<Connection> connection = {}) {
    const auto made = make_file_system(uri, std::move(connection), test::io_context());
    REQUIRE_FALSE(made);
    CHECK(made.error().kind == ErrorKind::invalid);
    return made.error().message;
  };
  CHECK(error_of("lake/orders") == "`lake/orders`: expected an absolute path");
  CHECK(error_of("s4://lake/x") == "`s4://lake/x`: expected s3://bucket/key or an absolute path, not `s4://`");
  CHECK(error_of("s3://a") == "`s3://a`: a bucket's name has 3 to 63 letters, digits, `-` and `.`");
  CHECK(error_of("s3:///key") == "`s3:///key`: a bucket's name has 3 to 63 letters, digits, `-` and `.`");
  CHECK(error_of("s3://evil.com@x/key") ==
        "`s3://evil.com@x/key`: a bucket's name has 3 to 63 letters, digits, `-` and `.`");
  CHECK(error_of("file://host/x") == "`file://host/x`: expected file:///path, percent-encoded");
  CHECK(error_of("s3://lake/x", Connection{.id = "db", .type = "mysql"}) ==
        "connection `db`: it is of type mysql; S3 needs one of type aws");
  CHECK(error_of("s3://lake/x", Connection{.id = "c", .type = "aws", .host = "store"}) ==
        "connection `c`: an aws connection has no host; give a store other than AWS as option endpoint_url=https://…");
}

}  // namespace
}  // namespace udon
