#include "tests/web/api_scene.h"

namespace udon::test {
namespace {

QueueNotification told_of(int index) {
  Notification row;
  row.key = {.run = 1, .instance = 2, .try_number = 1, .event = NoticeEvent::failure, .index = index, .at = t0};
  row.dag_id = "orders";
  row.run_id = "r1";
  row.task_id = "load";
  row.map_index = 0;
  row.notice.connection = "slack";
  row.next_at = t0;
  return {row};
}

TEST_CASE("notifications are listed, newest first, by state and run") {
  ApiScene scene;
  scene.commit({told_of(0), told_of(1)});
  const Notification first = *scene.store.outbox().claim(t0).value();
  REQUIRE(scene.store.outbox().finish(first.number, 1, NotificationState::failed, {}, t0 + 1s, "HTTP 404"));
  const Value all = scene.json(200, "GET", "/api/udon/notifications", "", "viewer");
  CHECK(all.integer("total_entries") == 2);
  const Value& newest = all.get("notifications").as_list().at(0);
  CHECK(newest.text("state") == "pending");
  CHECK(newest.text("task_id") == "load");
  CHECK(newest.integer("map_index") == 0);
  const Value failed = scene.json(200, "GET", "/api/udon/notifications?state=failed&dag_id=orders&dag_run_id=r1");
  REQUIRE(failed.integer("total_entries") == 1);
  const Value& row = failed.get("notifications").as_list().at(0);
  CHECK(row.text("note") == "HTTP 404");
  CHECK(row.integer("sends") == 1);
  CHECK(row.get("next_at").is_null());
  CHECK(scene.json(200, "GET", "/api/udon/notifications?dag_id=other").integer("total_entries") == 0);
  CHECK(scene.ask("GET", "/api/udon/notifications?state=lost").status == 422);
  CHECK(scene.ask("GET", "/api/udon/notifications", "", "").status == 401);
  CHECK(scene.json(200, "GET", "/api/udon/notifications/" + std::to_string(first.number)) == row);
  CHECK(scene.ask("GET", "/api/udon/notifications/99").status == 404);
}

TEST_CASE("who may trigger runs may have a notification sent again, and the sender is told") {
  ApiScene scene;
  int wakes = 0;
  scene.world.on_notifications = [&] { ++wakes; };
  scene.commit({told_of(0)});
  CHECK(scene.ask("POST", "/api/udon/notifications/1/resend", "{}", "viewer").status == 403);
  CHECK(scene.ask("POST", "/api/udon/notifications/1/resend", "{}", "user").status == 409);  // it is sent anyway
  const Notification row = *scene.store.outbox().claim(t0).value();
  REQUIRE(scene.store.outbox().finish(row.number, 1, NotificationState::unknown, {}, t0 + 1s, "cut"));
  CHECK(scene.json(200, "POST", "/api/udon/notifications/1/resend", "{}", "user").text("state") == "pending");
  CHECK(wakes == 1);
  CHECK(scene.ask("POST", "/api/udon/notifications/99/resend", "{}").status == 404);
  CHECK(scene.ask("POST", "/api/udon/notifications/x/resend", "{}").status == 422);
}

}  // namespace
}  // namespace udon::test
