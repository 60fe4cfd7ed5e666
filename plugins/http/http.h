#pragma once
// The operator `http`: one request, its answer judged, its body handed on.
#include <memory>

#include "plugins/api/operator.h"

namespace udon {

std::unique_ptr<Operator> make_http();

}  // namespace udon
