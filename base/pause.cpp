#include "base/pause.h"

#include <condition_variable>
#include <mutex>

namespace udon {

bool pause_unless_stopped(Duration duration, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any condition;
  std::unique_lock lock(mutex);
  condition.wait_for(lock, stop, duration, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace udon
