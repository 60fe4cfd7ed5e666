#pragma once
// What a try is told: its request, with Airflow's template context as far as the scheduler knows it.
#include <functional>
#include <string>

#include "model/wire.h"
#include "scheduler/state.h"

namespace udon {

// How long a task may wait without a process; nothing: without end.
std::optional<Duration> waiting_time_of(const Task& task, const DeferralPtr& deferral);
// Of a process that goes on after a deferral: how much of the try's time had passed when it was queued.
Duration spent_before(const TaskInstance& row, const DeferralPtr& deferral);

// The try's request, without its token and, for a sensor in a later try, first_poke_at as of this try.
TryRequest make_request(const State& state, Fence fence, const std::string& installation);

// ds, ts, logical_date, data_interval_*, run_id, dag_run, params, triggering_asset_events, dag, task, ti, local.*,
// map_index, try_number and the mapped names. Times as Airflow prints them: "2026-01-31T00:00:00+00:00". A run without
// a logical date has none of the names that come from it, as in Airflow.
Value make_context(const ActiveRun& run, InstanceRef at);
// Those of them that are the run's.
Value make_context(const ActiveRun& run);

}  // namespace udon
