#pragma once
#include <memory>

#include "plugins/api/operator.h"

namespace udon {

std::unique_ptr<Operator> make_s3_delete();

}  // namespace udon
