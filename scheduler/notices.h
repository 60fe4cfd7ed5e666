#pragma once
// Who is told of a move: what the DAG's version that the run keeps says of it, with all that their templates may name.
// Pure; Turn writes the rows beside the move, so that one is never in the store without the other.
#include <vector>

#include "model/notice.h"
#include "scheduler/active_run.h"

namespace udon {

// The task instance at `at`, as it is before the move, becomes `row`. Nothing if its state stays.
std::vector<Notification> notifications_of(const ActiveRun& run, InstanceRef at, const TaskInstance& row,
                                           TimePoint now);
// The task instance at `at` asks people.
std::vector<Notification> notifications_of_question(const ActiveRun& run, InstanceRef at, const AskedQuestion& asked,
                                                    TimePoint now);
// The run becomes `row`; `text` says why.
std::vector<Notification> notifications_of(const ActiveRun& run, const DagRun& row, const std::string& text,
                                           TimePoint now);
// The run's failure has paused its DAG.
std::vector<Notification> notifications_of_pause(const ActiveRun& run, const std::string& why, TimePoint now);

}  // namespace udon
