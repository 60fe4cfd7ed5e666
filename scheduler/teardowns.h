#pragma once
// The teardowns of a run that is to end before its time, by its dagrun_timeout or because somebody marks it: what has
// been set up is cleared away first, as in Airflow when a run is marked.
#include "scheduler/active_run.h"

namespace udon {

// An unfinished teardown that runs already, or whose setup has succeeded; one without setups is such a one, too.
bool has_to_clear_away(const ActiveRun& run, int task);
bool has_to_clear_away(const ActiveRun& run);  // any task of it
// The same of one task instance: what serves an index of a mapped group has to clear away what was set up there.
bool has_to_clear_away(const ActiveRun& run, InstanceRef at);

// Unfinished task instances of such teardowns.
int64_t left_to_teardowns(const ActiveRun& run);

}  // namespace udon
