#include <algorithm>

#include "base/limits.h"
#include "base/text.h"
#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

// Who asks: the command line says so itself.
std::string triggered_by(const Request& request) {
  const std::string* client = request.header("x-udon-client");
  return client && (*client == "cli" || *client == "ui") ? *client : "rest_api";
}

Result<Response> trigger(World& world, const Call& call) {
  Problems problems;
  BodyFields body(call.request, problems);
  TriggerRun command;
  command.dag_id = call.part("dag_id");
  command.run_id = body.text("dag_run_id");
  body.any("logical_date", BodyFields::Need::required);  // null is a wish: a run without one
  command.logical_date = body.time("logical_date");
  command.has_logical_date = command.logical_date.has_value();
  const auto begin = body.time("data_interval_start"), end = body.time("data_interval_end");
  command.run_after = body.time("run_after");
  command.conf = body.map("conf").value_or(Value::map());
  command.note = body.text("note").value_or("");
  const auto partition = body.text("partition_key");
  body.only({"dag_run_id", "logical_date", "data_interval_start", "data_interval_end", "run_after", "conf", "note",
             "partition_key"});
  if (begin.has_value() != end.has_value())
    problems.add(
        "value_error", {"body"},
        "Value error, Either both data_interval_start and data_interval_end must be provided or both must be None");
  else if (begin && *end < *begin)
    problems.add("value_error", {"body"}, "Value error, data_interval_end is before data_interval_start");
  else if (begin)
    command.data_interval = DataInterval{*begin, *end};
  if (command.run_id)
    if (const auto problem = udon::problem_of_run_id(*command.run_id))
      problems.add("value_error", {"body", "dag_run_id"}, "Value error, " + *problem, *command.run_id);
  if (!problems.empty()) return problems.response();
  if (partition) return Error{ErrorKind::invalid, "partition_key is not supported by this server"};
  command.triggered_by = triggered_by(call.request);
  command.user = call.user.name;
  TRY_ASSIGN(const DagRun run, trigger_run(world, std::move(command)));
  return json_response(200, show_run(world, run));
}

Result<Response> list(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  RunFilter filter;
  const std::string& dag_id = call.part("dag_id");
  for (const std::string& word : query.choices("state", {"queued", "running", "success", "failed"}))
    filter.states.push_back(*parse_run_state(word));
  for (const std::string& word : query.texts("run_type"))
    if (const auto type = parse_run_type(word)) filter.types.push_back(*type);
  const bool no_type_of_ours = !query.texts("run_type").empty() && filter.types.empty();
  query.time_range("logical_date", filter.logical_date_gte, filter.logical_date_lte);
  query.time_range("run_after", filter.run_after_gte, filter.run_after_lte);
  query.time_range("start_date", filter.start_date_gte, filter.start_date_lte);
  query.time_range("end_date", filter.end_date_gte, filter.end_date_lte);
  const PageRequest page = query.page();
  if (!problems.empty()) return problems.response();
  TRY(query.refuse({"cursor",
                    "partition_date_gte",
                    "partition_date_lte",
                    "duration_gte",
                    "duration_gt",
                    "duration_lte",
                    "duration_lt",
                    "updated_at_gte",
                    "updated_at_gt",
                    "updated_at_lte",
                    "updated_at_lt",
                    "conf_contains",
                    "dag_version",
                    "bundle_version",
                    "run_id_pattern",
                    "run_id_prefix_pattern",
                    "triggering_user_name_pattern",
                    "triggering_user_name_prefix_pattern",
                    "dag_id_pattern",
                    "dag_id_prefix_pattern",
                    "partition_key_pattern",
                    "partition_key_prefix_pattern",
                    "consuming_asset_pattern"}));
  TRY_ASSIGN(filter.order_by, query.order_by("id", {{"id", "number"},
                                                    {"queued_at", "number"},
                                                    {"logical_date", "logical_date"},
                                                    {"run_after", "run_after"},
                                                    {"start_date", "start_date"},
                                                    {"end_date", "end_date"},
                                                    {"state", "state"}}));
  if (dag_id != "~") {
    TRY(need_dag(world, dag_id));
    filter.dag_ids = {dag_id};
  }
  Page<DagRun> found;
  if (!no_type_of_ours) {
    TRY_ASSIGN(found, world.reader.runs(filter, page));
  }
  Value::List rows;
  for (const DagRun& run : found.rows) rows.push_back(show_run(world, run));
  return json_response(200, show_list_with_cursors("dag_runs", std::move(rows), found.total));
}

Result<Response> patch(World& world, const Call& call) {
  Problems problems;
  BodyFields body(call.request, problems);
  std::optional<std::string> state = body.choice("state", {"queued", "success", "failed"});
  std::optional<std::string> note = body.text("note");
  body.only({"state", "note"});
  if (!problems.empty()) return problems.response();
  const std::vector<std::string> mask = QueryFields(call.request, problems).texts("update_mask");
  const auto is_masked = [&](std::string_view name) {
    return !mask.empty() && std::find(mask.begin(), mask.end(), name) == mask.end();
  };
  TRY_ASSIGN(DagRun run, need_run(world, call));
  // Clients send null for what they do not mean to change; "" takes the note away.
  if (note && !is_masked("note")) {
    TRY_ASSIGN(const CommandOutcome outcome,
               world.control.submit(
                   SetRunNote{.dag_id = run.dag_id, .run_id = run.run_id, .note = *note, .user = call.user.name}));
    if (outcome.run) run = *outcome.run;
  }
  if (state && !is_masked("state")) {
    TRY_ASSIGN(
        const CommandOutcome outcome,
        world.control.submit(MarkRun{
            .dag_id = run.dag_id, .run_id = run.run_id, .state = *parse_run_state(*state), .user = call.user.name}));
    if (outcome.run) run = *outcome.run;
  }
  return json_response(200, show_run(world, run));
}

Result<Response> remove(World& world, const Call& call) {
  TRY_ASSIGN(const DagRun run, need_run(world, call));
  if (run.state == RunState::running)
    return Error{ErrorKind::conflict, "The DagRun with dag_id: `" + run.dag_id + "` and run_id: `" + run.run_id +
                                          "` cannot be deleted in running state"};
  TRY(world.control.submit(DeleteRun{.dag_id = run.dag_id, .run_id = run.run_id, .user = call.user.name}));
  return no_content();
}

Result<Response> clear(World& world, const Call& call) {
  Problems problems;
  BodyFields body(call.request, problems);
  ClearTasks command;
  command.dry_run = body.flag("dry_run").value_or(true);
  command.selection.only_failed = body.flag("only_failed").value_or(false);
  command.only_new = body.flag("only_new").value_or(false);
  command.on_latest_version = body.flag("run_on_latest_version").value_or(false) || command.only_new;
  const auto note = body.text("note");
  body.only({"dry_run", "only_failed", "only_new", "run_on_latest_version", "note"});
  if (!problems.empty()) return problems.response();
  TRY_ASSIGN(const DagRun run, need_run(world, call));
  command.selection.dag_id = run.dag_id;
  command.selection.run_id = run.run_id;
  command.user = call.user.name;
  const bool dry_run = command.dry_run;
  if (note && !dry_run)
    TRY(world.control.submit(
        SetRunNote{.dag_id = run.dag_id, .run_id = run.run_id, .note = *note, .user = call.user.name}));
  TRY_ASSIGN(const CommandOutcome outcome, world.control.submit(std::move(command)));
  if (!dry_run) {
    TRY_ASSIGN(const DagRun now, need_run(world, call));
    return json_response(200, show_run(world, now));
  }
  TRY_ASSIGN(Value::List rows, show_instances(world, run.number, outcome.instances));
  const auto total = static_cast<int64_t>(rows.size());
  return json_response(200, show_list("task_instances", std::move(rows), total));
}

}  // namespace

Result<DagRun> trigger_run(World& world, TriggerRun command) {
  const std::string dag_id = command.dag_id;
  TRY_ASSIGN(const CommandOutcome outcome, submit_of_dag(world, dag_id, std::move(command)));
  if (!outcome.run) return Error{ErrorKind::unavailable, "the scheduler made no run"};
  return *outcome.run;
}

void add_dag_runs(Router& router, World& world) {
  const std::string runs = "/api/v2/dags/{dag_id}/dagRuns";
  router.add("POST", runs, at_least(Role::user), "Triggers a DAG",
             [&world](const Call& call) { return trigger(world, call); });
  router.add("GET", runs, at_least(Role::viewer), "Runs of a DAG, or of all (~)",
             [&world](const Call& call) { return list(world, call); });
  router.add("GET", runs + "/{dag_run_id}", at_least(Role::viewer), "A run",
             [&world](const Call& call) -> Result<Response> {
               TRY_ASSIGN(const DagRun run, need_run(world, call));
               return json_response(200, show_run(world, run));
             });
  router.add("PATCH", runs + "/{dag_run_id}", at_least(Role::user), "Marks a run, or sets its note",
             [&world](const Call& call) { return patch(world, call); });
  router.add("DELETE", runs + "/{dag_run_id}", at_least(Role::user), "Deletes a run and all that hangs on it",
             [&world](const Call& call) { return remove(world, call); });
  router.add("POST", runs + "/{dag_run_id}/clear", at_least(Role::user), "Clears a run, so that it runs again",
             [&world](const Call& call) { return clear(world, call); });
}

}  // namespace udon::web
