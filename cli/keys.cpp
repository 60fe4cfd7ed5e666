#include "cli/keys.h"

#include "base/id.h"
#include "base/text.h"
#include "cli/home.h"
#include "web/auth.h"

namespace udon::cli {

Result<SecretKey> find_secret_key(const Path& home, const Settings& settings, MakeKey make) {
  SecretKey key;
  key.text = settings.text("core", "secret_key");
  if (key.text.empty()) {
    if (make == MakeKey::never && !std::filesystem::exists(secret_key_file(home))) return key;
    TRY_ASSIGN(key.text, read_or_make_cipher_key(secret_key_file(home)));
  }
  Result<std::shared_ptr<const Cipher>> cipher = make_cipher(key.text);
  if (!cipher) {
    const std::string source =
        settings.text("core", "secret_key").empty() ? secret_key_file(home).string() : "UDON__CORE__SECRET_KEY";
    return cipher.error().within(source);
  }
  key.cipher = *std::move(cipher);
  return key;
}

Result<std::string> key_of_tokens(const SecretKey& key, StoreSettings& settings) {
  TRY_ASSIGN(const std::string of_store, settings.setting_or_set("jwt_key", make_secret(32)));
  return web::hmac_sha256(key.text, "tokens of the API " + of_store);
}

std::function<std::string(const TryId&)> make_try_tokens(const SecretKey& key) {
  return [of_tries = web::hmac_sha256(key.text, "tokens of tries")](const TryId& id) {
    const std::string mac = web::hmac_sha256(of_tries, to_string(id));
    return to_hex({reinterpret_cast<const unsigned char*>(mac.data()), mac.size()});
  };
}

}  // namespace udon::cli
