#include "executor/local/probe_messages.h"

#include "base/error_kind.h"
#include "model/fields.h"

namespace udon {

std::string to_line(const ProberOrder& order) {
  Value value;
  if (const auto* poke = std::get_if<PokeOrder>(&order)) {
    value = Value::Map{{"poke", poke->number}, {"request", to_value(poke->request)}};
    if (poke->purpose == PokeOrder::Purpose::cancel) value.set("cancels", true);
  } else {
    value = Value::Map{{"stop", std::get<PokeStop>(order).number}};
  }
  return to_json(value) + "\n";
}

Result<ProberOrder> parse_prober_order(std::string_view line) {
  TRY_ASSIGN(const Value value, parse_json(line));
  FieldReader fields(value, "order to the prober");
  if (fields.has("stop")) {
    const int64_t number = fields.integer("stop");
    TRY(fields.status());
    return PokeStop{number};
  }
  const int64_t number = fields.integer("poke");
  const bool cancels = fields.optional_flag("cancels").value_or(false);
  const Value& request = fields.map("request");
  TRY(fields.status());
  TRY_ASSIGN(TryRequest parsed, parse_try_request(request));
  return PokeOrder{.number = number,
                   .purpose = cancels ? PokeOrder::Purpose::cancel : PokeOrder::Purpose::look,
                   .request = std::move(parsed)};
}

std::string to_line(const PokeAnswer& answer) {
  Value value = Value::Map{{"answer", answer.number},
                           {"is_met", answer.is_met},
                           {"message", answer.message},
                           {"xcom", answer.xcom},
                           {"error", answer.error ? Value(to_string(*answer.error)) : Value()}};
  if (answer.has_failed) value.set("has_failed", true);
  if (answer.resumes) value.set("resumes", Value::Map{{"event", answer.event}});
  if (answer.asks) value.set("asks", to_value(*answer.asks));
  return to_json(value) + "\n";
}

Result<PokeAnswer> parse_poke_answer(std::string_view line) {
  TRY_ASSIGN(const Value value, parse_json(line));
  FieldReader fields(value, "answer of the prober");
  PokeAnswer answer;
  answer.number = fields.integer("answer");
  answer.is_met = fields.flag("is_met");
  answer.message = fields.text("message");
  answer.xcom = fields.map("xcom");
  answer.error = fields.optional_word<ErrorKind>("error", parse_error_kind);
  answer.has_failed = fields.optional_flag("has_failed").value_or(false);
  answer.resumes = fields.has("resumes");
  if (answer.resumes) answer.event = fields.map("resumes").get("event");
  const Value* asks = fields.has("asks") ? &fields.map("asks") : nullptr;
  TRY(fields.status());
  if (asks != nullptr) {
    TRY_ASSIGN(answer.asks, parse_question(*asks));
  }
  return answer;
}

}  // namespace udon
