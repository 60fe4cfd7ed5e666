#pragma once
// S3 and stores that speak its protocol.
#include <memory>

#include "plugins/io/file_system.h"
#include "plugins/io/s3_client.h"

namespace udon {

// Every content is signed with its SHA-256 and carries it as x-amz-checksum-sha256, so that the store itself refuses
// what was damaged on its way. Thread-safe.
class S3FileSystem : public FileSystem {
 public:
  explicit S3FileSystem(std::shared_ptr<S3Client> client) : client_(std::move(client)) {}

  Result<std::optional<ObjectInfo>> stat(const std::string& uri) override;
  Result<std::string> read(const std::string& uri, int64_t bytes_max) override;
  Result<std::string> read_range(const std::string& uri, int64_t offset, int64_t length) override;
  Result<ObjectInfo> write(const std::string& uri, std::string_view content, const PutOptions& options) override;
  Result<ObjectInfo> write_file(const Path& file, const std::string& uri, const PutOptions& options) override;
  Result<std::unique_ptr<PendingUpload>> upload(
      const Path& file, const std::string& uri, const PutOptions& options, int64_t part_bytes,
      const std::function<Result<void>(const Value& state)>& persist) override;
  Result<ObjectInfo> complete(const Value& state) override;
  Result<void> abort(const Value& state) override;
  Result<std::vector<BegunUpload>> begun_uploads(const std::string& uri) override;
  Result<std::vector<ObjectInfo>> list(const std::string& uri_prefix, size_t count_max) override;
  Result<void> remove(const std::string& uri) override;

  // write_file of what the caller has open, and has hashed: other bytes are refused by the store.
  Result<ObjectInfo> write_range(const FileRange& range, const Sha256Digest& digest, const std::string& uri,
                                 const PutOptions& options);
  S3Client& client() { return *client_; }
  std::shared_ptr<S3Client> shared_client() { return client_; }

 private:
  std::stop_token stop() const { return client_->context().stop; }
  Result<ObjectInfo> put(const S3Uri& object, std::variant<std::string_view, FileRange> body,
                         const Sha256Digest& digest, int64_t bytes, const PutOptions& options);
  // Of a 404 without a body: is it the object that is missing, or its bucket?
  Result<void> check_bucket(const S3Uri& object);

  const std::shared_ptr<S3Client> client_;
};

// Shared with the upload in parts.
// invalid: metadata that S3 cannot keep.
Result<HttpHeaders> s3_object_headers(const S3Settings& settings, const PutOptions& options);
HttpHeaders s3_condition_headers(const PutOptions& options);
Result<std::optional<ObjectInfo>> s3_stat(S3Client& client, const S3Uri& object, const std::stop_token& stop);
// The write's answer was lost and its repetition refused, but what stands there is what we wrote.
bool is_what_we_wrote(const ObjectInfo& there, std::string_view sha256, const PutOptions& options);

}  // namespace udon
