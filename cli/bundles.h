#pragma once
// Keeps the DAG files of bundles (git repositories) up to date: looks at each in turn, or at once when somebody asks;
// takes over a commit whose files are no worse than those before; says what is wrong otherwise, and what was in use
// stays. Which there are is read again when their file changes. A thread of its own; Standalone owns it. docs/git.md
// says it for users.
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/file_stamp.h"
#include "connections/connection.h"
#include "dagfile/bundles/bundle.h"
#include "dagfile/bundles/checkouts.h"
#include "dagfile/catalog.h"

namespace udon::cli {

struct BundleKeeperOptions {
  Path home;
  Path file;                             // bundles.yaml; empty: there are none
  std::vector<std::string> environment;  // of git
  std::function<Result<Connection>(const std::string& id)> connection;
  // Files or problems differ; in the keeper's thread, may wait until the catalog has looked.
  std::function<void()> on_change = nullptr;
};

class BundleKeeper {
 public:
  // `clock` and `operators` outlive it.
  BundleKeeper(BundleKeeperOptions options, const Clock& clock, const OperatorCatalog& operators);
  ~BundleKeeper() { stop(); }

  // Reads the file, and finds what was in use; asks no network. Before start. invalid: the file makes no sense.
  Result<void> open();
  void start();
  void stop();

  // Any thread.
  std::vector<CatalogRoot> roots() const;
  std::vector<BundleStatus> status() const;
  // What is wrong with the file as it is now; empty: nothing. What it said before holds meanwhile.
  std::string problem_of_file() const;
  // Of the commit in use; empty: none, or no such bundle.
  Path folder_of(const std::string& bundle) const;
  // Looks at once. not_found: no such bundle.
  Result<void> ask(const std::string& bundle);
  // And waits until that is done; timeout; not_found also: it was taken out of the file meanwhile.
  Result<void> ask_and_wait(const std::string& bundle, Duration at_most);
  // not_found: no such bundle, or it has no webhook.
  Result<std::string> webhook_secret(const std::string& bundle) const;

 private:
  struct Bundle {
    explicit Bundle(Checkouts given) : checkouts(std::move(given)) {}
    Checkouts checkouts;   // the thread's alone
    std::string previous;  // likewise: the commit in use before; somebody may still be reading its files
    uint64_t operators_seen = 0;
    BundleStatus status;  // this and what follows: guarded by mutex_
    std::vector<Diagnostic> refused;
    Path folder;            // whose files are in use; empty: none
    std::string subfolder;  // which that is: not yet the one that is named now, if that one is worse
    Duration due{0};        // monotonic
    bool is_asked = false;
    uint64_t looks_begun = 0, looks_ended = 0;
  };

  // The number of the look that begins after this; not_found.
  Result<uint64_t> ask_for_look(const std::string& name);
  void run(const std::stop_token& stop);
  void look_at_file(const std::stop_token& stop);
  Result<void> take(const std::vector<BundleSpec>& specs, const std::stop_token& stop);
  Result<std::unique_ptr<Bundle>> make_bundle(const BundleSpec& spec) const;
  void tell_change();
  void look_at(Bundle& bundle);
  Result<void> bring(Bundle& bundle, BundleStatus& status, Path& folder, std::vector<Diagnostic>& refused);
  static std::string what_stays(const Bundle& bundle);  // in use, when something is wrong
  Result<std::optional<GitCredentials>> credentials_of(const BundleSpec& spec) const;
  void remove_old(Bundle& bundle);
  Bundle* find(const std::string& name);
  const Bundle* find(const std::string& name) const;

  const BundleKeeperOptions options_;
  const Clock& clock_;
  const OperatorCatalog& operators_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  bool is_stopping_ = false;
  std::vector<std::unique_ptr<Bundle>> bundles_;  // made and removed by the thread alone
  std::map<std::string, Path> left_folders_;      // of bundles that the file has no more
  std::string problem_of_file_;
  FileStamp file_taken_, file_seen_;  // the thread's alone: as it was last read, as it was at the last look
  std::jthread thread_;
};

}  // namespace udon::cli
