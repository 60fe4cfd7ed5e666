#pragma once
// Uploads that a dead process began, found again by the next one: parts that nobody aborts cost money for ever.
// docs/adr/0005 says what is aborted when, and what is left alone.
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/file.h"
#include "plugins/io/file_system.h"

namespace udon {

// One file for each target and try, in a folder that outlives tries and belongs to one installation on one machine. The
// process that uploads holds an flock on its file as long as it lives: who gets that lock knows that the process is
// dead, for the kernel says so, and aborts what it began. What a living one is sending is nobody's but its own: two
// tasks may publish to the same target at the same time. One thread at a time, until what it has begun has ended: where
// there are several, each takes its turn.
class PendingUploads {
 public:
  // `fence`: of the try, larger for each later one. `target`: what several objects have in common, a folder whose next
  // publisher is to see to all that was begun there, whatever its name; a try holds one file for all of them. Empty:
  // each object is a target of its own.
  PendingUploads(Path folder, int64_t fence, std::string target = {})
      : folder_(std::move(folder)), fence_(fence), target_(std::move(target)) {}

  // FileSystem::upload, with its state written down: before it is begun that it will be, and its id before the first
  // byte. The file goes when all uploads in it were completed or aborted, or are not there any more; one upload of an
  // object at a time.
  Result<std::unique_ptr<PendingUpload>> upload(FileSystem& files, const Path& file, const std::string& uri,
                                                const PutOptions& options, int64_t part_bytes);
  std::unique_lock<std::mutex> turn() { return std::unique_lock(turn_); }
  // Aborts what dead processes began for this target (the object's uri, where each is one) and did not end; nothing is
  // success.
  Result<void> abort_left_over(FileSystem& files, const std::string& target) const;

 private:
  struct Shared;
  class RecordedUpload;
  const std::string& target_of(const std::string& uri) const { return target_.empty() ? uri : target_; }
  Result<std::shared_ptr<Shared>> shared_for(const std::string& uri);

  const Path folder_;
  const int64_t fence_;
  const std::string target_;
  std::weak_ptr<Shared> shared_;  // with a target
  std::mutex turn_;
};

}  // namespace udon
