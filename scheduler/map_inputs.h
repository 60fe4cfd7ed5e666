#pragma once
// What a task is mapped over: how it stands with those whose return values it needs, and the lists that they gave.
#include <memory>
#include <string>

#include "scheduler/active_run.h"

namespace udon {

// The lists that a task is mapped over, or what becomes of it without them.
struct Inputs {
  std::shared_ptr<const MapSpec> bound;
  TriggerVerdict verdict = TriggerVerdict::run;
  std::string problem;  // no list, or too long: the task fails
};

// Whether all of them are there, by the states of the tasks alone.
TriggerVerdict inputs_verdict(const ActiveRun& run, const Task& task);
Inputs resolve_inputs(const ActiveRun& run, int task);

// After a load: how many instances a task that is mapped over an XCom has, as far as its instances and the XCom tell.
void restore_length(ActiveRun& run, int task);

}  // namespace udon
