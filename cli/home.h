#pragma once
// Where the files of an installation's home are; one place for their names. The spool's stand in spool/spool.h.
#include <string>

#include "base/file.h"

namespace udon::cli {

inline Path store_file(const Path& home) { return home / "udon.db"; }
inline Path lock_file(const Path& home) { return home / "lock"; }
inline Path socket_file(const Path& home) { return home / "run" / "udon.sock"; }
inline Path secret_key_file(const Path& home) { return home / "secret.key"; }
inline Path admin_password_file(const Path& home) { return home / "admin-password"; }
inline Path bundle_folder(const Path& home, const std::string& bundle) { return home / "bundles" / bundle; }
inline Path settings_file(const Path& home) { return home / "udon.yaml"; }

}  // namespace udon::cli
