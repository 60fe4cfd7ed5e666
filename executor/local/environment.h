#pragma once
// The environment that tries start with: the server's, without what is not theirs.
#include <string>
#include <vector>

namespace udon {

// Without the server's settings (UDON__…: the secret key and the first password are among them), connections and
// variables (UDON_CONN_…, UDON_VAR_…: a try asks for those that its DAG file names), UDON_TOKEN, and what marks another
// try's processes.
std::vector<std::string> environment_of_tries(const std::vector<std::string>& of_server);

}  // namespace udon
