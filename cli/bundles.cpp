#include "cli/bundles.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "cli/home.h"

namespace udon::cli {

namespace {

constexpr Duration file_looked_at_every = std::chrono::seconds(1);
constexpr int64_t secret_bytes_max = 64 << 10;
constexpr int64_t request_bytes_max = 64 << 20;

std::string short_of(const std::string& commit) { return commit.substr(0, 12); }

Result<std::string> secret_of_file(const Path& file) {
  TRY_ASSIGN(const std::string text, read_file(file, secret_bytes_max));
  const std::string secret(trim(text));
  if (secret.empty()) return Error{ErrorKind::invalid, file.string() + " is empty"};
  return secret;
}

}  // namespace

BundleKeeper::BundleKeeper(BundleKeeperOptions options, const Clock& clock, const OperatorCatalog& operators)
    : options_(std::move(options)), clock_(clock), operators_(operators) {}

Result<void> BundleKeeper::open() {
  if (options_.file.empty()) return {};
  file_taken_ = file_seen_ = stamp_of(options_.file);
  TRY_ASSIGN(const std::vector<BundleSpec> specs, read_bundles(options_.file));
  return take(specs, {});
}

Result<std::unique_ptr<BundleKeeper::Bundle>> BundleKeeper::make_bundle(const BundleSpec& spec) const {
  auto bundle =
      std::make_unique<Bundle>(Checkouts(spec, bundle_folder(options_.home, spec.name), options_.environment));
  bundle->status.spec = spec;
  TRY(bundle->checkouts.open());
  const std::string& commit = bundle->checkouts.current();
  std::error_code error;
  // Another subfolder may be named now.
  if (commit.empty() || !std::filesystem::is_directory(bundle->checkouts.dags_of(commit), error)) return bundle;
  bundle->status.commit = commit;
  bundle->folder = bundle->checkouts.dags_of(commit);
  bundle->subfolder = spec.subfolder;
  return bundle;
}

// Those that are said to be as before go on as they are; what a changed one had in use stays so until it was looked at.
Result<void> BundleKeeper::take(const std::vector<BundleSpec>& specs, const std::stop_token& stop) {
  std::vector<std::unique_ptr<Bundle>> fresh;
  for (const BundleSpec& spec : specs) {
    const Bundle* known = find(spec.name);
    if (known != nullptr && known->status.spec == spec) continue;
    TRY_ASSIGN(auto made, make_bundle(spec));
    made->checkouts.stop_with(stop);
    fresh.push_back(std::move(made));
  }
  const std::lock_guard lock(mutex_);
  // Runs that go on still have their files there.
  for (const auto& bundle : bundles_) left_folders_[bundle->status.spec.name] = bundle->folder;
  std::erase_if(bundles_, [&](const auto& bundle) {
    return std::ranges::find(specs, bundle->status.spec.name, [](const BundleSpec& spec) { return spec.name; }) ==
           specs.end();
  });
  for (auto& made : fresh) {
    const auto known = std::ranges::find_if(
        bundles_, [&](const auto& bundle) { return bundle->status.spec.name == made->status.spec.name; });
    if (known == bundles_.end()) {
      bundles_.push_back(std::move(made));
      continue;
    }
    // Who waits for a look waits for that of the new one.
    made->looks_begun = (*known)->looks_begun;
    made->looks_ended = (*known)->looks_ended;
    // Also where the same commit has another subfolder: its files may be worse.
    if (!(*known)->folder.empty()) {
      made->status.commit = (*known)->status.commit;
      made->status.since = (*known)->status.since;
      made->previous = (*known)->previous;
      made->folder = (*known)->folder;
      made->subfolder = (*known)->subfolder;
    }
    *known = std::move(made);
  }
  std::ranges::sort(bundles_, {}, [](const auto& bundle) { return bundle->status.spec.name; });
  return {};
}

// Taken when it has stood still from one look to the next: who writes it may not have ended yet.
void BundleKeeper::look_at_file(const std::stop_token& stop) {
  const FileStamp now = stamp_of(options_.file);
  if (now == file_taken_ || now != std::exchange(file_seen_, now)) return;
  file_taken_ = now;
  const Result<std::vector<BundleSpec>> specs = read_bundles(options_.file);
  const Result<void> taken = specs ? take(*specs, stop) : specs.error();
  // It makes sense, but its folders could not be made: tried again.
  if (specs && !taken) file_taken_ = FileStamp{};
  const std::string problem = taken ? "" : taken.error().message;
  bool is_new = taken.has_value();
  {
    const std::lock_guard lock(mutex_);
    is_new = std::exchange(problem_of_file_, problem) != problem || is_new;
  }
  if (taken)
    log_info("bundles", options_.file.string() + " has changed: " + std::to_string(specs->size()) +
                            (specs->size() == 1 ? " bundle" : " bundles"));
  changed_.notify_all();
  if (is_new) tell_change();
}

void BundleKeeper::tell_change() {
  if (options_.on_change) options_.on_change();
}

void BundleKeeper::start() {
  if (options_.file.empty()) return;
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void BundleKeeper::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

BundleKeeper::Bundle* BundleKeeper::find(const std::string& name) {
  for (const auto& bundle : bundles_)
    if (bundle->status.spec.name == name) return bundle.get();
  return nullptr;
}
const BundleKeeper::Bundle* BundleKeeper::find(const std::string& name) const {
  for (const auto& bundle : bundles_)
    if (bundle->status.spec.name == name) return bundle.get();
  return nullptr;
}

std::string BundleKeeper::what_stays(const Bundle& bundle) {
  if (bundle.folder.empty()) return "there is no earlier commit to go on with";
  const std::string& subfolder = bundle.subfolder;
  const std::string which = subfolder == bundle.status.spec.subfolder ? ""
                            : subfolder.empty()                       ? ", all of it,"
                                                                      : ", its folder `" + subfolder + "`,";
  return "commit " + short_of(bundle.status.commit) + which + " stays in use";
}

std::vector<CatalogRoot> BundleKeeper::roots() const {
  const std::lock_guard lock(mutex_);
  std::vector<CatalogRoot> roots;
  for (const auto& bundle : bundles_) {
    const BundleStatus& status = bundle->status;
    CatalogRoot root{.bundle = status.spec.name, .version = status.commit, .folder = bundle->folder, .diagnostics = {}};
    const std::string file = name_in_bundle(status.spec.name, "");
    if (!status.problem.empty()) {
      root.diagnostics.push_back({Diagnostic::Severity::error, file, 0, 0,
                                  to_string(status.spec.ref) + ": " + status.problem + "; " + what_stays(*bundle), ""});
    }
    if (!status.warning.empty())
      root.diagnostics.push_back({Diagnostic::Severity::warning, file, 0, 0, status.warning, ""});
    for (Diagnostic diagnostic : bundle->refused) {
      diagnostic.file = name_in_bundle(status.spec.name, diagnostic.file);
      root.diagnostics.push_back(std::move(diagnostic));
    }
    roots.push_back(std::move(root));
  }
  // No bundle has such a name: a root that has nothing but the mistake in it.
  if (!problem_of_file_.empty())
    roots.push_back({.bundle = options_.file.filename().string() + "!",
                     .version = {},
                     .folder = {},
                     .diagnostics = {{Diagnostic::Severity::error, options_.file.string(), 0, 0,
                                      problem_of_file_ + "; what it said before stays in use", ""}}});
  return roots;
}

std::string BundleKeeper::problem_of_file() const {
  const std::lock_guard lock(mutex_);
  return problem_of_file_;
}

std::vector<BundleStatus> BundleKeeper::status() const {
  const std::lock_guard lock(mutex_);
  std::vector<BundleStatus> all;
  for (const auto& bundle : bundles_) all.push_back(bundle->status);
  return all;
}

Path BundleKeeper::folder_of(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const Bundle* bundle = find(name);
  if (bundle != nullptr) return bundle->folder;
  const auto left = left_folders_.find(name);
  return left == left_folders_.end() ? Path() : left->second;
}

Result<uint64_t> BundleKeeper::ask_for_look(const std::string& name) {
  uint64_t wanted = 0;
  {
    const std::lock_guard lock(mutex_);
    Bundle* bundle = find(name);
    if (bundle == nullptr) return Error{ErrorKind::not_found, "there is no bundle `" + name + "`"};
    bundle->is_asked = true;
    wanted = bundle->looks_begun + 1;
  }
  changed_.notify_all();
  return wanted;
}

Result<void> BundleKeeper::ask(const std::string& name) {
  TRY(ask_for_look(name));
  return {};
}

Result<void> BundleKeeper::ask_and_wait(const std::string& name, Duration at_most) {
  TRY_ASSIGN(const uint64_t wanted, ask_for_look(name));
  std::unique_lock lock(mutex_);
  const Bundle* bundle = nullptr;
  const auto is_over = [&] {
    bundle = find(name);  // it may be another by now, or none
    return bundle == nullptr || bundle->looks_ended >= wanted || is_stopping_;
  };
  if (!changed_.wait_for(lock, at_most, is_over) || is_stopping_)
    return Error{ErrorKind::timeout, "bundle `" + name + "` is still being looked at; see `udon bundles list`"};
  if (bundle == nullptr)
    return Error{ErrorKind::not_found, "bundle `" + name + "` was taken out of " + options_.file.string()};
  return {};
}

Result<std::string> BundleKeeper::webhook_secret(const std::string& name) const {
  BundleSpec spec;
  {
    const std::lock_guard lock(mutex_);
    const Bundle* bundle = find(name);
    if (bundle == nullptr) return Error{ErrorKind::not_found, "there is no bundle `" + name + "`"};
    spec = bundle->status.spec;
  }
  if (!spec.webhook_secret_file.empty()) return secret_of_file(spec.webhook_secret_file);
  if (spec.webhook_connection.empty()) return Error{ErrorKind::not_found, "bundle `" + name + "` has no webhook"};
  TRY_ASSIGN(const Connection connection, options_.connection(spec.webhook_connection));
  if (connection.password.empty())
    return Error{ErrorKind::invalid, "connection `" + spec.webhook_connection + "` has no password"};
  return connection.password;
}

Result<std::optional<GitCredentials>> BundleKeeper::credentials_of(const BundleSpec& spec) const {
  if (!spec.password_file.empty()) {
    TRY_ASSIGN(std::string password, secret_of_file(spec.password_file));
    return std::optional(GitCredentials{spec.username, std::move(password)});
  }
  if (spec.connection.empty()) return std::optional<GitCredentials>();
  TRY_ASSIGN(const Connection connection, options_.connection(spec.connection));
  return std::optional(
      GitCredentials{connection.login.empty() ? spec.username : connection.login, connection.password});
}

void BundleKeeper::run(const std::stop_token& stop) {
  for (const auto& bundle : bundles_) bundle->checkouts.stop_with(stop);
  while (!stop.stop_requested()) {
    look_at_file(stop);
    Bundle* next = nullptr;
    {
      std::unique_lock lock(mutex_);
      const Duration now = clock_.monotonic();
      Duration due = now + file_looked_at_every;
      for (const auto& bundle : bundles_) {
        if (next == nullptr && (bundle->is_asked || bundle->due <= now)) next = bundle.get();
        due = std::min(due, bundle->due);
      }
      if (next == nullptr) {
        const auto is_wanted = [&] {
          return is_stopping_ || std::ranges::any_of(bundles_, [](const auto& bundle) { return bundle->is_asked; });
        };
        changed_.wait_for(lock, due - now, is_wanted);
        continue;
      }
      next->is_asked = false;
      next->looks_begun += 1;
    }
    look_at(*next);
    if (stop.stop_requested()) break;
    {
      const std::lock_guard lock(mutex_);
      next->looks_ended = next->looks_begun;
      next->due = clock_.monotonic() + next->status.spec.every;
    }
    changed_.notify_all();
  }
}

void BundleKeeper::look_at(Bundle& bundle) {
  remove_old(bundle);
  BundleStatus status;
  std::vector<Diagnostic> refused;
  Path folder;
  {
    const std::lock_guard lock(mutex_);
    status = bundle.status;
    refused = bundle.refused;
    folder = bundle.folder;
  }
  const std::string before = status.commit;
  const Result<void> brought = bring(bundle, status, folder, refused);
  if (!brought && brought.error().kind == ErrorKind::cancelled) return;
  if (!brought) {
    status.problem = brought.error().message;
    status.refused_commit.clear();
    refused.clear();
  }
  status.looked_at = clock_.now();
  if (status.commit != before)
    log_info("bundles", "bundle `" + status.spec.name + "` is at commit " + short_of(status.commit) +
                            (before.empty() ? "" : ", after " + short_of(before)));
  bool has_changed = false;
  {
    const std::lock_guard lock(mutex_);
    has_changed = status.commit != before || status.problem != bundle.status.problem ||
                  status.warning != bundle.status.warning || refused != bundle.refused || folder != bundle.folder;
    bundle.status = std::move(status);
    bundle.refused = std::move(refused);
    if (folder != bundle.folder) bundle.subfolder = bundle.status.spec.subfolder;
    bundle.folder = std::move(folder);
  }
  if (has_changed) tell_change();
}

// An error: the repository cannot be had, and all stays as it is.
Result<void> BundleKeeper::bring(Bundle& bundle, BundleStatus& status, Path& folder, std::vector<Diagnostic>& refused) {
  Checkouts& checkouts = bundle.checkouts;
  TRY_ASSIGN(const std::optional<GitCredentials> credentials, credentials_of(status.spec));
  TRY_ASSIGN(const std::string commit, checkouts.fetch(credentials));
  const uint64_t operators = operators_.generation();
  if (commit == status.refused_commit && operators == bundle.operators_seen) return {};
  bundle.operators_seen = operators;
  // The same commit's other subfolder is a change, too.
  if (const Path wanted = checkouts.dags_of(commit); commit != status.commit || wanted != folder) {
    TRY(checkouts.check_out(commit));
    const std::vector<Diagnostic> lost =
        folder.empty() ? std::vector<Diagnostic>() : lost_by_change(folder, wanted, operators_);
    if (!lost.empty()) {
      const std::string where = commit == status.commit ? " in `" + status.spec.subfolder + "`" : "";
      status.problem = "the files of commit " + short_of(commit) + where + " have errors (" + lost.front().file +
                       (lost.size() > 1 ? " and " + std::to_string(lost.size() - 1) + " more" : "") + ")";
      status.refused_commit = commit;
      refused = lost;
      return {};
    }
    TRY(checkouts.use(commit));
    if (commit != status.commit) bundle.previous = status.commit;
    status.commit = commit;
    status.since = clock_.now();
    folder = wanted;
  }
  status.warning = checkouts.has_submodules(commit) ? "the repository has submodules; they are not followed" : "";
  status.problem.clear();
  status.refused_commit.clear();
  refused.clear();
  return {};
}

// What no try stands in any more. The commit before the one in use stays: it may just be read, or handed to a try.
void BundleKeeper::remove_old(Bundle& bundle) {
  std::vector<std::string> kept{bundle.previous};
  const std::vector<std::string> commits = bundle.checkouts.commits();
  if (commits.size() <= 2) return;
  std::error_code error;
  for (std::filesystem::directory_iterator at(options_.home / "spool", error), end; !error && at != end;
       at.increment(error)) {
    const Result<std::string> request = read_file(at->path() / "request.json", request_bytes_max);
    if (!request) continue;
    for (const std::string& commit : commits)
      if (request->find(commit) != std::string::npos) kept.push_back(commit);
  }
  bundle.checkouts.remove_others(kept);
}

}  // namespace udon::cli
