#pragma once
// Which connections a try may open where templates choose them.
#include <string>
#include <vector>

#include "base/value.h"
#include "model/dag.h"

namespace udon {

// Beside task.connections: the ids that the task's templates name when they are rendered with `context`, what the
// scheduler knows of the try (params, conf, the mapped item, dates). XComs, variables and the fields of connections are
// not to be had here, so a template that goes by those names none: its task has to list them, and the loader sees to
// it.
std::vector<std::string> connections_in_templates(const Task& task, const Value& context);

}  // namespace udon
