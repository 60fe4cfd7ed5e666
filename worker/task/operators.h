#pragma once
// Where a process try's operator comes from: bash and empty are part of udon-task, the build's others are in
// plugins/NAME.so, and those from outside are where `udon plugins scan` found them.
#include <memory>
#include <string>

#include "base/file.h"
#include "plugins/api/operator.h"
#include "plugins/spec/spec.h"

namespace udon {

struct FoundOperator {
  OperatorSpec spec;
  std::unique_ptr<Operator> code;
  bool is_built_in = false;
};
// Those of udon-task itself are ready afterwards, in this process and its forks.
void prepare_operators();
Result<FoundOperator> find_operator(const std::string& name, const Path& plugins, const Path& home);

}  // namespace udon
