#pragma once
// A Dag as a value and back, so that a run can go on after its file has changed or is gone.
#include "base/result.h"
#include "base/value.h"
#include "model/dag.h"

namespace udon {

Value serialize(const Dag& dag);
Result<Dag> deserialize(const Value& value);

}  // namespace udon
