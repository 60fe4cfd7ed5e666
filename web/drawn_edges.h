#pragma once

#include <string>
#include <vector>

#include "model/dag.h"

namespace udon::web {

// The lines of a DAG's graph as Airflow draws them. Where a group as a whole comes after or before something, its lines
// meet in a node of their own: two groups of n and m tasks are joined by n + 1 + m lines, not by n × m.
struct DrawnEdge {
  std::string source_id;  // a task, or a join node
  std::string target_id;
  bool is_setup_teardown = false;  // from a setup to a teardown
  bool operator==(const DrawnEdge&) const = default;
};
std::vector<DrawnEdge> drawn_edges(const Dag& dag);  // by source, then target

// Ids of the join nodes that lie in the group: where what comes before it arrives, where it is left. Either may be
// missing.
std::vector<std::string> join_nodes(const Dag& dag, const TaskGroup& group);

}  // namespace udon::web
