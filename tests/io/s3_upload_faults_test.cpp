// Uploads in parts to a store that fails: what is sent again, what is given up, what may be left behind. The store is a
// test's.
#include <set>

#include "plugins/io/pending_uploads.h"
#include "tests/base/temporary_folder.h"
#include "tests/io/faults.h"

namespace udon {
namespace {

using test::FaultReply;
using test::FaultServer;
using test::reply;
using test::SeenRequest;
using test::xml_error;
using Client = test::FaultClient;

// A store that keeps the parts of one upload, with a fault put in.
struct PartStore {
  std::function<std::optional<FaultReply>(const SeenRequest&)> fault;
  FaultServer server{[this](const SeenRequest& seen) -> FaultReply {
    if (fault) {
      if (auto answer = fault(seen)) return *answer;
    }
    if (seen.method == "POST" && seen.target.ends_with("?uploads=")) {
      return reply(200, "<InitiateMultipartUploadResult><UploadId>id/+=1</UploadId></InitiateMultipartUploadResult>");
    }
    if (seen.method == "PUT") {
      return reply(200, "",
                   "ETag: \"part\"\r\nx-amz-checksum-sha256: " + seen.header("x-amz-checksum-sha256") + "\r\n");
    }
    if (seen.method == "DELETE") return reply(204);
    return reply(200, "<CompleteMultipartUploadResult><ETag>\"whole-3\"</ETag><ChecksumSHA256>" + composite +
                          "</ChecksumSHA256></CompleteMultipartUploadResult>");
  }};
  std::string composite;

  int count(const std::string& method, const std::string& in_target) const {
    int found = 0;
    for (const SeenRequest& seen : server.requests()) {
      if (seen.method == method && seen.target.find(in_target) != seen.target.npos) ++found;
    }
    return found;
  }
};

struct File {
  TemporaryFolder folder;
  std::string content = test::random_bytes(13 << 20, 13);
  Path path = test::write_test_file(folder.path() / "file", content);

  std::string composite() const {
    std::string digests;
    for (size_t at = 0; at < content.size(); at += 5 << 20) {
      digests += as_text(sha256(std::string_view(content).substr(at, 5 << 20)));
    }
    return to_base64(sha256(digests)) + "-3";
  }
};

TEST_CASE("parts that fail are sent again, alone") {
  File file;
  PartStore store{.composite = file.composite()};
  std::mutex mutex;
  std::set<std::string> failed;
  store.fault = [&](const SeenRequest& seen) -> std::optional<FaultReply> {
    const std::lock_guard lock(mutex);
    if (seen.method == "PUT" && failed.insert(seen.target).second) return reply(503, xml_error("SlowDown"));
    return std::nullopt;
  };
  Client client(store.server);
  auto upload = client.files->upload(file.path, "s3://lake/key", {.metadata = {{"a", "b"}}}, 5 << 20, {});
  if (!upload) FAIL(upload.error().message);
  const auto written = (*upload)->complete();
  if (!written) FAIL(written.error().message);
  CHECK(written->etag == "whole-3");
  CHECK(written->sha256 == file.composite());
  CHECK(written->bytes == 13 << 20);
  CHECK(store.count("PUT", "partNumber") == 6);
  CHECK(store.count("PUT", "uploadId=id%2F%2B%3D1") == 6);
  CHECK(store.count("DELETE", "") == 0);
}

TEST_CASE("when a part cannot be sent the upload is aborted and the part named") {
  File file;
  PartStore store;
  store.fault = [](const SeenRequest& seen) -> std::optional<FaultReply> {
    if (seen.method == "PUT" && seen.target.find("partNumber=2") != seen.target.npos)
      return reply(403, xml_error("AccessDenied"));
    return std::nullopt;
  };
  Client client(store.server);
  const auto upload = client.files->upload(file.path, "s3://lake/key", {}, 5 << 20, {});
  REQUIRE_FALSE(upload);
  CHECK(upload.error().kind == ErrorKind::denied);
  CHECK_THAT(upload.error().message, Catch::StartsWith("send part 2 of s3://lake/key at "));
  CHECK(store.count("DELETE", "uploadId=") == 1);
  CHECK(store.count("POST", "uploadId=") == 0);
}

TEST_CASE("a part that the store keeps otherwise fails the upload") {
  File file;
  PartStore store;
  store.fault = [](const SeenRequest& seen) -> std::optional<FaultReply> {
    if (seen.method != "PUT") return std::nullopt;
    return reply(200, "", "ETag: \"part\"\r\nx-amz-checksum-sha256: " + to_base64(sha256("other")) + "\r\n");
  };
  const auto upload = Client(store.server).files->upload(file.path, "s3://lake/key", {}, 5 << 20, {});
  REQUIRE_FALSE(upload);
  CHECK(upload.error().kind == ErrorKind::data);
  CHECK(store.count("DELETE", "uploadId=") == 1);
}

TEST_CASE("a store that finds out after 200 that it cannot complete is asked again") {
  File file;
  PartStore store{.composite = file.composite()};
  int answered = 0;
  store.fault = [&](const SeenRequest& seen) -> std::optional<FaultReply> {
    if (seen.method == "POST" && seen.target.find("uploadId") != seen.target.npos && answered++ == 0) {
      return reply(200, "  \n" + xml_error("InternalError"));
    }
    return std::nullopt;
  };
  Client client(store.server);
  auto upload = client.files->upload(file.path, "s3://lake/key", {}, 5 << 20, {});
  REQUIRE(upload);
  CHECK((*upload)->complete());
  CHECK(answered == 2);
}

TEST_CASE("an object put together of other parts than were sent is an error") {
  File file;
  PartStore store{.composite = to_base64(sha256("other")) + "-3"};
  Client client(store.server);
  auto upload = client.files->upload(file.path, "s3://lake/key", {}, 5 << 20, {});
  REQUIRE(upload);
  const auto written = (*upload)->complete();
  REQUIRE_FALSE(written);
  CHECK(written.error().kind == ErrorKind::data);
  CHECK_THAT(written.error().message, Catch::Contains("the store put other bytes together than were sent"));
}

TEST_CASE("an upload that was completed by a request whose answer was lost counts as completed") {
  File file;
  PartStore store;
  const bool is_ours = GENERATE(true, false);
  int completes = 0;
  store.fault = [&](const SeenRequest& seen) -> std::optional<FaultReply> {
    if (seen.method == "HEAD") {
      const std::string sum = is_ours ? file.composite() : to_base64(sha256("other")) + "-3";
      return reply(200, "", "ETag: \"whole-3\"\r\nx-amz-checksum-sha256: " + sum + "\r\n");
    }
    if (seen.method != "POST" || seen.target.find("uploadId") == seen.target.npos) return std::nullopt;
    return completes++ == 0 ? test::hang_up() : reply(404, xml_error("NoSuchUpload"));
  };
  Client client(store.server);
  auto upload = client.files->upload(file.path, "s3://lake/key", {}, 5 << 20, {});
  REQUIRE(upload);
  const auto written = (*upload)->complete();
  if (is_ours) {
    REQUIRE(written);
    CHECK(written->etag == "whole-3");
  } else {
    REQUIRE_FALSE(written);
    CHECK(written.error().kind == ErrorKind::not_found);
  }
}

TEST_CASE("what is persisted is enough to abort from the first byte on, and to complete at the end") {
  File file;
  PartStore store{.composite = file.composite()};
  std::vector<Value> states;
  Client client(store.server);
  auto upload = client.files->upload(file.path, "s3://lake/key", {.metadata = {{"a", "b"}}, .if_match = "old"}, 5 << 20,
                                     [&](const Value& state) {
                                       if (states.empty()) CHECK(store.count("PUT", "") == 0);
                                       states.push_back(state);
                                       return Result<void>();
                                     });
  REQUIRE(upload);
  REQUIRE(states.size() == 4);
  CHECK(states[0].text("upload_id") == "id/+=1");
  CHECK(states[0].get("parts").size() == 0);
  CHECK(states[3].get("parts").size() == 3);
  for (size_t i = 0; i < 3; ++i)
    CHECK(states[3].get("parts").as_list()[i].integer("number") == static_cast<int64_t>(i + 1));
  CHECK(client.files->complete(states[1]).error().message == "complete s3://lake/key: 1 of 3 parts have arrived");
  REQUIRE(client.files->complete(states[3]));
  CHECK(store.server.requests().back().header("if-match") == "\"old\"");
  CHECK(client.files->abort(states[0]));
  CHECK(client.files->abort(Value::map()).error().kind == ErrorKind::invalid);
}

TEST_CASE("an upload that somebody else has ended while its parts were sent is lost to him, once and for all") {
  File file;
  PartStore store;
  store.fault = [](const SeenRequest& seen) -> std::optional<FaultReply> {
    if (seen.method == "PUT" && seen.target.find("partNumber=3") != seen.target.npos)
      return reply(404, xml_error("NoSuchUpload"));
    return std::nullopt;
  };
  PendingUploads pending(file.folder.path() / "uploads", 7);
  const Client client(store.server);
  const auto upload = pending.upload(*client.files, file.path, "s3://lake/key", {}, 5 << 20);
  REQUIRE_FALSE(upload);
  CHECK(upload.error().kind == ErrorKind::conflict);
  CHECK(std::filesystem::is_empty(file.folder.path() / "uploads"));
}

// What a store lists as begun and not ended: ids, and what stands in <Initiated>.
FaultReply listed(const std::vector<std::pair<std::string, std::string>>& uploads) {
  std::string text =
      "<ListMultipartUploadsResult><Upload><Key>key.bak</Key><UploadId>another key's</UploadId></Upload>";
  for (const auto& [id, begun_at] : uploads) {
    text += "<Upload><Key>key</Key><UploadId>" + id + "</UploadId>";
    if (!begun_at.empty()) text += "<Initiated>" + begun_at + "</Initiated>";
    text += "</Upload>";
  }
  return reply(200, text + "</ListMultipartUploadsResult>");
}

std::string after_now(Duration difference) { return format_time(test::system_clock.now() + difference); }

TEST_CASE("an upload that may have begun twice is aborted where nobody knows it") {
  using namespace std::chrono_literals;
  File file;
  PartStore store{.composite = file.composite()};
  int begun = 0;
  store.fault = [&](const SeenRequest& seen) -> std::optional<FaultReply> {
    if (seen.method == "POST" && seen.target.ends_with("?uploads=") && begun++ == 0) return test::hang_up();
    if (seen.method == "GET") {
      return listed({{"unknown", ""},
                     {"just-now", after_now(0s)},
                     {"long-ago", after_now(-2h)},
                     {"later", after_now(2h)},
                     {"id/+=1", after_now(0s)},
                     {"a living one's", after_now(0s)}});
    }
    return std::nullopt;
  };
  const Client client(store.server);
  const Path uploads = file.folder.path() / "uploads";
  // Somebody else of ours is sending to the same key, a later or an earlier try.
  const int64_t other_fence = GENERATE(6, 8);
  PartStore other;
  other.fault = [](const SeenRequest& seen) -> std::optional<FaultReply> {
    if (seen.method != "POST") return std::nullopt;
    return reply(200,
                 "<InitiateMultipartUploadResult><UploadId>a living one's</UploadId></InitiateMultipartUploadResult>");
  };
  const Client for_other(other.server);
  PendingUploads pending_of_other(uploads, other_fence);
  const auto theirs = pending_of_other.upload(*for_other.files, file.path, "s3://lake/key", {}, 5 << 20);
  REQUIRE(theirs);

  PendingUploads pending(uploads, 7);
  auto upload = pending.upload(*client.files, file.path, "s3://lake/key", {}, 5 << 20);
  if (!upload) FAIL(upload.error().message);
  CHECK(begun == 2);
  CHECK(store.count("DELETE", "") == 2);
  CHECK(store.count("DELETE", "uploadId=unknown") == 1);
  CHECK(store.count("DELETE", "uploadId=just-now") == 1);
  CHECK(other.count("DELETE", "") == 0);
  CHECK((*upload)->complete());
  CHECK(std::distance(std::filesystem::directory_iterator(uploads), {}) == 1);
  CHECK((*theirs)->abort());
  CHECK(std::filesystem::is_empty(uploads));
}

TEST_CASE("what a dead process left is aborted, whichever try it was, and torn files count as those without an id") {
  File file;
  PartStore store{.composite = file.composite()};
  store.fault = [](const SeenRequest& seen) -> std::optional<FaultReply> {
    if (seen.method == "GET") return listed({{"unheard", after_now(Duration(0))}, {"heard", after_now(Duration(0))}});
    return std::nullopt;
  };
  const Client client(store.server);
  const Path uploads = file.folder.path() / "uploads";
  PendingUploads pending(uploads, 7);
  REQUIRE(pending.abort_left_over(*client.files, "s3://lake/key"));  // without a folder
  CHECK(store.server.requests().empty());

  const std::string content = GENERATE("", R"({"uri":"s3://lake/key"})", R"({"uri":"s3://lake/key","upload_i)", "[]");
  const int64_t fence = GENERATE(3, 12);
  INFO(content << " of " << fence);
  Path left;
  {
    const auto dropped = PendingUploads(uploads, fence).upload(*client.files, file.path, "s3://lake/key", {}, 5 << 20);
    REQUIRE(dropped);
    left = std::filesystem::directory_iterator(uploads)->path();
    // It lives: nobody touches it.
    const int aborts = store.count("DELETE", "");
    REQUIRE(pending.abort_left_over(*client.files, "s3://lake/key"));
    CHECK(store.count("DELETE", "") == aborts);
  }
  // Dropped, so aborted as far as could be; that it was is not sure.
  CHECK(std::filesystem::exists(left));
  REQUIRE(write_file_atomically(left, content, Durability::survives_kill));
  REQUIRE(pending.abort_left_over(*client.files, "s3://lake/other"));
  CHECK(std::filesystem::exists(left));
  REQUIRE(pending.abort_left_over(*client.files, "s3://lake/key"));
  CHECK(store.count("DELETE", "uploadId=unheard") == 1);
  CHECK(store.count("DELETE", "uploadId=heard") == 1);
  CHECK(std::filesystem::is_empty(uploads));
}

TEST_CASE("a store that fails while left-over uploads are looked for leaves the next try what it needs to know") {
  File file;
  PartStore store;
  bool is_down = true;
  store.fault = [&](const SeenRequest& seen) -> std::optional<FaultReply> {
    if (is_down) return reply(400, xml_error("Odd"));
    if (seen.method == "GET") return listed({{"unheard", after_now(Duration(0))}});
    return std::nullopt;
  };
  const Client client(store.server);
  const Path uploads = file.folder.path() / "uploads";
  PendingUploads pending(uploads, 7);
  const auto refused = pending.upload(*client.files, file.path, "s3://lake/key", {}, 5 << 20);
  REQUIRE_FALSE(refused);
  CHECK(std::distance(std::filesystem::directory_iterator(uploads), {}) == 1);
  const auto looked = pending.abort_left_over(*client.files, "s3://lake/key");
  REQUIRE_FALSE(looked);
  CHECK_THAT(looked.error().message, Catch::StartsWith("looking for uploads that were left over: "));
  CHECK(std::distance(std::filesystem::directory_iterator(uploads), {}) == 1);
  is_down = false;
  REQUIRE(pending.abort_left_over(*client.files, "s3://lake/key"));
  CHECK(store.count("DELETE", "uploadId=unheard") == 1);
  CHECK(std::filesystem::is_empty(uploads));
}

TEST_CASE("who may not list uploads can publish all the same") {
  File file;
  PartStore store{.composite = file.composite()};
  int begun = 0;
  store.fault = [&](const SeenRequest& seen) -> std::optional<FaultReply> {
    if (seen.method == "POST" && seen.target.ends_with("?uploads=") && begun++ == 0)
      return reply(503, xml_error("SlowDown"));
    if (seen.method == "GET") return reply(403, xml_error("AccessDenied"));
    return std::nullopt;
  };
  const Client client(store.server);
  PendingUploads pending(file.folder.path() / "uploads", 7);
  const auto upload = pending.upload(*client.files, file.path, "s3://lake/key", {}, 5 << 20);
  if (!upload) FAIL(upload.error().message);
  CHECK((*upload)->complete());
}

}  // namespace
}  // namespace udon
