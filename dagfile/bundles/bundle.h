#pragma once
// DAG files that come out of a git repository: what `bundles.yaml` says of one, and how it stands.
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"

namespace udon {

struct GitRef {
  enum class Kind { branch, tag, commit };
  Kind kind = Kind::branch;
  std::string name = "main";
  bool operator==(const GitRef&) const = default;
};
std::string to_string(const GitRef& ref);  // "branch main"

struct BundleSpec {
  std::string name;
  std::string url;  // without a password
  GitRef ref;
  std::string subfolder;  // of the repository; empty: all of it
  Duration every = std::chrono::minutes(1);
  // Whence the login and password or token for http(s); at most one of the two.
  std::string connection;
  Path password_file;
  std::string username = "git";  // beside password_file
  Path ssh_key_file, known_hosts_file;
  // Whence the secret of the webhook; at most one of the two, and without any there is no webhook.
  std::string webhook_connection;
  Path webhook_secret_file;
  bool operator==(const BundleSpec&) const = default;
};

// The file's bundles, in order of their names; none if there is no such file. Errors name the position.
Result<std::vector<BundleSpec>> read_bundles(const Path& file);

// How a bundle stands, for people.
struct BundleStatus {
  BundleSpec spec;
  std::string commit;              // whose files are in use; empty: none yet
  std::optional<TimePoint> since;  // when that was taken over
  std::optional<TimePoint> looked_at;
  std::string problem;         // why the last look did not bring what the repository has; empty: it did
  std::string refused_commit;  // the repository's, if its files are why
  std::string warning;
};

}  // namespace udon
