#include <algorithm>
#include <set>

#include "base/text.h"
#include "cli/command.h"
#include "cli/dags_check.h"
#include "cli/dags_test.h"
#include "cli/deadlines.h"
#include "cli/next_execution.h"
#include "cli/simulate.h"
#include "cli/task_tree.h"
#include "cli/verbs.h"

namespace udon::cli {
namespace {

std::string dag_path(const std::string& dag_id) { return "/api/v2/dags/" + path_of({dag_id}); }

// Why, where that was not a person's wish.
std::string shown_pause(const Value& dag) {
  if (!dag.flag("is_paused")) return "";
  const std::string reason = dag.text("paused_reason");
  return reason.starts_with("paused:") ? reason : "paused";
}

const std::vector<Column>& list_columns() {
  static const std::vector<Column> columns{column("DAG", "dag_id"),
                                           column("SCHEDULE", "timetable_summary"),
                                           {"PAUSED", shown_pause},
                                           column("NEXT RUN", "next_dagrun_run_after"),
                                           column("FILE", "relative_fileloc"),
                                           column("TAGS", "tags"),
                                           column("DESCRIPTION", "description")};
  return columns;
}

// Files with errors that nothing else has told of yet.
Result<void> tell_broken_files(Session& session, Api& api, const std::set<std::string>& told) {
  constexpr size_t named_max = 3;
  TRY_ASSIGN(const Value errors, api.get_all("/api/v2/importErrors", "import_errors"));
  std::vector<std::string> files;
  std::set<std::string> bundles;  // of a commit that is not in use, or there is none: no check here sees their files
  for (const Value& error : errors.get("import_errors").as_list()) {
    const std::string file = error.text("filename");
    if (told.contains(file)) continue;
    if (file.starts_with('@'))
      bundles.insert("`" + file.substr(1, file.find('/') - 1) + "`");
    else
      files.push_back(file);
  }
  if (!bundles.empty())
    session.output().note((bundles.size() == 1 ? "bundle " : "bundles ") +
                          join(std::vector<std::string>(bundles.begin(), bundles.end()), ", ") +
                          (bundles.size() == 1 ? " has errors" : " have errors") + "; see `udon bundles list`");
  if (files.empty()) return {};
  const size_t count = files.size();
  files.resize(std::min(count, named_max));
  session.output().note(std::to_string(count) + (count == 1 ? " file has errors: " : " files have errors: ") +
                        join(files, ", ") + (count > named_max ? ", …" : "") + "; see `udon dags check`");
  return {};
}

Result<int> list(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  std::vector<std::pair<std::string_view, std::string>> asked{{"dag_id_pattern", arguments.text_or("pattern", "")},
                                                              {"paused", arguments.has("paused") ? "true" : ""},
                                                              {"exclude_stale", arguments.has("stale") ? "false" : ""}};
  for (const std::string& tag : arguments.all("tag")) asked.emplace_back("tags", tag);
  TRY_ASSIGN(const Value dags, api->get_all("/api/v2/dags" + query_of(asked), "dags"));
  session.output().list(dags, "dags", list_columns());
  std::vector<std::string> old;
  std::set<std::string> told;
  for (const Value& dag : dags.get("dags").as_list())
    if (dag.flag("has_import_errors")) {
      old.push_back("`" + dag.text("dag_id") + "`");
      told.insert(dag.text("relative_fileloc"));
    }
  if (!old.empty())
    session.output().note("the files of these have errors, what runs is their last good version: " + join(old, ", ") +
                          "; see `udon dags check`");
  TRY(tell_broken_files(session, *api, told));
  if (dags.get("dags").size() == 0 && session.output().format() == Format::table)
    session.output().note("put DAG files into " + session.settings().text("core", "dags_folder") +
                          " (UDON__CORE__DAGS_FOLDER), and see `udon dags check`");
  return succeeded;
}

// Tasks as they stand after each other, with what they wait for.
Value::List with_upstream(const Value& tasks) {
  std::map<std::string, Value::List> upstream;
  for (const Value& task : tasks.get("tasks").as_list())
    for (const Value& downstream : task.get("downstream_task_ids").as_list())
      upstream[downstream.as_string()].push_back(task.get("task_id"));
  Value::List rows;
  for (Value task : tasks.get("tasks").as_list()) {
    task.set("upstream_task_ids", upstream[task.text("task_id")]);
    rows.push_back(std::move(task));
  }
  return rows;
}

// The same in their groups: one row more for each of these.
Value::List as_tree(const Value::List& tasks, const Value& nodes, const Terminal& terminal) {
  std::map<std::string, const Value*> by_id;
  for (const Value& task : tasks) by_id[task.text("task_id")] = &task;
  Value::List rows;
  for (const Value& node : tree_rows(nodes, terminal)) {
    const bool is_group = node.get("children").is_list();
    const auto task = by_id.find(node.text("id"));
    Value row = is_group || task == by_id.end() ? Value::map() : *task->second;
    if (is_group) row.set("operator_name", "(group)");
    row.set("name", node.get("name"));
    row.set("is_mapped", node.flag("is_mapped"));
    rows.push_back(std::move(row));
  }
  return rows;
}

// Nodes in which lines meet are for pictures.
Value without_joins(const Value& nodes) {
  Value kept = Value::list();
  for (Value node : nodes.as_list()) {
    if (node.text("type") == "join") continue;
    if (node.get("children").is_list()) node.set("children", without_joins(node.get("children")));
    kept.push_back(std::move(node));
  }
  return kept;
}

Result<int> show(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  const std::string& dag_id = arguments.text("DAG");
  TRY_ASSIGN(Value dag, api->get(dag_path(dag_id) + "/details"));
  TRY_ASSIGN(const Value tasks, api->get(dag_path(dag_id) + "/tasks"));
  Value::List rows = with_upstream(tasks);
  dag.set("tasks", rows);
  TRY_ASSIGN(const Value structure, api->get("/ui/structure/structure_data" + query_of({{"dag_id", dag_id}})));
  if (has_groups(structure.get("nodes"))) {
    Value nodes = without_joins(structure.get("nodes"));
    rows = as_tree(rows, nodes, session.output().terminal());
    dag.set("nodes", std::move(nodes));
  }
  if (!dag.get("asset_expression").is_null()) {
    TRY_ASSIGN(Value assets, api->get("/api/udon/dags/" + path_of({dag_id}) + "/assets"));
    dag.set("waiting_for_assets", std::move(assets));
  }
  if (dag.flag("has_import_errors"))
    session.output().note(
        "its file has errors, what runs and is shown is its last good version; see `udon dags check`");
  if (session.output().format() != Format::table) {
    session.output().object(dag, {});
    return succeeded;
  }
  session.output().object(
      dag, {column("dag", "dag_id"),
            column("description", "description"),
            column("file", "relative_fileloc"),
            column("schedule", "timetable_summary"),
            column("timezone", "timezone"),
            {"paused",
             [](const Value& shown) {
               const std::string reason = shown.text("paused_reason");
               return std::string(!shown.flag("is_paused") ? "no" : reason.empty() ? "yes" : reason);
             }},
            column("next run", "next_dagrun_run_after"),
            {"assets", [](const Value& shown) { return shown.get("waiting_for_assets").text("text"); }},
            column("catchup", "catchup"),
            column("max active runs", "max_active_runs"),
            column("max active tasks", "max_active_tasks"),
            column("tags", "tags"),
            column("owners", "owners"),
            column("docs", "doc_md"),
            {"params", [](const Value& shown) {
               std::vector<std::string> lines;
               if (shown.get("params").is_map())
                 for (const auto& [name, param] : shown.get("params").as_map())
                   lines.push_back(name + " = " + to_json(param.get("value")) +
                                   (param.text("description").empty() ? "" : "  " + param.text("description")));
               return join(lines, "\n");
             }}});
  session.output().raw("\n");
  session.output().list(
      Value::Map{{"tasks", std::move(rows)}}, "tasks",
      {{"TASK", [](const Value& row) { return row.text("name", row.text("task_id")); }},
       column("OPERATOR", "operator_name"),
       column("AFTER", "upstream_task_ids"),
       column("TRIGGER RULE", "trigger_rule"),
       column("POOL", "pool"),
       {"MAPPED", [](const Value& task) { return std::string(task.flag("is_mapped") ? "mapped" : ""); }}});
  return succeeded;
}

Result<int> trigger(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  const std::string& dag_id = arguments.text("DAG");
  Value body = Value::Map{{"logical_date", format_time(session.clock().now())}};
  if (arguments.has("logical-date")) {
    const std::string given = arguments.text("logical-date");
    if (given == "none") {
      body.set("logical_date", nullptr);
    } else {
      TRY_ASSIGN(const TimePoint time, parse_time(given));
      body.set("logical_date", format_time(time));
    }
  }
  if (arguments.has("conf")) {
    TRY_ASSIGN(Value conf, parse_json(arguments.text("conf")));
    body.set("conf", std::move(conf));
  }
  if (arguments.has("run-id")) body.set("dag_run_id", arguments.text("run-id"));
  if (arguments.has("note")) body.set("note", arguments.text("note"));
  TRY_ASSIGN(const Value run, api->post(dag_path(dag_id) + "/dagRuns", body));
  const std::string run_id = run.text("dag_run_id");
  if (!arguments.has("wait")) {
    session.output().done("triggered " + dag_id + " " + run_id, run);
    session.output().note("udon runs wait " + dag_id + " " + run_id + "   waits for it");
    return succeeded;
  }
  if (session.output().format() == Format::table) session.output().done("triggered " + dag_id + " " + run_id, run);
  TRY_ASSIGN(const int code, wait_for_run(session, dag_id, run_id, std::nullopt));
  if (session.output().format() == Format::table) return code;
  // A program gets the run as it ended.
  TRY_ASSIGN(const Value ended, api->get(run_path(dag_id, run_id)));
  session.output().object(ended, {});
  return code;
}

Result<int> set_paused(const Arguments& arguments, Session& session, const char* word, bool paused) {
  TRY_ASSIGN(Api* const api, session.api());
  Value::List changed;
  for (const std::string& dag_id : arguments.all("DAG")) {
    TRY_ASSIGN(Value dag, api->patch(dag_path(dag_id), Value::Map{{"is_paused", paused}}));
    changed.push_back(std::move(dag));
  }
  const auto total = static_cast<int64_t>(changed.size());
  session.output().done(join(arguments.all("DAG"), ", ") + (total == 1 ? " is " : " are ") + word,
                        Value::Map{{"dags", std::move(changed)}, {"total_entries", total}});
  return succeeded;
}

}  // namespace

std::vector<Command> dags_commands() {
  const Positional dag{"DAG", "id of the DAG"};
  return {
      {"dags",
       "list",
       "Lists DAGs",
       {},
       {{"pattern", "only ids that contain TEXT", "TEXT"},
        {"tag", "only DAGs with this tag; several times: any of them", "TAG", Flag::Count::any},
        {"paused", "only paused ones", ""},
        {"stale", "also those whose file is gone", ""}},
       list},
      {"dags", "show", "Shows a DAG and its tasks", {dag}, {}, show},
      {"dags",
       "check",
       "Checks DAG files; ends with 1 if any has an error",
       {{"PATH", "a file, a folder or the id of a DAG, also of a bundle; else the DAGs folder",
         Positional::Count::optional}},
       {{"pools", "pools that exist, separated by commas, where no server is asked", "A,B"},
        {"connections", "connections that exist, likewise", "A,B"}},
       check_dags},
      deadlines_command(),
      next_execution_command(),
      simulate_command(),
      dags_test_command(),
      {"dags",
       "trigger",
       "Triggers a run",
       {dag},
       {{"conf", "params of the run, a JSON object", "JSON"},
        {"logical-date", "the run's logical date; else now; none: without one", "TIME"},
        {"run-id", "the run's id; else made of the logical date", "ID"},
        {"note", "a note on the run", "TEXT"},
        {"wait", "wait until it has ended: 0 success, 1 failed", ""}},
       trigger},
      {"dags",
       "pause",
       "Pauses DAGs: what runs goes on, nothing new starts",
       {{"DAG", "ids of DAGs", Positional::Count::some}},
       {},
       [](const Arguments& arguments, Session& session) { return set_paused(arguments, session, "paused", true); }},
      {"dags",
       "unpause",
       "Lets paused DAGs go on",
       {{"DAG", "ids of DAGs", Positional::Count::some}},
       {},
       [](const Arguments& arguments, Session& session) {
         return set_paused(arguments, session, "not paused", false);
       }},
  };
}

}  // namespace udon::cli
