#pragma once
// Ranges of a PostgreSQL table.
#include <string>
#include <vector>

#include "base/result.h"
#include "plugins/data/postgres_types.h"
#include "plugins/data/split.h"
#include "plugins/db/postgres/session.h"

namespace udon::data {

struct PostgresRelation {
  std::string oid;               // as text
  std::string from;              // quoted, as it stands behind FROM
  char kind = 'r';               // pg_class.relkind
  std::vector<std::string> key;  // columns of the primary key; may be empty
  bool is_locked = false;        // since before the snapshot
};

// `session` is in the export's snapshot. `where`: the request's condition with its literals, or empty. Without
// `split.by` a table is split by the blocks in which its rows lie, a partitioned one by its primary key; what has
// neither stays whole, and `how` says so. not_found, invalid: columns by which it cannot be cut.
Result<Ranges> split_postgres_table(PostgresSession& session, const PostgresRelation& relation,
                                    const std::vector<PostgresCatalogColumn>& catalog, const SplitRequest& split,
                                    const std::string& where);

}  // namespace udon::data
