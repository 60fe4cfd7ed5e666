#pragma once
// Why a task instance is where it is. Nothing waits without one.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/value.h"

namespace udon {

enum class ReasonKind {
  finished,
  running,
  source_bounds,  // running, and waiting for the server that it reads: not of the loop, but of the door of tries
  upstream,       // these have to finish first, or to finish otherwise
  dag_paused,
  run_queued,  // the run itself waits: max_active_runs
  backfill_paused,
  not_yet_due,  // run_after is ahead
  retry_delay,
  max_active_tasks,
  max_active_tis,
  pool_full,
  pool_unknown,
  connection_unknown,
  parallelism,       // all slots of the installation are taken
  no_worker,         // no executor takes this queue
  handed_out,        // an executor has it; its process is starting
  sensor,            // waits outside; what the last poke saw
  answer,            // waits for people: what they are asked, and since when
  ending_old_try,    // the try before is being ended
  dispatch_stopped,  // disk full, store failing: said with what
  ready,             // the very next turn starts it
};
std::string_view to_string(ReasonKind kind);

struct Reason {
  ReasonKind kind = ReasonKind::ready;
  std::string text;                  // a sentence that names things and what to do
  std::vector<std::string> holders;  // who holds what it waits for: task instances, runs
  std::optional<TimePoint> until;    // when it changes by itself, if that is known
  bool operator==(const Reason&) const = default;
};
Value to_value(const Reason& reason);

}  // namespace udon
