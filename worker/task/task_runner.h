#pragma once
// Runs one try from its request to its result: the whole of udon-task but its main.
#include <string>

#include "base/clock.h"
#include "spool/spool.h"

namespace udon {

struct RunnerOptions {
  Path home;
  TryId id;
  Path cgroup;   // for what the operator starts; empty: none
  Path plugins;  // folder of shared objects
};

// Called once, in a process of its own with one thread, whose signals, children and descriptors 1 and 2 it takes over.
// The exit code of the process: 0 if the result was written; the reason is on standard error else.
int run_try(const RunnerOptions& options, const Clock& clock);

}  // namespace udon
