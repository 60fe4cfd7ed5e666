#pragma once
// What a MySQL or MariaDB server knows of a table, and the session state that an export needs.
#include <string>
#include <vector>

#include "base/result.h"
#include "plugins/data/mysql_types.h"
#include "plugins/db/mysql/session.h"
#include "plugins/db/sql_text.h"

namespace udon::data {

struct MysqlTableFacts {
  TableName name;                          // with its schema
  std::vector<std::string> other_engines;  // "archive.log (MyISAM)": the table, or those below a view, outside InnoDB
  bool is_view = false;
  std::vector<MysqlCatalogColumn> columns;
  std::vector<std::string> key;  // columns of the primary key; may be empty
};

// A session whose answers depend on no setting of the server: UTC, utf8mb4, no SQL mode, REPEATABLE READ, patient with
// a slow reader.
Result<void> prepare_mysql_session(MysqlSession& session);

// not_found with what there is instead; denied naming the right that is missing.
Result<MysqlTableFacts> read_mysql_table_facts(MysqlSession& session, const TableName& table);

// The source's position at the snapshot that is open in this session, or empty if it cannot be known.
class MysqlPosition {
 public:
  Result<void> before_snapshot(MysqlSession& session);
  Result<std::string> after_snapshot(MysqlSession& session) const;

 private:
  std::string executed_;
};

}  // namespace udon::data
