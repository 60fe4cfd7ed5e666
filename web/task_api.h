#pragma once
// The door of live tries: connections, variables, XComs and budgets of servers over the local socket. A try shows its
// id and its token; it is answered while it is the current try of its task instance and has not ended, and gets only
// what its DAG file names. Errors are {"kind", "message"}: base/result.h's words, which the runner makes an Error of
// again.
#include "web/router.h"
#include "web/world.h"

namespace udon::web {

void add_task_api(Router& router, World& world);

}  // namespace udon::web
