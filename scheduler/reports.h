#pragma once
// What a report of an executor means for the state. Pure.
#include "model/report.h"
#include "scheduler/moves.h"
#include "scheduler/state.h"

namespace udon {

enum class ReportFate {
  obeyed,
  stale,    // of a try that is no longer the current one of its task instance, or has ended: late, doubled, fenced off
  foreign,  // of another installation
};

struct ReportMoves {
  ReportFate fate = ReportFate::obeyed;
  Moves moves;
};

ReportMoves moves_of(const Report& report, TimePoint now, const std::string& installation, const State& state);

// A person has answered a question that waits: it is kept, and its try is ended; then its task instance becomes what
// follows from the answer.
Moves moves_of_answer(const Answer& answer, InstanceRef at, const State& state);

// Whether it ends the try: then the executor may forget it, once what follows is committed.
bool ends_try(const Report& report);

}  // namespace udon
