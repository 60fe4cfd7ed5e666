#pragma once
// One function a file of this folder: each adds its routes.
#include "web/router.h"
#include "web/world.h"

namespace udon::web {

void add_login(Router& router, World& world);
void add_monitor(Router& router, World& world);
void add_dags(Router& router, World& world);
void add_dag_facts(Router& router, World& world);
void add_dag_runs(Router& router, World& world);
void add_task_groups(Router& router, World& world);
void add_grid(Router& router, World& world);
void add_task_instances(Router& router, World& world);
void add_task_instance_changes(Router& router, World& world);
void add_logs(Router& router, World& world);
void add_xcoms(Router& router, World& world);
void add_questions(Router& router, World& world);
void add_bundles(Router& router, World& world);
void add_backfills(Router& router, World& world);
void add_clean(Router& router, World& world);
void add_pools(Router& router, World& world);
void add_variables(Router& router, World& world);
void add_connections(Router& router, World& world);
void add_certificates(Router& router, World& world);
void add_import_errors(Router& router, World& world);
void add_event_logs(Router& router, World& world);
void add_settings(Router& router, World& world);
void add_assets(Router& router, World& world);
void add_deadlines(Router& router, World& world);
void add_notifications(Router& router, World& world);
void add_operators(Router& router, World& world);
void add_users(Router& router, World& world);
void add_openapi(Router& router, World& world);

// A command that needs a DAG. Before it says that there is none, the files are looked at: one may have been written a
// moment ago.
Result<CommandOutcome> submit_of_dag(World& world, const std::string& dag_id, Command command);
Result<DagRun> trigger_run(World& world, TriggerRun command);

// What several of them need: the thing that the path names, or Airflow's words that it is not there.
Result<DagRecord> need_dag(World& world, const std::string& dag_id);
Result<DagRun> need_run(World& world, const Call& call);  // by {dag_id} and {dag_run_id}
Result<InstanceRow> need_instance(World& world, const Call& call, std::optional<int> map_index);
// The words that there is no such DAG, and why that may be: its file may be broken, or not read yet.
enum class FilesSeen { in_turn, just_now };
std::string hinting_at_files(World& world, const std::string& dag_id, std::string message,
                             FilesSeen seen = FilesSeen::in_turn);
// The version of its DAG that a run has.
Result<DagInfoPtr> need_version_of(World& world, const DagRun& run);
// not_found, with the nearest name.
Result<void> need_group(const Dag& dag, const std::string& group_id);
// An integer of the path; nothing: a problem was collected.
std::optional<int> path_integer(const Call& call, std::string_view name, class Problems& problems);

}  // namespace udon::web
