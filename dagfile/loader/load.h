#pragma once
// One DAG file whose text is at hand.
#include <string_view>

#include "dagfile/catalog.h"

namespace udon {

LoadedFile load_dag_text(const Path& folder, const Path& relative, std::string_view content,
                         const OperatorCatalog& operators);

}  // namespace udon
