#include <algorithm>
#include <charconv>
#include <set>

#include "base/limits.h"
#include "base/text.h"
#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/task_tree.h"
#include "web/unmapped.h"

namespace udon::web {
namespace {

constexpr size_t broken_files_read_max = 100;
constexpr int dags_compared_max = 1'000;  // of the store: each is a row to read, for a word that may help

// Whether a line of a DAG file that may be broken anywhere names this DAG.
bool names_dag(const std::string& text, const std::string& dag_id) {
  for (const std::string& line : split(text, '\n')) {
    std::string_view rest = trim(line);
    if (rest.starts_with("- ")) rest = trim(rest.substr(2));
    if (!rest.starts_with("dag:")) continue;
    rest = trim(rest.substr(4));
    rest = trim(rest.substr(0, rest.find(" #")));
    if (rest.size() > 1 && (rest[0] == '"' || rest[0] == '\'') && rest.back() == rest[0])
      rest = rest.substr(1, rest.size() - 2);
    if (rest == dag_id) return true;
  }
  return false;
}

// Ids of DAGs that may have been meant: those that are loaded lie in memory already.
Result<std::vector<std::string>> ids_to_suggest(World& world) {
  std::vector<std::string> ids;
  const CatalogPtr catalog = world.catalog ? world.catalog() : nullptr;
  if (catalog && !catalog->dags.empty()) {
    for (const auto& [id, dag] : catalog->dags) ids.push_back(id);
    return ids;
  }
  TRY_ASSIGN(const Page<DagRecord> others, world.reader.dags({}, {.limit = dags_compared_max, .offset = 0}));
  for (const DagRecord& other : others.rows) ids.push_back(other.dag_id);
  return ids;
}

}  // namespace

void add_api(Router& router, World& world) {
  add_login(router, world);
  add_monitor(router, world);
  add_dags(router, world);
  add_dag_facts(router, world);
  add_dag_runs(router, world);
  add_task_groups(router, world);
  add_grid(router, world);
  add_task_instances(router, world);
  add_task_instance_changes(router, world);
  add_logs(router, world);
  add_xcoms(router, world);
  add_certificates(router, world);
  add_backfills(router, world);
  add_questions(router, world);
  add_bundles(router, world);
  add_clean(router, world);
  add_pools(router, world);
  add_variables(router, world);
  add_connections(router, world);
  add_import_errors(router, world);
  add_event_logs(router, world);
  add_settings(router, world);
  add_notifications(router, world);
  add_deadlines(router, world);
  add_assets(router, world);
  add_operators(router, world);
  add_users(router, world);
  add_openapi(router, world);  // the last: it describes the others
}

Result<DagRecord> need_dag(World& world, const std::string& dag_id) {
  TRY_ASSIGN(std::optional<DagRecord> dag, world.reader.dag(dag_id));
  if (dag) return *std::move(dag);
  TRY_ASSIGN(const std::vector<std::string> ids, ids_to_suggest(world));
  return Error{
      ErrorKind::not_found,
      hinting_at_files(world, dag_id, "The Dag with ID: `" + dag_id + "` was not found" + did_you_mean(dag_id, ids))};
}

Result<CommandOutcome> submit_of_dag(World& world, const std::string& dag_id, Command command) {
  Result<CommandOutcome> outcome = world.control.submit(command);
  const auto is_unknown = [&] { return !outcome && outcome.error().message.starts_with("no DAG "); };
  // Its file may have been written a moment ago.
  FilesSeen seen = FilesSeen::in_turn;
  if (is_unknown() && world.look_at_files && world.look_at_files()) {
    seen = FilesSeen::just_now;
    outcome = world.control.submit(std::move(command));
  }
  if (is_unknown()) outcome.error().message = hinting_at_files(world, dag_id, outcome.error().message, seen);
  return outcome;
}

std::string hinting_at_files(World& world, const std::string& dag_id, std::string message, FilesSeen seen) {
  const CatalogPtr catalog = world.catalog ? world.catalog() : nullptr;
  if (!catalog) return message;
  std::set<std::string> broken;
  for (const Diagnostic& diagnostic : catalog->diagnostics)
    if (diagnostic.severity == Diagnostic::Severity::error && !diagnostic.file.empty()) broken.insert(diagnostic.file);
  const auto is_it = [&](const std::string& file) {
    if (Path(file).stem() == dag_id) return true;
    if (broken.size() > broken_files_read_max) return false;
    if (file.starts_with('@')) return false;  // of a bundle
    const auto text = read_file(world.dags_folder / file, limits::dag_file_bytes_max);
    return text && names_dag(*text, dag_id);
  };
  const auto found = std::ranges::find_if(broken, is_it);
  const auto is_of_bundle = [](const std::string& file) { return file.starts_with('@'); };
  if (found != broken.end())
    return message + "; " + *found + " has errors: see `udon " +
           (is_of_bundle(*found) ? "bundles list`" : "dags check`");
  if (message.find("did you mean") != message.npos) return message;
  const std::string pause = format_duration(limits::catalog_pause_min);
  const auto of_bundles = static_cast<size_t>(std::ranges::count_if(broken, is_of_bundle));
  const size_t here = broken.size() - of_bundles;
  if (here > 0)
    message += "; " + std::to_string(here) + (here == 1 ? " DAG file has" : " DAG files have") +
               " errors: see `udon dags check`";
  if (of_bundles > 0) message += "; there are errors in git repositories: see `udon bundles list`";
  if (seen == FilesSeen::just_now) return message;
  return message + "; a file that was just saved is read within " + pause + ", thousands within " +
         format_duration(limits::catalog_pause_max);
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
      TRY_ASSIGN(std::vector<InstanceRow> unmapped, unmapped_of(world, *run, {key.task_id}));
      if (!unmapped.empty()) return std::move(unmapped.front());
    }
  }
  if (!map_index) {
    InstanceFilter mapped;
    mapped.dag_ids = {key.dag_id}, mapped.run_ids = {key.run_id}, mapped.task_ids = {key.task_id};
    TRY_ASSIGN(const Page<InstanceRow> some, world.reader.instances(mapped, {.limit = 1, .offset = 0}));
    if (some.total > 0)
      return Error{ErrorKind::not_found, "Task instance is mapped, add the map_index value to the URL"};
    std::string hint;
    TRY_ASSIGN(const std::optional<DagRun> run, world.reader.run(key.dag_id, key.run_id));
    const DagInfoPtr info = run ? world.dags.find(run->dag_id, run->dag_version) : nullptr;
    if (info && info->dag->index_of(key.task_id) < 0) hint = hinting_at_tasks(*info->dag, key.task_id);
    return Error{ErrorKind::not_found, "The Task Instance with dag_id: `" + key.dag_id + "`, run_id: `" + key.run_id +
                                           "` and task_id: `" + key.task_id + "` was not found" + hint};
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
