#include "plugins/db/tls_options.h"

#include <algorithm>

#include "base/text.h"

namespace udon {

bool is_this_machine(const std::string& host) {
  return host.empty() || host == "localhost" || host == "::1" || host.starts_with("127.") || host.starts_with("/");
}

Result<void> check_tls_options(const Connection& connection, const std::vector<std::string>& known) {
  for (const auto& [key, value] : connection.extra.as_map()) {
    if (lower_ascii(key).find("ssl") == std::string::npos || std::ranges::find(known, key) != known.end()) continue;
    return Error{ErrorKind::invalid, "connection " + connection.id + ": there is no option `" + key +
                                         "`; of TLS there are " + join(known, ", ") + did_you_mean(key, known)};
  }
  return {};
}

std::string default_ssl_mode(const Connection& connection, bool is_local, const std::vector<std::string>& files) {
  const bool names_files =
      std::ranges::any_of(files, [&](const std::string& file) { return !connection.option(file).empty(); });
  return is_local && !names_files ? "disabled" : "verify_identity";
}

}  // namespace udon
