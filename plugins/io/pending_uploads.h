#pragma once
// Uploads that a dead process began, found again by the next one: parts that nobody aborts cost money for ever.
// docs/adr/0005 says what is aborted when, and what is left alone.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "plugins/io/file_system.h"

namespace udon {

// One file for each target and try, in a folder that outlives tries and belongs to one installation on one machine. The
// process that uploads holds an flock on its file as long as it lives: who gets that lock knows that the process is
// dead, for the kernel says so, and aborts what it began. What a living one is sending is nobody's but its own: two
// tasks may publish to the same target at the same time.
class PendingUploads {
 public:
  // `fence`: of the try, larger for each later one.
  PendingUploads(Path folder, int64_t fence) : folder_(std::move(folder)), fence_(fence) {}

  // FileSystem::upload, with its state written down: before it is begun that it will be, and its id before the first
  // byte. The file goes when the upload was completed or aborted, or is not there any more; one upload of a target at a
  // time.
  Result<std::unique_ptr<PendingUpload>> upload(FileSystem& files, const Path& file, const std::string& uri,
                                                const PutOptions& options, int64_t part_bytes) const;
  // Aborts what dead processes began for this target and did not end; nothing is success.
  Result<void> abort_left_over(FileSystem& files, const std::string& uri) const;

 private:
  const Path folder_;
  const int64_t fence_;
};

}  // namespace udon
