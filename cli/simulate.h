#pragma once
#include "cli/command.h"

namespace udon::cli {

// `udon dags simulate`: the calendar played forward, without a server.
Command simulate_command();

}  // namespace udon::cli
