#pragma once
// Where data is written to and read from: local folders and S3, later HDFS. No Arrow here.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/value.h"

namespace udon {

struct ObjectInfo {
  std::string uri;  // "s3://bucket/key" or an absolute path
  int64_t bytes = 0;
  std::string etag;  // S3: with its quotes removed; local: empty
  std::string storage_class;
  std::vector<std::pair<std::string, std::string>> metadata;  // user metadata, lower-case keys
  std::string sha256;  // x-amz-checksum-sha256, if the object has one (base64, "-N" for composites)
};

// Conditions of a write. if_match: only if the object has this etag; if_none_match: only if there is none. conflict
// otherwise.
struct PutOptions {
  std::vector<std::pair<std::string, std::string>> metadata;
  std::string content_type = "application/octet-stream";
  std::string storage_class;  // empty: the bucket's default
  std::string if_match;
  bool if_none_match = false;
};

// A file that becomes visible only by `complete`, whole. Destroyed without it: aborted as far as can be.
class PendingUpload {
 public:
  virtual ~PendingUpload() = default;
  // What a later process needs to abort or complete it: {uri, upload_id, parts: [{number, etag, sha256}]}.
  virtual Value state() const = 0;
  virtual Result<ObjectInfo> complete() = 0;
  virtual Result<void> abort() = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::optional<ObjectInfo>> stat(const std::string& uri) = 0;
  virtual Result<std::string> read(const std::string& uri, int64_t bytes_max) = 0;  // small files; not_found
  virtual Result<std::string> read_range(const std::string& uri, int64_t offset, int64_t length) = 0;
  virtual Result<ObjectInfo> write(const std::string& uri, std::string_view content, const PutOptions& options) = 0;
  // Sends a local file. Multipart above part_bytes; each part's SHA-256 is checked by the store. Nothing is visible
  // before complete().
  virtual Result<std::unique_ptr<PendingUpload>> upload(
      const Path& file, const std::string& uri, const PutOptions& options, int64_t part_bytes,
      const std::function<Result<void>(const Value& state)>& persist) = 0;
  // Aborts what an earlier process began: `state` is what it persisted. Nothing there any more is success.
  virtual Result<void> abort(const Value& state) = 0;
  virtual Result<std::vector<ObjectInfo>> list(const std::string& uri_prefix) = 0;
  virtual Result<void> remove(const std::string& uri) = 0;  // nothing there is success
};

}  // namespace udon
