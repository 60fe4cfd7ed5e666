// The API without a server: the same router, in this process, on the store of a home that no scheduler has.
#include <unistd.h>

#include "base/id.h"
#include "base/subprocess.h"
#include "cli/api.h"
#include "cli/home.h"
#include "cli/housekeeper.h"
#include "cli/keys.h"
#include "cli/sources.h"
#include "plugins/spec/builtin.h"
#include "scheduler/retention.h"
#include "store/leaving.h"
#include "store/sqlite/sqlite_store.h"
#include "web/clean_rows.h"
#include "web/world.h"

namespace udon::cli {
namespace {

class NoScheduler final : public Control {
 public:
  // may_write: the installation's lock is held.
  NoScheduler(Path home, const Clock& clock, SqliteStore& store, bool may_write)
      : home_(std::move(home)), clock_(clock), store_(store), may_write_(may_write) {}
  Result<CommandOutcome> submit(Command command) override {
    const auto* step = std::get_if<CleanStep>(&command);
    return step != nullptr && may_write_ ? clean(*step) : refuse();
  }
  Result<Reason> why(const TaskInstanceKey&) override { return refuse(); }
  bool is_ready() const override { return false; }
  std::string stopped() const override { return refuse().message; }

 private:
  Result<CommandOutcome> clean(const CleanStep& step) {
    if (!retention_) {
      TRY_ASSIGN(retention_, OfflineRetention::make(store_.reader(), store_.writer(), store_.settings(), clock_));
    }
    TRY_ASSIGN(CommandOutcome outcome, retention_->step(step));
    if (!step.dry_run)
      for (const RunNumber run : outcome.cleaned->runs) {
        TRY(delete_rest_of(run));
        TRY(remove_logs_of(home_, run));
      }
    return outcome;
  }

  // Of a run that was too large for one transaction.
  Result<void> delete_rest_of(RunNumber run) {
    while (true) {
      TRY_ASSIGN(const auto rest, store_.reader().run_by_number(run));
      if (!rest || !is_rest(*rest)) return {};
      TRY(retention_->step(step_for_rest(*rest)));
    }
  }

  Error refuse() const {
    return {ErrorKind::unavailable, "no scheduler runs for " + home_.string() + "; start `udon standalone`"};
  }
  const Path home_;
  const Clock& clock_;
  SqliteStore& store_;
  const bool may_write_;
  std::unique_ptr<OfflineRetention> retention_;
};

class StoreApi final : public Api {
 public:
  StoreApi(const Path& home, const Settings& settings, std::optional<FileLock> lock, std::unique_ptr<SqliteStore> store)
      : lock_(std::move(lock)),
        store_(std::move(store)),
        control_(home, clock_, *store_, lock_.has_value()),
        operators_(installed_operators(home).value_or(builtin_operators())),
        environment_(current_environment()),
        connections_(connection_source(environment_, store_->settings())),
        variables_(variable_source(environment_, store_->settings())),
        spool_(home),
        authenticator_(make_secret(32), store_->settings(), clock_),
        dags_(store_->reader(), nullptr),
        world_{.clock = clock_,
               .reader = store_->reader(),
               .settings = store_->settings(),
               .outbox = store_->outbox(),
               .control = control_,
               .operators = operators_,
               .connections = connections_,
               .variables = variables_,
               .spool = spool_,
               .metrics = metrics_,
               .authenticator = authenticator_,
               .dags = dags_,
               .catalog = nullptr,
               .make_token = nullptr,
               .dags_folder = settings.path("core", "dags_folder")},
        router_([this](const web::Request& request) { return authenticator_.authenticate(request); }) {
    web::add_api(router_, world_);
    web::add_clean_rows(router_, world_, [this](const RowsStep& step) { return store_->clean_rows(step); });
  }

  Result<ApiAnswer> send(const std::string& method, const std::string& target, const std::string& body,
                         const std::string& accept) override {
    TRY_ASSIGN(web::Request request, web::parse_target(target));
    request.method = method;
    request.body = body;
    request.headers = {{"accept", accept}, {"x-udon-client", "cli"}};
    // Who may read the store's file may do what the local socket would let them.
    request.peer = {.is_local_socket = true, .uid = ::geteuid()};
    const web::Response response = router_.handle(request);
    ApiAnswer answer{response.status, response.body, ""};
    for (const auto& [name, value] : response.headers)
      if (name == "Airflow-Continuation-Token") answer.continuation = value;
    return answer;
  }
  bool is_live() const override { return false; }

 private:
  std::optional<FileLock> lock_;
  SystemClock clock_;
  std::unique_ptr<SqliteStore> store_;
  NoScheduler control_;
  OperatorCatalog operators_;
  EnvironmentSecrets environment_;
  ConnectionSource connections_;
  VariableSource variables_;
  Spool spool_;
  Metrics metrics_;
  web::Authenticator authenticator_;
  web::DagLookup dags_;
  web::World world_;
  web::Router router_;
};

}  // namespace

Result<std::unique_ptr<Api>> open_store_api(const Path& home, const Settings& settings, Access access) {
  const bool may_write = access == Access::write;
  if (!may_write && !std::filesystem::exists(store_file(home)))
    return Error{ErrorKind::not_found,
                 "nothing is stored in " + home.string() + " yet, and no server runs for it; start `udon standalone`"};
  std::optional<FileLock> lock;
  if (may_write) {
    TRY(make_directories(home, 0700));
    Result<FileLock> held = FileLock::acquire(lock_file(home));
    if (!held)
      return Error{ErrorKind::unavailable, "a scheduler has " + home.string() + " (" + held.error().message +
                                               ") but does not answer on its socket; try again in a moment"};
    lock = *std::move(held);
  }
  TRY_ASSIGN(const SecretKey key, find_secret_key(home, settings, may_write ? MakeKey::if_absent : MakeKey::never));
  TRY_ASSIGN(auto store, open_sqlite_store(store_file(home), key.cipher,
                                           may_write ? OpenMode::create_or_migrate : OpenMode::read_only));
  return std::unique_ptr<Api>(std::make_unique<StoreApi>(home, settings, std::move(lock), std::move(store)));
}

}  // namespace udon::cli
