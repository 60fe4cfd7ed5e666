#pragma once
// DAGs that make each other due by assets, again and again: most likely a mistake, so `udon dags check` warns of it.
#include <vector>

#include "dagfile/catalog.h"

namespace udon {

// One warning for each ring of DAGs. Assets whose names are templates are not known before they are made.
std::vector<Diagnostic> asset_cycles(const CatalogSnapshot& catalog);

}  // namespace udon
