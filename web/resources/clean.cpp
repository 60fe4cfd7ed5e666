// What `udon db clean` asks for, a step at a time.
#include "base/text.h"
#include "web/clean_rows.h"
#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

RunCursor read_cursor(const Value& value, Problems& problems) {
  RunCursor cursor;
  BodyFields fields(value, {"body", "after"}, problems);
  cursor.end_date = fields.time("end_date").value_or(TimePoint{});
  cursor.number = fields.integer("number", 0, INT64_MAX).value_or(0);
  fields.only({"end_date", "number"});
  return cursor;
}

// What all steps have in common.
template <class Step>
void read_step(World& world, BodyFields& body, Step& step, Problems& problems) {
  body.any("before", BodyFields::Need::required);
  const auto before = body.time("before");
  if (const auto ids = body.list("dag_ids")) {
    for (const Value& id : ids->as_list()) {
      if (id.is_string())
        step.dag_ids.push_back(id.as_string());
      else
        problems.add("string_type", {"body", "dag_ids"}, "Input should be a list of valid strings", id);
    }
  }
  step.dry_run = body.flag("dry_run").value_or(true);
  body.only({"before", "dag_ids", "after", "dry_run"});
  if (problems.empty() && !before)
    problems.add("datetime_type", {"body", "before"}, "Input should be a valid datetime", nullptr);
  if (problems.empty() && *before > world.clock.now())
    problems.add("value_error", {"body", "before"}, "Value error, it is in the future", format_time(*before));
  if (before) step.before = *before;
}

Result<Response> clean(World& world, const Call& call) {
  Problems problems;
  BodyFields body(call.request, problems);
  CleanStep step;
  if (const auto after = body.map("after")) step.after = read_cursor(*after, problems);
  read_step(world, body, step, problems);
  if (!problems.empty()) return problems.response();
  for (const std::string& dag_id : step.dag_ids) TRY(need_dag(world, dag_id));
  step.user = call.user.name;
  TRY_ASSIGN(const CommandOutcome outcome, world.control.submit(std::move(step)));
  if (!outcome.cleaned) return Error{ErrorKind::unavailable, "the scheduler cleaned nothing"};
  const Cleaned& cleaned = *outcome.cleaned;
  return json_response(200, Value::Map{{"dag_runs", static_cast<int64_t>(cleaned.runs.size())},
                                       {"task_instances", cleaned.instances},
                                       {"is_done", cleaned.is_done},
                                       {"after", Value::Map{{"end_date", format_time(cleaned.next.end_date)},
                                                            {"number", cleaned.next.number}}}});
}

Result<Response> clean_rows(World& world, const CleanRows& clean, const Call& call) {
  const auto table = parse_row_table(call.part("table"));
  if (!table) {
    std::vector<std::string> names;
    for (const RowTable one : all_row_tables()) names.emplace_back(to_string(one));
    return Error{ErrorKind::not_found, "There is no table `" + call.part("table") + "` to be cleaned" +
                                           did_you_mean(call.part("table"), names)};
  }
  Problems problems;
  BodyFields body(call.request, problems);
  RowsStep step{.table = *table};
  step.after = body.integer("after", 0, INT64_MAX).value_or(0);
  read_step(world, body, step, problems);
  if (!problems.empty()) return problems.response();
  for (const std::string& dag_id : step.dag_ids) TRY(need_dag(world, dag_id));
  TRY_ASSIGN(const RowsCleaned cleaned, clean(step));
  return json_response(200, Value::Map{{"rows", cleaned.rows}, {"is_done", cleaned.is_done}, {"after", cleaned.next}});
}

}  // namespace

void add_clean(Router& router, World& world) {
  router.add("POST", "/api/udon/clean", at_least(Role::admin),
             "Deletes some runs that ended long ago, or counts them; asked again until it is done",
             [&world](const Call& call) { return clean(world, call); });
}

void add_clean_rows(Router& router, World& world, CleanRows clean) {
  router.add("POST", "/api/udon/clean/{table}", at_least(Role::admin),
             "Deletes some old rows of a table that nothing refers to, or counts them; asked again until it is done",
             [&world, clean = std::move(clean)](const Call& call) { return clean_rows(world, clean, call); });
}

}  // namespace udon::web
