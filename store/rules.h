#pragma once
// What every store checks in the same words, whatever it keeps its rows in: the moves, the shape of rows, the
// orders of lists. Pure; the stores' own files include it, nobody else.
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "store/outbox.h"
#include "store/types.h"
#include "store/writer.h"

namespace udon {

// Calls f(from, to) for each step that the change passes; not at all if it leaves the state as it is.
template <class F>
void each_step(const ChangeInstance& change, F&& f) {
  TaskState from = change.expected_state;
  for (const TaskState to : change.through) f(std::exchange(from, to), to);
  if (!change.through.empty() || from != change.row.state) f(from, change.row.state);
}

// All that can be said without the stored row. `fences_used`: the largest fence of the commits before this
// batch.
Result<void> check_change(const ChangeInstance& change, Fence fences_used);
Result<void> check_change(const ChangeRun& change);
Result<void> check_new(const DagRun& row);
Result<void> check_new(const TaskInstance& row);
Result<void> check_new(const Notification& row);
// last: the largest number that was given.
Result<void> check_new(const AssetEvent& row, AssetEventNumber last);
// What a sending may give: done, or pending with a time.
Result<void> check_finish(NotificationState state, std::optional<TimePoint> next_at);

std::string describe(const TaskInstance& row);  // "task instance 12 (load[3])"
std::string describe(const DagRun& row);        // "dag run 4 (orders/manual__…)"

Error missing_instance(InstanceNumber number);
Error missing_run(RunNumber number);
// Why a guarded change does not fit the stored row.
Error mismatch(const ChangeInstance& change, const TaskInstance& stored);
Error mismatch(const ChangeRun& change, const DagRun& stored);
Error duplicate_instance(const TaskInstance& row);
Error duplicate_fence(const TaskInstance& row);
Error duplicate_run(const DagRun& row);
Error unfinished_run(const DagRun& row);
Error not_queued(const std::string& dag_id, AssetEventNumber event);
Error wrong_epoch(Epoch given, Epoch current);
// Puts "change 3 of 10: " in front.
Error in_batch(const Error& error, size_t index, size_t count);

struct Order {
  std::string_view column;  // one of those allowed
  bool descending = false;
};
Result<Order> parse_order(std::string_view order_by, std::span<const std::string_view> allowed);
Result<void> check_page(const PageRequest& page);

inline constexpr auto run_orders =
    std::to_array<std::string_view>({"number", "logical_date", "run_after", "start_date", "end_date", "state"});
inline constexpr auto instance_orders =
    std::to_array<std::string_view>({"number", "task_id", "map_index", "start_date", "end_date", "state"});
inline constexpr auto asset_orders = std::to_array<std::string_view>({"number", "name"});
inline constexpr auto asset_event_orders = std::to_array<std::string_view>({"number", "at"});
inline constexpr auto question_orders = std::to_array<std::string_view>({"asked_at", "answered_at", "number"});
inline constexpr auto backfill_orders = std::to_array<std::string_view>({"number", "created_at"});
inline constexpr auto dag_orders = std::to_array<std::string_view>({"dag_id", "next_run_after", "last_parsed_at"});

// Names of the history's rows, so that every store writes the same.
namespace event_names {
inline constexpr std::string_view task = "task";
inline constexpr std::string_view run = "run";
inline constexpr std::string_view scheduler = "scheduler";
inline constexpr std::string_view deleted = "deleted";  // `to` of a run's last event
}  // namespace event_names
std::string text_of_term(Epoch epoch);

// Errors of settings.
Error already_there(std::string_view what, std::string_view name);
Error not_there(std::string_view what, std::string_view name);
Result<void> check_pool_deletion(const std::string& name);

}  // namespace udon
