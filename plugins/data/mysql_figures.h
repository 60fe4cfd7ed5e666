#pragma once
// A table's figures (figures.h) as a MySQL or MariaDB server computes them.
#include <vector>

#include "base/result.h"
#include "model/certificate.h"
#include "plugins/data/mysql_rows.h"
#include "plugins/db/mysql/session.h"

namespace udon::data {

// `session` is in the export's snapshot, with nothing to do. One for each of the scan's columns, before policies are
// accounted for.
Result<std::vector<DatabaseFigures>> ask_mysql_figures(MysqlSession& session, const MysqlScan& scan);

// How many rows the scan has in that range.
Result<uint64_t> count_mysql_rows(MysqlSession& session, const MysqlScan& scan, const std::string& range);

}  // namespace udon::data
