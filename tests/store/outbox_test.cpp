// What is to be told to people, in every store.
#include "tests/store/scene.h"

using namespace udon;
using namespace udon::test;

namespace {

QueueNotification told_of(RunNumber run, int index = 0, bool resends_unknown = false) {
  Notification row;
  row.key = {.run = run, .instance = 7, .try_number = 2, .event = NoticeEvent::failure, .index = index, .at = t0};
  row.dag_id = "orders";
  row.run_id = "run" + std::to_string(run);
  row.task_id = "load";
  row.map_index = 3;
  row.notice.way = NoticeWay::email;
  row.notice.connection = "mail";
  row.notice.settings = Value::Map{{"to", Value::List{"data@example.com"}}, {"subject", "주문 {{ ti.task_id }}"}};
  row.notice.retries = 2;
  row.notice.timeout = 7s;
  row.notice.resends_unknown = resends_unknown;
  row.context = Value::Map{{"exception", "종료 코드 3"}};
  row.next_at = t0 + index * 1s;
  return {row};
}

}  // namespace

TEST_CASE("a notification comes with the commit of its move, or not at all") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({InsertRun{make_run(1), ""}, told_of(1)});
  const auto page = must(scene.outbox().notifications({}, {}));
  REQUIRE(page.total == 1);
  Notification expected = told_of(1).row;
  expected.number = page.rows[0].number;
  CHECK(page.rows[0] == expected);

  scene.refused({told_of(1, 1), InsertRun{make_run(1), ""}});
  CHECK(must(scene.outbox().notifications({}, {})).total == 1);
  scene.commit({told_of(1, 1)});
  CHECK(must(scene.outbox().notifications({}, {})).total == 2);
}

TEST_CASE("a key that is there already changes nothing, whatever has become of it") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({told_of(1), told_of(1)});
  const Notification row = must(scene.outbox().claim(t0)).value();
  must(scene.outbox().finish(row.number, 1, NotificationState::sent, {}, t0 + 1s, "HTTP 200"));
  scene.commit({told_of(1)});
  const auto page = must(scene.outbox().notifications({}, {}));
  REQUIRE(page.total == 1);
  CHECK(page.rows[0].state == NotificationState::sent);
  CHECK(page.rows[0].note == "HTTP 200");
}

TEST_CASE("what is no new notification is refused") {
  Scene scene(EVERY_KIND_OF_STORE);
  auto sent = told_of(1);
  sent.row.state = NotificationState::sent;
  CHECK(scene.refused({sent}).kind == ErrorKind::invalid);
  auto timeless = told_of(1);
  timeless.row.next_at.reset();
  CHECK(scene.refused({timeless}).kind == ErrorKind::invalid);
  CHECK(scene.refused({told_of(0)}).kind == ErrorKind::invalid);
}

TEST_CASE("each is claimed once, the one that is due first before the others, and none before its time") {
  Scene scene(EVERY_KIND_OF_STORE);
  CHECK(!must(scene.outbox().next_due()));
  scene.commit({told_of(1, 2), told_of(1, 1), told_of(1, 5)});
  CHECK(must(scene.outbox().next_due()) == t0 + 1s);
  CHECK(!must(scene.outbox().claim(t0)));
  const auto first = must(scene.outbox().claim(t0 + 3s));
  const auto second = must(scene.outbox().claim(t0 + 3s));
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->key.index == 1);
  CHECK(second->key.index == 2);
  CHECK(first->state == NotificationState::sending);
  CHECK(first->sends == 1);
  CHECK(!must(scene.outbox().claim(t0 + 3s)));
  CHECK(must(scene.outbox().next_due()) == t0 + 5s);
}

TEST_CASE("an answer counts once, and only for the sending that it answers") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({told_of(1)});
  StoreOutbox& outbox = scene.outbox();
  const Notification row = must(outbox.claim(t0)).value();
  must(outbox.finish(row.number, 1, NotificationState::pending, t0 + 10s, t0 + 1s, "HTTP 503"));
  CHECK(outbox.finish(row.number, 1, NotificationState::sent, {}, t0, "").error().kind == ErrorKind::conflict);
  CHECK(!must(outbox.claim(t0 + 9s)));
  CHECK(must(outbox.claim(t0 + 10s))->sends == 2);
  CHECK(outbox.finish(row.number, 1, NotificationState::sent, {}, t0, "").error().kind == ErrorKind::conflict);
  must(outbox.finish(row.number, 2, NotificationState::sent, {}, t0 + 11s, "HTTP 200"));
  CHECK(outbox.finish(row.number, 2, NotificationState::failed, {}, t0, "").error().kind == ErrorKind::conflict);
  CHECK(must(outbox.notification(row.number))->state == NotificationState::sent);
  CHECK(outbox.finish(99, 1, NotificationState::sent, {}, t0, "").error().kind == ErrorKind::not_found);
  CHECK(outbox.finish(row.number, 2, NotificationState::sending, {}, t0, "").error().kind == ErrorKind::invalid);
  CHECK(outbox.finish(row.number, 2, NotificationState::pending, {}, t0, "").error().kind == ErrorKind::invalid);
}

TEST_CASE("what was being sent when the server died is unknown, or is sent again where its notice says so") {
  Scene scene(EVERY_KIND_OF_STORE);
  StoreOutbox& outbox = scene.outbox();
  scene.commit({told_of(1, 0), told_of(1, 1, true), told_of(1, 2)});
  must(outbox.claim(t0 + 1s));
  must(outbox.claim(t0 + 1s));
  CHECK(must(outbox.recover(t0 + 5s, "the server died")) == 2);
  CHECK(must(outbox.recover(t0 + 6s, "again")) == 0);
  const auto rows = must(outbox.notifications({}, {})).rows;  // newest first
  CHECK(rows[2].state == NotificationState::unknown);
  CHECK(rows[2].note == "the server died");
  CHECK(!rows[2].next_at);
  CHECK(rows[1].state == NotificationState::pending);
  CHECK(rows[1].next_at == t0 + 5s);
  CHECK(rows[0].state == NotificationState::pending);
  CHECK(rows[0].next_at == t0 + 2s);
}

TEST_CASE("a person may have it sent again, but not what is sent anyway") {
  Scene scene(EVERY_KIND_OF_STORE);
  StoreOutbox& outbox = scene.outbox();
  scene.commit({told_of(1)});
  const int64_t number = must(outbox.notifications({}, {})).rows.at(0).number;
  CHECK(outbox.resend(number, t0).error().kind == ErrorKind::conflict);
  must(outbox.claim(t0));
  CHECK(outbox.resend(number, t0).error().kind == ErrorKind::conflict);
  must(outbox.finish(number, 1, NotificationState::failed, {}, t0, "HTTP 404"));
  const Notification again = must(outbox.resend(number, t0 + 60s));
  CHECK(again.state == NotificationState::pending);
  CHECK(must(outbox.next_due()) == t0 + 60s);
  CHECK(must(outbox.claim(t0 + 60s))->number == number);
  CHECK(outbox.resend(99, t0).error().kind == ErrorKind::not_found);
}

TEST_CASE("notifications are listed by state, DAG and run, newest first, in pages") {
  Scene scene(EVERY_KIND_OF_STORE);
  StoreOutbox& outbox = scene.outbox();
  scene.commit({told_of(1), told_of(2, 1), told_of(2, 2)});
  must(outbox.claim(t0));
  const auto newest = must(outbox.notifications({}, {.limit = 1}));
  CHECK(newest.total == 3);
  REQUIRE(newest.rows.size() == 1);
  CHECK(newest.rows[0].key.index == 2);
  CHECK(must(outbox.notifications({.states = {NotificationState::sending}}, {})).total == 1);
  CHECK(must(outbox.notifications({.states = {NotificationState::sending, NotificationState::pending}}, {})).total ==
        3);
  CHECK(must(outbox.notifications({.dag_id = "orders", .run_id = "run2"}, {})).total == 2);
  CHECK(must(outbox.notifications({.dag_id = "other"}, {})).total == 0);
  CHECK(outbox.notifications({}, {.limit = -1}).error().kind == ErrorKind::invalid);
}

TEST_CASE("with its run goes what was told of it, not what is still to be told") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({InsertRun{make_run(1), ""}, told_of(1, 0), told_of(1, 1), told_of(2)});
  scene.commit({move_to(scene.run(1), RunState::running)});
  scene.commit({move_to(scene.run(1), RunState::failed)});
  const Notification row = must(scene.outbox().claim(t0)).value();
  must(scene.outbox().finish(row.number, 1, NotificationState::sent, {}, t0, ""));
  scene.refused({DeleteRunRows{.run = 1}, DeleteRunRows{.run = 1}});
  CHECK(must(scene.outbox().notifications({}, {})).total == 3);
  scene.commit({DeleteRunRows{.run = 1}});
  const auto left = must(scene.outbox().notifications({}, {}));
  REQUIRE(left.total == 2);
  CHECK(left.rows[0].key.run == 2);
  CHECK(left.rows[1].key.index == 1);
}
