#pragma once
// When a task may start, given what became of its direct upstream task instances. Airflow's thirteen rules.
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "model/state.h"

namespace udon {

enum class TriggerRule {
  all_success,
  all_failed,
  all_done,
  all_done_min_one_success,
  all_done_setup_success,
  all_skipped,
  one_success,
  one_failed,
  one_done,
  none_failed,
  none_failed_min_one_success,
  none_skipped,
  always,
};
std::string_view to_string(TriggerRule rule);
std::optional<TriggerRule> parse_trigger_rule(std::string_view text);
std::span<const TriggerRule> all_trigger_rules();

// Counts over the direct upstream task instances (mapped ones counted one by one).
struct UpstreamCounts {
  int64_t total = 0;
  int64_t success = 0;
  int64_t failed = 0;
  int64_t skipped = 0;
  int64_t upstream_failed = 0;
  int64_t removed = 0;
  // Those of them that are setup tasks, for all_done_setup_success; counted above as well.
  int64_t setup_total = 0;
  int64_t setup_success = 0;
  int64_t setup_skipped = 0;
  // So many more in this state (fewer: negative).
  void add(TaskState state, bool is_setup, int64_t by);
  int64_t done() const { return success + failed + skipped + upstream_failed + removed; }
  bool operator==(const UpstreamCounts&) const = default;
};

enum class TriggerVerdict { wait, run, skip, upstream_failed };
// Total: no upstream at all means run. Decides as early as the outcome can no longer change (one failed
// upstream of all_success gives upstream_failed at once), as Airflow does.
TriggerVerdict evaluate(TriggerRule rule, const UpstreamCounts& upstream);

}  // namespace udon
