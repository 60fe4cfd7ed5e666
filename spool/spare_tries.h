#pragma once
// The folders of ended tries, emptied and used again (see stamped_file.h). A folder with its files is five inodes, and
// on ext4 each new one is searched past all that were freed in the last minutes: where a thousand short tasks run, that
// costs more than they do. One object in the process that starts tries; its calls may come from any thread.
#include <cstddef>
#include <mutex>
#include <vector>

#include "spool/spool.h"

namespace udon {

class SpareTries {
 public:
  // Spares of an earlier process are removed: a kill may have left anything in them.
  explicit SpareTries(const Spool& spool);

  // As of Spool. A folder made from a spare appears at once with its request.
  Result<void> write_request(const TryRequest& request);
  Result<void> remove(const TryId& id);

  static constexpr size_t spares_max = 256;

 private:
  const Spool& spool_;
  std::mutex mutex_;
  std::vector<Path> spares_;
};

}  // namespace udon
