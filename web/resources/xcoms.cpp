#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

Value show_xcom(const InstanceRow& row, const XComRecord& xcom) {
  return Value::Map{{"key", xcom.key},
                    {"timestamp", format_time(xcom.at)},
                    {"logical_date", show_time(row.logical_date)},
                    {"map_index", row.instance.map_index},
                    {"task_id", row.instance.task_id},
                    {"dag_id", row.dag_id},
                    {"run_id", row.run_id},
                    {"dag_display_name", row.dag_id},
                    {"task_display_name", row.instance.task_id},
                    {"run_after", format_time(row.run_after)}};
}

Result<Response> list(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  const auto key = query.text("xcom_key");
  auto map_index = query.integer("map_index", -1);
  if (!map_index) map_index = query.integer("map_index_filter", -1);
  const PageRequest page = query.page();
  if (!problems.empty()) return problems.response();
  TRY(query.refuse({"xcom_key_pattern", "xcom_key_prefix_pattern", "dag_display_name_pattern",
                    "dag_display_name_prefix_pattern", "run_id_pattern", "run_id_prefix_pattern", "task_id_pattern",
                    "task_id_prefix_pattern", "logical_date_gte", "logical_date_gt", "logical_date_lte",
                    "logical_date_lt", "run_after_gte", "run_after_gt", "run_after_lte", "run_after_lt"}));
  const std::string &dag_id = call.part("dag_id"), &run_id = call.part("dag_run_id"), &task_id = call.part("task_id");
  if (dag_id == "~" || run_id == "~")
    return Error{ErrorKind::invalid, "this server lists the XComs of one run at a time"};
  TRY(need_run(world, call));
  InstanceFilter filter;
  filter.dag_ids = {dag_id}, filter.run_ids = {run_id};
  if (task_id != "~") filter.task_ids = {task_id};
  if (map_index) filter.map_index = static_cast<int>(*map_index);
  filter.order_by = "number";
  Value::List rows;
  int64_t total = 0;
  // XComs hang on task instances, of which a run has at most so many; their values are not read into the answer.
  for (PageRequest part{.limit = 1000, .offset = 0};; part.offset += part.limit) {
    TRY_ASSIGN(const Page<InstanceRow> instances, world.reader.instances(filter, part));
    for (const InstanceRow& row : instances.rows) {
      if (row.instance.try_number == 0) continue;
      TRY_ASSIGN(const std::vector<XComRecord> xcoms, world.reader.xcoms_of(row.instance.number));
      for (const XComRecord& xcom : xcoms) {
        if (key && xcom.key != *key) continue;
        if (total >= page.offset && total < page.offset + page.limit) rows.push_back(show_xcom(row, xcom));
        ++total;
      }
    }
    if (part.offset + part.limit >= instances.total) break;
  }
  return json_response(200, show_list("xcom_entries", std::move(rows), total));
}

Result<Response> get(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  const auto map_index = query.integer("map_index", -1);
  const bool stringify = query.flag("stringify").value_or(false);
  query.flag("deserialize");
  if (!problems.empty()) return problems.response();
  const std::string& key = call.part("xcom_key");
  const Error missing{ErrorKind::not_found, "XCom entry with key: `" + key + "` not found"};
  TRY_ASSIGN(const std::optional<InstanceRow> row,
             world.reader.instance({call.part("dag_id"), call.part("dag_run_id"), call.part("task_id"),
                                    static_cast<int>(map_index.value_or(-1))}));
  if (!row) return missing;
  TRY_ASSIGN(const std::optional<XComRecord> xcom, world.reader.xcom(row->instance.number, key));
  if (!xcom) return missing;
  Value shown = show_xcom(*row, *xcom);
  shown.set("value", stringify ? Value(to_json(xcom->value)) : xcom->value);
  return json_response(200, shown);
}

}  // namespace

void add_xcoms(Router& router, World& world) {
  const std::string entries = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries";
  router.add("GET", entries, at_least(Role::viewer),
             "The XComs of a task instance, or of all of a run (~), without their values",
             [&world](const Call& call) { return list(world, call); });
  router.add("GET", entries + "/{xcom_key}", at_least(Role::viewer), "An XCom with its value",
             [&world](const Call& call) { return get(world, call); });
}

}  // namespace udon::web
