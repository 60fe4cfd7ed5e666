// What people were told, and what could not be told: ours, Airflow has no such list.
#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

Value show(const Notification& row) {
  return Value::Map{{"id", row.number},
                    {"state", to_string(row.state)},
                    {"event", to_string(row.key.event)},
                    {"way", to_string(row.notice.way)},
                    {"connection_id", text_or_null(row.notice.connection)},
                    {"dag_id", row.dag_id},
                    {"dag_run_id", row.run_id},
                    {"task_id", text_or_null(row.task_id)},
                    {"map_index", row.map_index},
                    {"try_number", row.key.try_number},
                    {"happened_at", show_time(row.key.at)},
                    {"sends", row.sends},
                    {"retries", row.notice.retries},
                    {"next_at", show_time(row.next_at)},
                    {"changed_at", show_time(row.changed_at)},
                    {"note", text_or_null(row.note)},
                    {"key", to_string(row.key)}};
}

Result<Response> list(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  const PageRequest page = query.page();
  NotificationFilter filter;
  for (const std::string& word : query.choices("state", {"pending", "sending", "sent", "failed", "unknown"}))
    if (const auto state = parse_notification_state(word)) filter.states.push_back(*state);
  filter.dag_id = query.text("dag_id").value_or("");
  filter.run_id = query.text("dag_run_id").value_or("");
  if (!problems.empty()) return problems.response();
  TRY_ASSIGN(const Page<Notification> found, world.outbox.notifications(filter, page));
  Value::List rows;
  for (const Notification& row : found.rows) rows.push_back(show(row));
  return json_response(200, show_list("notifications", std::move(rows), found.total));
}

Result<Response> with_number(const Call& call, const std::function<Result<Notification>(int64_t)>& find) {
  Problems problems;
  const auto number = path_integer(call, "notification_id", problems);
  if (!number) return problems.response();
  TRY_ASSIGN(const Notification row, find(*number));
  return json_response(200, show(row));
}

}  // namespace

void add_notifications(Router& router, World& world) {
  const std::string one = "/api/udon/notifications/{notification_id}";
  router.add("GET", "/api/udon/notifications", at_least(Role::viewer),
             "What people were told or could not be told, newest first",
             [&world](const Call& call) { return list(world, call); });
  router.add("GET", one, at_least(Role::viewer), "A notification", [&world](const Call& call) {
    return with_number(call, [&world](int64_t number) -> Result<Notification> {
      TRY_ASSIGN(auto row, world.outbox.notification(number));
      if (!row) return no_such_notification(number);
      return *row;
    });
  });
  router.add("POST", one + "/resend", at_least(Role::user), "Sends a notification once more",
             [&world](const Call& call) {
               return with_number(call, [&world](int64_t number) -> Result<Notification> {
                 TRY_ASSIGN(Notification row, world.outbox.resend(number, world.clock.now()));
                 if (world.on_notifications) world.on_notifications();
                 return row;
               });
             });
}

}  // namespace udon::web
