#pragma once
// Folders of this machine.
#include <stop_token>

#include "plugins/io/file_system.h"

namespace udon {

// Files are written beside their place under a hidden name (".udon-….tmp", left behind by a kill), fsynced, renamed.
// Writers with conditions lock the folder (flock), so among them compare and rename are one step. Thread-safe.
class LocalFileSystem final : public FileSystem {
 public:
  explicit LocalFileSystem(std::stop_token stop) : stop_(std::move(stop)) {}

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

 private:
  const std::stop_token stop_;
};

// "/path" or "file:///path" (percent-encoded); invalid: a relative path, or a host.
Result<Path> parse_local_uri(const std::string& uri);

}  // namespace udon
