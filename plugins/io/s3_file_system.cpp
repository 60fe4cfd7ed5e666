#include "plugins/io/s3_file_system.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "plugins/io/file_digest.h"
#include "plugins/io/s3_list.h"
#include "plugins/io/s3_metadata.h"
#include "plugins/io/s3_upload_in_parts.h"
#include "plugins/io/s3_xml.h"

namespace udon {
namespace {

// Below this a refusal costs less than asking first.
constexpr int64_t expect_continue_bytes_min = 1 << 20;
// One PUT takes no more.
constexpr int64_t put_bytes_max = int64_t{5} << 30;

int64_t length_of(const HttpResponse& response) {
  const std::string_view text = response.header("content-length");
  int64_t bytes = 0;
  std::from_chars(text.data(), text.data() + text.size(), bytes);
  return bytes;
}

ObjectInfo info_of(const S3Uri& object, const HttpResponse& response) {
  ObjectInfo info{.uri = to_string(object),
                  .bytes = length_of(response),
                  .etag = without_quotes(response.header("etag")),
                  .storage_class = std::string(response.header("x-amz-storage-class")),
                  .sha256 = std::string(response.header("x-amz-checksum-sha256")),
                  .encryption = std::string(response.header("x-amz-server-side-encryption")),
                  .kms_key_id = std::string(response.header("x-amz-server-side-encryption-aws-kms-key-id"))};
  info.content_type = response.header("content-type");
  for (const char* name : {"cache-control", "content-disposition", "content-encoding", "content-language", "expires"})
    if (const auto value = response.header(name); !value.empty()) info.headers.emplace_back(name, value);
  constexpr std::string_view prefix = "x-amz-meta-";
  for (const auto& [name, value] : response.headers) {
    if (name.starts_with(prefix)) info.metadata.emplace_back(name.substr(prefix.size()), decode_s3_metadata(value));
  }
  std::ranges::sort(info.metadata);
  return info;
}

}  // namespace

Result<HttpHeaders> s3_object_headers(const S3Settings& settings, const PutOptions& options) {
  HttpHeaders headers{{"content-type", options.content_type}};
  TRY(check_s3_metadata(options.metadata));
  for (const auto& [key, value] : options.metadata)
    headers.emplace_back("x-amz-meta-" + key, encode_s3_metadata(value));
  const auto add = [&](const char* name, const std::string& own, const std::string& usual) {
    const std::string& value = own.empty() ? usual : own;
    if (!value.empty()) headers.emplace_back(name, value);
  };
  for (const auto& [name, value] : options.headers) headers.emplace_back(name, value);
  add("x-amz-storage-class", options.storage_class, settings.storage_class);
  add("x-amz-server-side-encryption", options.encryption, settings.encryption);
  add("x-amz-server-side-encryption-aws-kms-key-id", options.kms_key_id, settings.kms_key_id);
  return headers;
}

HttpHeaders s3_condition_headers(const PutOptions& options) {
  HttpHeaders headers;
  if (!options.if_match.empty()) headers.emplace_back("if-match", "\"" + options.if_match + "\"");
  if (options.if_none_match) headers.emplace_back("if-none-match", "*");
  return headers;
}

bool is_what_we_wrote(const ObjectInfo& there, std::string_view sha256, const PutOptions& options) {
  if (there.sha256 != sha256) return false;
  auto expected = options.metadata;
  std::ranges::sort(expected);
  return there.metadata == expected;
}

Result<std::optional<ObjectInfo>> s3_stat(S3Client& client, const S3Uri& object, const std::stop_token& stop) {
  S3Request request{
      .action = "look up", .method = "HEAD", .object = object, .headers = {{"x-amz-checksum-mode", "ENABLED"}}};
  TRY_ASSIGN(S3Answer answer, client.send(request, stop));
  if (!answer.problem) return std::optional(info_of(object, answer.response));
  if (answer.problem->status == 404) return std::optional<ObjectInfo>();
  // The answer to HEAD has no body to say why: one to GET does.
  request.method = "GET";
  request.headers = {{"range", "bytes=0-0"}};
  TRY_ASSIGN(const S3Answer reason, client.send(request, stop));
  return reason.problem ? reason.problem->error : answer.problem->error;
}

Result<void> S3FileSystem::check_bucket(const S3Uri& object) {
  // A list of nothing rather than HEAD: its refusal says why.
  const S3Request request{.action = "look up",
                          .object = {object.bucket, ""},
                          .query = {{"list-type", "2"}, {"max-keys", "1"}, {"prefix", object.key}}};
  TRY_ASSIGN(const S3Answer answer, client_->send(request, stop()));
  // Who may not list gets 403: then the bucket is there.
  if (answer.problem && answer.problem->status == 404) return answer.problem->error;
  return {};
}

Result<std::optional<ObjectInfo>> S3FileSystem::stat(const std::string& uri) {
  TRY_ASSIGN(const S3Uri object, parse_s3_uri(uri));
  TRY_ASSIGN(auto info, s3_stat(*client_, object, stop()));
  if (!info) TRY(check_bucket(object));
  return info;
}

Result<std::string> S3FileSystem::read(const std::string& uri, int64_t bytes_max) {
  TRY_ASSIGN(const S3Uri object, parse_s3_uri(uri));
  TRY_ASSIGN(
      HttpResponse response,
      client_->get_answer(
          {.action = "read", .object = object, .response_bytes_max = std::max<int64_t>(bytes_max, 64 << 10)}, stop()));
  if (static_cast<int64_t>(response.body.size()) > bytes_max) {
    return Error{ErrorKind::data, uri + " has more than " + std::to_string(bytes_max) + " bytes"};
  }
  return std::move(response.body);
}

Result<std::string> S3FileSystem::read_range(const std::string& uri, int64_t offset, int64_t length) {
  TRY_ASSIGN(const S3Uri object, parse_s3_uri(uri));
  if (offset < 0 || length < 0) return Error{ErrorKind::invalid, uri + ": a range has no negative ends"};
  if (length == 0) return std::string();
  const std::string range = "bytes=" + std::to_string(offset) + "-" + std::to_string(offset + length - 1);
  TRY_ASSIGN(S3Answer answer, client_->send({.action = "read",
                                             .object = object,
                                             .headers = {{"range", range}},
                                             .response_bytes_max = std::max<int64_t>(length, 64 << 10)},
                                            stop()));
  if (answer.problem && answer.problem->status == 416) return std::string();  // begins at or after the end
  if (answer.problem) return std::move(answer.problem->error);
  if (answer.response.status != 206) {
    return Error{ErrorKind::unsupported, uri + ": the store gave more than the range that was asked for"};
  }
  return std::move(answer.response.body);
}

Result<ObjectInfo> S3FileSystem::write(const std::string& uri, std::string_view content, const PutOptions& options) {
  TRY_ASSIGN(const S3Uri object, parse_s3_uri(uri));
  return put(object, content, sha256(content), static_cast<int64_t>(content.size()), options);
}

Result<ObjectInfo> S3FileSystem::write_file(const Path& file, const std::string& uri, const PutOptions& options) {
  TRY_ASSIGN(const S3Uri object, parse_s3_uri(uri));
  TRY_ASSIGN(const FileDescriptor descriptor, open_file(file, O_RDONLY));
  TRY_ASSIGN(const int64_t bytes, size_of_file(descriptor, file));
  const FileRange all{descriptor.get(), 0, bytes, file};
  TRY_ASSIGN(const Sha256Digest digest, sha256_of(all, stop()));
  return put(object, all, digest, bytes, options);
}

Result<ObjectInfo> S3FileSystem::write_range(const FileRange& range, const Sha256Digest& digest, const std::string& uri,
                                             const PutOptions& options) {
  TRY_ASSIGN(const S3Uri object, parse_s3_uri(uri));
  return put(object, range, digest, range.length, options);
}

Result<ObjectInfo> S3FileSystem::put(const S3Uri& object, std::variant<std::string_view, FileRange> body,
                                     const Sha256Digest& digest, int64_t bytes, const PutOptions& options) {
  if (object.key.empty()) return Error{ErrorKind::invalid, to_string(object) + ": expected a key after the bucket"};
  if (bytes > put_bytes_max) {
    return Error{ErrorKind::unsupported, to_string(object) + ": one request takes 5 GiB at most; send it in parts"};
  }
  const std::string checksum = to_base64(digest);
  S3Request request{.action = "write",
                    .method = "PUT",
                    .object = object,
                    .body = body,
                    .body_sha256 = digest,
                    .expect_continue = bytes >= expect_continue_bytes_min};
  TRY_ASSIGN(request.headers, s3_object_headers(client_->settings(), options));
  request.headers.emplace_back("x-amz-checksum-sha256", checksum);
  for (auto& header : s3_condition_headers(options)) request.headers.push_back(std::move(header));
  TRY_ASSIGN(S3Answer answer, client_->send(request, stop()));
  ObjectInfo info{
      .uri = to_string(object), .bytes = bytes, .storage_class = options.storage_class, .metadata = options.metadata};
  if (answer.problem) {
    const bool is_no_such_object = answer.problem->code == "NoSuchKey" && !options.if_match.empty();
    if (is_no_such_object) answer.problem->error.kind = ErrorKind::conflict;
    if (answer.problem->status == 412 && answer.attempts > 1) {
      TRY_ASSIGN(const auto there, s3_stat(*client_, object, stop()));
      if (there && is_what_we_wrote(*there, checksum, options)) return *there;
    }
    return std::move(answer.problem->error);
  }
  info.etag = without_quotes(answer.response.header("etag"));
  info.sha256 = answer.response.header("x-amz-checksum-sha256");
  if (!info.sha256.empty() && info.sha256 != checksum) {
    return Error{ErrorKind::data, "write " + info.uri +
                                      ": the store says that it keeps other bytes than were sent (SHA-256 " +
                                      info.sha256 + ", sent " + checksum + ")"};
  }
  return info;
}

Result<std::unique_ptr<PendingUpload>> S3FileSystem::upload(
    const Path& file, const std::string& uri, const PutOptions& options, int64_t part_bytes,
    const std::function<Result<void>(const Value& state)>& persist) {
  TRY_ASSIGN(const S3Uri object, parse_s3_uri(uri));
  return upload_in_parts(client_, file, object, options, part_bytes, persist);
}

Result<ObjectInfo> S3FileSystem::complete(const Value& state) {
  TRY_ASSIGN(const S3UploadState upload, parse_upload_state(state));
  return complete_upload(*client_, upload, stop());
}

Result<void> S3FileSystem::abort(const Value& state) {
  TRY_ASSIGN(const S3UploadState upload, parse_upload_state(state));
  return abort_upload(*client_, upload, stop());
}

Result<std::vector<BegunUpload>> S3FileSystem::begun_uploads(const std::string& uri) {
  TRY_ASSIGN(const S3Uri object, parse_s3_uri(uri));
  // One page: 1,000 uploads of one key would be another mistake than ours.
  TRY_ASSIGN(const HttpResponse response, client_->get_answer({.action = "list the uploads of",
                                                               .object = {object.bucket, ""},
                                                               .about = uri,
                                                               .query = {{"uploads", ""}, {"prefix", object.key}}},
                                                              stop()));
  auto listed = parse_s3_uploads(response.body);
  if (!listed) return listed.error().within("list the uploads of " + uri);
  std::vector<BegunUpload> begun;
  for (S3BegunUpload& upload : *listed)
    if (upload.key == object.key) begun.push_back({std::move(upload.id), upload.begun_at});
  return begun;
}

Result<std::vector<ObjectInfo>> S3FileSystem::list(const std::string& uri_prefix, size_t count_max) {
  TRY_ASSIGN(const S3Uri prefix, parse_s3_uri(uri_prefix));
  std::vector<ObjectInfo> objects;
  const auto take = [&](std::vector<S3ListedObject> page, const std::optional<TimePoint>&) -> Result<bool> {
    for (S3ListedObject& listed : page) {
      objects.push_back({.uri = to_string({prefix.bucket, std::move(listed.key)}),
                         .bytes = listed.bytes,
                         .etag = std::move(listed.etag),
                         .storage_class = std::move(listed.storage_class)});
    }
    return objects.size() < count_max;
  };
  TRY(list_s3(*client_, {.prefix = prefix}, take, stop()));
  return objects;
}

Result<void> S3FileSystem::remove(const std::string& uri) {
  TRY_ASSIGN(const S3Uri object, parse_s3_uri(uri));
  if (object.key.empty()) return Error{ErrorKind::invalid, uri + ": expected a key after the bucket"};
  TRY_ASSIGN(const S3Answer answer, client_->send({.action = "remove", .method = "DELETE", .object = object}, stop()));
  if (answer.problem && answer.problem->code != "NoSuchKey") return answer.problem->error;
  return {};
}

}  // namespace udon
