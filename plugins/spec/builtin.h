#pragma once
// The operators that the build ships, from plugins/<operator>/operator.json and README.md, compiled in as
// text: the control plane knows them without opening any plugin.
#include "plugins/spec/spec.h"

namespace udon {

OperatorCatalog builtin_operators();

}  // namespace udon
