#pragma once
// One snapshot of a MySQL or MariaDB server for one session or several.
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "connections/connection.h"
#include "plugins/db/mysql/session.h"
#include "plugins/db/sql_text.h"

namespace udon::data {

struct MysqlSnapshot {
  std::vector<std::unique_ptr<MysqlSession>> sessions;  // at least one; each in the snapshot
  std::string mechanism;                                // how it was had
  std::string position;                                 // empty if it cannot be known
  std::string state;  // of several sessions: TableReader::state, as far as InnoDB's tables go
};

// Up to `readers` sessions. For more than one a further session holds LOCK TABLES … READ on the table while each opens
// its snapshot and touches the table. Where it is locked by others for longer than a few seconds, or may not be locked,
// a replica that stands still (mysql_pause.h) gives all the same snapshot; else one session reads, and the mechanism
// says why. `table` has its schema.
Result<MysqlSnapshot> open_mysql_snapshot(const Connection& connection, const TableName& table, int readers,
                                          std::stop_token stop);

}  // namespace udon::data
