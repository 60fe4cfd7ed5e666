#include "notify/delivery.h"

#include "base/ensure.h"
#include "model/fields.h"

namespace udon {
namespace {

using Verdict = DeliveryAnswer::Verdict;

std::string_view word_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::accepted: return "accepted";
    case Verdict::refused: return "refused";
    case Verdict::not_now: return "not_now";
    case Verdict::unknown: return "unknown";
  }
  ENSURE(false, "a verdict outside its enum");
}
std::optional<Verdict> parse_verdict(std::string_view text) {
  for (const Verdict verdict : {Verdict::accepted, Verdict::refused, Verdict::not_now, Verdict::unknown})
    if (word_of(verdict) == text) return verdict;
  return std::nullopt;
}

}  // namespace

Value to_value(const DeliveryOrder& order) {
  Value map = Value::map();
  map.set("way", to_string(order.way));
  map.set("key", order.key);
  if (order.connection) {
    map.set("connection_id", order.connection->id);
    map.set("uri", to_uri(*order.connection));
  }
  map.set("settings", order.settings);
  map.set("context", order.context);
  map.set("timeout_us", int64_t{order.timeout.count()});
  return map;
}

Result<DeliveryOrder> parse_delivery_order(const Value& value) {
  FieldReader fields(value, "delivery order");
  DeliveryOrder order;
  order.way = fields.word("way", parse_notice_way);
  order.key = fields.text("key");
  order.settings = fields.map("settings");
  order.context = fields.map("context");
  order.timeout = fields.duration("timeout_us");
  const auto uri = fields.optional_text("uri");
  const auto id = fields.optional_text("connection_id");
  TRY(fields.status());
  if (uri) {
    TRY_ASSIGN(order.connection, parse_connection_uri(id.value_or(""), *uri));
  }
  return order;
}

Value to_value(const DeliveryAnswer& answer) {
  return Value::Map{{"verdict", word_of(answer.verdict)}, {"message", answer.message}};
}

Result<DeliveryAnswer> parse_delivery_answer(const Value& value) {
  FieldReader fields(value, "delivery answer");
  DeliveryAnswer answer;
  answer.verdict = fields.word("verdict", parse_verdict);
  answer.message = fields.text("message");
  TRY(fields.status());
  return answer;
}

}  // namespace udon
