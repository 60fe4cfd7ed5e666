#pragma once
// A DAG's params and the conf that a run is triggered with: JSON Schema, as far as DAG files use it (type, enum, const,
// minimum, maximum, exclusiveMinimum, exclusiveMaximum, minLength, maxLength, minItems, maxItems, items, properties,
// required).
#include "base/result.h"
#include "base/value.h"
#include "model/dag.h"

namespace udon {

// invalid, naming the param and what was expected. Keys of conf that are no param are allowed, as in Airflow.
Result<void> check_conf(const Dag& dag, const Value& conf);
// Every param with its value for this run: conf before default.
Value merged_params(const Dag& dag, const Value& conf);

}  // namespace udon
