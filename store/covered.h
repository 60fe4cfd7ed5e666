#pragma once
// How far the runs of a DAG have come that go by its schedule.
#include <optional>

#include "base/clock.h"
#include "base/result.h"
#include "store/reader.h"

namespace udon {

// Where the interval of its last scheduled run ended, if that run is there.
Result<std::optional<TimePoint>> covered_until(StoreReader& reader, const DagRecord& dag);

}  // namespace udon
