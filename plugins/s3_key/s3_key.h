#pragma once
// The sensor `s3_key`: waits until objects are there. Runs in the prober.
#include <memory>

#include "plugins/api/operator.h"

namespace udon {

std::unique_ptr<Sensor> make_s3_key_sensor();

}  // namespace udon
