#include "plugins/data/pace.h"

#include <fmt/format.h>

#include <utility>

namespace udon::data {
namespace {

// Standing still for longer is worth a word when a session is lost.
constexpr Duration worth_telling = std::chrono::seconds(30);
constexpr size_t reason_bytes_max = 1000;  // a server's own words may be long

std::string begun_of(std::string text) {
  if (text.size() <= reason_bytes_max) return text;
  size_t end = reason_bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

}  // namespace

Pace::Pace(Options options) : options_(std::move(options)) {}
Pace::~Pace() { end(); }

Result<int> Pace::begin(int readers, const std::stop_token& stop, std::function<void()> on_failure, Standing standing) {
  end();
  standing_ = standing;
  health_ = {};
  throttle_ = {};
  seen_.reset();
  next_look_ = stands_since_ = Duration(0);
  told_ = Told::going;
  waits_.clear();
  told_short_ = 0;
  rows_at_look_ = 0;
  phase_ = Phase::waiting;
  grant_.reset();
  against_.clear();
  failure_.reset();
  on_failure_ = std::move(on_failure);
  rate_ = {};
  wanted_ = readers;
  sessions_ = 0;
  reading_ = 0;
  rows_ = 0;
  thread_ = std::jthread([this](const std::stop_token& ended) { run(ended); });
  int granted = 0;
  std::string reason;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [this] { return phase_ == Phase::reading || failure_; });
    if (phase_ == Phase::reading && !failure_) granted = wanted_, reason = grant_->reason;
  }
  if (granted > 0) {
    if (granted < readers) options_.log(fmt::format("{} of {} readers are opened: {}", granted, readers, reason));
    return granted;
  }
  end();
  if (failure_) return *failure_;
  return Error{ErrorKind::cancelled, "asked to stop while it waited to read " + options_.source};
}

void Pace::opened(int sessions) {
  const std::lock_guard lock(mutex_);
  wanted_ = sessions;
  sessions_ = sessions;
}

void Pace::end() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
  thread_ = {};
  // A server that is not there will find out by itself.
  static_cast<void>(options_.ask({.connection = options_.connection, .readers_wanted = 0}));
}

std::optional<Error> Pace::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

int64_t Pace::batch_rows(int64_t most) const {
  constexpr double in_a_second = 4;
  constexpr int64_t least = 64;  // smaller ones are a burden of their own
  const std::lock_guard lock(mutex_);
  if (!rate_.per_second()) return most;
  const double rows = *rate_.per_second() / in_a_second / std::max(1, wanted_);
  return rows >= static_cast<double>(most) ? most : std::max(least, static_cast<int64_t>(rows));
}

void Pace::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    ask(stop);
    if (stop.stop_requested()) return;
    look(stop);
    if (stop.stop_requested()) return;
    decide();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, options_.ask_each, [] { return false; });
  }
}

void Pace::ask(const std::stop_token& stop) {
  SourceAsk ask{.connection = options_.connection, .waits = waits_};
  {
    const std::lock_guard lock(mutex_);
    ask.readers_wanted = wanted_;
    // Also what it may take in the time until the answer is there.
    if (grant_) ask.readers_held = std::max(reading_, std::min(grant_->readers, wanted_));
    if (grant_) ask.rows_per_second_held = grant_->rows_per_second.value_or(0);
  }
  auto grant = options_.ask(ask);
  if (stop.stop_requested()) return;
  if (!grant) {
    const bool is_first = !grant_;
    const bool may_answer_later = is_transient(grant.error().kind) || !is_first;
    if (!may_answer_later) return fail(grant.error());
    if (!std::exchange(is_unheard_, true))
      options_.log(fmt::format("the share of {} cannot be asked for ({}): {}", options_.source, grant.error().message,
                               is_first ? "waiting" : "going on with what was granted last"));
    return;
  }
  if (std::exchange(is_unheard_, false)) options_.log("the share of " + options_.source + " is asked for again");
  const std::lock_guard lock(mutex_);
  grant_ = std::move(*grant);
  set_rate();
}

int Pace::all_readers() const { return sessions_ + grant_->readers_elsewhere; }

// With the lock.
void Pace::set_rate() {
  std::optional<double> rate = grant_ ? grant_->rows_per_second : std::nullopt;
  if (const auto limit = throttle_.limit()) rate = std::min(rate.value_or(*limit), *limit);
  rate_.set(rate, options_.clock.monotonic());
}

void Pace::look(const std::stop_token& stop) {
  if (!grant_ || !options_.observer) return;  // only this thread writes it
  const SourceBounds& bounds = grant_->bounds;
  const bool is_asked =
      bounds.max_lag || bounds.max_threads_running || (bounds.max_snapshot_age && phase_ == Phase::waiting);
  const Duration now = options_.clock.monotonic();
  if (is_asked && now < next_look_) return;
  std::string against;
  if (is_asked) {
    next_look_ = now + options_.look_each;
    SourceBounds asked = bounds;
    if (phase_ == Phase::reading) asked.max_snapshot_age.reset();
    auto seen = options_.observer->look(asked, stop);
    if (stop.stop_requested()) return;
    if (!seen && !is_transient(seen.error().kind)) return fail(seen.error().within("the bounds of " + options_.source));
    if (seen && seen->lag && !seen->lag->behind && !is_transient(seen->lag->kind))
      return fail({seen->lag->kind, fmt::format("the bounds of {}: max_lag: {}", options_.source, seen->lag->reason)});
    if (seen) {
      against = health_.judge(
          bounds, *seen, all_readers(),
          phase_ == Phase::waiting ? SourceHealth::Moment::before_snapshot : SourceHealth::Moment::while_reading);
      seen_ = std::move(*seen);
    } else {
      against = "it cannot be looked at: " + seen.error().message;
    }
  }
  const std::lock_guard lock(mutex_);
  if (phase_ == Phase::reading) {
    const double seconds = std::chrono::duration<double>(now - looked_at_).count();
    if (against_.empty() && !against.empty())
      throttle_.halve(seconds > 0 ? static_cast<double>(rows_ - rows_at_look_) / seconds : 0);
    else if (against.empty())
      throttle_.rise();
    set_rate();
  }
  rows_at_look_ = rows_;
  looked_at_ = now;
  against_ = std::move(against);
}

std::string Pace::whatever_stands_against() const {
  if (!against_.empty()) return against_;
  if (!grant_) return "its share is not known yet";
  const bool has_no_rows = phase_ == Phase::waiting && grant_->rows_per_second == 0.0;
  return grant_->readers == 0 || has_no_rows ? grant_->reason : std::string();
}

void Pace::decide() {
  std::string against;
  std::optional<Error> too_old;
  int short_by = 0;
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return;
    against = whatever_stands_against();
    const Duration now = options_.clock.monotonic();
    if (phase_ == Phase::waiting && against.empty()) {
      phase_ = Phase::reading;
      began_ = looked_at_ = now;
      wanted_ = std::min(wanted_, grant_->readers);
      sessions_ = wanted_;
    } else if (phase_ == Phase::reading && grant_->bounds.max_snapshot_age &&
               now - began_ > *grant_->bounds.max_snapshot_age) {
      too_old =
          Error{ErrorKind::timeout,
                fmt::format("the snapshot of this try is {} old, max_snapshot_age={} of {}: the server keeps old rows "
                            "for it. Read in less time or less at once (an export by `split`, `mode: {{window: …}}` or "
                            "`where`), or raise the bound",
                            format_duration(std::chrono::floor<std::chrono::seconds>(now - began_)),
                            format_duration(*grant_->bounds.max_snapshot_age), options_.source)};
    }
    if (grant_) short_by = std::max(wanted_ - grant_->readers, 0);
    if (phase_ == Phase::reading && standing_ == Standing::never) against.clear(), short_by = 0;
    version_ += 1;
  }
  if (too_old) return fail(*too_old);
  if (!against.empty())
    against =
        begun_of(fmt::format("{} {}: {}", phase_ == Phase::waiting ? "waiting to read" : "standing still, reading",
                             options_.source, against));
  waits_ = against;
  tell(against, short_by);
  changed_.notify_all();
}

// A line for each change; none while nothing changes.
void Pace::tell(const std::string& against, int short_by) {
  const Duration now = options_.clock.monotonic();
  const bool is_going = against.empty();
  if (!is_going && told_ == Told::going) {
    stands_since_ = now;
    told_ = Told::standing;
    options_.log(against);
    return;
  }
  if (is_going && told_ == Told::standing) {
    told_ = Told::going;
    std::string line = fmt::format("reading {} after {}", options_.source,
                                   format_duration(std::chrono::floor<std::chrono::milliseconds>(now - stands_since_)));
    if (seen_)
      if (const std::string figures = figures_of(*seen_, all_readers()); !figures.empty()) line += ": " + figures;
    if (const auto limit = throttle_.limit()) line += fmt::format("; at most {:.0f} rows/s at first", *limit);
    options_.log(line);
    return;
  }
  if (!is_going || phase_ == Phase::waiting || short_by == told_short_) return;
  told_short_ = short_by;
  options_.log(short_by > 0
                   ? fmt::format("{} of {} readers stand still: {}", short_by, sessions_.load(), grant_->reason)
                   : "all readers read again");
}

void Pace::fail(const Error& error) {
  std::function<void()> on_failure;
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return;
    failure_ = error;
    version_ += 1;
    on_failure = on_failure_;
  }
  changed_.notify_all();
  if (on_failure) on_failure();
}

Pace::Turn::~Turn() {
  if (pace_ == nullptr) return;
  {
    const std::lock_guard lock(pace_->mutex_);
    if (reads_) pace_->reading_ -= 1;
    // The last gives back at the end: figures may be asked for in its session.
    pace_->wanted_ = std::max(1, pace_->wanted_ - 1);
    pace_->version_ += 1;
  }
  pace_->changed_.notify_all();
}

Result<void> Pace::Turn::before_batch(const std::stop_token& stop) {
  if (pace_ == nullptr) return {};
  Pace& pace = *pace_;
  const Duration began = pace.options_.clock.monotonic();
  std::unique_lock lock(pace.mutex_);
  while (true) {
    if (pace.failure_) return *pace.failure_;
    if (stop.stop_requested()) return Error{ErrorKind::cancelled, "asked to stop"};
    const int allowed = pace.grant_->readers;
    if (pace.standing_ == Standing::never) {
      if (!std::exchange(reads_, true)) pace.reading_ += 1;
      return {};
    }
    const bool may_read = pace.against_.empty() && (reads_ ? pace.reading_ <= allowed : pace.reading_ < allowed);
    const Duration now = pace.options_.clock.monotonic();
    Duration wait = std::chrono::seconds(1);
    if (may_read) {
      if (!std::exchange(reads_, true)) pace.reading_ += 1;
      const Duration for_rate = pace.rate_.wait(now);
      if (for_rate == Duration(0)) {
        stood_still_ = now - began;
        return {};
      }
      wait = std::min(wait, for_rate);
    } else if (std::exchange(reads_, false)) {
      pace.reading_ -= 1;
      pace.version_ += 1;
      pace.changed_.notify_all();
    }
    pace.changed_.wait_for(lock, stop, wait, [&pace, seen = pace.version_] { return pace.version_ != seen; });
  }
}

void Pace::Turn::after_batch(int64_t rows) {
  if (pace_ == nullptr) return;
  const std::lock_guard lock(pace_->mutex_);
  pace_->rows_ += rows;
  pace_->rate_.take(rows, pace_->options_.clock.monotonic());
}

Error Pace::Turn::explain(const Error& error) const {
  if (error.kind != ErrorKind::unavailable || stood_still_ < worth_telling) return error;
  Error explained = error;
  explained.message += fmt::format(
      " (the reader had stood still for {} before, as its log says: servers, and what lies between, end sessions that "
      "take nothing for too long: net_write_timeout, wait_timeout, a proxy's or firewall's limit)",
      format_duration(std::chrono::floor<std::chrono::seconds>(stood_still_)));
  return explained;
}

}  // namespace udon::data
