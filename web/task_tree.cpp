#include "web/task_tree.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"

namespace udon::web {
namespace {

// Of what lies in the group: the group directly below that holds it, or "" if it lies there itself.
std::string_view step_below(std::string_view group, std::string_view of) {
  if (of.size() == group.size()) return {};
  const size_t from = group.empty() ? 0 : group.size() + 1;
  return of.substr(0, of.find('.', from));
}

}  // namespace

std::vector<TreeNode> task_tree(const Dag& dag, std::string_view group_id) {
  // Children by their first task; each task inside knows its child.
  std::vector<TreeNode> children;
  std::vector<int> child_of(dag.tasks.size(), -1);
  std::map<std::string_view, int> of_group;
  for (size_t i = 0; i < dag.tasks.size(); ++i) {
    const std::string& lies_in = dag.tasks[i].group_id;
    if (!group_id.empty() && !is_in_group(group_id, lies_in)) continue;
    const std::string_view below = step_below(group_id, lies_in);
    if (below.empty()) {
      child_of[i] = static_cast<int>(children.size());
      children.push_back({.group = nullptr, .task = static_cast<int>(i), .children = {}});
      continue;
    }
    const auto [place, is_new] = of_group.emplace(below, static_cast<int>(children.size()));
    if (is_new) {
      children.push_back({.group = dag.find_group(below), .task = -1, .children = task_tree(dag, below)});
    }
    child_of[i] = place->second;
  }
  std::vector<std::set<int>> before(children.size()), after(children.size());
  for (size_t i = 0; i < dag.tasks.size(); ++i) {
    for (const int upstream : dag.tasks[i].upstream) {
      const int from = child_of[static_cast<size_t>(upstream)], to = child_of[i];
      if (from < 0 || to < 0 || from == to) continue;
      before[static_cast<size_t>(to)].insert(from);
      after[static_cast<size_t>(from)].insert(to);
    }
  }
  std::set<int> left, ready;
  for (int child = 0; child < static_cast<int>(children.size()); ++child) {
    left.insert(child);
    if (before[static_cast<size_t>(child)].empty()) ready.insert(child);
  }
  std::vector<TreeNode> ordered;
  while (!left.empty()) {
    // A task between two of a group comes after the group and before it: the first one then.
    const int next = ready.empty() ? *left.begin() : *ready.begin();
    left.erase(next), ready.erase(next);
    ordered.push_back(std::move(children[static_cast<size_t>(next)]));
    for (const int follower : after[static_cast<size_t>(next)]) {
      std::set<int>& waits = before[static_cast<size_t>(follower)];
      waits.erase(next);
      if (waits.empty() && left.contains(follower)) ready.insert(follower);
    }
  }
  return ordered;
}

std::string hinting_at_tasks(const Dag& dag, const std::string& id) {
  if (dag.find_group(id) != nullptr) return "; `" + id + "` is a task group";
  std::vector<std::string> ids;
  for (const Task& task : dag.tasks) ids.push_back(task.task_id);
  for (const TaskGroup& group : dag.groups) ids.push_back(group.group_id);
  return did_you_mean(id, ids);
}

}  // namespace udon::web
