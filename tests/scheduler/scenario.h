#pragma once
// Scenarios: a DAG, a clock, what executors report and people ask, and what is expected of it, in a small text language
// (tests/scheduler/scenarios/README). The usual way to test scheduling.
#include <string>

#include "base/result.h"

namespace udon::testing {

// Runs it; the error says which line was not fulfilled and what was there instead.
Result<void> run_scenario(const std::string& text);

}  // namespace udon::testing
