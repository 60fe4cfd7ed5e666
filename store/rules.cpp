#include "store/rules.h"

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace udon {

namespace {

Error invalid(std::string message) { return {ErrorKind::invalid, std::move(message)}; }
Error conflict(std::string message) { return {ErrorKind::conflict, std::move(message)}; }

Error no_such_move(const std::string& what, std::string_view from, std::string_view to, MoveCause cause) {
  return invalid(what + ": no move from " + std::string(from) + " to " + std::string(to) + " by " +
                 std::string(to_string(cause)));
}

std::string name_of(const TaskInstance& row) {
  return row.map_index < 0 ? row.task_id : row.task_id + "[" + std::to_string(row.map_index) + "]";
}

}  // namespace

std::string describe(const TaskInstance& row) {
  return "task instance " + std::to_string(row.number) + " (" + name_of(row) + ")";
}

std::string describe(const DagRun& row) {
  return "dag run " + std::to_string(row.number) + " (" + row.dag_id + "/" + row.run_id + ")";
}

Result<void> check_change(const ChangeInstance& change, Fence fences_used) {
  Result<void> verdict;
  each_step(change, [&](TaskState from, TaskState to) {
    if (verdict && !is_allowed(from, to, change.cause)) {
      verdict = no_such_move(describe(change.row), to_string(from), to_string(to), change.cause);
    }
  });
  TRY(verdict);
  const Fence fence = change.row.fence;
  if (fence == change.expected_fence) return {};
  if (change.expected_state == change.row.state && change.through.empty()) {
    return invalid(describe(change.row) + ": a new fence without a move");
  }
  // Commits hand out fences in any order within a batch, but never one that an earlier commit may have used.
  if (fence <= fences_used) {
    return invalid(describe(change.row) + ": fence " + std::to_string(fence) + " is not new; " +
                   std::to_string(fences_used) + " was given before");
  }
  return {};
}

Result<void> check_change(const ChangeRun& change) {
  if (change.expected_state == change.row.state) return {};
  if (is_allowed(change.expected_state, change.row.state, change.cause)) return {};
  return no_such_move(describe(change.row), to_string(change.expected_state), to_string(change.row.state),
                      change.cause);
}

Result<void> check_new(const DagRun& row) {
  if (row.number <= 0) return invalid(describe(row) + ": the number of a new run must be positive");
  if (row.dag_id.empty() || row.run_id.empty()) return invalid(describe(row) + ": a run needs a dag id and a run id");
  if (row.state != RunState::queued) {
    return invalid(describe(row) + ": a new run is queued, not " + std::string(to_string(row.state)));
  }
  return {};
}

Result<void> check_new(const TaskInstance& row) {
  if (row.number <= 0) return invalid(describe(row) + ": the number of a new task instance must be positive");
  if (row.task_id.empty()) return invalid(describe(row) + ": a task instance needs a task id");
  if (row.map_index < -1) return invalid(describe(row) + ": map index " + std::to_string(row.map_index));
  if (row.state != TaskState::none && row.state != TaskState::removed) {
    return invalid(describe(row) + ": a new task instance has state none or removed, not " +
                   std::string(to_string(row.state)));
  }
  if (row.fence != 0) return invalid(describe(row) + ": a new task instance has no try, so no fence");
  return {};
}

Result<void> check_new(const Notification& row) {
  const std::string what = "notification " + to_string(row.key);
  if (row.key.run <= 0 || row.dag_id.empty() || row.run_id.empty()) return invalid(what + ": it is about no dag run");
  if (row.state != NotificationState::pending || row.sends != 0 || !row.next_at) {
    return invalid(what + ": a new notification is pending, due at some time and never sent");
  }
  return {};
}

Result<void> check_new(const AssetEvent& row, AssetEventNumber last) {
  const std::string what = "asset event " + std::to_string(row.number);
  if (row.number <= last) return Error{ErrorKind::invalid, what + " does not come after event " + std::to_string(last)};
  if (const auto problem = problem_of_asset(row.asset)) return Error{ErrorKind::invalid, what + ": " + *problem};
  if (!row.extra.is_map()) return Error{ErrorKind::invalid, what + ": its extra is no map"};
  return {};
}

Error not_queued(const std::string& dag_id, AssetEventNumber event) {
  return {ErrorKind::conflict,
          "asset event " + std::to_string(event) + " is not queued for DAG `" + dag_id + "` (any more)"};
}

Result<void> check_finish(NotificationState state, std::optional<TimePoint> next_at) {
  if (is_done(state) && !next_at) return {};
  if (state == NotificationState::pending && next_at) return {};
  return invalid("a notification that was sent becomes sent, failed, unknown, or pending with a time; not " +
                 std::string(to_string(state)) + (next_at ? " with one" : ""));
}

Error no_such_notification(int64_t number) {
  return {ErrorKind::not_found, "no notification " + std::to_string(number)};
}

Error not_sending(int64_t number, int sends, NotificationState state) {
  return conflict("notification " + std::to_string(number) + " is " + std::string(to_string(state)) +
                  ", and not being sent for time " + std::to_string(sends));
}

Error not_resendable(const Notification& row) {
  return conflict("notification " + std::to_string(row.number) + " is " + std::string(to_string(row.state)) +
                  ": it is sent anyway");
}

Error missing_instance(InstanceNumber number) {
  return conflict("task instance " + std::to_string(number) + " is not in the store");
}

Error missing_run(RunNumber number) { return conflict("dag run " + std::to_string(number) + " is not in the store"); }

Error mismatch(const ChangeInstance& change, const TaskInstance& stored) {
  const TaskInstance& row = change.row;
  if (row.run != stored.run || row.task_id != stored.task_id || row.map_index != stored.map_index) {
    return invalid(describe(row) + " of run " + std::to_string(row.run) + ": is stored as " + name_of(stored) +
                   " of run " + std::to_string(stored.run) + ", which never changes");
  }
  return conflict(describe(row) + ": believed to be " + std::string(to_string(change.expected_state)) + " with fence " +
                  std::to_string(change.expected_fence) + ", but is " + std::string(to_string(stored.state)) +
                  " with fence " + std::to_string(stored.fence));
}

Error mismatch(const ChangeRun& change, const DagRun& stored) {
  const DagRun& row = change.row;
  if (row.dag_id != stored.dag_id || row.run_id != stored.run_id) {
    return invalid(describe(row) + ": is stored as " + stored.dag_id + "/" + stored.run_id + ", which never changes");
  }
  return conflict(describe(row) + ": believed to be " + std::string(to_string(change.expected_state)) + ", but is " +
                  std::string(to_string(stored.state)));
}

Error duplicate_instance(const TaskInstance& row) {
  return conflict(describe(row) + ": this number, or this task of run " + std::to_string(row.run) +
                  ", is in the store already");
}

Error duplicate_fence(const TaskInstance& row) {
  return invalid(describe(row) + ": fence " + std::to_string(row.fence) + " is another live try's");
}

Error duplicate_run(const DagRun& row) {
  return conflict(describe(row) + ": its number, its run id or its logical date is taken already");
}

Error unfinished_run(const DagRun& row) {
  return conflict(describe(row) + " is " + std::string(to_string(row.state)) + "; only a finished run can be deleted");
}

Error wrong_epoch(Epoch given, Epoch current) {
  return conflict("this scheduler's term " + std::to_string(given) + " is over: the store is in term " +
                  std::to_string(current));
}

Error in_batch(const Error& error, size_t index, size_t count) {
  return error.within("change " + std::to_string(index + 1) + " of " + std::to_string(count));
}

Result<Order> parse_order(std::string_view order_by, std::span<const std::string_view> allowed) {
  Order order;
  std::string_view name = order_by;
  if (name.starts_with('-')) order.descending = true, name.remove_prefix(1);
  const auto found = std::ranges::find(allowed, name);
  if (found != allowed.end()) {
    order.column = *found;
    return order;
  }
  const std::vector<std::string> names(allowed.begin(), allowed.end());
  return invalid("cannot order by `" + std::string(name) + "`; possible: " + join(names, ", ") +
                 did_you_mean(name, names));
}

Result<void> check_page(const PageRequest& page) {
  if (page.limit < 0) return invalid("limit " + std::to_string(page.limit) + " is negative");
  if (page.offset < 0) return invalid("offset " + std::to_string(page.offset) + " is negative");
  return {};
}

std::string text_of_term(Epoch epoch) { return "term " + std::to_string(epoch) + " begins"; }

Error already_there(std::string_view what, std::string_view name) {
  return conflict(std::string(what) + " `" + std::string(name) + "` exists already");
}

Error not_there(std::string_view what, std::string_view name) {
  return {ErrorKind::not_found, "no " + std::string(what) + " `" + std::string(name) + "`"};
}

Result<void> check_pool_deletion(const std::string& name) {
  if (name == default_pool)
    return invalid(std::string(default_pool) + " cannot be deleted: tasks without a pool use it");
  return {};
}

}  // namespace udon
