#pragma once
// The store is brought down to what an older udon knows. The caller of `downgrade_sqlite_store` holds the
// installation's lock.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace udon {

struct DowngradeReport {
  struct Lost {
    std::string what;  // "open questions"
    int64_t count = 0;
  };
  int from = 0, to = 0;  // equal: nothing to do
  std::vector<Lost> lost;
  std::optional<Path> backup;  // what the file was before
};

// What would be lost on the way down to schema `to`, or one step down; nothing is done.
Result<DowngradeReport> plan_sqlite_downgrade(const Path& file, std::optional<int> to);
// In one transaction, after a backup; checked before it is committed. Errors: invalid (there is no such way down);
// unsupported (newer than this udon, not Udon's); data (damaged); io.
Result<DowngradeReport> downgrade_sqlite_store(const Path& file, int to);

}  // namespace udon
