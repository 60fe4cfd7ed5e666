#pragma once
// The operators that the build ships, from plugins/<operator>/operator.json and README.md, compiled in as
// text: the control plane knows them without opening any plugin.
#include "base/file.h"
#include "plugins/spec/spec.h"

namespace udon {

OperatorCatalog builtin_operators();
// And those that the last `udon plugins scan` of this home found.
Result<OperatorCatalog> installed_operators(const Path& home);

}  // namespace udon
