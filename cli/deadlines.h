#pragma once
// `udon dags deadlines`: what will be late, and why.
#include "cli/command.h"

namespace udon::cli {

Command deadlines_command();

}  // namespace udon::cli
