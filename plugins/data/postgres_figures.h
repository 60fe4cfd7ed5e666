#pragma once
// A table's figures (figures.h) as a PostgreSQL server computes them.
#include <vector>

#include "base/result.h"
#include "model/certificate.h"
#include "plugins/data/postgres_rows.h"
#include "plugins/db/postgres/session.h"

namespace udon::data {

// `session` is in the export's snapshot, with nothing to do. One for each of the scan's columns, before policies are
// accounted for.
Result<std::vector<DatabaseFigures>> ask_postgres_figures(PostgresSession& session, const PostgresScan& scan);

}  // namespace udon::data
