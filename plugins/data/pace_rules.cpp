#include "plugins/data/pace_rules.h"

#include <cmath>

#include "base/text.h"

namespace udon::data {
namespace {

double seconds_of(Duration duration) { return std::chrono::duration<double>(duration).count(); }

template <class T>
bool is_over(T value, T bound, bool was_over) {
  return was_over ? value * 4 > bound * 3 : value > bound;
}

// Seconds are enough for people, but a lag of 300 ms is not 0.
std::string shown(Duration duration) {
  return format_duration(duration < std::chrono::seconds(10) ? std::chrono::floor<std::chrono::milliseconds>(duration)
                                                             : std::chrono::floor<std::chrono::seconds>(duration));
}

int64_t beside(int64_t threads, int readers) { return std::max<int64_t>(threads - readers, 0); }

std::string threads_text(int64_t threads) {
  return std::to_string(threads) + (threads == 1 ? " thread running" : " threads running") + " beside our readers";
}

}  // namespace

void RowRate::set(std::optional<double> per_second, Duration now) {
  debt_ = debt_at(now);
  counted_ = now;
  per_second_ = per_second;
}

void RowRate::take(int64_t rows, Duration now) {
  debt_ = debt_at(now) + (per_second_ ? static_cast<double>(rows) : 0);
  counted_ = now;
}

double RowRate::debt_at(Duration now) const {
  if (!per_second_) return 0;
  return std::max(debt_ - *per_second_ * seconds_of(now - counted_), -*per_second_);
}

Duration RowRate::wait(Duration now) const {
  const double debt = debt_at(now);
  if (per_second_ && *per_second_ <= 0) return Duration::max();
  if (debt <= 0) return Duration(0);
  // A day is as good as for ever: the rate is asked for anew each second.
  const double seconds = std::min(debt / *per_second_, 86'400.0);
  return Duration(static_cast<int64_t>(std::ceil(seconds * 1e6)));
}

std::string SourceHealth::judge(const SourceBounds& bounds, const SourceLook& look, int readers, Moment moment) {
  std::vector<std::string> problems;
  if (bounds.max_lag && look.lag) {
    const std::string bound = "max_lag=" + format_duration(*bounds.max_lag);
    lag_is_over_ = !look.lag->behind || is_over(*look.lag->behind, *bounds.max_lag, lag_is_over_);
    // Then standing still would be what holds the replica up.
    const bool would_help = moment == Moment::before_snapshot || !look.lag_waits_for_readers;
    if (lag_is_over_ && would_help)
      problems.push_back(look.lag->behind ? "the replica is " + shown(*look.lag->behind) + " behind (" +
                                                look.lag->mechanism + "), " + bound
                                          : "the replica's lag is unknown: " + look.lag->reason + "; " + bound);
  } else {
    lag_is_over_ = false;
  }
  if (bounds.max_threads_running && look.threads_running) {
    const int64_t threads = beside(*look.threads_running, readers);
    threads_are_over_ = is_over(threads, *bounds.max_threads_running, threads_are_over_);
    if (threads_are_over_)
      problems.push_back(threads_text(threads) +
                         ", max_threads_running=" + std::to_string(*bounds.max_threads_running));
  } else {
    threads_are_over_ = false;
  }
  if (bounds.max_snapshot_age && look.oldest_snapshot && moment == Moment::before_snapshot &&
      *look.oldest_snapshot > *bounds.max_snapshot_age)
    problems.push_back("a transaction of others is " + shown(*look.oldest_snapshot) +
                       " old, max_snapshot_age=" + format_duration(*bounds.max_snapshot_age));
  return join(problems, "; ");
}

std::string figures_of(const SourceLook& look, int readers) {
  std::vector<std::string> figures;
  if (look.lag && look.lag->behind)
    figures.push_back("the replica is " + shown(*look.lag->behind) + " behind (" + look.lag->mechanism + ")");
  if (look.threads_running) figures.push_back(threads_text(beside(*look.threads_running, readers)));
  if (look.oldest_snapshot) figures.push_back("the oldest transaction is " + shown(*look.oldest_snapshot) + " old");
  return join(figures, ", ");
}

void Throttle::halve(double rows_per_second) {
  if (rows_per_second <= 0 && !limit_) return;  // nothing was read yet
  before_ = std::max(before_, rows_per_second);
  limit_ = std::max((limit_ ? std::min(*limit_, rows_per_second > 0 ? rows_per_second : *limit_) : rows_per_second) / 2,
                    1.0);
}

void Throttle::rise() {
  constexpr double step = 1.25;
  if (!limit_) return;
  *limit_ *= step;
  if (*limit_ < 2 * before_) return;
  limit_.reset();
  before_ = 0;
}

}  // namespace udon::data
