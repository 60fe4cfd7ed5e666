#pragma once
// DAG files as a verb finds them without asking a server: those of the DAGs folder, and of each bundle those of the
// commit that is in use here.
#include <string>
#include <vector>

#include "cli/session.h"
#include "dagfile/catalog.h"

namespace udon::cli {

// Of a file of bundles that makes no sense: nothing but what is wrong with it.
std::vector<CatalogRoot> bundle_roots(const Session& session);
CatalogPtr load_local_dags(const Session& session, const OperatorCatalog& operators);
// not_found with the nearest id; invalid: its file has errors.
Result<DagPtr> find_local_dag(const Session& session, const CatalogSnapshot& catalog, const std::string& dag_id);

}  // namespace udon::cli
