#pragma once
#include <vector>

#include "base/result.h"
#include "plugins/data/postgres_types.h"
#include "plugins/db/postgres/session.h"

namespace udon::data {

// money has as many digits behind the point as the server's lc_monetary says; our type has two. unsupported: a column
// is of it, and there are more.
Result<void> check_money_scale(PostgresSession& session, const std::vector<PostgresCatalogColumn>& catalog);

}  // namespace udon::data
