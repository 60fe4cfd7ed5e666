#pragma once
// Connections with their secrets, for a person who owns the home: the API never gives those out.
#include <functional>
#include <memory>
#include <string>

#include "cli/session.h"
#include "connections/connection.h"

namespace udon::cli {

// This shell's UDON_CONN_* first, then the home's store, which is only read, also while a server runs.
Result<std::function<Result<Connection>(const std::string& id)>> local_connections(Session& session);

}  // namespace udon::cli
