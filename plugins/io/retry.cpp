#include "plugins/io/retry.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

namespace udon {

Duration backoff(int attempt, uint64_t random) {
  using namespace std::chrono_literals;
  const Duration whole = std::min<Duration>(10s, 200ms * (int64_t{1} << std::clamp(attempt - 1, 0, 10)));
  const Duration half = whole / 2;
  return half + Duration(static_cast<int64_t>(random % static_cast<uint64_t>((whole - half).count() + 1)));
}

bool pause_unless_stopped(Duration duration, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any condition;
  std::unique_lock lock(mutex);
  condition.wait_for(lock, stop, duration, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace udon
