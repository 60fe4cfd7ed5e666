#include "notify/notifier.h"

#include <catch2/catch.hpp>

#include "base/text.h"

namespace udon {
namespace {

using namespace std::chrono_literals;

const TimePoint t0 = *parse_time("2026-01-31T00:00:00Z");

Notification make_row() {
  Notification row;
  row.number = 12;
  row.key = {.run = 4, .instance = 9, .try_number = 2, .event = NoticeEvent::failure, .index = 1, .at = t0};
  row.dag_id = "주문";
  row.run_id = "r 1";
  row.task_id = "load";
  row.map_index = 3;
  row.notice.connection = "slack";
  row.context = Value::Map{{"reason", "exit code 3"}, {"ti", Value::Map{{"task_id", "load"}}}};
  row.state = NotificationState::sending;
  row.sends = 1;
  return row;
}

struct Sources {
  ConnectionSource connections{EnvironmentSecrets({"UDON_CONN_SLACK=https://hooks.example.com/s3cr3t/x"}),
                               [](const std::string&) -> Result<std::optional<Connection>> { return std::nullopt; }};
  VariableSource variables{EnvironmentSecrets({"UDON_VAR_ROOM=방"}),
                           [](const std::string&) -> Result<std::optional<std::string>> { return std::nullopt; }};
  Result<DeliveryOrder> order(const Notification& row) const {
    return make_order(row, connections, variables, "inst", "https://udon.example.com");
  }
};

DeliveryAnswer answer(DeliveryAnswer::Verdict verdict) { return {verdict, "HTTP 1"}; }

TEST_CASE("an order has its templates rendered, and words of its own where the file gives none") {
  const Sources sources;
  Notification row = make_row();
  const std::string link =
      "https://udon.example.com/api/v2/dags/%EC%A3%BC%EB%AC%B8/dagRuns/r%201/taskInstances/load/logs/2?map_index=3";
  auto order = sources.order(row);
  REQUIRE(order);
  CHECK(order->settings.text("text") == "주문/r 1/load[3] failed: exit code 3\n" + link);
  CHECK(order->settings.text("subject") == "주문/r 1/load[3] failed");
  CHECK(order->key == "inst-4-9-2-failure-1-" + std::to_string(t0.time_since_epoch().count()));
  REQUIRE(order->connection);
  CHECK(order->connection->host == "hooks.example.com");

  row.notice.settings = Value::Map{{"text", "{{ var.value.room }} {{ ti.task_id }} {{ ti.log_url }}"}};
  order = sources.order(row);
  REQUIRE(order);
  CHECK(order->settings.text("text") == "방 load " + link);

  row.notice.settings = Value::Map{{"body", Value::Map{{"a", Value::List{"{{ reason }}", 1}}}}};
  order = sources.order(row);
  REQUIRE(order);
  CHECK(order->settings.get("body") == Value(Value::Map{{"a", Value::List{"exit code 3", 1}}}));
  CHECK(order->settings.find("text") == nullptr);
}

TEST_CASE("an order survives its way to the sender, and a wrong one says what is wrong") {
  const Sources sources;
  const auto order = sources.order(make_row());
  REQUIRE(order);
  const auto read = parse_delivery_order(*parse_json(to_json(to_value(*order))));
  REQUIRE(read);
  CHECK(read->connection->schema == order->connection->schema);
  CHECK(read->settings == order->settings);
  CHECK(read->key == order->key);
  CHECK(read->timeout == order->timeout);
  CHECK_FALSE(parse_delivery_order(Value::map()));
  CHECK_FALSE(parse_delivery_answer(Value(Value::Map{{"verdict", "perhaps"}, {"message", ""}})));
}

TEST_CASE("a template's mistake and a connection that is not there are errors that say so") {
  const Sources sources;
  Notification row = make_row();
  row.notice.settings = Value::Map{{"text", "{{ conn.slack.host }}"}};
  CHECK_FALSE(sources.order(row));
  row.notice.settings = Value::map();
  row.notice.connection = "nobody";
  CHECK(sources.order(row).error().kind == ErrorKind::not_found);
}

TEST_CASE("what surely did not arrive is sent again later and later, as often as allowed") {
  Notification row = make_row();
  row.notice.retries = 2;
  const auto first = after_sending(row, answer(DeliveryAnswer::Verdict::not_now), t0);
  CHECK(first.state == NotificationState::pending);
  CHECK(first.next_at == t0 + 10s);
  row.sends = 2;
  CHECK(after_sending(row, answer(DeliveryAnswer::Verdict::not_now), t0).next_at == t0 + 20s);
  row.sends = 3;
  const auto last = after_sending(row, answer(DeliveryAnswer::Verdict::not_now), t0);
  CHECK(last.state == NotificationState::failed);
  CHECK(last.note == "HTTP 1; given up after 3 sendings");
  CHECK(resend_delay(50) == 1h);
}

TEST_CASE("what was accepted or refused is done; what is unknown is not sent again unless the notice says so") {
  Notification row = make_row();
  CHECK(after_sending(row, answer(DeliveryAnswer::Verdict::accepted), t0).state == NotificationState::sent);
  CHECK(after_sending(row, answer(DeliveryAnswer::Verdict::refused), t0).state == NotificationState::failed);
  const auto unknown = after_sending(row, answer(DeliveryAnswer::Verdict::unknown), t0);
  CHECK(unknown.state == NotificationState::unknown);
  CHECK(unknown.note == "it may have arrived: HTTP 1");
  row.notice.resends_unknown = true;
  CHECK(after_sending(row, answer(DeliveryAnswer::Verdict::unknown), t0).state == NotificationState::pending);
}

}  // namespace
}  // namespace udon
