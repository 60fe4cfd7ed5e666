#pragma once
// Uploads that a dead process began, found again by the next one: parts that nobody aborts cost money for ever.
#include <cstdint>
#include <memory>
#include <string>

#include "base/file.h"
#include "plugins/io/file_system.h"

namespace udon {

// One file for each target and try, in a folder that outlives tries and belongs to one installation. A try aborts what
// earlier ones left, never what a later one is sending: two DAGs may publish to the same target at the same time.
class PendingUploads {
 public:
  // `fence`: of the try, larger for each later one.
  PendingUploads(Path folder, int64_t fence) : folder_(std::move(folder)), fence_(fence) {}

  // FileSystem::upload, with its state written down: before it is begun that it will be, and its id before the first
  // byte and with each part.
  Result<std::unique_ptr<PendingUpload>> upload(FileSystem& files, const Path& file, const std::string& uri,
                                                const PutOptions& options, int64_t part_bytes) const;
  // Aborts what earlier tries, and this one, began for this target and did not forget; nothing is success.
  Result<void> abort_left_over(FileSystem& files, const std::string& uri) const;
  // After it was completed or aborted.
  void forget(const std::string& uri) const;

 private:
  Result<void> write(const std::string& uri, const Value& state) const;
  // What was begun for this target and is in nobody's file: its beginner never heard of it.
  Result<void> abort_unknown(FileSystem& files, const std::string& uri) const;
  Path file_of(const std::string& uri) const;
  const Path folder_;
  const int64_t fence_;
};

}  // namespace udon
