#pragma once
// Taking away what is old: a step, and what became of it.
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/run.h"

namespace udon {

// Where a step begins: behind the run of this end and number.
struct RunCursor {
  TimePoint end_date{};
  RunNumber number = 0;
  bool operator==(const RunCursor&) const = default;
};

// Deletes some finished runs that ended before that, with all that hangs on them. Asked again from `Cleaned::next` on
// until it is done.
struct CleanStep {
  TimePoint before{};
  std::vector<std::string> dag_ids = {};  // empty: of all
  RunCursor after = {};
  bool dry_run = false;
  std::string user = {};
};

struct Cleaned {
  std::vector<RunNumber> runs;
  int64_t instances = 0;
  RunCursor next;
  bool is_done = false;
};

}  // namespace udon
