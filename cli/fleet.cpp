// Tables by the thousand: what a database has against what git says of it, and why some of them failed.
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/limits.h"
#include "base/subprocess.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/failures.h"
#include "cli/local_connections.h"
#include "cli/verbs.h"
#include "dagfile/fleet.h"
#include "dagfile/loader/files.h"
#include "plugins/spec/builtin.h"
#include "worker/one_shot.h"

namespace udon::cli {
namespace {

Result<std::vector<FleetTask>> all_fleet_tasks(const Path& folder) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error))
    return Error{ErrorKind::not_found, "the DAGs folder " + folder.string() + " is not there"};
  std::vector<FleetTask> found;
  for (const Path& file : dag_files(folder)) {
    TRY_ASSIGN(const std::string content, read_file(folder / file, limits::dag_file_bytes_max));
    for (FleetTask& task : fleet_tasks(file, content)) found.push_back(std::move(task));
  }
  return found;
}

// As diff(1) shows it: what `git diff` will show once it is written.
std::string difference(const Path& file, const std::string& text, const Path& scratch) {
  const std::string name = file.filename().string();
  if (!write_file_atomically(scratch, text, Durability::survives_kill, 0600)) return {};
  const bool is_there = std::filesystem::exists(file);
  const auto output = run_command({.argv = {"diff", "-u", "--label", "a/" + name, "--label", "b/" + name,
                                            is_there ? file.string() : "/dev/null", scratch.string()},
                                   .environment = current_environment()},
                                  std::chrono::seconds(60), 256 << 20);
  static_cast<void>(remove_tree(scratch));
  return output ? output->standard_output : "";
}

Value to_value(const TableChange& change) {
  const char* kind = change.kind == TableChange::Kind::added     ? "added"
                     : change.kind == TableChange::Kind::dropped ? "dropped"
                                                                 : "changed";
  Value::List details(change.details.begin(), change.details.end());
  return Value::Map{{"change", kind}, {"table", change.table}, {"details", std::move(details)}};
}

std::string sentence_of(const FleetTask& task, size_t tables, const std::vector<TableChange>& changes) {
  std::map<TableChange::Kind, size_t> counts;
  for (const TableChange& change : changes) counts[change.kind] += 1;
  std::string text =
      task.dag_id + "." + task.task_id + ": " + std::to_string(tables) + (tables == 1 ? " table" : " tables");
  if (changes.empty()) return text + ", as " + task.manifest.string() + " has them";
  std::vector<std::string> parts;
  for (const auto& [kind, word] : {std::pair(TableChange::Kind::added, "added"),
                                   {TableChange::Kind::dropped, "dropped"},
                                   {TableChange::Kind::changed, "changed"}})
    if (counts[kind] > 0) parts.push_back(std::to_string(counts[kind]) + " " + word);
  return text + "; since " + task.manifest.string() + ": " + join(parts, ", ");
}

class FleetPlan {
 public:
  FleetPlan(Session& session, bool writes)
      : session_(session), writes_(writes), folder_(session.settings().path("core", "dags_folder")) {}

  Result<int> run(const std::vector<std::string>& dags) {
    TRY_ASSIGN(const std::vector<FleetTask> all, all_fleet_tasks(folder_));
    std::vector<FleetTask> tasks;
    for (const FleetTask& task : all)
      if (dags.empty() || std::ranges::find(dags, task.dag_id) != dags.end()) tasks.push_back(task);
    for (const std::string& dag : dags)
      if (std::ranges::find(tasks, dag, &FleetTask::dag_id) == tasks.end())
        return Error{ErrorKind::not_found,
                     "DAG `" + dag + "` has no task with `expand: {item: {tables: …}}` in " + folder_.string()};
    if (tasks.empty())
      return Error{ErrorKind::not_found,
                   "no DAG in " + folder_.string() + " has a task with `expand: {item: {tables: …}}`"};
    TRY_ASSIGN(const OperatorCatalog operators, installed_operators(session_.home()));
    TRY_ASSIGN(const auto connections, local_connections(session_));
    for (const FleetTask& task : tasks) {
      const Result<void> done = plan(task, *operators.find("tables"), connections);
      if (!done) return done.error().within(task.dag_id + "." + task.task_id);
    }
    const bool differs = has_changes_ && !writes_;
    session_.output().done(differs ? "`udon fleet plan --write` writes this; then look at `git diff`, and commit" : "",
                           Value::Map{{"fleets", std::move(fleets_)}, {"differs", differs}});
    return differs ? failed : succeeded;
  }

 private:
  Result<void> plan(const FleetTask& task, const OperatorSpec& spec,
                    const std::function<Result<Connection>(const std::string& id)>& connections) {
    const bool is_for_people = session_.output().format() == Format::table;
    OneShot shot{.operator_name = "tables",
                 .parameters = task.parameters,
                 .home = session_.home(),
                 .program = own_program(),
                 .folder = folder_};
    shot.parameters.set("seen", true);
    TRY_ASSIGN(const OneShotOutcome outcome,
               run_once(shot, spec, connections,
                        [&](std::string_view line) { session_.output().note(std::string(line)); }, {}));
    const Value::List& entries = outcome.return_value.as_list();
    const Path file = folder_ / task.manifest;
    const auto before_text = read_file(file, int64_t{64} << 20);
    Value::List before;
    if (before_text) {
      TRY_ASSIGN(before, list_in_file({task.manifest, *before_text}));
    } else if (before_text.error().kind != ErrorKind::not_found) {
      return before_text.error();
    }
    const std::string text = to_manifest(task, entries);
    const std::vector<TableChange> changes = compare_tables(before, entries);
    const bool differs = !before_text || *before_text != text;
    has_changes_ = has_changes_ || differs;
    if (is_for_people) show(task, file, text, entries.size(), changes, differs);
    Value::List list;
    for (const TableChange& change : changes) list.push_back(to_value(change));
    fleets_.push_back(Value::Map{{"dag_id", task.dag_id},
                                 {"task_id", task.task_id},
                                 {"file", file.string()},
                                 {"tables", static_cast<int64_t>(entries.size())},
                                 {"differs", differs},
                                 {"changes", std::move(list)}});
    if (!writes_ || !differs) return {};
    TRY(write_file_atomically(file, text, Durability::survives_power_loss));
    if (is_for_people) session_.output().raw("written: " + file.string() + "\n");
    return {};
  }

  void show(const FleetTask& task, const Path& file, const std::string& text, size_t tables,
            const std::vector<TableChange>& changes, bool differs) {
    Output& output = session_.output();
    output.raw(sentence_of(task, tables, changes) + "\n");
    for (const TableChange& change : changes) {
      const char* sign = change.kind == TableChange::Kind::added     ? "+"
                         : change.kind == TableChange::Kind::dropped ? "-"
                                                                     : "~";
      output.raw(std::string("  ") + sign + " " + change.table + "\n");
      for (const std::string& detail : change.details) output.raw("      " + detail + "\n");
    }
    if (differs && !writes_)
      output.raw(difference(
          file, text, std::filesystem::temp_directory_path() / ("udon-fleet-" + std::to_string(::getpid()) + ".yaml")));
  }

  Session& session_;
  const bool writes_;
  const Path folder_;
  bool has_changes_ = false;
  Value::List fleets_;
};

Result<int> plan(const Arguments& arguments, Session& session) {
  return FleetPlan(session, arguments.has("write")).run(arguments.all("DAG"));
}

// Failed task instances of a run, by what they failed of.
Result<int> failures(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  const std::string& dag_id = arguments.text("DAG");
  TRY_ASSIGN(const std::string run_id, resolve_run(*api, dag_id, arguments.text_or("RUN", "latest")));
  TRY_ASSIGN(const std::vector<FailureGroup> groups, failure_groups(*api, dag_id, run_id));
  Value::List rows;
  for (const FailureGroup& group : groups)
    rows.push_back(Value::Map{{"count", static_cast<int64_t>(group.instances.size())},
                              {"cause", group.cause},
                              {"instances", Value::List(group.instances.begin(), group.instances.end())}});
  const auto total = static_cast<int64_t>(rows.size());
  if (total == 0) session.output().note("nothing has failed in " + run_id);
  session.output().list(Value::Map{{"failures", std::move(rows)}, {"total_entries", total}}, "failures",
                        {column("COUNT", "count"), column("CAUSE", "cause"), column("OF", "instances")});
  return succeeded;
}

}  // namespace

std::vector<Command> fleet_commands() {
  return {{"fleet",
           "plan",
           "Shows what the databases have that the files in git do not say: 0 nothing, 1 something",
           {{"DAG", "only of these", Positional::Count::optional}},
           {{"write", "writes the files, to be committed", ""}},
           plan},
          {"fleet",
           "failures",
           "Groups the failed task instances of a run by their cause",
           {{"DAG", "its id"}, {"RUN", "a run's id; without it the newest", Positional::Count::optional}},
           {},
           failures}};
}

}  // namespace udon::cli
