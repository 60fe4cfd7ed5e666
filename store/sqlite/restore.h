#pragma once
// A backup takes the place of a store. The caller holds the installation's lock.
#include <optional>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"

namespace udon {

struct RestoreReport {
  int from = 0, to = 0;      // schema of the backup, and of what stands there now
  std::optional<Path> kept;  // what was there before
};

// Copied, brought up to date and checked before anything is touched; then put in place in one step. `file` as it was is
// kept beside it. Runs, task instances and tries are numbered on from the larger of both, so that what still runs or
// lies there of the one that was replaced is never taken for something else. Errors: not_found; unsupported (written by
// a newer udon, not Udon's); data (damaged); io.
Result<RestoreReport> restore_sqlite_store(const Path& backup, const Path& file, TimePoint now);

}  // namespace udon
