#pragma once
// When to ask a store again. https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
#include <cstdint>

#include "base/clock.h"
#include "plugins/io/io_context.h"

namespace udon {

// Before attempt `attempt` + 1, from 1: doubles from 0.2 s up to 10 s, and of that a random half to the whole, so that
// many tries that were refused together don't come back together.
Duration backoff(int attempt, uint64_t random);

}  // namespace udon
