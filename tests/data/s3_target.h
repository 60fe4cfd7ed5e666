#pragma once
// A folder in the real store that tests publish to, what must stand there at the end, and who publishes in a process of
// his own.
#include <signal.h>

#include "base/id.h"
#include "base/text.h"
#include "plugins/data/certifier.h"
#include "plugins/data/publisher.h"
#include "tests/base/temporary_folder.h"
#include "tests/data/store_proxy.h"
#include "tests/io/store.h"
#include "tests/support/eventually.h"

namespace udon::data::test_target {

inline const std::string bucket = "udon-publish";

inline const Connection& store_connection() {
  static const Connection connection = test::Services().s3(bucket);
  return connection;
}

inline const std::string all_targets = make_secret(8) + "/";

// Asked of the store by another's client, once for all that a test has done: parts that nobody aborts cost money.
inline void require_no_parts_left() {
  CHECK(test::boto(store_connection(), {"uploads", bucket, all_targets}).as_list().empty());
}

// A folder of its own in the bucket, and what stands there.
struct Target {
  TemporaryFolder folder;
  std::string prefix = all_targets + make_secret(8) + "/주문/dt=2026-01-01/";
  std::string to = "s3://" + bucket + "/" + prefix;
  std::unique_ptr<FileSystem> store = test::open_store(store_connection(), bucket);

  PublishRequest request(const std::string& try_id, const std::string& content, const std::string& home = "home") {
    return request(try_id, std::vector{content}, home);
  }
  // Of a file for each content.
  PublishRequest request(const std::string& try_id, const std::vector<std::string>& contents,
                         const std::string& home = "home") {
    PublishRequest made;
    made.to = to;
    made.try_id = try_id;
    made.pending_folder = folder.path() / home / "uploads";
    made.part_bytes = 5 << 20;
    made.certificate.id = "certificate of " + try_id;
    for (const std::string& content : contents) {
      const std::string name = "staged-" + try_id + "-" + std::to_string(made.staged.size());
      made.staged.push_back(test::write_test_file(folder.path() / name, content));
      made.certificate.files.push_back({.rows = 3, .bytes = content.size(), .sha256 = to_hex(sha256(content))});
    }
    return made;
  }
  Result<Published> publish(const PublishRequest& made) { return data::publish(*store, made); }

  std::vector<std::string> names() {
    const auto objects = store->list(to);
    if (!objects) FAIL(objects.error().message);
    std::vector<std::string> found;
    for (const ObjectInfo& object : *objects) found.push_back(object.uri.substr(to.size()));
    return found;
  }
  std::string metadata(const std::string& key) {
    const auto info = store->stat(to + "part-00000.parquet");
    REQUIRE((info && *info));
    for (const auto& [name, value] : (*info)->metadata)
      if (name == key) return value;
    return "";
  }
  Value manifest() {
    const auto text = store->read(to + "_manifest.json", 1 << 20);
    if (!text) FAIL(text.error().message);
    const auto parsed = parse_json(*text);
    REQUIRE(parsed);
    return *parsed;
  }
  // What a reader may count on at every moment: no object, or a whole one that is what its metadata say.
  std::optional<std::string> whole_object() {
    const auto info = store->stat(to + "part-00000.parquet");
    REQUIRE(info);
    if (!*info) return std::nullopt;
    const auto content = store->read(to + "part-00000.parquet", 64 << 20);
    REQUIRE(content);
    CHECK(metadata("udon-sha256") == to_hex(sha256(*content)));
    return *content;
  }
  // And at the end of a publication: nothing but the three, and the manifest speaks of the object that is there.
  void require_finished(const std::string& content, const std::string& try_id) {
    CHECK(whole_object() == content);
    CHECK(names() == std::vector<std::string>{"_SUCCESS", "_manifest.json", "part-00000.parquet"});
    const Value found = manifest();
    const Value& file = found.get("files").as_list().at(0);
    const auto info = store->stat(to + "part-00000.parquet");
    REQUIRE((info && *info));
    CHECK(file.text("etag") == (*info)->etag);
    CHECK(file.text("sha256") == to_hex(sha256(content)));
    CHECK(file.integer("bytes") == static_cast<int64_t>(content.size()));
    CHECK(found.text("try") == try_id);
    CHECK(found.get("certificate").text("id") == metadata("udon-certificate"));
    CHECK(metadata("udon-try") == try_id);
    std::error_code error;
    for (const char* home : {"home", "away"}) {
      const Path uploads = folder.path() / home / "uploads";
      if (std::filesystem::exists(uploads)) CHECK(std::filesystem::is_empty(uploads, error));
    }
  }
};

inline std::string content_of(const std::string& name, size_t bytes) {
  return name + test::random_bytes(bytes, name.size());
}

// Publishes in a process of its own through the proxy. True if it lived to the end.
struct Victim {
  explicit Victim(const PublishRequest& request, const std::string& endpoint, int step = -1)
      : Victim(request, endpoint, std::to_string(step)) {}
  // `step`: its number, or a name, whose first it is.
  Victim(const PublishRequest& request, const std::string& endpoint, const std::string& step) {
    std::vector<std::string> staged;
    for (const Path& file : request.staged) staged.push_back(file.string());
    SpawnRequest spawned;
    spawned.argv = {(Path(std::getenv("UDON_BUILD")) / "tests/publish_victim").string(),
                    join(staged, ","),
                    request.to,
                    request.try_id,
                    step,
                    request.pending_folder.string(),
                    endpoint};
    spawned.environment = current_environment();
    const auto started = spawn(spawned);
    REQUIRE(started);
    pid = *started;
  }
  bool lived() const {
    const auto status = wait_child(pid);
    REQUIRE(status);
    INFO(describe(*status));
    CHECK((status->succeeded() || status->signal == SIGKILL));
    return status->succeeded();
  }
  pid_t pid = 0;
};

}  // namespace udon::data::test_target
