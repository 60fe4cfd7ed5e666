// Of the calendar's library: what a backfill needs of it.
#include <algorithm>

#include "model/backfill.h"

namespace udon {

std::optional<DueRun> next_date_of(const Backfill& backfill, const Schedule& schedule) {
  const TimePoint now = backfill.created_at;
  std::optional<DueRun> due;
  if (backfill.runs_backwards) {
    const TimePoint at = backfill.last_date ? *backfill.last_date - Duration(1) : backfill.to;
    due = last_date_until(schedule, at);
    // The newest dates of the range may be ahead still.
    while (due && due->run_after > now) due = last_date_until(schedule, std::min(now, due->logical_date - Duration(1)));
  } else {
    due = first_date_from(schedule, backfill.last_date ? *backfill.last_date + Duration(1) : backfill.from);
  }
  if (!due || due->logical_date < backfill.from || due->logical_date > backfill.to) return std::nullopt;
  if (due->run_after > now) return std::nullopt;
  return due;
}

}  // namespace udon
