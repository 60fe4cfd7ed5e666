#pragma once
// Which events of assets a success makes. Pure.
#include <string>
#include <vector>

#include "base/result.h"
#include "model/asset.h"
#include "scheduler/active_run.h"

namespace udon {

// All that the DAG's file names: waited for, made, read; templates left out, their names come with the events.
std::vector<std::string> assets_named_in(const Dag& dag);

// One for each outlet of a task instance that succeeds, with the `extra` that its XCom outlet_events says. invalid: an
// outlet cannot be rendered, or that XCom says something else.
Result<std::vector<AssetEvent>> asset_events_of(const ActiveRun& run, InstanceRef at, const Value& xcoms,
                                                TimePoint now);

// For templates: {asset: [{timestamp, extra, source_dag_id, …}]} of the events that made the run due.
Value triggering_asset_events(const ActiveRun& run);

}  // namespace udon
