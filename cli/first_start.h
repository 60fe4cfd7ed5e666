#pragma once
#include <optional>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "cli/settings.h"
#include "store/settings.h"

namespace udon::cli {

// An installation without an administrator gets the user `admin`, with UDON__WEB__ADMIN_PASSWORD or a random password.
// The random one is returned, to be shown once, and kept in admin-password of the home (mode 0600).
Result<std::optional<std::string>> make_first_user(const Path& home, const Settings& settings, StoreSettings& store);

}  // namespace udon::cli
