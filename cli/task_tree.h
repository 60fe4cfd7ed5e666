#pragma once
// Tasks and task groups as a tree: of a DAG, or of a run with how many task instances are in which states.
#include <string>
#include <vector>

#include "base/value.h"
#include "cli/output.h"

namespace udon::cli {

// Whether any of the API's nodes is a task group.
bool has_groups(const Value& nodes);

// The nodes (each with its `children`, if it is a group) one below the other, upstream first. Each row is its node with
// a `name` that says where it hangs: by lines on a terminal, by two blanks a level elsewhere. Below a mapped group
// stand its map indices, those that have the same in the same states together.
Value::List tree_rows(const Value& nodes, const Terminal& terminal);

// "1 failed, 3 success" of {"success": 3, "failed": 1}; one alone is its state.
std::string describe_states(const Value& states);

// Of rows of a run: name, how many task instances, in which states.
const std::vector<Column>& run_tree_columns();

}  // namespace udon::cli
