#pragma once
// For publishing to local folders, which asks no file system for anything: each call would be a mistake.
#include "plugins/io/file_system.h"

namespace udon::test {

class NoFileSystem final : public FileSystem {
 public:
  Result<std::optional<ObjectInfo>> stat(const std::string&) override { return never(); }
  Result<std::string> read(const std::string&, int64_t) override { return never(); }
  Result<std::string> read_range(const std::string&, int64_t, int64_t) override { return never(); }
  Result<ObjectInfo> write(const std::string&, std::string_view, const PutOptions&) override { return never(); }
  Result<ObjectInfo> write_file(const Path&, const std::string&, const PutOptions&) override { return never(); }
  Result<std::unique_ptr<PendingUpload>> upload(const Path&, const std::string&, const PutOptions&, int64_t,
                                                const std::function<Result<void>(const Value&)>&) override {
    return never();
  }
  Result<ObjectInfo> complete(const Value&) override { return never(); }
  Result<void> abort(const Value&) override { return never(); }
  Result<std::vector<BegunUpload>> begun_uploads(const std::string&) override { return never(); }
  Result<std::vector<ObjectInfo>> list(const std::string&, size_t) override { return never(); }
  Result<void> remove(const std::string&) override { return never(); }

 private:
  static Error never() { return Error{ErrorKind::unsupported, "no file system is needed here"}; }
};

}  // namespace udon::test
