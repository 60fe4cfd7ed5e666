#pragma once
// `udon dags versions` and `udon dags diff`.
#include <vector>

#include "cli/command.h"

namespace udon::cli {

std::vector<Command> versions_commands();

}  // namespace udon::cli
