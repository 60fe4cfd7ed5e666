#pragma once
// One sending of one notification, carried out in a child of its own (`udon-tell`): a library that hangs or
// dies of an answer takes nothing with it. Templates are rendered before; the connection comes over standard input.
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "connections/connection.h"
#include "model/notice.h"

namespace udon {

struct DeliveryOrder {
  NoticeWay way = NoticeWay::webhook;
  std::string key;  // the same for all sendings: Idempotency-Key, Message-ID, UDON_NOTIFICATION_KEY
  std::optional<Connection> connection;
  Value settings = Value::map();  // rendered
  Value context = Value::map();   // a command's standard input
  Duration timeout{};
};

struct DeliveryAnswer {
  enum class Verdict {
    accepted,
    refused,  // for good
    not_now,  // surely not taken in; later it may be
    unknown,  // it may have been
  };
  Verdict verdict = Verdict::unknown;
  std::string message;
};

Value to_value(const DeliveryOrder& order);
Result<DeliveryOrder> parse_delivery_order(const Value& value);
Value to_value(const DeliveryAnswer& answer);
Result<DeliveryAnswer> parse_delivery_answer(const Value& value);

}  // namespace udon
