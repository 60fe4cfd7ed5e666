#pragma once
// One scheduler a home: an flock on $UDON_HOME/lock, held as long as this lives. The kernel lets it go with the
// process, however that ends.
#include "base/file.h"

namespace udon {

class Lease {
 public:
  // conflict: another scheduler runs, named by its pid.
  static Result<Lease> acquire(const Path& home);

 private:
  explicit Lease(FileLock lock) : lock_(std::move(lock)) {}
  FileLock lock_;
};

}  // namespace udon
