#pragma once
// udon dags next-execution: when the next runs are due by the DAG's file.
#include "cli/command.h"
#include "model/schedule.h"

namespace udon::cli {

Command next_execution_command();

// "2026-02-16T09:30:00+09:00 (설날): moved to 2026-02-19T09:30:00+09:00".
std::string told(const DayOffTime& off, const Schedule& schedule);

}  // namespace udon::cli
