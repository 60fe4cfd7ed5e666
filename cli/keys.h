#pragma once
// The installation's secret key, and what is derived from it. It is never in the store: a copy of the database alone
// opens nothing and signs nothing.
#include <functional>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "cli/settings.h"
#include "connections/secrets/cipher.h"
#include "model/run.h"
#include "store/settings.h"

namespace udon::cli {

struct SecretKey {
  std::string text;                      // empty: there is none (MakeKey::never)
  std::shared_ptr<const Cipher> cipher;  // nullptr then
};
enum class MakeKey { if_absent, never };
// UDON__CORE__SECRET_KEY, else secret.key of the home.
Result<SecretKey> find_secret_key(const Path& home, const Settings& settings, MakeKey make);

// What signs the API's tokens: from the key and a fact of the store, so that neither alone is enough.
Result<std::string> key_of_tokens(const SecretKey& key, StoreSettings& settings);
// The token of a try, in hex; the same for the same try after a restart.
std::function<std::string(const TryId&)> make_try_tokens(const SecretKey& key);

}  // namespace udon::cli
