#pragma once
// What tries ask about runs of other DAGs: TaskContext::trigger_dag_run and look_at_dag_run, whose forms these are.
#include "base/result.h"
#include "base/value.h"
#include "model/wire.h"
#include "web/world.h"

namespace udon::web {

Result<Value> trigger_for_try(World& world, const TryRequest& request, const Value& wish);
Result<Value> look_for_try(World& world, const TryRequest& request, const Value& question);

}  // namespace udon::web
