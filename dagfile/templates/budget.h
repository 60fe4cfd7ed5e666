#pragma once
// A template is data: it ends, and it stays small. Every step of the evaluator and every byte that it makes costs.
#include <cstdint>
#include <string>

#include "base/limits.h"
#include "dagfile/templates/datum.h"

namespace udon::templates {

class Budget {
 public:
  Result<void> step(int64_t count = 1) {
    steps_ += count;
    if (steps_ > limits::template_steps_max)
      return failure("the template takes more than " + std::to_string(limits::template_steps_max) + " steps");
    return {};
  }
  // A text that an operation made. Long ones cost steps by length, so that many of them come to an end too.
  Result<Datum> text(std::string made) {
    if (static_cast<int64_t>(made.size()) > limits::template_output_bytes_max)
      return failure("a text of the template is longer than " + std::to_string(limits::template_output_bytes_max) +
                     " bytes");
    TRY(step(1 + static_cast<int64_t>(made.size()) / 64));
    return Datum(std::move(made));
  }
  Result<Datum> list(Items made) {
    TRY(step(1 + static_cast<int64_t>(made.size())));
    return make_list(std::move(made));
  }
  // Before `bytes` are made: refuses what text() would refuse, without having made it.
  Result<void> will_make(int64_t bytes) {
    if (bytes > limits::template_output_bytes_max)
      return failure("a text of the template is longer than " + std::to_string(limits::template_output_bytes_max) +
                     " bytes");
    return {};
  }

 private:
  int64_t steps_ = 0;
};

}  // namespace udon::templates
