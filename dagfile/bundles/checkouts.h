#pragma once
// A git repository's commits as folders, through the program `git`: fetched shallow into a repository of our own, each
// commit's files in a folder beside those of the one before, and a file that names the one in use. What was begun and
// not ended (kill -9, a full disk) is never in use. Not thread-safe; the bundle's thread owns it.
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "dagfile/bundles/bundle.h"

namespace udon {

struct GitCredentials {
  std::string username, password;
};

class Checkouts {
 public:
  // `folder`: the bundle's own, below the home. `environment`: of git; what it holds of git's own variables is left
  // out.
  Checkouts(BundleSpec spec, Path folder, std::vector<std::string> environment);

  // Makes the folder, removes what an earlier process left half done, and finds the commit that was in use.
  Result<void> open();
  const std::string& current() const { return current_; }  // empty: none
  // The commit in use, touching nothing: a server may have the folder. Empty: none.
  Result<std::string> look() const;
  // Of a commit's DAG files, whether or not it is there.
  Path dags_of(const std::string& commit) const;

  // What asks git to stop; before each use of it.
  void stop_with(std::stop_token stop) { stop_ = std::move(stop); }

  // The commit that branch, tag or commit names in the repository now; its objects are here then.
  Result<std::string> fetch(const std::optional<GitCredentials>& credentials);
  // Its files in a folder. The subfolder has to be there.
  Result<void> check_out(const std::string& commit);
  bool has_submodules(const std::string& commit) const;
  // From now on, also after a restart.
  Result<void> use(const std::string& commit);
  // Folders of commits that are not in use and not in `kept`.
  void remove_others(const std::vector<std::string>& kept);
  std::vector<std::string> commits() const;  // that have a folder

 private:
  Result<std::string> git(std::vector<std::string> arguments, const std::optional<GitCredentials>& credentials = {},
                          const std::vector<std::string>& more_environment = {});
  Result<void> init();
  Result<void> fetch_ref(const std::optional<GitCredentials>& credentials);
  Path repository() const { return folder_ / "repository.git"; }
  Path checkout_of(const std::string& commit) const { return folder_ / "checkouts" / commit; }

  const BundleSpec spec_;
  const Path folder_;
  std::vector<std::string> environment_;
  std::string current_;
  std::stop_token stop_;
};

}  // namespace udon
