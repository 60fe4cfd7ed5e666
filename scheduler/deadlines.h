#pragma once
// When a run should have ended. Pure. That one was missed is told once: the outbox holds its row under a key made of
// the run, the deadline and its time, so a restart, which forgets that it was told, tells nothing twice.
#include <optional>
#include <vector>

#include "model/forecast.h"
#include "model/notice.h"
#include "scheduler/active_run.h"

namespace udon {

// The first of an unfinished run that has not been told; nothing: there is none.
std::optional<TimePoint> next_deadline(const ActiveRun& run);
// Indexes into Dag::deadlines that have passed and have not been told.
std::vector<int> missed_deadlines(const ActiveRun& run, TimePoint now);

std::vector<Notification> notifications_of_deadline(const ActiveRun& run, int deadline, TimePoint now);

}  // namespace udon
