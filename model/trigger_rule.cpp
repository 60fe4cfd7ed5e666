#include "model/trigger_rule.h"

#include <array>

#include "base/ensure.h"

namespace udon {
namespace {

constexpr std::array all_rules{
    TriggerRule::all_success,
    TriggerRule::all_failed,
    TriggerRule::all_done,
    TriggerRule::all_done_min_one_success,
    TriggerRule::all_done_setup_success,
    TriggerRule::all_skipped,
    TriggerRule::one_success,
    TriggerRule::one_failed,
    TriggerRule::one_done,
    TriggerRule::none_failed,
    TriggerRule::none_failed_min_one_success,
    TriggerRule::none_skipped,
    TriggerRule::always,
};

}  // namespace

void UpstreamCounts::add(TaskState state, bool is_setup, int64_t by) {
  total += by;
  if (is_setup) setup_total += by;
  switch (state) {
    case TaskState::success:
      success += by;
      if (is_setup) setup_success += by;
      break;
    case TaskState::failed: failed += by; break;
    case TaskState::skipped:
      skipped += by;
      if (is_setup) setup_skipped += by;
      break;
    case TaskState::upstream_failed: upstream_failed += by; break;
    case TaskState::removed: removed += by; break;
    case TaskState::none:
    case TaskState::scheduled:
    case TaskState::queued:
    case TaskState::running:
    case TaskState::up_for_retry:
    case TaskState::up_for_reschedule:
    case TaskState::deferred:
    case TaskState::restarting: break;
  }
}

std::string_view to_string(TriggerRule rule) {
  switch (rule) {
    case TriggerRule::all_success: return "all_success";
    case TriggerRule::all_failed: return "all_failed";
    case TriggerRule::all_done: return "all_done";
    case TriggerRule::all_done_min_one_success: return "all_done_min_one_success";
    case TriggerRule::all_done_setup_success: return "all_done_setup_success";
    case TriggerRule::all_skipped: return "all_skipped";
    case TriggerRule::one_success: return "one_success";
    case TriggerRule::one_failed: return "one_failed";
    case TriggerRule::one_done: return "one_done";
    case TriggerRule::none_failed: return "none_failed";
    case TriggerRule::none_failed_min_one_success: return "none_failed_min_one_success";
    case TriggerRule::none_skipped: return "none_skipped";
    case TriggerRule::always: return "always";
  }
  ENSURE(false, "a trigger rule outside its enum");
}

std::optional<TriggerRule> parse_trigger_rule(std::string_view text) {
  for (const TriggerRule rule : all_rules) {
    if (to_string(rule) == text) return rule;
  }
  return std::nullopt;
}

std::span<const TriggerRule> all_trigger_rules() { return all_rules; }

// Removed instances count as not there, in every rule but all_done_setup_success, to which a removed setup has not
// been made: an expansion that came out shorter must not decide anything. (Airflow's own rules leave an unmapped task
// waiting for ever on some of them.) If all are removed, rules that ask for one of something are skipped and the others
// run.
TriggerVerdict evaluate(TriggerRule rule, const UpstreamCounts& upstream) {
  using enum TriggerVerdict;
  if (upstream.total == 0) return run;
  const int64_t failures = upstream.failed + upstream.upstream_failed;
  const int64_t present = upstream.total - upstream.removed;
  const bool is_done = upstream.done() >= upstream.total;
  switch (rule) {
    case TriggerRule::always: return run;
    case TriggerRule::all_success:
      if (failures > 0) return TriggerVerdict::upstream_failed;
      if (upstream.skipped > 0) return skip;
      return is_done ? run : wait;
    case TriggerRule::all_failed:
      if (upstream.success + upstream.skipped > 0) return skip;
      return is_done ? run : wait;
    case TriggerRule::all_done: return is_done ? run : wait;
    case TriggerRule::all_done_min_one_success:
      // A skipped upstream is no done one to this rule: Airflow skips at the first.
      if (upstream.skipped > 0) return skip;
      if (!is_done) return wait;
      if (upstream.success > 0) return run;
      return present == 0 ? skip : TriggerVerdict::upstream_failed;
    case TriggerRule::all_done_setup_success:
      if (!is_done) return wait;
      if (upstream.setup_total == 0 || upstream.setup_success > 0) return run;
      return upstream.setup_skipped >= upstream.setup_total ? skip : TriggerVerdict::upstream_failed;
    case TriggerRule::all_skipped:
      if (upstream.success + failures > 0) return skip;
      return is_done ? run : wait;
    case TriggerRule::one_success:
      if (upstream.success > 0) return run;
      if (!is_done) return wait;
      return upstream.skipped == present ? skip : TriggerVerdict::upstream_failed;
    case TriggerRule::one_failed:
      if (failures > 0) return run;
      return is_done ? skip : wait;
    case TriggerRule::one_done:
      if (upstream.success + upstream.failed > 0) return run;
      return is_done ? skip : wait;
    case TriggerRule::none_failed:
      if (failures > 0) return TriggerVerdict::upstream_failed;
      return is_done ? run : wait;
    case TriggerRule::none_failed_min_one_success:
      if (failures > 0) return TriggerVerdict::upstream_failed;
      if (!is_done) return wait;
      return upstream.skipped == present ? skip : run;
    case TriggerRule::none_skipped:
      if (upstream.skipped > 0) return skip;
      return is_done ? run : wait;
  }
  ENSURE(false, "a trigger rule outside its enum");
}

}  // namespace udon
