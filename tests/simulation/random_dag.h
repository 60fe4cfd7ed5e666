#pragma once
// DAGs of every shape that the scheduler knows, small enough that their corners meet often.
#include <string>

#include "base/random.h"
#include "model/dag.h"
#include "tests/simulation/outside.h"

namespace udon::simulation {

// Its calendar, if any, begins a little before `now`.
DagPtr random_dag(Random& random, const std::string& dag_id, int generation, TimePoint now);
// The same version, but not what it says: what the scheduler is given where such a fault is planted.
DagPtr doctored(const DagPtr& dag, Planted planted);
// The same without calendar and limits that could hold it back for ever; to come to rest.
DagPtr without_calendar(const Dag& dag);

}  // namespace udon::simulation
