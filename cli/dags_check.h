#pragma once
#include "cli/command.h"

namespace udon::cli {

Result<int> check_dags(const Arguments& arguments, Session& session);

}  // namespace udon::cli
