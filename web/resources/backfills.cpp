// Backfills, as Airflow 3 has them, with how far each has come.
#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

constexpr int64_t active_runs_max = 100'000;

// Airflow answers what makes no sense for this DAG with 422, and one sentence.
Result<Response> with_422(Result<Response> answer) {
  if (!answer && answer.error().kind == ErrorKind::invalid) return error_response(422, answer.error().message);
  return answer;
}

Result<Value> show_backfill(World& world, const Backfill& row) {
  TRY_ASSIGN(const BackfillRuns runs, world.reader.backfill_runs(row.number));
  return Value(Value::Map{
      {"id", row.number},
      {"dag_id", row.dag_id},
      {"dag_display_name", row.dag_id},
      {"from_date", format_time(row.from)},
      {"to_date", format_time(row.to)},
      {"dag_run_conf", row.conf},
      {"is_paused", row.is_paused},
      {"reprocess_behavior", to_string(row.reprocess)},
      {"max_active_runs", row.max_active_runs},
      {"created_at", format_time(row.created_at)},
      {"completed_at", show_time(row.completed_at)},
      {"updated_at", format_time(row.updated_at)},
      // From here on Airflow's clients pass over what they do not know.
      {"run_backwards", row.runs_backwards},
      {"user", text_or_null(row.user)},
      {"status", to_string(udon::status_of(row))},
      {"progress", Value::Map{{"dates", row.dates},
                              {"created", row.created},
                              {"cleared", row.cleared},
                              {"skipped", row.skipped},
                              {"last_date", show_time(row.last_date)},
                              {"runs", Value::Map{{"queued", runs.queued},
                                                  {"running", runs.running},
                                                  {"success", runs.success},
                                                  {"failed", runs.failed}}}}},
  });
}

Result<Response> show(World& world, const Backfill& row) {
  TRY_ASSIGN(const Value shown, show_backfill(world, row));
  return json_response(200, shown);
}

Value show_date(const BackfillDate& date) {
  return Value::Map{{"logical_date", format_time(date.due.logical_date)},
                    {"partition_key", nullptr},
                    {"partition_date", nullptr},
                    {"data_interval_start", format_time(date.due.interval.begin)},
                    {"data_interval_end", format_time(date.due.interval.end)},
                    {"action", to_string(date.action)},
                    {"dag_run_id", date.run_id}};
}

enum class DryRun { yes, no };

Result<Response> create(World& world, const Call& call, DryRun dry_run) {
  Problems problems;
  BodyFields body(call.request, problems);
  CreateBackfill command;
  command.dag_id = body.text("dag_id", BodyFields::Need::required).value_or("");
  body.any("from_date", BodyFields::Need::required);
  body.any("to_date", BodyFields::Need::required);
  const auto from = body.time("from_date"), to = body.time("to_date");
  command.runs_backwards = body.flag("run_backwards").value_or(false);
  command.conf = body.map("dag_run_conf").value_or(Value::map());
  if (const auto word = body.choice("reprocess_behavior", {"none", "failed", "completed"}))
    command.reprocess = *parse_reprocess_behavior(*word);
  command.max_active_runs =
      static_cast<int>(body.integer("max_active_runs", 1, active_runs_max).value_or(command.max_active_runs));
  command.on_latest_version = body.flag("run_on_latest_version").value_or(false);
  body.only({"dag_id", "from_date", "to_date", "run_backwards", "dag_run_conf", "reprocess_behavior", "max_active_runs",
             "run_on_latest_version"});
  if (problems.empty() && !from)
    problems.add("datetime_type", {"body", "from_date"}, "Input should be a valid datetime", nullptr);
  if (problems.empty() && !to)
    problems.add("datetime_type", {"body", "to_date"}, "Input should be a valid datetime", nullptr);
  if (!problems.empty()) return problems.response();
  command.from = *from;
  command.to = *to;
  command.dry_run = dry_run == DryRun::yes;
  command.user = call.user.name;
  const std::string dag_id = command.dag_id;
  TRY_ASSIGN(const CommandOutcome made, submit_of_dag(world, dag_id, std::move(command)));
  if (dry_run == DryRun::yes) {
    Value::List rows;
    for (const BackfillDate& date : made.dates) rows.push_back(show_date(date));
    const auto total = static_cast<int64_t>(rows.size());
    return json_response(200, show_list("backfills", std::move(rows), total));
  }
  if (!made.backfill) return Error{ErrorKind::unavailable, "the scheduler made no backfill"};
  return show(world, *made.backfill);
}

Result<Response> list(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  BackfillFilter filter;
  filter.dag_id = query.text("dag_id").value_or("");
  filter.only_active = query.flag("active").value_or(false);
  const PageRequest page = query.page();
  if (!problems.empty()) return problems.response();
  TRY_ASSIGN(filter.order_by, query.order_by("id", {{"id", "number"}, {"created_at", "created_at"}}));
  TRY_ASSIGN(const Page<Backfill> found, world.reader.backfills(filter, page));
  Value::List rows;
  for (const Backfill& row : found.rows) {
    TRY_ASSIGN(Value shown, show_backfill(world, row));
    rows.push_back(std::move(shown));
  }
  return json_response(200, show_list("backfills", std::move(rows), found.total));
}

Result<Response> get(World& world, const Call& call) {
  Problems problems;
  const auto number = path_integer(call, "backfill_id", problems);
  if (!number) return problems.response();
  TRY_ASSIGN(const auto row, world.reader.backfill(*number));
  if (!row) return Error{ErrorKind::not_found, "Backfill not found"};
  return show(world, *row);
}

Result<Response> change(World& world, const Call& call, ChangeBackfill::Change change) {
  Problems problems;
  const auto number = path_integer(call, "backfill_id", problems);
  if (!number) return problems.response();
  TRY_ASSIGN(const CommandOutcome outcome,
             world.control.submit(ChangeBackfill{.number = *number, .change = change, .user = call.user.name}));
  if (!outcome.backfill) return Error{ErrorKind::unavailable, "the scheduler changed no backfill"};
  return show(world, *outcome.backfill);
}

}  // namespace

void add_backfills(Router& router, World& world) {
  using Change = ChangeBackfill::Change;
  const std::string all = "/api/v2/backfills", one = all + "/{backfill_id}";
  router.add("GET", all, at_least(Role::viewer), "Backfills, of a DAG or of all",
             [&world](const Call& call) { return list(world, call); });
  router.add("POST", all, at_least(Role::user), "Makes a backfill: runs for the dates of a range",
             [&world](const Call& call) { return with_422(create(world, call, DryRun::no)); });
  router.add("POST", all + "/dry_run", at_least(Role::user), "What a backfill would do with each date",
             [&world](const Call& call) { return with_422(create(world, call, DryRun::yes)); });
  router.add("GET", one, at_least(Role::viewer), "A backfill, and how far it has come",
             [&world](const Call& call) { return get(world, call); });
  // Airflow says PUT; its own client of some versions sends POST.
  for (const char* method : {"PUT", "POST"}) {
    router.add(method, one + "/pause", at_least(Role::user), "Pauses a backfill: what runs goes on",
               [&world](const Call& call) { return change(world, call, Change::pause); });
    router.add(method, one + "/unpause", at_least(Role::user), "Lets a paused backfill go on",
               [&world](const Call& call) { return change(world, call, Change::unpause); });
    router.add(method, one + "/cancel", at_least(Role::user), "Cancels a backfill: its queued runs fail",
               [&world](const Call& call) { return change(world, call, Change::cancel); });
  }
}

}  // namespace udon::web
