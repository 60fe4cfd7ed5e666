#pragma once
// Ranges of a MySQL or MariaDB table.
#include <string>

#include "base/result.h"
#include "plugins/data/mysql_catalog.h"
#include "plugins/data/split.h"
#include "plugins/db/mysql/session.h"
#include "plugins/db/sql_text.h"

namespace udon::data {

// `session` is in the export's snapshot. `where`: the request's condition, bound. Without `split.by`: by the primary
// key; a table without one stays whole, and `how` says so. not_found, invalid: columns by which it cannot be cut.
Result<Ranges> split_mysql_table(MysqlSession& session, const MysqlTableFacts& facts, const SplitRequest& split,
                                 const BoundSql& where);

}  // namespace udon::data
