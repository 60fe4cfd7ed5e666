// Dependencies: names to places, cycles, and the order of tasks.
#include <algorithm>
#include <queue>
#include <unordered_map>

#include "base/text.h"
#include "dagfile/loader/document.h"

namespace udon {
namespace {

using Edges = std::vector<std::vector<int>>;  // upstream of each task, ascending, each once

Edges resolve(const Dag& dag, const std::vector<TaskSource>& sources, Problems& problems) {
  std::unordered_map<std::string_view, int> places;
  std::vector<std::string> ids;
  for (size_t i = 0; i < dag.tasks.size(); ++i) {
    places.emplace(dag.tasks[i].task_id, static_cast<int>(i));
    ids.push_back(dag.tasks[i].task_id);
  }
  for (const TaskGroup& group : dag.groups) ids.push_back(group.group_id);
  Edges upstream(dag.tasks.size());
  for (size_t i = 0; i < dag.tasks.size(); ++i) {
    for (const auto& [id, offset] : sources[i].after) {
      const auto found = places.find(id);
      if (found == places.end()) {
        problems.error(
            offset, "task `" + dag.tasks[i].task_id + "`: unknown upstream task `" + id + "`" + did_you_mean(id, ids));
      } else {
        upstream[i].push_back(found->second);
      }
    }
    std::sort(upstream[i].begin(), upstream[i].end());
    upstream[i].erase(std::unique(upstream[i].begin(), upstream[i].end()), upstream[i].end());
  }
  return upstream;
}

// Kahn's algorithm; of what is ready, the first as written. What is left over lies on cycles or after them.
std::vector<int> order_of(const Edges& upstream) {
  const size_t count = upstream.size();
  std::vector<int> waiting(count, 0);
  Edges downstream(count);
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;
  for (size_t i = 0; i < count; ++i) {
    waiting[i] = static_cast<int>(upstream[i].size());
    for (const int before : upstream[i]) downstream[static_cast<size_t>(before)].push_back(static_cast<int>(i));
    if (waiting[i] == 0) ready.push(static_cast<int>(i));
  }
  std::vector<int> order;
  while (!ready.empty()) {
    const int next = ready.top();
    ready.pop();
    order.push_back(next);
    for (const int after : downstream[static_cast<size_t>(next)])
      if (--waiting[static_cast<size_t>(after)] == 0) ready.push(after);
  }
  return order;
}

// One cycle for each knot of them, told from its first task as written: what is not ordered has an upstream that is
// not either, so that walking up must come back to where it was.
void report_cycles(const Dag& dag, const std::vector<TaskSource>& sources, const Edges& upstream,
                   const std::vector<int>& order, Problems& problems) {
  std::vector<bool> is_done(dag.tasks.size(), false);
  for (const int place : order) is_done[static_cast<size_t>(place)] = true;
  std::vector<int> seen_at(dag.tasks.size(), -1);
  for (size_t start = 0; start < dag.tasks.size(); ++start) {
    std::vector<int> path;
    int at = static_cast<int>(start);
    bool is_cycle = false;
    while (!is_done[static_cast<size_t>(at)] && seen_at[static_cast<size_t>(at)] < 0) {
      seen_at[static_cast<size_t>(at)] = static_cast<int>(path.size());
      path.push_back(at);
      const auto& before = upstream[static_cast<size_t>(at)];
      const auto next =
          std::find_if(before.begin(), before.end(), [&](int place) { return !is_done[static_cast<size_t>(place)]; });
      if (next == before.end()) break;  // it only comes after a cycle that is told already
      at = *next;
      is_cycle = seen_at[static_cast<size_t>(at)] >= 0;
    }
    if (is_cycle) {
      std::vector<int> cycle(path.begin() + seen_at[static_cast<size_t>(at)], path.end());
      std::reverse(cycle.begin(), cycle.end());  // the walk went up; the arrows go down
      std::rotate(cycle.begin(), std::min_element(cycle.begin(), cycle.end()), cycle.end());
      std::string text;
      for (size_t i = 0; i < cycle.size(); ++i) {
        // Of a cycle of a thousand tasks the ends are enough to find it.
        if (cycle.size() > 12 && i == 6) text += "… → ";
        if (cycle.size() > 12 && i >= 6 && i + 6 < cycle.size()) continue;
        text += dag.tasks[static_cast<size_t>(cycle[i])].task_id + " → ";
      }
      text += dag.tasks[static_cast<size_t>(cycle[0])].task_id;
      const size_t first = static_cast<size_t>(cycle[0]);
      const std::string& last_id = dag.tasks[static_cast<size_t>(cycle.back())].task_id;
      uint32_t offset = sources[first].offset;
      for (const auto& [id, place] : sources[first].after)
        if (id == last_id) offset = place;
      problems.error(offset, "a cycle: " + text);
    }
    for (const int place : path) is_done[static_cast<size_t>(place)] = true;
  }
}

}  // namespace

void connect_tasks(Dag& dag, std::vector<TaskSource>& sources, Problems& problems) {
  const Edges upstream = resolve(dag, sources, problems);
  const std::vector<int> order = order_of(upstream);
  if (order.size() < dag.tasks.size()) {
    report_cycles(dag, sources, upstream, order, problems);
    return;
  }
  std::vector<int> place_of(order.size());
  for (size_t i = 0; i < order.size(); ++i) place_of[static_cast<size_t>(order[i])] = static_cast<int>(i);
  std::vector<Task> tasks;
  std::vector<TaskSource> ordered;
  for (const int from : order) {
    tasks.push_back(std::move(dag.tasks[static_cast<size_t>(from)]));
    ordered.push_back(std::move(sources[static_cast<size_t>(from)]));
    for (const int before : upstream[static_cast<size_t>(from)])
      tasks.back().upstream.push_back(place_of[static_cast<size_t>(before)]);
    std::sort(tasks.back().upstream.begin(), tasks.back().upstream.end());
    for (const int before : tasks.back().upstream)
      tasks[static_cast<size_t>(before)].downstream.push_back(static_cast<int>(tasks.size()) - 1);
  }
  dag.tasks = std::move(tasks);
  sources = std::move(ordered);
}

}  // namespace udon
