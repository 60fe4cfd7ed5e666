#pragma once
// Task groups and tasks as people see them: nested, and in an order in which upstream comes before downstream.
#include <string>
#include <string_view>
#include <vector>

#include "model/dag.h"

namespace udon::web {

struct TreeNode {
  const TaskGroup* group = nullptr;  // null: a task
  int task = -1;
  std::vector<TreeNode> children;  // of a group
};

// What lies directly in the group, with all that lies in that; "": all of the DAG, which has to live as long.
std::vector<TreeNode> task_tree(const Dag& dag, std::string_view group_id);

// "; did you mean …?" among tasks and groups; or that a task group is named where a task has to be.
std::string hinting_at_tasks(const Dag& dag, const std::string& id);

}  // namespace udon::web
