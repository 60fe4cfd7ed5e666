#include "scheduler/upstream.h"

#include <algorithm>

namespace udon {

namespace {

int64_t failures(const TaskSlot& slot) {
  return slot.count(TaskState::failed) + slot.count(TaskState::upstream_failed);
}

bool is_against(const TaskSlot& chooser, int task) {
  return std::ranges::all_of(chooser.choices,
                             [&](const auto& choice) { return std::ranges::binary_search(choice.second, task); });
}

}  // namespace

bool is_inner_edge(const DagShape& shape, int before, int after) {
  const int group = shape.mapped_group[static_cast<size_t>(before)];
  return group >= 0 && group == shape.mapped_group[static_cast<size_t>(after)];
}

TaskState state_at(const TaskSlot& slot, int map_index) {
  if (const auto position = slot.position_of(map_index, true)) {
    return slot.instances[static_cast<size_t>(*position)].state;
  }
  if (slot.missing() > 0 && (!slot.length || map_index < *slot.length)) return TaskState::none;
  // Before the others are mapped nobody knows better; what is mapped already will be heard index by index.
  if (map_index == whole) return TaskState::none;
  const TaskState stand_in =
      slot.placeholder ? slot.instances[static_cast<size_t>(*slot.placeholder)].state : TaskState::removed;
  return stand_in;
}

UpstreamCounts upstream_counts(const ActiveRun& run, int task, int map_index) {
  UpstreamCounts counts = run.slots[static_cast<size_t>(task)].upstream;
  for (const int before : run.shape->inner_upstream[static_cast<size_t>(task)]) {
    const auto index = static_cast<size_t>(before);
    TaskState there = state_at(run.slots[index], map_index);
    // Mapped over nothing, while what comes before it is still mapped over what was there before, and has ended.
    const TaskSlot& slot = run.slots[index];
    const bool is_mapped_over_nothing = map_index == whole && run.slots[static_cast<size_t>(task)].length == 0;
    if (is_mapped_over_nothing && there == TaskState::none && slot.finished() == slot.expected())
      there = TaskState::removed;
    counts.add(there, run.dag().tasks[index].is_setup, 1);
  }
  return counts;
}

std::optional<int> skipped_by_choice(const ActiveRun& run, int task, int map_index) {
  for (const int chooser : run.shape->choosers[static_cast<size_t>(task)]) {
    const TaskSlot& slot = run.slots[static_cast<size_t>(chooser)];
    if (slot.choices.empty()) continue;
    if (is_inner_edge(*run.shape, chooser, task)) {
      const auto choice = slot.choices.find(map_index);
      if (choice == slot.choices.end() || !is_finished(state_at(slot, map_index))) continue;
      if (std::ranges::binary_search(choice->second, task)) return chooser;
      continue;
    }
    // A mapped one: all of its task instances have to say so, and those that were marked success say nothing.
    if (slot.finished() < slot.expected() || slot.count(TaskState::success) > std::ssize(slot.choices)) continue;
    if (is_against(slot, task)) return chooser;
  }
  return std::nullopt;
}

std::optional<int> setup_in_the_way(const ActiveRun& run, int task, int map_index) {
  std::optional<int> open;
  for (const int setup : run.shape->setups[static_cast<size_t>(task)]) {
    const TaskSlot& slot = run.slots[static_cast<size_t>(setup)];
    bool has_failed = failures(slot) > 0;
    bool is_skipped = slot.count(TaskState::skipped) > 0;
    bool has_succeeded = slot.count(TaskState::success) + slot.count(TaskState::removed) == slot.expected();
    if (is_inner_edge(*run.shape, setup, task)) {
      const TaskState there = state_at(slot, map_index);
      has_failed = there == TaskState::failed || there == TaskState::upstream_failed;
      is_skipped = there == TaskState::skipped;
      has_succeeded = there == TaskState::success || there == TaskState::removed;
    }
    if (has_failed) return setup;
    if (has_succeeded) continue;
    if (!open || is_skipped) open = setup;
  }
  return open;
}

TriggerVerdict upstream_verdict(const ActiveRun& run, int task, int map_index) {
  const auto setup = setup_in_the_way(run, task, map_index);
  if (setup) {
    const TaskSlot& slot = run.slots[static_cast<size_t>(*setup)];
    const bool is_inner = is_inner_edge(*run.shape, *setup, task);
    const TaskState there = is_inner ? state_at(slot, map_index) : TaskState::none;
    const bool has_failed =
        is_inner ? there == TaskState::failed || there == TaskState::upstream_failed : failures(slot) > 0;
    if (has_failed) return TriggerVerdict::upstream_failed;
    if (is_inner ? there == TaskState::skipped : slot.count(TaskState::skipped) > 0) return TriggerVerdict::skip;
  }
  const TriggerRule rule = run.dag().tasks[static_cast<size_t>(task)].trigger_rule;
  const TriggerVerdict verdict = evaluate(rule, upstream_counts(run, task, map_index));
  return setup && verdict == TriggerVerdict::run ? TriggerVerdict::wait : verdict;
}

unsigned meaning_of(const UpstreamCounts& counts) {
  unsigned meaning = 0;
  unsigned bit = 1;
  for (const bool holds :
       {counts.total > 0, counts.done() >= counts.total, counts.success > 0, counts.failed > 0, counts.skipped > 0,
        counts.upstream_failed > 0, counts.total > counts.removed, counts.setup_total > 0, counts.setup_success > 0,
        counts.setup_skipped >= counts.setup_total}) {
    if (holds) meaning |= bit;
    bit <<= 1;
  }
  return meaning;
}

}  // namespace udon
