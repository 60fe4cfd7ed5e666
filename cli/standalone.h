#pragma once
// The whole installation in one process: scheduler, web server, and their children. Its parts stand in the order in
// which they must be made; they end in the other.
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/file_stamp.h"
#include "cli/bundles.h"
#include "cli/catalog_looks.h"
#include "cli/housekeeper.h"
#include "cli/keys.h"
#include "cli/settings.h"
#include "connections/secrets/sources.h"
#include "dagfile/catalog.h"
#include "executor/local/local_executor.h"
#include "executor/local/prober_executor.h"
#include "notify/notifier.h"
#include "plugins/spec/spec.h"
#include "scheduler/lease.h"
#include "scheduler/loop.h"
#include "spool/spool.h"
#include "store/sqlite/sqlite_store.h"
#include "telemetry/metrics.h"
#include "web/http_server.h"
#include "web/world.h"

namespace udon::cli {

// Lets executors, which are made before the loop and outlive it, wake it while it is there.
class Waker {
 public:
  void set(Loop* loop);
  void wake();

 private:
  std::mutex mutex_;
  Loop* loop_ = nullptr;
};

struct StandaloneOptions {
  bool serves = true;                                     // on the settings' host and port, to the users that it makes
  std::function<CatalogPtr(const CatalogPtr&)> schedule;  // what is scheduled of the DAG files; nullptr: all
  std::vector<CatalogRoot> roots = {};                    // what there is beside the DAGs folder, if it does not serve
};

class Standalone {
 public:
  // Takes the lock of the home, opens the store, and makes everything; nothing runs yet.
  static Result<std::unique_ptr<Standalone>> make(const Path& home, const Settings& settings, const Clock& clock,
                                                  StandaloneOptions options = {});
  ~Standalone();

  // Serves and schedules. `on_end` is called, from another thread, if the loop ends by itself.
  Result<void> start(std::function<void()> on_end);
  // Orderly: requests in progress end, the last turn is committed. Tries go on; the next start adopts them.
  void stop();
  // Why the loop ended by itself; nothing: it did not.
  std::optional<Error> failure() const;

  Control& control() { return loop_; }
  SqliteStore& store() { return *store_; }
  std::string address() const { return address_; }  // "http://127.0.0.1:8080"
  const std::optional<std::string>& first_password() const { return first_password_; }

 private:
  Standalone(const Path& home, const Settings& settings, const Clock& clock, Lease lease, SecretKey key,
             std::unique_ptr<SqliteStore> store, std::string installation, std::string token_key,
             StandaloneOptions options);
  void scan_plugins_folder(const Path& folder);
  void take_plugins();
  void wake_notifier();
  Path folder_of_bundle(const std::string& bundle) const;
  void keep_catalog_fresh(const std::stop_token& stop);

  const Clock& clock_;
  const StandaloneOptions options_;
  const Lease lease_;
  const SecretKey key_;
  std::unique_ptr<SqliteStore> store_;
  const std::string installation_;
  const std::string base_url_;
  Metrics metrics_;
  const Path home_;
  const Spool spool_;
  OperatorCatalog operators_;
  FileStamp index_seen_;  // of the scan's result that operators_ holds
  Catalog catalog_;
  CatalogLooks looks_;
  BundleKeeper bundles_;
  const std::function<std::string(const TryId&)> make_token_;
  Waker waker_;
  LocalExecutor local_executor_;
  ProberExecutor prober_executor_;
  const EnvironmentSecrets environment_;
  Loop loop_;
  Housekeeper housekeeper_;
  const ConnectionSource connections_;
  const VariableSource variables_;
  web::Authenticator authenticator_;
  web::DagLookup dags_;
  web::World world_;
  web::Router router_;
  web::HttpServer server_;
  std::string address_;
  std::optional<std::string> first_password_;
  mutable std::mutex mutex_;
  std::optional<Error> failure_;  // guarded by mutex_
  std::atomic<bool> has_notifier_ = false;
  std::optional<Notifier> notifier_;
  std::jthread loop_thread_, catalog_thread_;
};

}  // namespace udon::cli
