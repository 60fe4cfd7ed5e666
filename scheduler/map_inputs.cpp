#include "scheduler/map_inputs.h"

#include <variant>

#include "base/limits.h"

namespace udon {

namespace {

// What most people meet who map over a command's output, which is a text.
constexpr const char* how_to_return = " (a command hands one on as {\"return_value\": […]} in $UDON_XCOM_FILE)";

// Airflow maps over the items of a dict too.
std::optional<Value::List> as_list(const Value& value) {
  if (value.is_list()) return value.as_list();
  if (!value.is_map()) return std::nullopt;
  Value::List items;
  for (const auto& [key, item] : value.as_map()) items.push_back(Value::List{Value(key), item});
  return items;
}

}  // namespace

TriggerVerdict inputs_verdict(const ActiveRun& run, const Task& task) {
  for (const MapInput& input : task.expand->inputs) {
    const auto* source = std::get_if<std::string>(&input.source);
    const int index = source == nullptr ? -1 : run.dag().index_of(*source);
    if (index < 0) continue;
    const TaskSlot& from = run.slots[static_cast<size_t>(index)];
    if (from.count(TaskState::failed) + from.count(TaskState::upstream_failed) > 0) {
      return TriggerVerdict::upstream_failed;
    }
    const int64_t ended =
        from.count(TaskState::success) + from.count(TaskState::skipped) + from.count(TaskState::removed);
    if (ended < from.expected()) return TriggerVerdict::wait;
    if (from.count(TaskState::success) == 0) return TriggerVerdict::skip;
  }
  return TriggerVerdict::run;
}

Inputs resolve_inputs(const ActiveRun& run, int index_of_task) {
  const Task& task = run.dag().tasks[static_cast<size_t>(index_of_task)];
  if (const TriggerVerdict verdict = inputs_verdict(run, task); verdict != TriggerVerdict::run) {
    return {.bound = {}, .verdict = verdict, .problem = {}};
  }
  auto bound = std::make_shared<MapSpec>(*task.expand);
  for (MapInput& input : bound->inputs) {
    const auto* source = std::get_if<std::string>(&input.source);
    if (source == nullptr) continue;
    const std::string id = *source;
    const int index = run.dag().index_of(id);
    if (index < 0) return {.bound = {}, .verdict = {}, .problem = "it is mapped over `" + id + "`, which is no task"};
    const TaskSlot& from = run.slots[static_cast<size_t>(index)];
    const bool is_mapped = run.dag().tasks[static_cast<size_t>(index)].expand.has_value();
    if (is_mapped) {
      Value::List all;
      for (const auto& [map_index, value] : from.outputs) all.push_back(value);
      input.source = std::move(all);
      continue;
    }
    const auto output = from.outputs.find(-1);
    if (output == from.outputs.end()) {
      return {.bound = {},
              .verdict = {},
              .problem = "it is mapped over `" + id + "`, which returned nothing" + how_to_return};
    }
    auto list = as_list(output->second);
    if (!list) {
      return {.bound = {},
              .verdict = {},
              .problem = "it is mapped over `" + id + "`, which returned " + std::string(output->second.type_name()) +
                         " instead of an array" + how_to_return};
    }
    input.source = std::move(*list);
  }
  const int64_t length = known_length(*bound).value_or(0);
  if (length > limits::map_length_max) {
    return {.bound = {},
            .verdict = {},
            .problem = "it would be mapped to " + std::to_string(length) + " task instances; the limit is " +
                       std::to_string(limits::map_length_max)};
  }
  // The tasks of a mapped group share one list, which may be long.
  for (const TaskSlot& other : run.slots) {
    if (!task.mapped_group.empty() && other.bound && other.bound != bound && *other.bound == *bound) {
      return {.bound = other.bound, .verdict = TriggerVerdict::run, .problem = {}};
    }
  }
  return {.bound = std::move(bound), .verdict = TriggerVerdict::run, .problem = {}};
}

void restore_length(ActiveRun& run, int task) {
  TaskSlot& slot = run.slots[static_cast<size_t>(task)];
  if (slot.instances.empty()) return;
  Inputs inputs = resolve_inputs(run, task);
  if (!inputs.bound) return;
  const int64_t length = *known_length(*inputs.bound);
  // Only the one that stands for all: it was never mapped, unless it was mapped over nothing.
  if (length > 0 && slot.placeholder && slot.instances.size() == 1) return;
  slot.length = length;
  slot.bound = std::move(inputs.bound);
}

}  // namespace udon
