#pragma once
// S3's multipart upload: begun, parts sent by a few threads, then completed or aborted, also by a later process.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
#include <functional>
#include <memory>

#include "plugins/io/file_system.h"
#include "plugins/io/s3_client.h"
#include "plugins/io/s3_xml.h"

namespace udon {

// All that a later process needs.
struct S3UploadState {
  S3Uri object;
  std::string upload_id;
  int64_t bytes = 0;
  int part_count = 0;
  bool may_have_begun_twice = false;  // the request was repeated: its first attempt may have had an effect
  PutOptions options;                 // conditions and metadata; the rest was said at the beginning
  std::vector<S3Part> parts;          // those that have arrived, by number
};
// {uri, upload_id, may_have_begun_twice, bytes, part_count, if_match, if_none_match, metadata, parts: [{number, etag,
// sha256}]}
Value to_value(const S3UploadState& state);
Result<S3UploadState> parse_upload_state(const Value& value);

// What S3 will call the checksum of the whole: the digest of the parts' digests, "-" and their number.
std::string composite_sha256(const std::vector<S3Part>& parts);

// S3 takes parts of 5 MiB to 5 GiB, the last may be smaller, and 10,000 of them: a size that fits both.
int64_t fitting_part_bytes(int64_t file_bytes, int64_t wanted);

Result<std::unique_ptr<PendingUpload>> upload_in_parts(std::shared_ptr<S3Client> client, const Path& file,
                                                       const S3Uri& object, const PutOptions& options,
                                                       int64_t part_bytes,
                                                       const std::function<Result<void>(const Value& state)>& persist);
// Makes state.upload_id and says whether it may have been made twice.
Result<void> begin_upload(S3Client& client, S3UploadState& state, const PutOptions& options,
                          const std::stop_token& stop);
// One whose parts are all there.
std::unique_ptr<PendingUpload> pending_upload_of(std::shared_ptr<S3Client> client, S3UploadState state);
Result<ObjectInfo> complete_upload(S3Client& client, const S3UploadState& state, const std::stop_token& stop);
// attempts_max: 0 is the settings'.
Result<void> abort_upload(S3Client& client, const S3UploadState& state, const std::stop_token& stop,
                          int attempts_max = 0, Duration total = Duration(0));
// The same of what we give up ourselves. Also when we are asked to stop, so without the try's stop token: parts that
// nobody aborts cost money. But then only for a moment, less than the grace that a try is given: what was persisted
// lets the next try abort them.
Result<void> abort_given_up(S3Client& client, const S3UploadState& state, int attempts_max = 0);

}  // namespace udon
