#include "model/reason.h"

#include "base/ensure.h"

namespace udon {

std::string_view to_string(ReasonKind kind) {
  switch (kind) {
    case ReasonKind::finished: return "finished";
    case ReasonKind::running: return "running";
    case ReasonKind::source_bounds: return "source_bounds";
    case ReasonKind::upstream: return "upstream";
    case ReasonKind::dag_paused: return "dag_paused";
    case ReasonKind::run_queued: return "run_queued";
    case ReasonKind::backfill_paused: return "backfill_paused";
    case ReasonKind::not_yet_due: return "not_yet_due";
    case ReasonKind::retry_delay: return "retry_delay";
    case ReasonKind::max_active_tasks: return "max_active_tasks";
    case ReasonKind::max_active_tis: return "max_active_tis";
    case ReasonKind::pool_full: return "pool_full";
    case ReasonKind::pool_unknown: return "pool_unknown";
    case ReasonKind::connection_unknown: return "connection_unknown";
    case ReasonKind::parallelism: return "parallelism";
    case ReasonKind::no_worker: return "no_worker";
    case ReasonKind::handed_out: return "handed_out";
    case ReasonKind::sensor: return "sensor";
    case ReasonKind::answer: return "answer";
    case ReasonKind::ending_old_try: return "ending_old_try";
    case ReasonKind::dispatch_stopped: return "dispatch_stopped";
    case ReasonKind::ready: return "ready";
  }
  ENSURE(false, "a reason outside its enum");
}

Value to_value(const Reason& reason) {
  Value holders = Value::list();
  for (const std::string& holder : reason.holders) holders.push_back(holder);
  return Value(Value::Map{
      {"kind", to_string(reason.kind)},
      {"text", reason.text},
      {"holders", std::move(holders)},
      {"until", reason.until ? Value(format_time(*reason.until)) : Value()},
  });
}

}  // namespace udon
