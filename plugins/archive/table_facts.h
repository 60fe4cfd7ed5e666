#pragma once
// What must be known of a table before rows may be deleted from it.
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "connections/connection.h"

namespace udon {

struct ArchiveFacts {
  std::vector<std::string> columns;  // all, also those that SELECT * leaves out
  std::vector<std::string> key;      // of the primary key
};

// unsupported: there is no primary key; the engine has no transactions; a foreign key elsewhere would delete or change
// rows with ours; a trigger would run. `with_triggers`: triggers are no reason.
Result<ArchiveFacts> archive_facts(const Connection& connection, const std::string& table, bool with_triggers,
                                   std::stop_token stop);

}  // namespace udon
