#pragma once
// Waiting for what another process or thread does: on the condition, with a deadline that only a failure meets.
#include <poll.h>

#include <chrono>
#include <functional>

namespace udon::test {

inline bool eventually(const std::function<bool()>& condition,
                       std::chrono::milliseconds deadline = std::chrono::seconds(30)) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    poll(nullptr, 0, 1);  // leaves the processor to those we wait for
  }
  return true;
}

}  // namespace udon::test
