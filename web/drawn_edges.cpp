#include "web/drawn_edges.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace udon::web {
namespace {

// Tasks by their place in the DAG; after them two join nodes for each group.
using Edge = std::pair<size_t, size_t>;

class Drawing {
 public:
  explicit Drawing(const Dag& dag) : dag_(dag) {
    for (size_t i = 0; i < dag.groups.size(); ++i) group_at_.emplace(dag.groups[i].group_id, i);
    inside_.resize(dag.groups.size());
    for (size_t i = 0; i < dag.groups.size(); ++i) {
      const std::vector<int> tasks = dag.tasks_in(dag.groups[i].group_id);
      inside_[i] = {tasks.begin(), tasks.end()};
    }
  }

  std::vector<DrawnEdge> draw() {
    for (size_t group = 0; group < dag_.groups.size(); ++group) {
      for (const std::string& id : dag_.groups[group].upstream) {
        const auto before = group_at_.find(id);
        if (before != group_at_.end())
          join_groups(before->second, group);
        else if (const int task = dag_.index_of(id); task >= 0)
          arrive(static_cast<size_t>(task), group);
      }
      for (const std::string& id : dag_.groups[group].downstream_tasks)
        if (const int task = dag_.index_of(id); task >= 0) leave(group, static_cast<size_t>(task));
    }
    std::set<Edge> of_setups;
    for (size_t from = 0; from < dag_.tasks.size(); ++from) {
      for (const int next : dag_.tasks[from].downstream) {
        const auto to = static_cast<size_t>(next);
        drawn_.emplace(from, to);
        if (dag_.tasks[from].is_setup && dag_.tasks[to].is_teardown) of_setups.emplace(from, to);
      }
    }
    std::vector<DrawnEdge> edges;
    for (const Edge& edge : drawn_)
      if (!replaced_.contains(edge)) edges.push_back({name(edge.first), name(edge.second), of_setups.contains(edge)});
    std::ranges::sort(edges, {}, [](const DrawnEdge& edge) { return std::tie(edge.source_id, edge.target_id); });
    return edges;
  }

 private:
  size_t arrival(size_t group) const { return dag_.tasks.size() + 2 * group; }
  size_t departure(size_t group) const { return arrival(group) + 1; }

  std::string name(size_t node) const {
    if (node < dag_.tasks.size()) return dag_.tasks[node].task_id;
    const size_t join = node - dag_.tasks.size();
    return dag_.groups[join / 2].group_id + (join % 2 == 0 ? ".upstream_join_id" : ".downstream_join_id");
  }

  void join_groups(size_t from, size_t to) {
    drawn_.emplace(departure(from), arrival(to));
    const std::vector<size_t> first = roots(to);
    for (const size_t leaf : leaves(from)) {
      drawn_.emplace(leaf, departure(from));
      for (const size_t root : first) replaced_.emplace(leaf, root);
      replaced_.emplace(leaf, arrival(to));
    }
    for (const size_t root : first) {
      drawn_.emplace(arrival(to), root);
      replaced_.emplace(departure(from), root);
    }
  }

  void arrive(size_t task, size_t group) {
    drawn_.emplace(task, arrival(group));
    for (const size_t root : roots(group)) {
      drawn_.emplace(arrival(group), root);
      replaced_.emplace(task, root);
    }
  }

  void leave(size_t group, size_t task) {
    drawn_.emplace(departure(group), task);
    for (const size_t leaf : leaves(group)) {
      drawn_.emplace(leaf, departure(group));
      replaced_.emplace(leaf, task);
    }
  }

  bool is_inside(size_t group, int task) const { return inside_[group].contains(static_cast<size_t>(task)); }
  const Task& task(size_t at) const { return dag_.tasks[at]; }
  const Task& task(int at) const { return dag_.tasks[static_cast<size_t>(at)]; }

  std::vector<size_t> roots(size_t group) const {
    std::vector<size_t> found;
    for (const size_t at : inside_[group])
      if (std::ranges::none_of(task(at).upstream, [&](int before) { return is_inside(group, before); }))
        found.push_back(at);
    return found;
  }

  // In a teardown's place the last ones before it that are none, as Airflow counts them.
  std::set<size_t> leaves(size_t group) const {
    std::set<size_t> found;
    for (const size_t at : inside_[group])
      if (std::ranges::none_of(task(at).downstream, [&](int next) { return is_inside(group, next); }))
        add_last(group, at, found);
    return found;
  }

  void add_last(size_t group, size_t at, std::set<size_t>& found) const {
    if (!task(at).is_teardown) {
      found.insert(at);
      return;
    }
    for (const int before : task(at).upstream) {
      if (!is_inside(group, before)) continue;
      const Task& earlier = task(before);
      if (earlier.is_teardown) {
        add_last(group, static_cast<size_t>(before), found);
        continue;
      }
      const bool works_on = std::ranges::any_of(earlier.downstream, [&](int next) {
        return static_cast<size_t>(next) != at && is_inside(group, next) && !task(next).is_teardown;
      });
      if (!earlier.is_setup && !works_on) found.insert(static_cast<size_t>(before));
    }
  }

  const Dag& dag_;
  std::map<std::string, size_t, std::less<>> group_at_;
  std::vector<std::set<size_t>> inside_;  // by group, at whatever depth
  std::set<Edge> drawn_;
  std::set<Edge> replaced_;  // by those that go through a join node
};

}  // namespace

std::vector<DrawnEdge> drawn_edges(const Dag& dag) { return Drawing(dag).draw(); }

std::vector<std::string> join_nodes(const Dag& dag, const TaskGroup& group) {
  std::vector<std::string> ids;
  if (!group.upstream.empty()) ids.push_back(group.group_id + ".upstream_join_id");
  const bool is_left = !group.downstream_tasks.empty() || std::ranges::any_of(dag.groups, [&](const TaskGroup& other) {
    return std::ranges::find(other.upstream, group.group_id) != other.upstream.end();
  });
  if (is_left) ids.push_back(group.group_id + ".downstream_join_id");
  return ids;
}

}  // namespace udon::web
