#pragma once
// The sensor `replica_lag`: waits until a replica has caught up. Runs in the prober.
#include <memory>

#include "plugins/api/operator.h"

namespace udon {

class LastHeard;

// `last_heard` outlives the sensor, which the prober makes anew for each poke.
std::unique_ptr<Sensor> make_replica_lag_sensor(LastHeard& last_heard);

}  // namespace udon
