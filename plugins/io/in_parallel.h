#pragma once
// The same work for many things, by a few threads.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/result.h"

namespace udon {

// Calls work(0) … work(count - 1), in about that order, each once. Its first error ends all, as soon as what has begun
// is done, and is the answer. A stop ends it with cancelled.
inline Result<void> in_parallel(size_t count, size_t threads, const std::stop_token& stop,
                                const std::function<Result<void>(size_t)>& work) {
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  std::optional<Error> failure;
  const auto take = [&] {
    for (;;) {
      const size_t index = next.fetch_add(1);
      if (index >= count) return;
      Result<void> done = stop.stop_requested() ? Error{ErrorKind::cancelled, "stopped"} : work(index);
      if (done) continue;
      const std::lock_guard lock(mutex);
      if (!failure) failure = done.error();
      next = count;
      return;
    }
  };
  {
    std::vector<std::jthread> others;
    for (size_t i = 1; i < std::min(threads, count); ++i) others.emplace_back(take);
    take();
  }
  if (failure) return *failure;
  return {};
}

}  // namespace udon
