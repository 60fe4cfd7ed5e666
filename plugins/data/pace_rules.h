#pragma once
// The arithmetic of reading gently (pace.h): no threads, no clock.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "connections/source_bounds.h"
#include "plugins/data/source_observer.h"

namespace udon::data {

// Rows a second, as a debt that time pays off. What was not used is saved for a second, no longer.
class RowRate {
 public:
  void set(std::optional<double> per_second, Duration now);  // nothing: no limit
  void take(int64_t rows, Duration now);
  // Until rows may be read; zero: at once. Duration::max(): not at this rate.
  Duration wait(Duration now) const;
  std::optional<double> per_second() const { return per_second_; }

 private:
  double debt_at(Duration now) const;

  std::optional<double> per_second_;
  double debt_ = 0;  // rows, at `counted_`
  Duration counted_{0};
};

// What is over its bound stays so until it is under three quarters of it, so that readers do not stop and go each
// second.
class SourceHealth {
 public:
  // What stands against reading, in words with figures; empty: nothing. `readers`: ours, of all tries, which are among
  // the threads that run. The age of others' snapshots counts only before ours is opened.
  enum class Moment { before_snapshot, while_reading };
  std::string judge(const SourceBounds& bounds, const SourceLook& look, int readers, Moment moment);

 private:
  bool lag_is_over_ = false, threads_are_over_ = false;
};

// "lag 3s (heartbeat table), 7 threads running beside our readers"; empty: nothing was looked at.
std::string figures_of(const SourceLook& look, int readers);

// Half the rate after a pause, then more from look to look, until there is no need for a limit.
class Throttle {
 public:
  void halve(double rows_per_second);  // at which rows came before the pause
  void rise();                         // all was well
  std::optional<double> limit() const { return limit_; }

 private:
  std::optional<double> limit_;
  double before_ = 0;
};

}  // namespace udon::data
