#pragma once
#include "cli/command.h"

namespace udon::cli {

// `udon dags test`: one run of a DAG in this process, without a server.
Command dags_test_command();

}  // namespace udon::cli
