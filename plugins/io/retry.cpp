#include "plugins/io/retry.h"

#include <algorithm>

namespace udon {

Duration backoff(int attempt, uint64_t random) {
  using namespace std::chrono_literals;
  const Duration whole = std::min<Duration>(10s, 200ms * (int64_t{1} << std::clamp(attempt - 1, 0, 10)));
  const Duration half = whole / 2;
  return half + Duration(static_cast<int64_t>(random % static_cast<uint64_t>((whole - half).count() + 1)));
}

}  // namespace udon
