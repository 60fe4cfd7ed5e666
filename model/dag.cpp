#include "model/dag.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/ensure.h"

namespace udon {
namespace {

constexpr int64_t int64_max = std::numeric_limits<int64_t>::max();
constexpr Duration default_delay_max = std::chrono::hours(24);  // Airflow's MAX_RETRY_DELAY

// For each task, the summed weight of all tasks that it reaches through `next`, each counted once.
// Reachability is carried 64 tasks at a time, one bit each, so that ten thousand tasks need kilobytes and not
// a square matrix.
std::vector<int64_t> reachable_weights(const Dag& dag, std::vector<int> Task::*next, bool next_is_later) {
  const size_t count = dag.tasks.size();
  std::vector<int64_t> sums(count, 0);
  std::vector<uint64_t> reached(count);
  for (size_t block = 0; block < count; block += 64) {
    std::ranges::fill(reached, 0);
    for (size_t step = 0; step < count; ++step) {
      // Tasks stand in topological order: walked from the far end, a task's next ones are complete before it.
      const size_t at = next_is_later ? count - 1 - step : step;
      uint64_t bits = 0;
      for (const int index : dag.tasks[at].*next) {
        const auto other = static_cast<size_t>(index);
        bits |= reached[other];
        if (other >= block && other < block + 64) bits |= uint64_t{1} << (other - block);
      }
      reached[at] = bits;
      for (; bits != 0; bits &= bits - 1) {
        sums[at] += dag.tasks[block + static_cast<size_t>(std::countr_zero(bits))].priority_weight;
      }
    }
  }
  return sums;
}

}  // namespace

std::string_view to_string(OperatorKind kind) {
  switch (kind) {
    case OperatorKind::process: return "process";
    case OperatorKind::sensor: return "sensor";
    case OperatorKind::external_job: return "external_job";
  }
  ENSURE(false, "an operator kind outside its enum");
}

std::optional<OperatorKind> parse_operator_kind(std::string_view text) {
  for (const OperatorKind kind : {OperatorKind::process, OperatorKind::sensor, OperatorKind::external_job}) {
    if (to_string(kind) == text) return kind;
  }
  return std::nullopt;
}

std::string_view to_string(Choosing choosing) {
  switch (choosing) {
    case Choosing::nothing: return "nothing";
    case Choosing::branch: return "branch";
    case Choosing::short_circuit: return "short_circuit";
  }
  ENSURE(false, "a choosing outside its enum");
}

std::optional<Choosing> parse_choosing(std::string_view text) {
  for (const Choosing choosing : {Choosing::nothing, Choosing::branch, Choosing::short_circuit}) {
    if (to_string(choosing) == text) return choosing;
  }
  return std::nullopt;
}

std::string_view to_string(WeightRule rule) {
  switch (rule) {
    case WeightRule::downstream: return "downstream";
    case WeightRule::upstream: return "upstream";
    case WeightRule::absolute: return "absolute";
  }
  ENSURE(false, "a weight rule outside its enum");
}

std::optional<WeightRule> parse_weight_rule(std::string_view text) {
  for (const WeightRule rule : {WeightRule::downstream, WeightRule::upstream, WeightRule::absolute}) {
    if (to_string(rule) == text) return rule;
  }
  return std::nullopt;
}

Duration retry_delay(const RetryPolicy& policy, int next_try) {
  if (!policy.exponential_backoff) return policy.delay;
  const Duration cap = policy.delay_max.value_or(default_delay_max);
  Duration delay = policy.delay;
  for (int doubled = 2; doubled < next_try && delay < cap; ++doubled) {
    if (delay.count() == 0) break;
    delay = delay.count() > int64_max / 2 ? cap : delay * 2;
  }
  return std::min(delay, cap);
}

std::optional<int64_t> known_length(const MapSpec& spec) {
  std::optional<int64_t> length;
  for (const MapInput& input : spec.inputs) {
    const auto* list = std::get_if<Value::List>(&input.source);
    if (list == nullptr) return std::nullopt;
    const auto size = static_cast<int64_t>(list->size());
    if (!length) {
      length = size;
    } else if (spec.combine == MapSpec::Combine::zip) {
      length = std::min(*length, size);  // as Python's zip; a DAG file with unequal lists is refused before
    } else if (size != 0 && *length > int64_max / size) {
      length = int64_max;  // beyond every limit all the same, and never wrapped to a small number
    } else {
      length = *length * size;
    }
  }
  return length.value_or(0);
}

Value bound_values(const MapSpec& spec, int64_t map_index) {
  const auto length = known_length(spec);
  ENSURE(length && map_index >= 0 && map_index < *length, "bound_values for an index that the inputs do not have");
  Value bound = Value::map();
  std::vector<int64_t> indices(spec.inputs.size(), map_index);
  if (spec.combine == MapSpec::Combine::product) {
    int64_t rest = map_index;
    for (size_t i = spec.inputs.size(); i-- > 0;) {
      const auto size = static_cast<int64_t>(std::get<Value::List>(spec.inputs[i].source).size());
      indices[i] = rest % size;
      rest /= size;
    }
  }
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    const auto& list = std::get<Value::List>(spec.inputs[i].source);
    bound.set(spec.inputs[i].name, list[static_cast<size_t>(indices[i])]);
  }
  return bound;
}

int Dag::index_of(std::string_view task_id) const {
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (tasks[i].task_id == task_id) return static_cast<int>(i);
  }
  return -1;
}

const TaskGroup* Dag::find_group(std::string_view group_id) const {
  const auto found = std::ranges::find(groups, group_id, &TaskGroup::group_id);
  return found == groups.end() ? nullptr : &*found;
}

std::vector<int> Dag::tasks_in(std::string_view group_id) const {
  std::vector<int> inside;
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (!group_id.empty() && is_in_group(group_id, tasks[i].group_id)) inside.push_back(static_cast<int>(i));
  }
  return inside;
}

std::string_view parent_group(std::string_view group_id) {
  const size_t dot = group_id.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : group_id.substr(0, dot);
}

bool is_in_group(std::string_view group, std::string_view of) {
  return of.starts_with(group) && (of.size() == group.size() || of[group.size()] == '.');
}

std::vector<int64_t> effective_priorities(const Dag& dag) {
  const auto uses = [&](WeightRule rule) {
    return std::ranges::any_of(dag.tasks, [&](const Task& task) { return task.weight_rule == rule; });
  };
  std::vector<int64_t> priorities;
  priorities.reserve(dag.tasks.size());
  for (const Task& task : dag.tasks) priorities.push_back(task.priority_weight);
  const auto add = [&](WeightRule rule, std::vector<int> Task::*next, bool next_is_later) {
    if (!uses(rule)) return;
    const std::vector<int64_t> sums = reachable_weights(dag, next, next_is_later);
    for (size_t i = 0; i < sums.size(); ++i) {
      if (dag.tasks[i].weight_rule == rule) priorities[i] += sums[i];
    }
  };
  add(WeightRule::downstream, &Task::downstream, true);
  add(WeightRule::upstream, &Task::upstream, false);
  return priorities;
}

}  // namespace udon
