#include "cli/standalone.h"

#include <sys/statvfs.h>

#include <algorithm>

#include "base/id.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/subprocess.h"
#include "cli/first_start.h"
#include "cli/home.h"
#include "cli/sources.h"
#include "cli/verbs.h"
#include "executor/local/environment.h"
#include "plugins/spec/builtin.h"
#include "plugins/spec/foreign.h"
#include "web/clean_rows.h"
#include "web/task_api.h"
#include "worker/plugin_scan.h"

namespace udon::cli {
namespace {

// Programs and plugins of one install folder.
Path install_folder() { return own_program().parent_path(); }

LocalExecutorOptions local_options(const Settings& settings) {
  return {.runner = install_folder() / "udon-task",
          .slots = static_cast<int>(settings.integer("core", "parallelism")),
          .queues = settings.names("core", "queues"),
          .environment = environment_of_tries(current_environment())};
}

ProberExecutorOptions prober_options(const Path& home, const Settings& settings) {
  return {.argv = {(install_folder() / "udon").string(), "prober", "--home", home.string()},
          .environment = environment_of_tries(current_environment()),
          .queues = settings.names("core", "queues")};
}

// Why nothing should be started now: on a full disk a try could write neither its log nor its result.
std::string obstacle(const Path& home) {
  // The folder, files and log of a try for each of a machine's cores, and some.
  constexpr fsfilcnt_t inodes_min = 1'000;
  struct statvfs disk {};
  if (::statvfs(home.c_str(), &disk) != 0) return {};
  const uint64_t bytes = uint64_t{disk.f_bavail} * disk.f_frsize;
  if (bytes < uint64_t{limits::disk_bytes_min})
    return "the disk of " + home.string() + " is full (" + std::to_string(bytes) + " bytes free of the " +
           std::to_string(limits::disk_bytes_min) + " needed): free some space";
  // Some file systems (btrfs) have no fixed number of them, and say 0 of 0.
  if (disk.f_files > 0 && disk.f_favail < inodes_min)
    return "the disk of " + home.string() + " can hold only " + std::to_string(disk.f_favail) +
           " more files (inodes), and " + std::to_string(inodes_min) + " are needed: remove some files";
  return {};
}

std::vector<web::ShownSetting> shown(const Settings& settings) {
  std::vector<web::ShownSetting> list;
  for (const SettingValue& setting : settings.all())
    if (!setting.spec->is_secret) list.push_back({setting.spec->section, setting.spec->key, setting.value});
  return list;
}

}  // namespace

void Waker::set(Loop* loop) {
  const std::lock_guard lock(mutex_);
  loop_ = loop;
}

void Waker::wake() {
  const std::lock_guard lock(mutex_);
  if (loop_) loop_->wake();
}

Result<std::unique_ptr<Standalone>> Standalone::make(const Path& home, const Settings& settings, const Clock& clock,
                                                     StandaloneOptions options) {
  TRY(make_directories(home, 0700));
  TRY_ASSIGN(Lease lease, Lease::acquire(home));
  TRY(make_directories(socket_file(home).parent_path(), 0700));
  TRY_ASSIGN(SecretKey key, find_secret_key(home, settings, MakeKey::if_absent));
  TRY_ASSIGN(std::unique_ptr<SqliteStore> store,
             open_sqlite_store(store_file(home), key.cipher, OpenMode::create_or_migrate));
  TRY_ASSIGN(std::string installation, store->settings().setting_or_set("installation", make_secret(6)));
  TRY_ASSIGN(std::string token_key, key_of_tokens(key, store->settings()));
  std::optional<std::string> first_password;
  if (options.serves) {
    TRY_ASSIGN(first_password, make_first_user(home, settings, store->settings()));
  }
  const bool serves = options.serves;
  std::unique_ptr<Standalone> made(new Standalone(home, settings, clock, std::move(lease), std::move(key),
                                                  std::move(store), std::move(installation), std::move(token_key),
                                                  std::move(options)));
  made->first_password_ = std::move(first_password);
  TRY(made->bundles_.open());
  made->scan_plugins_folder(settings.path("core", "plugins_folder"));
  if (serves) {
    const std::string host = settings.text("web", "host");
    TRY_ASSIGN(const int port, made->server_.listen_tcp(host, static_cast<int>(settings.integer("web", "port"))));
    made->address_ =
        "http://" + (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
  }
  TRY(made->server_.listen_unix(socket_file(home)));
  return made;
}

Standalone::Standalone(const Path& home, const Settings& settings, const Clock& clock, Lease lease, SecretKey key,
                       std::unique_ptr<SqliteStore> store, std::string installation, std::string token_key,
                       StandaloneOptions options)
    : clock_(clock),
      options_(std::move(options)),
      lease_(std::move(lease)),
      key_(std::move(key)),
      store_(std::move(store)),
      installation_(installation),
      base_url_(settings.text("web", "base_url")),
      home_(home),
      spool_(home),
      operators_(builtin_operators()),
      catalog_(settings.path("core", "dags_folder"), operators_),
      looks_(clock),
      bundles_({.home = home,
                // Who only tries a DAG out keeps nothing up to date.
                .file = options_.serves ? settings.path("core", "bundles_file") : Path(),
                .environment = environment_of_tries(current_environment()),
                .connection = [this](const std::string& id) { return connections_.find(id); },
                .on_change = [this] { (void)looks_.ask(); }},
               clock, operators_),
      make_token_(make_try_tokens(key_)),
      local_executor_(spool_, local_options(settings), clock, [this] { waker_.wake(); }),
      prober_executor_(spool_, prober_options(home, settings), clock, [this] { waker_.wake(); }),
      environment_(current_environment()),
      loop_({.installation = std::move(installation),
             .dags_folder = settings.path("core", "dags_folder").string(),
             .folder_of_bundle = [this](const std::string& bundle) { return folder_of_bundle(bundle).string(); },
             .parallelism = static_cast<int>(settings.integer("core", "parallelism")),
             .priority_ageing = settings.duration("core", "priority_ageing").value_or(Duration::zero()),
             .dags_are_paused_at_creation = settings.flag("core", "dags_are_paused_at_creation"),
             .connections_of_environment = environment_.connection_names(),
             .obstacle = [home] { return obstacle(home); },
             .on_notifications = [this] { wake_notifier(); },
             .on_runs_deleted = [this](const std::vector<RunNumber>& runs) { housekeeper_.take_logs_of(runs); }},
            clock, store_->reader(), store_->writer(), store_->settings(), {&local_executor_, &prober_executor_},
            make_token_, metrics_),
      housekeeper_({.home = home,
                    .keep_runs = settings.duration("retention", "runs"),
                    .every = settings.duration("retention", "every").value_or(std::chrono::hours(1)),
                    .clean_rows = [this](const RowsStep& step) { return store_->clean_rows(step); }},
                   clock, loop_, store_->reader()),
      connections_(connection_source(environment_, store_->settings())),
      variables_(variable_source(environment_, store_->settings())),
      authenticator_(std::move(token_key), store_->settings(), clock),
      dags_(store_->reader(), [this] { return catalog_.current(); }),
      world_{.clock = clock,
             .reader = store_->reader(),
             .settings = store_->settings(),
             .outbox = store_->outbox(),
             .control = loop_,
             .operators = operators_,
             .connections = connections_,
             .variables = variables_,
             .spool = spool_,
             .metrics = metrics_,
             .authenticator = authenticator_,
             .dags = dags_,
             .catalog = [this] { return catalog_.current(); },
             .look_at_files = [this] { return looks_.ask(); },
             .make_token = make_token_,
             .dags_folder = settings.path("core", "dags_folder"),
             .shown_settings = shown(settings),
             .metrics_are_open = settings.flag("web", "open_metrics"),
             .openapi_is_open = settings.flag("web", "open_openapi"),
             .on_notifications = [this] { wake_notifier(); },
             .bundles = [this] { return bundles_.status(); },
             .look_at_bundle = [this](const std::string& bundle,
                                      Duration at_most) { return bundles_.ask_and_wait(bundle, at_most); },
             .ask_for_bundle = [this](const std::string& bundle) { return bundles_.ask(bundle); },
             .webhook_secret = [this](const std::string& bundle) { return bundles_.webhook_secret(bundle); },
             .problem_of_bundles_file = [this] { return bundles_.problem_of_file(); }},
      router_([this](const web::Request& request) { return authenticator_.authenticate(request); }),
      server_({}, clock, [this](const web::Request& request) { return router_.handle(request); }) {
  web::add_api(router_, world_);
  web::add_clean_rows(router_, world_, [this](const RowsStep& step) { return store_->clean_rows(step); });
  web::add_task_api(router_, world_);
  waker_.set(&loop_);
}

void Standalone::wake_notifier() {
  if (has_notifier_) notifier_->wake();
}

Standalone::~Standalone() {
  stop();
  waker_.set(nullptr);
}

Result<void> Standalone::start(std::function<void()> on_end) {
  // The door of the tries before the loop: those that run may be asking already.
  TRY(server_.start());
  // Who only tries a DAG out tells nobody.
  if (options_.serves) {
    notifier_.emplace(NotifierOptions{.installation = installation_,
                                      .base_url = base_url_.empty() ? address_ : base_url_,
                                      .argv = {(install_folder() / "udon-tell").string()},
                                      .environment = environment_of_tries(current_environment())},
                      clock_, store_->outbox(), connections_, variables_);
    TRY(notifier_->start());
    has_notifier_ = true;
  }
  TRY(loop_.start());
  catalog_thread_ = std::jthread([this](const std::stop_token& stop) { keep_catalog_fresh(stop); });
  loop_thread_ = std::jthread([this, on_end = std::move(on_end)](const std::stop_token& stop) {
    const Result<void> ended = loop_.run(stop);
    if (stop.stop_requested()) return;
    {
      const std::lock_guard lock(mutex_);
      failure_ = ended ? Error{ErrorKind::cancelled, "the scheduler's loop ended by itself"} : ended.error();
    }
    on_end();
  });
  if (options_.serves) housekeeper_.start();
  bundles_.start();
  return {};
}

void Standalone::stop() {
  // Web first: what it has asked of the loop is still answered. So it is with the housekeeper.
  server_.stop();
  housekeeper_.stop();
  bundles_.stop();
  for (std::jthread* thread : {&catalog_thread_, &loop_thread_}) {
    thread->request_stop();
    loop_.wake();
    if (thread->joinable()) thread->join();
  }
  // Last: nobody wakes it any more.
  has_notifier_ = false;
  notifier_.reset();
}

std::optional<Error> Standalone::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

// Before the first DAG file is read. A plugin that cannot be used is no reason not to start.
void Standalone::scan_plugins_folder(const Path& folder) {
  const auto found = scan_plugins({.folder = folder, .home = home_, .program = own_program()});
  if (!found) log_error("plugins", found.error().message);
  if (found) {
    for (const ForeignPlugin& plugin : found->index.plugins)
      if (!plugin.refused.empty()) log_error("plugins", plugin.file.string() + " is refused: " + plugin.refused);
  }
  take_plugins();
}

// What a scan has written since the last look.
void Standalone::take_plugins() {
  const FileStamp now = stamp_of(plugin_index_file(home_));
  if (now == index_seen_) return;
  const auto index = read_plugin_index(home_);
  if (!index) return log_error("plugins", index.error().message);
  index_seen_ = now;
  const uint64_t before = operators_.generation();
  operators_.set_foreign(index->operators());
  if (operators_.generation() != before)
    log_info("plugins", std::to_string(index->operators().size()) + " operators of plugins from outside");
}

Path Standalone::folder_of_bundle(const std::string& bundle) const {
  if (options_.serves) return bundles_.folder_of(bundle);
  const auto root = std::ranges::find(options_.roots, bundle, &CatalogRoot::bundle);
  return root == options_.roots.end() ? Path() : root->folder;
}

void Standalone::keep_catalog_fresh(const std::stop_token& stop) {
  CatalogPtr last;
  while (!stop.stop_requested()) {
    looks_.begin();
    take_plugins();
    catalog_.set_roots(options_.serves ? bundles_.roots() : options_.roots);
    CatalogPtr now = catalog_.refresh();
    if (now != last) {
      for (const Diagnostic& diagnostic : now->diagnostics)
        if (!last ||
            std::find(last->diagnostics.begin(), last->diagnostics.end(), diagnostic) == last->diagnostics.end())
          log(diagnostic.severity == Diagnostic::Severity::error ? LogLevel::error : LogLevel::warning, "dags",
              to_string(diagnostic));
      log_info("dags", std::to_string(now->dags.size()) + " DAGs in " + std::to_string(now->files) + " files");
      loop_.offer(options_.schedule ? options_.schedule(now) : now);
      last = std::move(now);
    }
    looks_.end();
    looks_.wait(stop);
  }
  looks_.close();
}

}  // namespace udon::cli
