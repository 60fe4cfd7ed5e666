// Task groups from outside: how a DAG's tasks and groups lie in each other, what a run has of each in which states, and
// marking a group.
#include <algorithm>
#include <map>
#include <vector>

#include "base/text.h"
#include "web/drawn_edges.h"
#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"
#include "web/task_tree.h"
#include "web/unmapped.h"

namespace udon::web {
namespace {

struct Counts {
  std::vector<int64_t> of = std::vector<int64_t>(all_task_states().size());  // by state
  int64_t& operator[](TaskState state) { return of[static_cast<size_t>(state)]; }
  int64_t operator[](TaskState state) const { return of[static_cast<size_t>(state)]; }
  auto operator<=>(const Counts&) const = default;
};

Value show_counts(const Counts& counts) {
  Value shown = Value::map();
  for (const TaskState state : all_task_states()) {
    const int64_t count = counts[state];
    if (count > 0) shown.set(std::string(to_string(state)), count);
  }
  return shown;
}

int64_t sum_of(const Counts& counts) {
  int64_t sum = 0;
  for (const int64_t count : counts.of) sum += count;
  return sum;
}

void add(Counts& counts, const Counts& others) {
  for (const TaskState state : all_task_states()) counts[state] += others[state];
}

// Airflow's names of a node; a group has `children`.
Value show_node(const Dag& dag, const TreeNode& node) {
  if (node.group != nullptr) {
    const TaskGroup& group = *node.group;
    const std::string_view parent = parent_group(group.group_id);
    const std::string label = group.group_id.substr(parent.empty() ? 0 : parent.size() + 1);
    return Value::Map{{"id", group.group_id},
                      {"label", group.display_name.empty() ? label : group.display_name},
                      {"type", "task"},
                      {"tooltip", group.tooltip},
                      {"is_mapped", group.expand.has_value()},
                      {"children", Value::list()}};
  }
  const Task& task = dag.tasks[static_cast<size_t>(node.task)];
  return Value::Map{{"id", task.task_id},
                    {"label", task.task_id},
                    {"type", "task"},
                    {"operator", task.operator_name},
                    {"is_mapped", task.expand ? Value(true) : Value()},
                    {"setup_teardown_type", task.is_setup      ? Value("setup")
                                            : task.is_teardown ? Value("teardown")
                                                               : Value()},
                    {"children", nullptr}};
}

// Every node has every key.
Value complete(Value node) {
  for (const char* key :
       {"children", "is_mapped", "tooltip", "setup_teardown_type", "operator", "asset_condition_type", "team"})
    if (node.find(key) == nullptr) node.set(key, nullptr);
  return node;
}

Value::List show_graph(const Dag& dag, const std::vector<TreeNode>& nodes) {
  Value::List shown;
  for (const TreeNode& node : nodes) {
    Value one = show_node(dag, node);
    if (node.group != nullptr) {
      Value::List children = show_graph(dag, node.children);
      for (const std::string& id : join_nodes(dag, *node.group))
        children.push_back(complete(Value::Map{{"id", id}, {"label", ""}, {"type", "join"}}));
      one.set("children", std::move(children));
    }
    shown.push_back(complete(std::move(one)));
  }
  return shown;
}

Result<Response> structure(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  const auto dag_id = query.text("dag_id");
  const auto number = query.integer("version_number", 1);
  if (!dag_id) problems.add("missing", {"query", "dag_id"}, "Field required", Value());
  if (!problems.empty()) return problems.response();
  TRY(query.refuse({"root", "include_upstream", "include_downstream", "depth", "external_dependencies"}));
  TRY_ASSIGN(const DagRecord record, need_dag(world, *dag_id));
  std::string version = record.version;
  if (number) {
    TRY_ASSIGN(const std::vector<DagVersionRecord> versions, world.reader.dag_versions(*dag_id));
    const auto found =
        std::ranges::find_if(versions, [&](const DagVersionRecord& one) { return one.number == *number; });
    version = found == versions.end() ? "" : found->version;
  }
  const DagInfoPtr info = version.empty() ? nullptr : world.dags.find(*dag_id, version);
  if (!info)
    return Error{ErrorKind::not_found,
                 "Dag with id " + *dag_id +
                     (number ? " and version number " + std::to_string(*number) + " was not found" : " was not found")};
  const Dag& dag = *info->dag;
  Value::List edges;
  for (const DrawnEdge& edge : drawn_edges(dag)) {
    edges.push_back(Value::Map{{"source_id", edge.source_id},
                               {"target_id", edge.target_id},
                               {"is_setup_teardown", edge.is_setup_teardown ? Value(true) : Value()},
                               {"label", nullptr},
                               {"is_source_asset", nullptr}});
  }
  return json_response(200, Value::Map{{"edges", std::move(edges)}, {"nodes", show_graph(dag, task_tree(dag, ""))}});
}

// What a run has, counted once.
struct Counted {
  std::vector<Counts> of_task;
  // By group and map index, of mapped groups.
  std::map<std::string, std::map<int, Counts>> of_index;
};

Result<Counted> count(World& world, const DagRun& run, const Dag& dag) {
  Counted counted;
  counted.of_task.resize(dag.tasks.size());
  std::map<std::string_view, size_t> places;
  for (size_t i = 0; i < dag.tasks.size(); ++i) places.emplace(dag.tasks[i].task_id, i);
  const auto note = [&](const TaskInstance& instance) {
    const auto place = places.find(instance.task_id);
    if (place == places.end()) return;  // of an earlier version: removed
    ++counted.of_task[place->second][instance.state];
    const std::string& group = dag.tasks[place->second].mapped_group;
    if (!group.empty() && instance.map_index >= 0) ++counted.of_index[group][instance.map_index][instance.state];
  };
  TRY_ASSIGN(const std::vector<TaskInstance> instances, world.reader.instances_of(run.number));
  for (const TaskInstance& instance : instances) note(instance);
  TRY_ASSIGN(const std::vector<InstanceRow> unmapped, unmapped_of(world, run));
  for (const InstanceRow& row : unmapped) note(row.instance);
  return counted;
}

// Indices that have the same in the same states stand together: a hundred thousand are a few lines.
Value::List show_indices(const std::map<int, Counts>& of_index) {
  std::map<Counts, std::vector<std::pair<int, int>>> ranges;
  std::vector<const Counts*> order;  // by their first index
  for (const auto& [index, counts] : of_index) {
    const auto [place, is_new] = ranges.try_emplace(counts);
    if (is_new) order.push_back(&place->first);
    if (!place->second.empty() && place->second.back().second == index - 1)
      place->second.back().second = index;
    else
      place->second.emplace_back(index, index);
  }
  Value::List shown;
  for (const Counts* counts : order) {
    Value::List indices;
    int64_t count = 0;
    for (const auto& [first, last] : ranges.at(*counts)) {
      indices.push_back(Value::List{first, last});
      count += last - first + 1;
    }
    shown.push_back(
        Value::Map{{"map_indexes", std::move(indices)}, {"count", count}, {"states", show_counts(*counts)}});
  }
  return shown;
}

Value::List show_states(const Dag& dag, const std::vector<TreeNode>& nodes, const Counted& counted, Counts& sum) {
  Value::List shown;
  for (const TreeNode& node : nodes) {
    Value one = show_node(dag, node);
    Counts counts;
    if (node.group != nullptr) {
      one.set("children", show_states(dag, node.children, counted, counts));
    } else {
      counts = counted.of_task[static_cast<size_t>(node.task)];
    }
    one.set("task_instances", sum_of(counts));
    one.set("states", show_counts(counts));
    if (node.group != nullptr && node.group->expand) {
      const auto of_index = counted.of_index.find(node.group->group_id);
      one.set("map_indexes", of_index == counted.of_index.end() ? Value::List{} : show_indices(of_index->second));
    }
    add(sum, counts);
    shown.push_back(std::move(one));
  }
  return shown;
}

Result<Response> tree(World& world, const Call& call) {
  Problems problems;
  const auto wanted = QueryFields(call.request, problems).text("task_group_id");
  if (!problems.empty()) return problems.response();
  TRY_ASSIGN(const DagRun run, need_run(world, call));
  TRY_ASSIGN(const DagInfoPtr info, need_version_of(world, run));
  const Dag& dag = *info->dag;
  std::vector<TreeNode> nodes;
  if (wanted) {
    TRY(need_group(dag, *wanted));
    nodes.push_back({.group = dag.find_group(*wanted), .task = -1, .children = task_tree(dag, *wanted)});
  } else {
    nodes = task_tree(dag, "");
  }
  TRY_ASSIGN(const Counted counted, count(world, run, dag));
  Counts sum;
  Value::List shown = show_states(dag, nodes, counted, sum);
  return json_response(200, Value::Map{{"dag_id", run.dag_id},
                                       {"dag_run_id", run.run_id},
                                       {"nodes", std::move(shown)},
                                       {"task_instances", sum_of(sum)},
                                       {"states", show_counts(sum)}});
}

}  // namespace

Result<DagInfoPtr> need_version_of(World& world, const DagRun& run) {
  DagInfoPtr info = world.dags.find(run.dag_id, run.dag_version);
  if (!info)
    return Error{ErrorKind::not_found,
                 "the version of DAG `" + run.dag_id + "` that run " + run.run_id + " was made with is not kept"};
  return info;
}

Result<void> need_group(const Dag& dag, const std::string& group_id) {
  if (dag.find_group(group_id) != nullptr) return {};
  std::vector<std::string> ids;
  for (const TaskGroup& group : dag.groups) ids.push_back(group.group_id);
  const bool is_task = dag.index_of(group_id) >= 0;
  return Error{ErrorKind::not_found, "Task group '" + group_id + "' not found in DAG '" + dag.dag_id + "'" +
                                         (is_task ? "; `" + group_id + "` is a task" : did_you_mean(group_id, ids))};
}

void add_task_groups(Router& router, World& world) {
  const Access viewer = at_least(Role::viewer);
  router.add("GET", "/ui/structure/structure_data", viewer, "How the tasks and task groups of a DAG lie in each other",
             [&world](const Call& call) { return structure(world, call); });
  router.add("GET", "/api/udon/dags/{dag_id}/dagRuns/{dag_run_id}/taskGroups", viewer,
             "Tasks and task groups of a run, with how many task instances are in each state",
             [&world](const Call& call) { return tree(world, call); });
}

}  // namespace udon::web
