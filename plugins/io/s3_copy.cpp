#include "plugins/io/s3_copy.h"

#include <algorithm>
#include <mutex>

#include "base/text.h"
#include "plugins/io/in_parallel.h"
#include "plugins/io/s3_upload_in_parts.h"
#include "plugins/io/s3_xml.h"
#include "plugins/io/same_content.h"

namespace udon {
namespace {

constexpr size_t part_threads = 8;
constexpr int rivals_max = 20;
// The store copies before it answers.
constexpr auto copy_stall = std::chrono::minutes(10);

std::string source_header(const CopySource& source) {
  return percent_encode("/" + source.object.bucket + "/" + source.object.key, "/");
}

Error source_changed(const CopySource& source) {
  return {ErrorKind::conflict, to_string(source.object) + " was written by somebody else while it was being copied"};
}

bool is_still_there(S3Client& client, const CopySource& source, const std::stop_token& stop) {
  const auto now = s3_stat(client, source.object, stop);
  return now && *now && (*now)->etag == source.info.etag;
}

// The parts of the upload are parts of the source: no file is sent.
class CopyInParts final : public S3FileSystem {
 public:
  CopyInParts(std::shared_ptr<S3Client> client, const CopySource& source, std::stop_token stop)
      : S3FileSystem(client), client_(std::move(client)), source_(source), stop_(std::move(stop)) {}

  Result<std::unique_ptr<PendingUpload>> upload(
      const Path&, const std::string& uri, const PutOptions& options, int64_t part_bytes,
      const std::function<Result<void>(const Value& state)>& persist) override {
    TRY_ASSIGN(const S3Uri object, parse_s3_uri(uri));
    const int64_t bytes = source_.info.bytes;
    part_bytes = fitting_part_bytes(bytes, part_bytes);
    S3UploadState state{.object = object, .bytes = bytes, .options = options};
    state.part_count = static_cast<int>((bytes + part_bytes - 1) / part_bytes);
    TRY(begin_upload(*client_, state, options, stop_));
    if (persist) TRY(persist(to_value(state)));
    std::mutex mutex;
    std::vector<S3Part> parts;
    const auto done =
        in_parallel(static_cast<size_t>(state.part_count), part_threads, stop_, [&](size_t i) -> Result<void> {
          const int64_t begin = static_cast<int64_t>(i) * part_bytes;
          TRY_ASSIGN(S3Part part,
                     copy_part(state, static_cast<int>(i) + 1, begin, std::min(bytes, begin + part_bytes) - 1));
          const std::lock_guard lock(mutex);
          parts.push_back(std::move(part));
          return {};
        });
    if (!done) {
      static_cast<void>(abort_given_up(*client_, state, 2));
      return done.error();
    }
    std::ranges::sort(parts, {}, &S3Part::number);
    state.parts = std::move(parts);
    return pending_upload_of(client_, std::move(state));
  }

 private:
  Result<S3Part> copy_part(const S3UploadState& state, int number, int64_t first, int64_t last) {
    TRY_ASSIGN(
        S3Answer answer,
        client_->send(
            {.action = "copy part " + std::to_string(number) + " of",
             .method = "PUT",
             .object = state.object,
             .query = {{"partNumber", std::to_string(number)}, {"uploadId", state.upload_id}},
             .headers = {{"x-amz-copy-source", source_header(source_)},
                         {"x-amz-copy-source-range", "bytes=" + std::to_string(first) + "-" + std::to_string(last)},
                         {"x-amz-copy-source-if-match", "\"" + source_.info.etag + "\""}},
             .stall = copy_stall,
             .may_fail_after_200 = true},
            stop_));
    if (answer.problem) {
      if (answer.problem->status == 412) return source_changed(source_);
      if (answer.problem->code == "NoSuchUpload") answer.problem->error.kind = ErrorKind::conflict;
      return std::move(answer.problem->error);
    }
    auto copied = parse_s3_copied(answer.response.body);
    if (!copied) return copied.error().within("copy part " + std::to_string(number) + " of " + to_string(state.object));
    return S3Part{number, std::move(copied->etag), std::move(copied->sha256)};
  }

  const std::shared_ptr<S3Client> client_;
  const CopySource& source_;
  const std::stop_token stop_;
};

Result<ObjectInfo> copy_in_one(S3Client& client, const CopySource& source, const S3Uri& to, const PutOptions& put,
                               const std::stop_token& stop) {
  S3Request request{.action = "copy " + to_string(source.object) + " to", .method = "PUT", .object = to};
  request.stall = copy_stall;
  request.may_fail_after_200 = true;
  TRY_ASSIGN(request.headers, s3_object_headers(client.settings(), put));
  request.headers.emplace_back("x-amz-copy-source", source_header(source));
  request.headers.emplace_back("x-amz-copy-source-if-match", "\"" + source.info.etag + "\"");
  request.headers.emplace_back("x-amz-metadata-directive", "REPLACE");
  request.headers.emplace_back("x-amz-checksum-algorithm", "SHA256");
  for (auto& header : s3_condition_headers(put)) request.headers.push_back(std::move(header));
  TRY_ASSIGN(S3Answer answer, client.send(request, stop));
  if (answer.problem) {
    if (answer.problem->status == 412 && !is_still_there(client, source, stop)) return source_changed(source);
    return std::move(answer.problem->error);
  }
  auto copied = parse_s3_copied(answer.response.body);
  if (!copied) return copied.error().within("copy " + to_string(source.object));
  return ObjectInfo{.uri = to_string(to),
                    .bytes = source.info.bytes,
                    .etag = copied->etag,
                    .storage_class = put.storage_class,
                    .metadata = put.metadata,
                    .sha256 = copied->sha256};
}

// Of the whole object, not of its parts' digests.
bool is_whole(const std::string& sha256) { return !sha256.empty() && sha256.find('-') == sha256.npos; }

}  // namespace

Result<std::optional<CopySource>> look_up_source(S3Client& client, const S3Uri& object, const std::stop_token& stop) {
  TRY_ASSIGN(auto info, s3_stat(client, object, stop));
  if (!info) return std::optional<CopySource>();
  CopySource source{.object = object, .info = std::move(*info)};
  return std::optional(std::move(source));
}

PutOptions described_as(const CopySource& source, const PutOptions& asked, bool is_described) {
  PutOptions put = asked;
  if (put.content_type.empty()) put.content_type = source.info.content_type;
  if (put.storage_class.empty()) put.storage_class = source.info.storage_class;
  put.headers = source.info.headers;
  if (!is_described) {
    put.metadata = source.info.metadata;
    std::erase_if(put.metadata, [](const auto& entry) { return entry.first.starts_with("udon-"); });
  }
  return put;
}

bool is_same_content(const ObjectInfo& a, const ObjectInfo& b) {
  if (a.bytes != b.bytes) return false;
  if (!a.sha256.empty() && !b.sha256.empty() && is_whole(a.sha256) == is_whole(b.sha256) && a.sha256 == b.sha256)
    return true;
  // Of equal contents that were sent alike; of different ones never.
  return !a.etag.empty() && a.etag == b.etag;
}

Result<SentObject> copy_object(S3FileSystem& store, PendingUploads& pending, const WriteOrder& order,
                               const CopySource& source, const std::string& to, const CopyOptions& options,
                               const std::stop_token& stop) {
  TRY_ASSIGN(const S3Uri target, parse_s3_uri(to));
  PutOptions put = options.put;
  put.metadata.emplace_back(written_by_key, order.try_id());
  const bool is_in_parts = source.info.bytes > options.one_request_max;
  if (is_in_parts)
    put.metadata.emplace_back(part_bytes_key,
                              std::to_string(fitting_part_bytes(source.info.bytes, options.part_bytes)));
  std::ranges::sort(put.metadata);
  TRY_ASSIGN(auto there, store.stat(to));
  bool is_conditional = true;
  for (int rivals = 0;;) {
    if (there && is_same_content(source.info, *there) && is_described_alike(*there, options.put) &&
        there->content_type == options.put.content_type)
      return SentObject{.object = std::move(*there), .is_sent = false, .has_checksum = true};
    if (there && order.is_later(written_by(*there))) return overtaken_at(to, written_by(*there));
    put.if_match = is_conditional && there ? there->etag : "";
    put.if_none_match = is_conditional && !there;
    Result<ObjectInfo> written = Error{};
    if (is_in_parts) {
      const auto turn = pending.turn();
      CopyInParts parts(store.shared_client(), source, stop);
      auto begun = pending.upload(parts, {}, to, put, options.part_bytes);
      written = begun ? (*begun)->complete() : begun.error();
      if (!written && written.error().kind == ErrorKind::not_found) written.error().kind = ErrorKind::conflict;
    } else {
      written = copy_in_one(store.client(), source, target, put, stop);
    }
    if (!written) {
      const Error& error = written.error();
      if (error.kind == ErrorKind::unsupported && is_conditional) {
        is_conditional = false;
        continue;
      }
      if (error.kind != ErrorKind::conflict) return error;
      TRY_ASSIGN(auto now, store.stat(to));
      if ((now ? now->etag : "") == (there ? there->etag : "") || ++rivals > rivals_max) return error;
      there = std::move(now);
      continue;
    }
    TRY_ASSIGN(auto now, store.stat(to));
    if (now && now->etag == written->etag && written_by(*now) == order.try_id()) {
      const bool can_compare = is_whole(source.info.sha256) && is_whole(now->sha256);
      if (now->bytes != source.info.bytes || (can_compare && now->sha256 != source.info.sha256)) {
        return Error{ErrorKind::data, to + ": the store copied other bytes than " + to_string(source.object) +
                                          " has (" + std::to_string(now->bytes) + " of " +
                                          std::to_string(source.info.bytes) + ")"};
      }
      return SentObject{.object = std::move(*now), .is_sent = true, .has_checksum = can_compare};
    }
    const std::string by = now ? written_by(*now) : "";
    if (order.is_later(by)) return overtaken_at(to, by);
    if (!order.is_earlier(by) || ++rivals > rivals_max)
      return Error{ErrorKind::conflict, to + " was replaced or removed by somebody else right after it was written"};
    there = std::move(now);
  }
}

}  // namespace udon
