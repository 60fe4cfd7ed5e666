#pragma once
#include <stop_token>

#include "base/clock.h"

namespace udon {

// Sleeps; asked to stop it wakes at once. False: it was asked to.
bool pause_unless_stopped(Duration duration, const std::stop_token& stop);

}  // namespace udon
