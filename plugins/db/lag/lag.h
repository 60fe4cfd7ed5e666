#pragma once
// How far a replica is behind its primary, or that it cannot be known: an unknown lag is never taken as small.
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/result.h"

namespace udon {

struct Lag {
  std::optional<Duration> behind;  // nothing: unknown
  std::string mechanism;           // how it was measured: "heartbeat table", "Seconds_Behind_Master"
  std::string reason;              // why it is unknown, and what would help
  // Of an unknown one: unavailable where it may be known later by itself; denied: a right is missing; invalid: there is
  // nothing to be behind.
  ErrorKind kind = ErrorKind::unavailable;

  static Lag of(Duration behind, std::string mechanism) { return {behind, std::move(mechanism), {}}; }
  static Lag unknown(std::string reason, ErrorKind kind = ErrorKind::unavailable) {
    return {std::nullopt, {}, std::move(reason), kind};
  }
};

// The worse of two sources of one replica: unknown is worst.
inline Lag worse(Lag a, Lag b) {
  if (!a.behind) return a;
  if (!b.behind) return b;
  return *a.behind >= *b.behind ? a : b;
}

struct LagQuestion {
  Duration behind_at_most{};
  std::string heartbeat_table;  // empty: none
};

// From the age of the newest heartbeat by the replica's clock, in microseconds.
Lag lag_of_heartbeat(std::optional<int64_t> age_us, const std::string& table);

// The whole number with which a server's text begins; nothing for NULL or for what is no number.
std::optional<int64_t> number_in(const std::optional<std::string>& text);

// How long one look may wait for a replica to reach its primary's position: a poke takes a few seconds at most.
inline constexpr std::chrono::seconds catch_up_wait{2};

}  // namespace udon
