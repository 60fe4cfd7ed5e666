#include "cli/session.h"

#include "base/subprocess.h"
#include "cli/home.h"

namespace udon::cli {

Result<Api*> Session::api(Access access) {
  if (api_) return api_.get();
  const std::vector<std::string> environment = current_environment();
  if (const auto server = environment_value(environment, "UDON_SERVER"); server && !server->empty()) {
    const auto token = environment_value(environment, "UDON_TOKEN");
    if (!token || token->empty())
      return Error{
          ErrorKind::denied,
          "UDON_SERVER is set, UDON_TOKEN is not; get a token with `udon tokens create` on the server, or POST " +
              *server + "/auth/token"};
    TRY_ASSIGN(api_, connect_to_server(*server, *token));
    return api_.get();
  }
  TRY_ASSIGN(api_, connect_to_socket(socket_file(home_)));
  if (!api_) {
    TRY_ASSIGN(api_, open_store_api(home_, settings_, access));
  }
  return api_.get();
}

}  // namespace udon::cli
