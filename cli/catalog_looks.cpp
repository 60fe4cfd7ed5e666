#include "cli/catalog_looks.h"

#include <algorithm>

#include "base/limits.h"

namespace udon::cli {
namespace {

constexpr int pause_in_looks = 200;            // in turn: half a percent of a processor
constexpr int pause_in_looks_when_asked = 20;  // five percent
constexpr Duration pause_when_asked_min = std::chrono::milliseconds(50);

}  // namespace

bool CatalogLooks::ask() {
  std::unique_lock lock(mutex_);
  if (is_closed_ || waiting_ >= looks_waited_for_max) return false;
  // One that is under way may have passed the file already.
  const uint64_t wanted = begun_ + 1;
  is_asked_ = true;
  changed_.notify_all();
  ++waiting_;
  const bool is_over =
      changed_.wait_for(lock, wait_max_, [&] { return ended_ >= wanted || is_closed_; }) && ended_ >= wanted;
  --waiting_;
  return is_over;
}

int CatalogLooks::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

void CatalogLooks::begin() {
  const std::lock_guard lock(mutex_);
  begun_ += 1;
  is_asked_ = false;
  began_at_ = clock_.monotonic();
}

void CatalogLooks::end() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = begun_;
    ended_at_ = clock_.monotonic();
  }
  changed_.notify_all();
}

void CatalogLooks::wait(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const Duration took = ended_at_ - began_at_;
  const Duration in_turn =
      std::clamp<Duration>(took * pause_in_looks, limits::catalog_pause_min, limits::catalog_pause_max);
  const Duration when_asked = std::clamp(took * pause_in_looks_when_asked, pause_when_asked_min, in_turn);
  while (!stop.stop_requested()) {
    const bool was_asked = is_asked_;
    const Duration left = ended_at_ + (was_asked ? when_asked : in_turn) - clock_.monotonic();
    if (left <= Duration(0)) return;
    changed_.wait_for(lock, stop, left, [&] { return is_asked_ != was_asked; });
  }
}

void CatalogLooks::close() {
  {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
  }
  changed_.notify_all();
}

}  // namespace udon::cli
