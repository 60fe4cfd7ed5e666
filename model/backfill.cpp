#include "model/backfill.h"

#include "base/ensure.h"

namespace udon {

std::string_view to_string(ReprocessBehavior behavior) {
  switch (behavior) {
    case ReprocessBehavior::none: return "none";
    case ReprocessBehavior::failed: return "failed";
    case ReprocessBehavior::completed: return "completed";
  }
  ENSURE(false, "a reprocess behavior outside its enum");
}

std::optional<ReprocessBehavior> parse_reprocess_behavior(std::string_view text) {
  for (const auto one : {ReprocessBehavior::none, ReprocessBehavior::failed, ReprocessBehavior::completed}) {
    if (to_string(one) == text) return one;
  }
  return std::nullopt;
}

std::string_view to_string(BackfillStatus status) {
  switch (status) {
    case BackfillStatus::active: return "active";
    case BackfillStatus::paused: return "paused";
    case BackfillStatus::completed: return "completed";
    case BackfillStatus::cancelled: return "cancelled";
  }
  ENSURE(false, "a backfill status outside its enum");
}

BackfillStatus status_of(const Backfill& backfill) {
  if (backfill.is_cancelled) return BackfillStatus::cancelled;
  if (backfill.completed_at) return BackfillStatus::completed;
  return backfill.is_paused ? BackfillStatus::paused : BackfillStatus::active;
}

std::string_view to_string(BackfillAction action) {
  switch (action) {
    case BackfillAction::create: return "create";
    case BackfillAction::clear: return "clear";
    case BackfillAction::skip_existing: return "already exists";
    case BackfillAction::skip_active: return "in flight";
  }
  ENSURE(false, "a backfill action outside its enum");
}

BackfillAction action_on(ReprocessBehavior behavior, std::optional<RunState> there) {
  if (!there) return BackfillAction::create;
  if (!is_finished(*there)) return BackfillAction::skip_active;
  switch (behavior) {
    case ReprocessBehavior::none: return BackfillAction::skip_existing;
    case ReprocessBehavior::failed:
      return *there == RunState::failed ? BackfillAction::clear : BackfillAction::skip_existing;
    case ReprocessBehavior::completed: return BackfillAction::clear;
  }
  ENSURE(false, "a reprocess behavior outside its enum");
}

}  // namespace udon
