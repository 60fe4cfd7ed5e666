#include <algorithm>

#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"
#include "web/unmapped.h"

namespace udon::web {
namespace {

// Of these tasks (of all, if none is named) those in the group, as the run's version has it, or without a run the
// newest one. false: none is left.
Result<bool> keep_group(World& world, const std::string& dag_id, const std::optional<DagRun>& run,
                        const std::string& group, std::vector<std::string>& task_ids) {
  if (dag_id == "~") return Error{ErrorKind::invalid, "task_group_id needs a dag_id: a group is one of a DAG"};
  TRY_ASSIGN(const DagRecord record, need_dag(world, dag_id));
  const DagInfoPtr info = world.dags.find(dag_id, run ? run->dag_version : record.version);
  if (!info) return Error{ErrorKind::not_found, "Task group " + group + " not found"};
  TRY(need_group(*info->dag, group));
  std::vector<std::string> inside;
  for (const int task : info->dag->tasks_in(group)) {
    const std::string& id = info->dag->tasks[static_cast<size_t>(task)].task_id;
    if (task_ids.empty() || std::ranges::find(task_ids, id) != task_ids.end()) inside.push_back(id);
  }
  task_ids = std::move(inside);
  return !task_ids.empty();
}

Result<Response> list(World& world, const Call& call, const std::optional<std::string>& task_id) {
  Problems problems;
  QueryFields query(call.request, problems);
  InstanceFilter filter;
  const std::string &dag_id = call.part("dag_id"), &run_id = call.part("dag_run_id");
  for (const std::string& word : query.texts("state")) {
    // A state that is not set is null in answers and "none" or "no_status" in filters.
    const auto state = word == "no_status" ? TaskState::none : parse_task_state(word);
    if (state)
      filter.states.push_back(*state);
    else
      problems.add("enum", {"query", "state"}, "Input should be a state of task instances", word);
  }
  const std::vector<std::string> map_indexes = query.texts("map_index");
  if (const auto map_index = query.integer("map_index", -1)) filter.map_index = static_cast<int>(*map_index);
  const PageRequest page = query.page();
  if (!problems.empty()) return problems.response();
  if (map_indexes.size() > 1)
    return Error{ErrorKind::invalid, "more than one map_index is not supported by this server"};
  for (const char* range : {"run_after", "logical_date", "start_date", "end_date", "updated_at", "duration"})
    for (const char* bound : {"_gte", "_gt", "_lte", "_lt"})
      TRY(query.refuse({std::string_view(std::string(range) + bound)}));
  TRY(query.refuse({"cursor",
                    "task_display_name_pattern",
                    "task_display_name_prefix_pattern",
                    "dag_id_pattern",
                    "dag_id_prefix_pattern",
                    "run_id_pattern",
                    "run_id_prefix_pattern",
                    "pool",
                    "pool_name_pattern",
                    "pool_name_prefix_pattern",
                    "queue",
                    "queue_name_pattern",
                    "queue_name_prefix_pattern",
                    "executor",
                    "version_number",
                    "try_number",
                    "operator",
                    "operator_name_pattern",
                    "operator_name_prefix_pattern",
                    "rendered_map_index_pattern",
                    "rendered_map_index_prefix_pattern"}));
  TRY_ASSIGN(filter.order_by, query.order_by("id", {{"id", "number"},
                                                    {"task_id", "task_id"},
                                                    {"task_display_name", "task_id"},
                                                    {"map_index", "map_index"},
                                                    {"start_date", "start_date"},
                                                    {"end_date", "end_date"},
                                                    {"state", "state"}}));
  if (dag_id != "~") filter.dag_ids = {dag_id};
  std::optional<DagRun> run;
  if (run_id != "~") {
    if (dag_id == "~") return Error{ErrorKind::invalid, "dag_id is required when dag_run_id is specified"};
    TRY_ASSIGN(run, world.reader.run(dag_id, run_id));
    if (!run)
      return Error{ErrorKind::not_found,
                   "DagRun with dag_id: `" + dag_id + "` and run_id: `" + run_id + "` was not found"};
    filter.run_ids = {run_id};
  } else if (dag_id != "~") {
    TRY(need_dag(world, dag_id));
  }
  if (task_id)
    filter.task_ids = {*task_id};
  else if (const auto wanted = query.text("task_id"))
    filter.task_ids = {*wanted};
  if (const auto group = query.text("task_group_id")) {
    TRY_ASSIGN(const bool has_any, keep_group(world, dag_id, run, *group, filter.task_ids));
    if (!has_any) return json_response(200, show_list_with_cursors("task_instances", {}, 0));
  }
  TRY_ASSIGN(Page<InstanceRow> found, world.reader.instances(filter, page));
  const bool wants_undecided =
      filter.states.empty() || std::ranges::find(filter.states, TaskState::none) != filter.states.end();
  if (run && !task_id && wants_undecided && filter.map_index.value_or(-1) < 0) {
    TRY_ASSIGN(const std::vector<InstanceRow> unmapped, unmapped_of(world, *run, filter.task_ids));
    // After all that the store has.
    for (size_t i = static_cast<size_t>(std::max<int64_t>(0, page.offset - found.total));
         i < unmapped.size() && static_cast<int>(found.rows.size()) < page.limit; ++i)
      found.rows.push_back(unmapped[i]);
    found.total += static_cast<int64_t>(unmapped.size());
  }
  InstanceShower shower(world);
  Value::List rows;
  for (const InstanceRow& row : found.rows) {
    TRY_ASSIGN(Value shown, shower.show(row));
    rows.push_back(std::move(shown));
  }
  return json_response(200, show_list_with_cursors("task_instances", std::move(rows), found.total));
}

// The map index of the path, if the route has one, else of the query; nothing where a problem was collected.
Result<InstanceRow> instance_of(World& world, const Call& call, Problems& problems) {
  if (call.path.contains("map_index")) {
    const std::optional<int> map_index = path_integer(call, "map_index", problems);
    if (!map_index) return Error{ErrorKind::invalid, ""};
    return need_instance(world, call, map_index);
  }
  const auto map_index = QueryFields(call.request, problems).integer("map_index", -1);
  if (!problems.empty()) return Error{ErrorKind::invalid, ""};
  return need_instance(world, call,
                       map_index && *map_index >= 0 ? std::optional<int>(static_cast<int>(*map_index)) : std::nullopt);
}

Result<Response> get(World& world, const Call& call) {
  Problems problems;
  const Result<InstanceRow> row = instance_of(world, call, problems);
  if (!problems.empty()) return problems.response();
  if (!row) return row.error();
  TRY_ASSIGN(const Value shown, InstanceShower(world).show(*row));
  return json_response(200, shown);
}

Result<Response> tries(World& world, const Call& call, bool only_one) {
  Problems problems;
  const Result<InstanceRow> row = instance_of(world, call, problems);
  std::optional<int> wanted;
  if (only_one) wanted = path_integer(call, "task_try_number", problems);
  if (!problems.empty()) return problems.response();
  if (!row) return row.error();
  TRY_ASSIGN(const std::vector<TryRecord> all, world.reader.tries_of(row->instance.number));
  InstanceShower shower(world);
  Value::List rows;
  for (const TryRecord& attempt : all) {
    if (only_one && attempt.try_number != *wanted) continue;
    TRY_ASSIGN(Value shown, shower.show_try(*row, attempt));
    if (only_one) return json_response(200, shown);
    rows.push_back(std::move(shown));
  }
  if (only_one)
    return Error{ErrorKind::not_found, "The Task Instance with dag_id: `" + row->dag_id + "`, run_id: `" + row->run_id +
                                           "`, task_id: `" + row->instance.task_id + "`, try_number: `" +
                                           std::to_string(*wanted) + "` and map_index: `" +
                                           std::to_string(row->instance.map_index) + "` was not found"};
  const auto total = static_cast<int64_t>(rows.size());
  return json_response(200, show_list("task_instances", std::move(rows), total));
}

Result<Response> list_mapped(World& world, const Call& call) {
  TRY_ASSIGN(const DagRun run, need_run(world, call));
  const std::string& task_id = call.part("task_id");
  const DagInfoPtr info = world.dags.find(run.dag_id, run.dag_version);
  const int index = info ? info->dag->index_of(task_id) : -1;
  if (index < 0) return Error{ErrorKind::not_found, "Task id " + task_id + " not found"};
  if (!info->dag->tasks[static_cast<size_t>(index)].expand)
    return Error{ErrorKind::not_found, "Task id " + task_id + " is not mapped"};
  return list(world, call, task_id);
}

}  // namespace

void add_task_instances(Router& router, World& world) {
  const std::string instances = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances";
  const Access viewer = at_least(Role::viewer);
  router.add("GET", instances, viewer, "Task instances of a run, or of all (~)",
             [&world](const Call& call) { return list(world, call, std::nullopt); });
  router.add("GET", instances + "/{task_id}", viewer, "A task instance",
             [&world](const Call& call) { return get(world, call); });
  router.add("GET", instances + "/{task_id}/listMapped", viewer, "The mapped task instances of a task",
             [&world](const Call& call) { return list_mapped(world, call); });
  router.add("GET", instances + "/{task_id}/tries", viewer, "The tries of a task instance",
             [&world](const Call& call) { return tries(world, call, false); });
  router.add("GET", instances + "/{task_id}/tries/{task_try_number}", viewer, "A try of a task instance",
             [&world](const Call& call) { return tries(world, call, true); });
  router.add("GET", instances + "/{task_id}/{map_index}", viewer, "A mapped task instance",
             [&world](const Call& call) { return get(world, call); });
  router.add("GET", instances + "/{task_id}/{map_index}/tries", viewer, "The tries of a mapped task instance",
             [&world](const Call& call) { return tries(world, call, false); });
  router.add("GET", instances + "/{task_id}/{map_index}/tries/{task_try_number}", viewer,
             "A try of a mapped task instance", [&world](const Call& call) { return tries(world, call, true); });
}

}  // namespace udon::web
