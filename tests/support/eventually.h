#pragma once
// Waiting for what another process or thread does: on the condition, with a deadline that only a failure meets.
#include <chrono>
#include <functional>
#include <thread>

namespace udon::test {

inline bool eventually(const std::function<bool()>& condition,
                       std::chrono::milliseconds deadline = std::chrono::seconds(30)) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // between looks, not for an effect
  }
  return true;
}

}  // namespace udon::test
