#pragma once
// What those before a task say to its task instances. To a task of a mapped group others of that group speak index by
// index, whatever is outside of it speaks to all indices alike; asked of one instance at a time, so that an end inside
// of the group costs as many looks as there are tasks after it, however many indices there are.
#include <optional>

#include "scheduler/active_run.h"

namespace udon {

// Which of a task's instances is asked about: one map index, or (whole) the task as such: one that is no part of a
// mapped group, or has not been mapped yet.
inline constexpr int whole = -1;

// The edge between them holds for each index by itself.
bool is_inner_edge(const DagShape& shape, int before, int after);

// What an inner edge from this task carries: the state of its instance at that index; `none` as long as it is to come;
// `removed`, which counts as not there, if there is none. What stands for all of its indices stands for this one, too.
TaskState state_at(const TaskSlot& slot, int map_index);

// Over all edges that end at the task.
UpstreamCounts upstream_counts(const ActiveRun& run, int task, int map_index);

// The task before it that has chosen to skip it, if one has. Of the same mapped group: at that index; others, for all
// of its task instances.
std::optional<int> skipped_by_choice(const ActiveRun& run, int task, int map_index);

// Of the setups that it needs beside those directly before it, the first that has not succeeded; those that will not
// come first.
std::optional<int> setup_in_the_way(const ActiveRun& run, int task, int map_index);

// What its upstream and its setups say.
TriggerVerdict upstream_verdict(const ActiveRun& run, int task, int map_index);

// Counts that are the same in this are the same to every trigger rule, also with others added to both.
unsigned meaning_of(const UpstreamCounts& counts);

}  // namespace udon
