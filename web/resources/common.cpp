#include <charconv>

#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/unmapped.h"

namespace udon::web {

void add_api(Router& router, World& world) {
  add_login(router, world);
  add_monitor(router, world);
  add_dags(router, world);
  add_dag_facts(router, world);
  add_dag_runs(router, world);
  add_task_instances(router, world);
  add_task_instance_changes(router, world);
  add_logs(router, world);
  add_xcoms(router, world);
  add_pools(router, world);
  add_variables(router, world);
  add_connections(router, world);
  add_import_errors(router, world);
  add_event_logs(router, world);
  add_settings(router, world);
  add_operators(router, world);
  add_users(router, world);
  add_openapi(router, world);  // the last: it describes the others
}

Result<DagRecord> need_dag(World& world, const std::string& dag_id) {
  TRY_ASSIGN(std::optional<DagRecord> dag, world.reader.dag(dag_id));
  if (!dag) return Error{ErrorKind::not_found, "The Dag with ID: `" + dag_id + "` was not found"};
  return *std::move(dag);
}

Result<DagRun> need_run(World& world, const Call& call) {
  const std::string &dag_id = call.part("dag_id"), &run_id = call.part("dag_run_id");
  TRY_ASSIGN(std::optional<DagRun> run, world.reader.run(dag_id, run_id));
  if (!run)
    return Error{ErrorKind::not_found,
                 "The DagRun with dag_id: `" + dag_id + "` and run_id: `" + run_id + "` was not found"};
  return *std::move(run);
}

Result<InstanceRow> need_instance(World& world, const Call& call, std::optional<int> map_index) {
  const TaskInstanceKey key{call.part("dag_id"), call.part("dag_run_id"), call.part("task_id"), map_index.value_or(-1)};
  TRY_ASSIGN(std::optional<InstanceRow> row, world.reader.instance(key));
  if (row) return *std::move(row);
  if (key.map_index < 0) {
    TRY_ASSIGN(const std::optional<DagRun> run, world.reader.run(key.dag_id, key.run_id));
    if (run) {
      TRY_ASSIGN(std::vector<InstanceRow> unmapped, unmapped_of(world, *run, key.task_id));
      if (!unmapped.empty()) return std::move(unmapped.front());
    }
  }
  if (!map_index) {
    InstanceFilter mapped;
    mapped.dag_ids = {key.dag_id}, mapped.run_ids = {key.run_id}, mapped.task_ids = {key.task_id};
    TRY_ASSIGN(const Page<InstanceRow> some, world.reader.instances(mapped, {.limit = 1, .offset = 0}));
    if (some.total > 0)
      return Error{ErrorKind::not_found, "Task instance is mapped, add the map_index value to the URL"};
    return Error{ErrorKind::not_found, "The Task Instance with dag_id: `" + key.dag_id + "`, run_id: `" + key.run_id +
                                           "` and task_id: `" + key.task_id + "` was not found"};
  }
  return Error{ErrorKind::not_found, "The Mapped Task Instance with dag_id: `" + key.dag_id + "`, run_id: `" +
                                         key.run_id + "`, task_id: `" + key.task_id + "`, and map_index: `" +
                                         std::to_string(*map_index) + "` was not found"};
}

std::optional<int> path_integer(const Call& call, std::string_view name, Problems& problems) {
  const std::string& text = call.part(name);
  int value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem == std::errc{} && end == text.data() + text.size()) return value;
  problems.add("int_parsing", {"path", name}, "Input should be a valid integer, unable to parse string as an integer",
               text);
  return std::nullopt;
}

}  // namespace udon::web
