#pragma once
// What the server and its prober say to each other, one JSON object a line.
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "base/result.h"
#include "base/value.h"
#include "model/wire.h"

namespace udon {

// To the prober. `number` names this one poke; its answer carries it, so that a late one is known as such.
struct PokeOrder {
  enum class Purpose { look, cancel };  // cancel: what it waits for is to end, too
  int64_t number = 0;
  Purpose purpose = Purpose::look;
  TryRequest request;
};
// The poke of that number should stop; it still answers.
struct PokeStop {
  int64_t number = 0;
};
using ProberOrder = std::variant<PokeOrder, PokeStop>;
std::string to_line(const ProberOrder& order);  // with its end of line
Result<ProberOrder> parse_prober_order(std::string_view line);

// From the prober.
struct PokeAnswer {
  int64_t number = 0;
  bool is_met = false;
  std::string message;             // what was seen, redacted
  Value xcom = Value::map();       // if met
  std::optional<ErrorKind> error;  // then `message` is the error's
  bool has_failed = false;         // what is waited for has come to a bad end: another try may fare better
  bool resumes = false;            // if met: the try goes on in a new process, with this event
  Value event = {};
  std::optional<Question> asks = {};  // not met, and not to be looked at again: people are asked
};
std::string to_line(const PokeAnswer& answer);
Result<PokeAnswer> parse_poke_answer(std::string_view line);

}  // namespace udon
