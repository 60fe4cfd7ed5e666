#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

Result<Response> list(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  DagFilter filter;
  filter.dag_id_like = query.text("dag_id_pattern");
  if (!filter.dag_id_like) filter.dag_id_like = query.text("dag_display_name_pattern");
  filter.tags = query.texts("tags");
  filter.is_paused = query.flag("paused");
  filter.include_stale = !query.flag("exclude_stale").value_or(true);
  const auto match_mode = query.choices("tags_match_mode", {"any", "all"});
  const PageRequest page = query.page();
  if (!problems.empty()) return problems.response();
  if (filter.tags.size() > 1 && !match_mode.empty() && match_mode.back() == "all")
    return Error{ErrorKind::invalid, "tags_match_mode 'all' is not supported by this server"};
  TRY(query.refuse({"owners",
                    "dag_id_prefix_pattern",
                    "dag_display_name_prefix_pattern",
                    "has_import_errors",
                    "last_dag_run_state",
                    "bundle_name",
                    "bundle_version",
                    "has_asset_schedule",
                    "asset_dependency",
                    "dag_run_start_date_gte",
                    "dag_run_start_date_gt",
                    "dag_run_start_date_lte",
                    "dag_run_start_date_lt",
                    "dag_run_end_date_gte",
                    "dag_run_end_date_gt",
                    "dag_run_end_date_lte",
                    "dag_run_end_date_lt",
                    "dag_run_state",
                    "is_favorite",
                    "timetable_type"}));
  TRY_ASSIGN(filter.order_by, query.order_by("dag_id", {{"dag_id", "dag_id"}, {"dag_display_name", "dag_id"}}));
  TRY_ASSIGN(const Page<DagRecord> found, world.reader.dags(filter, page));
  Value::List rows;
  for (const DagRecord& dag : found.rows) {
    TRY_ASSIGN(Value shown, show_dag(world, dag));
    rows.push_back(std::move(shown));
  }
  return json_response(200, show_list("dags", std::move(rows), found.total));
}

Result<Response> patch(World& world, const Call& call) {
  Problems problems;
  BodyFields body(call.request, problems);
  const auto is_paused = body.flag("is_paused", BodyFields::Need::required);
  body.only({"is_paused"});
  if (!problems.empty()) return problems.response();
  for (const std::string& field : QueryFields(call.request, problems).texts("update_mask"))
    if (field != "is_paused")
      return Error{ErrorKind::invalid, "Only `is_paused` field can be updated through the REST API"};
  const std::string& dag_id = call.part("dag_id");
  TRY(need_dag(world, dag_id));
  TRY(world.control.submit(SetPaused{.dag_id = dag_id, .paused = *is_paused, .user = call.user.name}));
  TRY_ASSIGN(const DagRecord dag, need_dag(world, dag_id));
  TRY_ASSIGN(const Value shown, show_dag(world, dag));
  return json_response(200, shown);
}

}  // namespace

void add_dags(Router& router, World& world) {
  router.add("GET", "/api/v2/dags", at_least(Role::viewer), "DAGs, filtered and in pages",
             [&world](const Call& call) { return list(world, call); });
  router.add("GET", "/api/v2/dags/{dag_id}", at_least(Role::viewer), "A DAG",
             [&world](const Call& call) -> Result<Response> {
               TRY_ASSIGN(const DagRecord dag, need_dag(world, call.part("dag_id")));
               TRY_ASSIGN(const Value shown, show_dag(world, dag));
               return json_response(200, shown);
             });
  router.add("GET", "/api/v2/dags/{dag_id}/details", at_least(Role::viewer), "A DAG with what its file says",
             [&world](const Call& call) -> Result<Response> {
               TRY_ASSIGN(const DagRecord dag, need_dag(world, call.part("dag_id")));
               TRY_ASSIGN(const Value shown, show_dag_details(world, dag));
               return json_response(200, shown);
             });
  router.add("PATCH", "/api/v2/dags/{dag_id}", at_least(Role::user), "Pauses or unpauses a DAG",
             [&world](const Call& call) { return patch(world, call); });
}

}  // namespace udon::web
