#pragma once
// A replica that stands still: nothing is replicated to it, and ordinary users may not write. Two looks that tell of
// the same position prove that nothing was applied between them.
#include <string>

#include "base/result.h"
#include "plugins/db/mysql/session.h"

namespace udon::data {

struct MysqlPause {
  std::string position;  // where each channel's replication stopped, and what else was written
  std::string why_not;   // it does not stand still, or that cannot be seen; then there is no position
};

// Errors are those of a session that was lost.
Result<MysqlPause> look_at_mysql_pause(MysqlSession& session);

}  // namespace udon::data
