#pragma once
// The sensor `replica_lag`: waits until a replica has caught up. Runs in the prober.
#include <memory>

#include "plugins/api/operator.h"

namespace udon {

std::unique_ptr<Sensor> make_replica_lag_sensor();

}  // namespace udon
