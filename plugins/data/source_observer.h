#pragma once
// How a server fares while it is read: a light session of its own, that asks only what there is a bound for.
#include <memory>
#include <optional>
#include <stop_token>

#include "base/clock.h"
#include "base/result.h"
#include "connections/source_bounds.h"
#include "plugins/db/lag/lag.h"

namespace udon::data {

// Nothing: it was not asked for.
struct SourceLook {
  std::optional<int64_t> threads_running;  // but for the one that asks; our readers are among them
  std::optional<Lag> lag;
  // Replication itself waits for a session that reads (a lock on the table, a snapshot): the longer the session stands
  // still, the longer the lag.
  bool lag_waits_for_readers = false;
  std::optional<Duration> oldest_snapshot;  // the age of the oldest transaction, also of ours
};

class SourceObserver {
 public:
  virtual ~SourceObserver() = default;
  // `stop` ends the wait for a server that does not answer. denied: names the right that is missing. unavailable: the
  // server was not to be asked just now; the next look connects anew.
  virtual Result<SourceLook> look(const SourceBounds& bounds, const std::stop_token& stop) = 0;
};

// Of mysql and postgresql; nullptr for other types. `clock` outlives it.
std::unique_ptr<SourceObserver> make_source_observer(const Connection& connection, const Clock& clock);

}  // namespace udon::data
