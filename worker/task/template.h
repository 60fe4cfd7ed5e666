#pragma once
// udon-task as the template of runners: waits for orders on its standard input and forks itself for each.
#include <optional>
#include <string_view>

#include "spool/template_messages.h"

namespace udon {

// Called once, in a process with one thread. `mark`: its own argument where a runner's try id stands, which lies in
// memory of at least that length. Returns in each fork, with what that one is to run: a child of our parent, in a
// session of its own, that differs from a process started for this try by nothing that it could see. Nothing: the
// server is gone, and so should we be.
std::optional<TemplateOrder> serve_as_template(char* mark);

}  // namespace udon
