#include <algorithm>

#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

Value show_event(const EventRecord& event) {
  Value extra = Value::map();
  for (const auto& [name, value] : {std::pair("from", event.from), std::pair("to", event.to),
                                    std::pair("cause", event.cause), std::pair("text", event.text)})
    if (!value.empty()) extra.set(name, value);
  const bool is_of_task = !event.task_id.empty();
  return Value::Map{{"event_log_id", event.number},
                    {"when", format_time(event.at)},
                    {"dag_id", text_or_null(event.dag_id)},
                    {"task_id", text_or_null(event.task_id)},
                    {"run_id", text_or_null(event.run_id)},
                    {"map_index", is_of_task ? Value(event.map_index) : Value()},
                    {"try_number", is_of_task ? Value(event.try_number) : Value()},
                    {"event", event.event},
                    {"logical_date", nullptr},
                    {"owner", text_or_null(event.user)},
                    {"extra", extra.size() > 0 ? Value(to_json(extra)) : Value()},
                    {"dag_display_name", text_or_null(event.dag_id)},
                    {"task_display_name", text_or_null(event.task_id)}};
}

Result<Response> list(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  const PageRequest page = query.page();
  if (!problems.empty()) return problems.response();
  TRY(query.refuse({"map_index", "try_number", "owner", "event", "excluded_events", "included_events", "before",
                    "after", "dag_id_pattern", "task_id_pattern", "run_id_pattern", "owner_pattern", "event_pattern",
                    "dag_id_prefix_pattern", "task_id_prefix_pattern", "run_id_prefix_pattern", "owner_prefix_pattern",
                    "event_prefix_pattern"}));
  TRY_ASSIGN(
      const std::string order,
      query.order_by("id", {{"id", "number"}, {"event_log_id", "number"}, {"when", "number"}, {"dttm", "number"}}));
  const std::string dag_id = query.text("dag_id").value_or(""), run_id = query.text("run_id").value_or(""),
                    task_id = query.text("task_id").value_or("");
  const auto read = [&](const PageRequest& part) { return world.reader.events(dag_id, run_id, task_id, part); };
  Value::List rows;
  if (order == "-number") {
    TRY_ASSIGN(const Page<EventRecord> found, read(page));
    for (const EventRecord& event : found.rows) rows.push_back(show_event(event));
    return json_response(200, show_list("event_logs", std::move(rows), found.total));
  }
  // The store gives the newest first: the page is counted from the other end, and turned round.
  TRY_ASSIGN(const Page<EventRecord> counted, read({.limit = 1, .offset = 0}));
  const int64_t first = std::max<int64_t>(0, counted.total - page.offset - page.limit);
  const int64_t count = counted.total - page.offset - first;
  if (count > 0) {
    TRY_ASSIGN(const Page<EventRecord> found, read({.limit = static_cast<int>(count), .offset = first}));
    for (auto event = found.rows.rbegin(); event != found.rows.rend(); ++event) rows.push_back(show_event(*event));
  }
  return json_response(200, show_list("event_logs", std::move(rows), counted.total));
}

}  // namespace

void add_event_logs(Router& router, World& world) {
  router.add("GET", "/api/v2/eventLogs", at_least(Role::viewer), "What happened: moves, commands, with who and why",
             [&world](const Call& call) { return list(world, call); });
}

}  // namespace udon::web
