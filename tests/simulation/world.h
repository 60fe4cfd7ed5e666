#pragma once
// One episode of the simulation: the real loop, plan and reconcile among fake clock, memory store and simulated
// processes, with people and faults at work on them; everything follows from one seed.
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "model/reason.h"
#include "tests/simulation/outside.h"

namespace udon::simulation {

struct Episode {
  uint64_t seed = 1;
  int turns = 500;  // before it is brought to rest
  Planted planted = Planted::nothing;
  bool has_crowds = false;  // people ask for changes of several runs at once, too
};

struct Story {
  int64_t turns = 0;
  int64_t crashes = 0;
  int64_t failed_commits = 0;
  int64_t commands = 0;
  int64_t tries = 0;
  std::map<ReasonKind, int64_t> reasons;
  std::optional<std::string> problem;  // the first broken invariant, with the turn
  std::string last_events;             // of the store, if there is a problem: what led to it
};

Story play(const Episode& episode);

}  // namespace udon::simulation
