#pragma once
// What S3 says in XML, as values.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace udon {

struct S3ErrorText {
  std::string code;     // "NoSuchKey"
  std::string message;  // the store's words
  std::string region;   // of AuthorizationHeaderMalformed and PermanentRedirect
  std::string endpoint;
};
// Nothing if it is no <Error>.
std::optional<S3ErrorText> parse_s3_error(std::string_view xml);

struct S3ListedObject {
  std::string key;
  int64_t bytes = 0;
  std::string etag;  // without quotes
  std::string storage_class;
  std::optional<TimePoint> modified_at;  // nothing: the store did not say
};
struct S3ListPage {
  std::vector<S3ListedObject> objects;
  std::string continuation_token;  // empty: the last page
};
Result<S3ListPage> parse_s3_list(std::string_view xml);

struct S3BegunUpload {
  std::string key;
  std::string id;
  std::optional<TimePoint> begun_at;  // nothing: the store did not say
};
Result<std::vector<S3BegunUpload>> parse_s3_uploads(std::string_view xml);

Result<std::string> parse_s3_upload_id(std::string_view xml);

struct S3Completed {
  std::string etag;
  std::string sha256;  // empty: the store did not say
};
Result<S3Completed> parse_s3_completed(std::string_view xml);

// Of CopyObject and UploadPartCopy.
Result<S3Completed> parse_s3_copied(std::string_view xml);

struct S3Part {
  int number = 0;
  std::string etag;
  std::string sha256;  // base64
  bool operator==(const S3Part&) const = default;
};
std::string s3_complete_body(const std::vector<S3Part>& parts);

// DeleteObjects: what is to be deleted, and of which of it the answer says that it is not.
std::string s3_delete_body(const std::vector<std::string>& keys);
struct S3DeleteError {
  std::string key;
  std::string code;
  std::string message;
};
Result<std::vector<S3DeleteError>> parse_s3_deleted(std::string_view xml);

std::string without_quotes(std::string_view etag);

}  // namespace udon
