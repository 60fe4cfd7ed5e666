#pragma once
// Who may change what stands at one target, among the tries of one home: an flock, which the kernel releases when its
// holder dies. Several files become visible one by one, so whoever publishes them is alone there; a single object is
// replaced by one request that compares and sets, so any number of tries that publish one each may be there together.
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace udon::data {

// The file also says which tries have begun to publish and were not seen to end: whose intent that is, this home knows
// from it, and that they are dead, it knows from the lock. It goes with the last holder, unless it says so of one.
class TargetLock {
 public:
  enum class Use { alone, beside_other_objects };
  // Waits for those who hold it.
  static Result<TargetLock> acquire(const Path& folder, const std::string& target, Use use);
  // Nothing: somebody holds it.
  static Result<std::optional<TargetLock>> acquire_if_free(const Path& folder, const std::string& target, Use use);
  TargetLock(TargetLock&&) noexcept = default;
  TargetLock& operator=(TargetLock&&) = delete;
  ~TargetLock();

  // Tries of this home that died, or gave up, in the middle of a publication; alone: none of them lives.
  Result<std::vector<std::string>> unsettled() const;
  // Alone. Written down, also for a machine that loses its power, before the store hears of it.
  Result<void> begin(const std::string& try_id) const;
  Result<void> all_settled() const;

 private:
  TargetLock(Path path, FileDescriptor file) : path_(std::move(path)), file_(std::move(file)) {}
  static Result<std::optional<TargetLock>> acquire(const Path& folder, const std::string& target, int operation);
  bool is_named() const;

  Path path_;
  FileDescriptor file_;
};

}  // namespace udon::data
