#include "plugins/io/s3_upload_in_parts.h"

#include <fcntl.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <thread>

#include "base/text.h"
#include "plugins/io/file_digest.h"
#include "plugins/io/s3_file_system.h"

namespace udon {
namespace {

constexpr auto patience_when_stopped = std::chrono::seconds(2);

// Each has one connection and 1.3 MB of buffers: the part itself stays in the file.
constexpr int upload_threads = 4;
constexpr int64_t part_bytes_min = 5 << 20;
constexpr int64_t part_bytes_max = int64_t{5} << 30;
constexpr int64_t parts_max = 10'000;
// The store puts the parts together before it answers.
constexpr auto complete_stall = std::chrono::minutes(10);

Result<S3Part> send_part(S3Client& client, const S3UploadState& state, int number, const FileRange& range,
                         const std::stop_token& stop) {
  TRY_ASSIGN(const Sha256Digest digest, sha256_of(range, stop));
  S3Part part{.number = number, .sha256 = to_base64(digest)};
  TRY_ASSIGN(S3Answer answer,
             client.send({.action = "send part " + std::to_string(number) + " of",
                          .method = "PUT",
                          .object = state.object,
                          .query = {{"partNumber", std::to_string(number)}, {"uploadId", state.upload_id}},
                          .headers = {{"x-amz-checksum-sha256", part.sha256}},
                          .body = range,
                          .body_sha256 = digest},
                         stop));
  if (answer.problem) {
    // Nobody but another who publishes there ends an upload.
    if (answer.problem->code == "NoSuchUpload") answer.problem->error.kind = ErrorKind::conflict;
    return std::move(answer.problem->error);
  }
  const HttpResponse& response = answer.response;
  part.etag = without_quotes(response.header("etag"));
  const std::string_view kept = response.header("x-amz-checksum-sha256");
  if (part.etag.empty()) {
    return Error{ErrorKind::unavailable,
                 "send part " + std::to_string(number) + " of " + to_string(state.object) + ": the store gave no ETag"};
  }
  if (!kept.empty() && kept != part.sha256) {
    return Error{ErrorKind::data, "send part " + std::to_string(number) + " of " + to_string(state.object) +
                                      ": the store says that it keeps other bytes than were sent (SHA-256 " +
                                      std::string(kept) + ", sent " + part.sha256 + ")"};
  }
  return part;
}

// Threads take part numbers and give back parts; the one that called hears of each as it arrives.
class PartSender {
 public:
  PartSender(S3Client& client, const S3UploadState& state, const FileRange& whole, int64_t part_bytes)
      : client_(client), state_(state), whole_(whole), part_bytes_(part_bytes) {}

  Result<void> run(const std::stop_token& stop, const std::function<Result<void>(S3Part)>& on_part) {
    const std::stop_callback forward(stop, [this] { stop_all_.request_stop(); });
    std::vector<std::jthread> threads;
    const int count = std::min(upload_threads, state_.part_count);
    for (int i = 0; i < count; ++i) threads.emplace_back([this] { work(); });
    Result<void> result;
    for (int i = 0; i < state_.part_count; ++i) {
      Result<S3Part> part = next_done();
      result = part ? on_part(std::move(*part)) : Result<void>(part.error());
      if (!result) break;
    }
    stop_all_.request_stop();
    return result;
  }

 private:
  void work() {
    for (;;) {
      const int number = 1 + taken_.fetch_add(1);
      if (number > state_.part_count) return;
      const int64_t offset = (number - 1) * part_bytes_;
      Result<S3Part> part = send_part(client_, state_, number,
                                      {whole_.fd, offset, std::min(part_bytes_, whole_.length - offset), whole_.path},
                                      stop_all_.get_token());
      const bool is_failure = !part;
      {
        const std::lock_guard lock(mutex_);
        done_.push_back(std::move(part));
      }
      arrived_.notify_one();
      if (is_failure) return;
    }
  }
  Result<S3Part> next_done() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return !done_.empty(); });
    Result<S3Part> part = std::move(done_.front());
    done_.pop_front();
    return part;
  }

  S3Client& client_;
  const S3UploadState& state_;
  const FileRange whole_;
  const int64_t part_bytes_;
  std::stop_source stop_all_;
  std::atomic<int> taken_ = 0;
  std::mutex mutex_;  // of done_
  std::condition_variable arrived_;
  std::deque<Result<S3Part>> done_;
};

class S3PendingUpload final : public PendingUpload {
 public:
  S3PendingUpload(std::shared_ptr<S3Client> client, S3UploadState state)
      : client_(std::move(client)), state_(std::move(state)) {}
  ~S3PendingUpload() override {
    if (is_open_) static_cast<void>(abort_given_up(*client_, state_, 2));
  }
  S3PendingUpload(const S3PendingUpload&) = delete;
  S3PendingUpload& operator=(const S3PendingUpload&) = delete;

  S3UploadState& open_state() { return state_; }
  Value state() const override { return to_value(state_); }
  void only_if(const std::string& if_match, bool if_none_match) override {
    state_.options.if_match = if_match;
    state_.options.if_none_match = if_none_match;
  }
  Result<ObjectInfo> complete() override {
    TRY_ASSIGN(ObjectInfo info, complete_upload(*client_, state_, client_->context().stop));
    is_open_ = false;
    return info;
  }
  Result<void> abort() override {
    if (!is_open_) return {};
    TRY(abort_given_up(*client_, state_));
    is_open_ = false;
    return {};
  }

 private:
  const std::shared_ptr<S3Client> client_;
  S3UploadState state_;
  bool is_open_ = true;
};

}  // namespace

Result<void> begin_upload(S3Client& client, S3UploadState& state, const PutOptions& options,
                          const std::stop_token& stop) {
  S3Request request{
      .action = "begin the upload of", .method = "POST", .object = state.object, .query = {{"uploads", ""}}};
  TRY_ASSIGN(request.headers, s3_object_headers(client.settings(), options));
  request.headers.emplace_back("x-amz-checksum-algorithm", "SHA256");
  TRY_ASSIGN(S3Answer answer, client.send(request, stop));
  if (answer.problem) return std::move(answer.problem->error);
  state.may_have_begun_twice = answer.attempts > 1;
  TRY_ASSIGN(state.upload_id, parse_s3_upload_id(answer.response.body));
  return {};
}

std::unique_ptr<PendingUpload> pending_upload_of(std::shared_ptr<S3Client> client, S3UploadState state) {
  return std::make_unique<S3PendingUpload>(std::move(client), std::move(state));
}

int64_t fitting_part_bytes(int64_t file_bytes, int64_t wanted) {
  const int64_t at_least = (file_bytes + parts_max - 1) / parts_max;
  constexpr int64_t step = 1 << 20;
  const int64_t needed = (at_least + step - 1) / step * step;
  return std::clamp(std::max(wanted, needed), part_bytes_min, part_bytes_max);
}

std::string composite_sha256(const std::vector<S3Part>& parts) {
  Sha256 digest;
  for (const S3Part& part : parts) {
    const auto bytes = from_base64(part.sha256);
    if (bytes) digest.update(as_text(*bytes));
  }
  return to_base64(digest.finish()) + "-" + std::to_string(parts.size());
}

Value to_value(const S3UploadState& state) {
  Value value = Value::map();
  value.set("uri", to_string(state.object));
  value.set("upload_id", state.upload_id);
  if (state.may_have_begun_twice) value.set("may_have_begun_twice", true);
  value.set("bytes", state.bytes);
  value.set("part_count", state.part_count);
  if (!state.options.if_match.empty()) value.set("if_match", state.options.if_match);
  if (state.options.if_none_match) value.set("if_none_match", true);
  Value metadata = Value::map();
  for (const auto& [key, text] : state.options.metadata) metadata.set(key, text);
  value.set("metadata", std::move(metadata));
  Value parts = Value::list();
  for (const S3Part& part : state.parts) {
    Value entry = Value::map();
    entry.set("number", part.number);
    entry.set("etag", part.etag);
    entry.set("sha256", part.sha256);
    parts.push_back(std::move(entry));
  }
  value.set("parts", std::move(parts));
  return value;
}

Result<S3UploadState> parse_upload_state(const Value& value) {
  S3UploadState state;
  TRY_ASSIGN(state.object, parse_s3_uri(value.text("uri")));
  state.upload_id = value.text("upload_id");
  if (state.upload_id.empty()) return Error{ErrorKind::invalid, "the state of an upload has no upload_id"};
  state.may_have_begun_twice = value.flag("may_have_begun_twice");
  state.bytes = value.integer("bytes");
  state.part_count = static_cast<int>(value.integer("part_count"));
  state.options.if_match = value.text("if_match");
  state.options.if_none_match = value.flag("if_none_match");
  if (const Value& metadata = value.get("metadata"); metadata.is_map()) {
    for (const auto& [key, text] : metadata.as_map()) {
      if (text.is_string()) state.options.metadata.emplace_back(key, text.as_string());
    }
  }
  if (const Value& parts = value.get("parts"); parts.is_list()) {
    for (const Value& part : parts.as_list()) {
      state.parts.push_back({static_cast<int>(part.integer("number")), part.text("etag"), part.text("sha256")});
    }
  }
  return state;
}

Result<std::unique_ptr<PendingUpload>> upload_in_parts(std::shared_ptr<S3Client> client, const Path& file,
                                                       const S3Uri& object, const PutOptions& options,
                                                       int64_t part_bytes,
                                                       const std::function<Result<void>(const Value& state)>& persist) {
  if (object.key.empty()) return Error{ErrorKind::invalid, to_string(object) + ": expected a key after the bucket"};
  const std::stop_token stop = client->context().stop;
  TRY_ASSIGN(const FileDescriptor descriptor, open_file(file, O_RDONLY));
  TRY_ASSIGN(const int64_t bytes, size_of_file(descriptor, file));
  part_bytes = fitting_part_bytes(bytes, part_bytes);
  S3UploadState state{.object = object, .bytes = bytes, .options = options};
  // An empty file is one empty part.
  state.part_count = static_cast<int>(std::max<int64_t>(1, (bytes + part_bytes - 1) / part_bytes));
  TRY(begin_upload(*client, state, options, stop));
  auto upload = std::make_unique<S3PendingUpload>(client, state);
  if (persist) TRY(persist(upload->state()));
  PartSender sender(*client, state, {descriptor.get(), 0, bytes, file}, part_bytes);
  TRY(sender.run(stop, [&](S3Part part) -> Result<void> {
    auto& parts = upload->open_state().parts;
    parts.insert(std::ranges::upper_bound(parts, part.number, {}, &S3Part::number), std::move(part));
    return persist ? persist(upload->state()) : Result<void>();
  }));
  return upload;
}

Result<ObjectInfo> complete_upload(S3Client& client, const S3UploadState& state, const std::stop_token& stop) {
  const std::string uri = to_string(state.object);
  if (static_cast<int>(state.parts.size()) != state.part_count) {
    return Error{ErrorKind::invalid, "complete " + uri + ": " + std::to_string(state.parts.size()) + " of " +
                                         std::to_string(state.part_count) + " parts have arrived"};
  }
  // A store that copies parts may not say what their digests are.
  const bool has_checksums = std::ranges::none_of(state.parts, [](const S3Part& part) { return part.sha256.empty(); });
  const std::string checksum = has_checksums ? composite_sha256(state.parts) : "";
  const std::string body = s3_complete_body(state.parts);
  S3Request request{.action = "complete",
                    .method = "POST",
                    .object = state.object,
                    .query = {{"uploadId", state.upload_id}},
                    .headers = s3_condition_headers(state.options),
                    .body = std::string_view(body),
                    .body_sha256 = sha256(body),
                    .stall = complete_stall,
                    .may_fail_after_200 = true};
  request.headers.emplace_back("content-type", "application/xml");
  TRY_ASSIGN(S3Answer answer, client.send(request, stop));
  if (answer.problem) {
    S3Problem& problem = *answer.problem;
    // Completed already: by an attempt whose answer was lost, or by the process that began it.
    const bool may_be_done = problem.code == "NoSuchUpload" || (problem.status == 412 && answer.attempts > 1);
    if (may_be_done) {
      TRY_ASSIGN(auto there, s3_stat(client, state.object, stop));
      if (there && is_what_we_wrote(*there, has_checksums ? checksum : there->sha256, state.options))
        return std::move(*there);
    }
    if (problem.code == "NoSuchKey" && !state.options.if_match.empty()) problem.error.kind = ErrorKind::conflict;
    return std::move(problem.error);
  }
  auto completed = parse_s3_completed(answer.response.body);
  if (!completed) return completed.error().within("complete " + uri);
  ObjectInfo info{.uri = uri,
                  .bytes = state.bytes,
                  .etag = completed->etag,
                  .storage_class = state.options.storage_class,
                  .metadata = state.options.metadata,
                  .sha256 = completed->sha256};
  if (info.sha256.empty()) {
    TRY_ASSIGN(const auto there, s3_stat(client, state.object, stop));
    if (!there || there->bytes != state.bytes) {
      return Error{ErrorKind::data, "complete " + uri + ": the store keeps " +
                                        (there ? std::to_string(there->bytes) + " bytes" : std::string("nothing")) +
                                        ", sent " + std::to_string(state.bytes)};
    }
    info.sha256 = there->sha256;
  }
  if (has_checksums && !info.sha256.empty() && info.sha256 != checksum) {
    return Error{ErrorKind::data, "complete " + uri + ": the store put other bytes together than were sent (SHA-256 " +
                                      info.sha256 + ", expected " + checksum + ")"};
  }
  return info;
}

Result<void> abort_upload(S3Client& client, const S3UploadState& state, const std::stop_token& stop, int attempts_max,
                          Duration total) {
  const S3Request request{.action = "abort the upload of",
                          .method = "DELETE",
                          .object = state.object,
                          .query = {{"uploadId", state.upload_id}},
                          .total = total,
                          .attempts_max = attempts_max};
  TRY_ASSIGN(const S3Answer answer, client.send(request, stop));
  if (answer.problem && answer.problem->code != "NoSuchUpload") return answer.problem->error;
  return {};
}

Result<void> abort_given_up(S3Client& client, const S3UploadState& state, int attempts_max) {
  if (client.context().stop.stop_requested()) return abort_upload(client, state, {}, 1, patience_when_stopped);
  return abort_upload(client, state, {}, attempts_max);
}

}  // namespace udon
