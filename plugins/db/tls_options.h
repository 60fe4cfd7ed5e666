#pragma once
// What connections to MySQL and PostgreSQL share in their options of TLS.
#include <string>
#include <vector>

#include "base/result.h"
#include "connections/connection.h"

namespace udon {

// This machine: its name, its addresses, a socket's path. No network lies between.
bool is_this_machine(const std::string& host);

// invalid: an option that speaks of TLS and is none of `known`; what it was meant to demand would be left out silently.
Result<void> check_tls_options(const Connection& connection, const std::vector<std::string>& known);

// verify_identity, but on this machine disabled; there, too, not where files of TLS are named.
std::string default_ssl_mode(const Connection& connection, bool is_local, const std::vector<std::string>& files);

}  // namespace udon
