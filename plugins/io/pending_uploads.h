#pragma once
// Uploads that a dead process began, found again by the next one: parts that nobody aborts cost money for ever.
#include <functional>
#include <string>

#include "base/file.h"
#include "plugins/io/file_system.h"

namespace udon {

// One file for each target in a folder that outlives a try. One writer a target at a time.
class PendingUploads {
 public:
  explicit PendingUploads(Path folder) : folder_(std::move(folder)) {}

  // For FileSystem::upload: writes the state down before the first byte and after each part.
  std::function<Result<void>(const Value& state)> keeper(const std::string& uri) const;
  // Aborts what was begun for this target and not forgotten; nothing is success.
  Result<void> abort_left_over(FileSystem& files, const std::string& uri) const;
  // After it was completed or aborted.
  void forget(const std::string& uri) const;

 private:
  Path file_of(const std::string& uri) const;
  const Path folder_;
};

}  // namespace udon
