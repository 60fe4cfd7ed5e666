#include "cli/local_connections.h"

#include "base/subprocess.h"
#include "cli/home.h"
#include "cli/keys.h"
#include "cli/sources.h"
#include "store/sqlite/sqlite_store.h"

namespace udon::cli {

Result<std::function<Result<Connection>(const std::string& id)>> local_connections(Session& session) {
  const EnvironmentSecrets environment(current_environment());
  std::shared_ptr<SqliteStore> store;
  if (std::filesystem::exists(store_file(session.home()))) {
    TRY_ASSIGN(const SecretKey key, find_secret_key(session.home(), session.settings(), MakeKey::never));
    TRY_ASSIGN(store, open_sqlite_store(store_file(session.home()), key.cipher, OpenMode::read_only));
  }
  return [environment, store, home = session.home()](const std::string& id) -> Result<Connection> {
    TRY_ASSIGN(const std::optional<Connection> of_shell, environment.connection(id));
    if (of_shell) return *of_shell;
    if (store) {
      TRY_ASSIGN(const std::optional<Connection> stored, store->settings().connection(id));
      if (stored) return *stored;
    }
    return Error{ErrorKind::not_found,
                 "connection `" + id + "` is neither in this shell's environment nor in the store of " + home.string() +
                     " (what only the server's environment has cannot be seen from here): `udon connections add " + id +
                     " URI`, or export UDON_CONN_…"};
  };
}

}  // namespace udon::cli
