#pragma once
// POST /api/udon/clean/{table}: rows that nothing refers to, a step at a time. Beside the rest of the API, as only a
// store in a file has such rows to give back.
#include <functional>

#include "store/clean_rows.h"
#include "web/world.h"

namespace udon::web {

using CleanRows = std::function<Result<RowsCleaned>(const RowsStep& step)>;

// `world` outlives the router.
void add_clean_rows(Router& router, World& world, CleanRows clean);

}  // namespace udon::web
