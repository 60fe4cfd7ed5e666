#pragma once
// The ways in which a result grows. Not for others than increment.cpp.
#include "plugins/data/increment.h"

namespace udon::data {

Result<std::unique_ptr<Increment>> make_window_increment(const IncrementRequest& request, Standing standing);
Result<std::unique_ptr<Increment>> make_cursor_increment(const IncrementRequest& request, Standing standing);

}  // namespace udon::data
