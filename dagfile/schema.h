#pragma once
#include "base/value.h"
#include "plugins/spec/spec.h"

namespace udon {

// The format of DAG files as JSON Schema (draft 7, which editors know), with these operators.
Value dag_file_schema(const OperatorCatalog& operators);

}  // namespace udon
