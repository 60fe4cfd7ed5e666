#pragma once
// Where data is written to and read from: local folders and S3, later HDFS. No Arrow here. make_file_system.h makes
// one. A local file is named by its absolute path or as file:///path, an object as s3://bucket/key.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "base/value.h"

namespace udon {

struct ObjectInfo {
  std::string uri;  // "s3://bucket/key" or an absolute path
  int64_t bytes = 0;
  // Changes with each write. S3: the store's, with its quotes removed. Local: inode, size and time of the file.
  std::string etag;
  std::string storage_class;                                  // S3; empty may mean STANDARD; local: empty
  std::vector<std::pair<std::string, std::string>> metadata;  // user metadata, lower-case keys, sorted; not in lists
  // The store's own SHA-256 in base64, if it keeps one ("-N" behind it: of the digests of N parts); not in lists.
  // Local: empty.
  std::string sha256;
  // S3, not in lists: "AES256", "aws:kms" and the key's ARN.
  std::string encryption, kms_key_id;
  // S3, not in lists: what it is handed out with, its type and cache-control, content-disposition and their like.
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> headers;
};

// What an object is written with. A local file has no place for any of it but the conditions.
struct PutOptions {
  std::vector<std::pair<std::string, std::string>> metadata;
  std::string content_type = "application/octet-stream";
  std::string storage_class;  // empty: the connection's, else the bucket's default
  // Conditions. if_match: only if the object has this etag; if_none_match: only if there is none. conflict otherwise.
  // Among writers on one machine a local file keeps them too; a program that doesn't lock the folder can come between.
  std::string if_match;
  bool if_none_match = false;
  std::string encryption;  // "AES256", "aws:kms"; empty: the connection's, else the bucket's
  std::string kms_key_id;  // with aws:kms; empty: the bucket's
  std::vector<std::pair<std::string, std::string>> headers;  // as ObjectInfo's
};

// One that was begun and neither completed nor aborted.
struct BegunUpload {
  std::string id;
  std::optional<TimePoint> begun_at;  // by the store's clock; nothing: it does not say
};

// A file that becomes visible only by `complete`, whole. Destroyed without it: aborted as far as can be.
class PendingUpload {
 public:
  virtual ~PendingUpload() = default;
  // What a later process needs to abort or complete it; S3: {uri, upload_id, parts: [{number, etag, sha256}], …}.
  virtual Value state() const = 0;
  // From now on `complete` goes by these conditions instead of those that the upload was begun with.
  virtual void only_if(const std::string& if_match, bool if_none_match) = 0;
  // conflict: a condition of the write does not hold. The upload is still there then. not_found: it is not, somebody
  // has ended it.
  virtual Result<ObjectInfo> complete() = 0;
  virtual Result<void> abort() = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // Nothing: there is no such object. A bucket that is not there is an error (not_found).
  virtual Result<std::optional<ObjectInfo>> stat(const std::string& uri) = 0;
  // Small files. not_found; data: it has more than bytes_max.
  virtual Result<std::string> read(const std::string& uri, int64_t bytes_max) = 0;
  // Less than `length` at the end of the file, nothing after it.
  virtual Result<std::string> read_range(const std::string& uri, int64_t offset, int64_t length) = 0;
  // Readers see the old content or the new. Folders are made.
  virtual Result<ObjectInfo> write(const std::string& uri, std::string_view content, const PutOptions& options) = 0;
  // The same for the content of a local file, in one request: S3 takes 5 GiB.
  virtual Result<ObjectInfo> write_file(const Path& file, const std::string& uri, const PutOptions& options) = 0;
  // Sends a local file, in parts of about part_bytes by a few threads; each part's SHA-256 is checked by the store.
  // Nothing is visible before complete(). `persist` is called with the state before the first byte is sent and after
  // each part, by the calling thread; its error ends the upload. conflict: somebody has ended it meanwhile.
  virtual Result<std::unique_ptr<PendingUpload>> upload(
      const Path& file, const std::string& uri, const PutOptions& options, int64_t part_bytes,
      const std::function<Result<void>(const Value& state)>& persist) = 0;
  // Completes or aborts what an earlier process began: `state` is what it persisted. Complete needs all parts; one that
  // was completed already is success if the object is still that one. Abort: nothing there any more is success.
  virtual Result<ObjectInfo> complete(const Value& state) = 0;
  virtual Result<void> abort(const Value& state) = 0;
  // The uploads to this object, whoever began them; `abort` ends one, as {uri, upload_id}. For what a process began
  // that died before it heard the upload's id; nothing where a process knows the id before it begins.
  virtual Result<std::vector<BegunUpload>> begun_uploads(const std::string& uri) = 0;
  // All files whose uri begins so, in folders below too, sorted by uri; uri, bytes, etag and storage class.
  // Not more than about count_max: what follows is not looked at.
  virtual Result<std::vector<ObjectInfo>> list(const std::string& uri_prefix, size_t count_max = SIZE_MAX) = 0;
  virtual Result<void> remove(const std::string& uri) = 0;  // nothing there is success
};

}  // namespace udon
