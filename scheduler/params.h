#pragma once
// A DAG's params against the conf that a run is triggered with.
#include "base/result.h"
#include "base/value.h"
#include "model/dag.h"

namespace udon {

// invalid, naming the param and what was expected. Keys of conf that are no param are allowed, as in Airflow.
Result<void> check_conf(const Dag& dag, const Value& conf);
// Every param with its value for this run: conf before default.
Value merged_params(const Dag& dag, const Value& conf);

}  // namespace udon
