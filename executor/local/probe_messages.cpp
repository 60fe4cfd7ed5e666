#include "executor/local/probe_messages.h"

#include "base/error_kind.h"
#include "model/fields.h"

namespace udon {

std::string to_line(const ProberOrder& order) {
  Value value;
  if (const auto* poke = std::get_if<PokeOrder>(&order)) {
    value = Value::Map{{"poke", poke->number}, {"request", to_value(poke->request)}};
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
  const Value& request = fields.map("request");
  TRY(fields.status());
  TRY_ASSIGN(TryRequest parsed, parse_try_request(request));
  return PokeOrder{.number = number, .request = std::move(parsed)};
}

std::string to_line(const PokeAnswer& answer) {
  return to_json(Value::Map{{"answer", answer.number},
                            {"is_met", answer.is_met},
                            {"message", answer.message},
                            {"xcom", answer.xcom},
                            {"error", answer.error ? Value(to_string(*answer.error)) : Value()}}) +
         "\n";
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
  TRY(fields.status());
  return answer;
}

}  // namespace udon
