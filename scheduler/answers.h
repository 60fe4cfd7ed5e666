#pragma once
// What a person says to a question, held against what was asked. Pure.
#include "model/command.h"
#include "model/question.h"

namespace udon {

// With what was not filled in as its param says. denied: others are asked; invalid: it is none of the options, or does
// not fit the params.
Result<Answer> answer_of(const AskedQuestion& asked, const AnswerQuestion& command, TimePoint now);

}  // namespace udon
